"""The cars: the overview, one car with why and when, its chart, and what a person may ask of it."""

from datetime import timedelta
from typing import Any

from aiohttp import web

from scheduler.core.calendar import zone_named
from scheduler.http import asking, views
from scheduler.http.api import DAEMON
from scheduler.http.daemon import Known, all_vehicles
from scheduler.http.instants import instant
from scheduler.http.overview import commands_of, explanation_of, plan_of, summary_of
from scheduler.http.web import chain
from scheduler.http.web.pages import answer, known_of, open_alerts
from scheduler.http.web.rendering import path_segment
from scheduler.http.web.series import BACK, car_chart, charged
from scheduler.http.wishes import read_override
from scheduler.http.wording import rfc3339
from scheduler.ports import SessionRecord

HOUR, HELD_BY_DEFAULT = timedelta(hours=1), timedelta(hours=2)

MOST_PAST = 200
"""Of so many sessions at most the charging of the last day is shown."""

ROUTES = web.RouteTableDef()


@ROUTES.get("/")
async def overview(request: web.Request) -> web.Response:
    """Show every home with its cars."""
    daemon = request.app[DAEMON]
    alerts = await open_alerts(request)
    cars: dict[str, list[views.View]] = {home.id: [] for home in daemon.homes()}
    for known in all_vehicles(daemon):
        cars[known.home.id].append(_card(request, known, alerts))
    homes = [views.home_view(home) | {"cars": cars[home.id]} for home in daemon.homes()]
    health = views.plain(daemon.health())
    return await answer(request, "overview.html", homes=homes, alerts=alerts, health=health)


def _card(request: web.Request, known: Known, alerts: list[views.View]) -> views.View:
    daemon = request.app[DAEMON]
    car = summary_of(daemon, known)
    text, tone = chain.tone_of(car)
    return car | {
        "state": text,
        "tone": tone,
        "next": chain.next_change(daemon.last(known.spec.id), at=daemon.clock.now()),
        "alert_count": sum(alert["vehicle_id"] == known.spec.id for alert in alerts),
    }


@ROUTES.get("/cars/{vehicle}")
async def car(request: web.Request) -> web.Response:
    """Show one car: its state, why, the chain of reasons, the chart, the last commands, and what may be asked."""
    daemon, known = request.app[DAEMON], known_of(request)
    alerts = await open_alerts(request)
    last, now = daemon.last(known.spec.id), daemon.clock.now()
    card = _card(request, known, alerts)
    plan = plan_of(daemon, known)
    told = card | {"plan": plan}
    set_aside = last[0].set_aside if last is not None else ()
    there = now.astimezone(zone_named(known.home.timezone))
    return await answer(
        request,
        "car.html",
        alerts=alerts,
        own_alerts=[alert for alert in alerts if alert["vehicle_id"] == known.spec.id],
        car=card,
        plan=plan,
        steps=chain.steps(told, at=now, timezone=known.home.timezone, set_aside=set_aside) if last else [],
        facets=chain.facets(daemon.state(known.spec.id)),
        charged=await _charged(request, known),
        commands=await commands_of(daemon, known.spec.id),
        typed_now=f"{there:%Y-%m-%dT%H:%M}",
        typed_later=f"{there + HELD_BY_DEFAULT:%Y-%m-%dT%H:%M}",
    )


async def _past(request: web.Request, known: Known) -> list[SessionRecord]:
    """Return the sessions that ended within the time that the chart looks back."""
    daemon = request.app[DAEMON]
    return await daemon.store.sessions(vehicle_id=known.spec.id, since=daemon.clock.now() - BACK, limit=MOST_PAST)


async def _charged(request: web.Request, known: Known) -> list[views.View]:
    """Return when the car was charging in that time, newest first; spans that follow one another are one."""
    daemon = request.app[DAEMON]
    state = daemon.state(known.spec.id)
    session = state.session if state is not None else None
    spans: list[dict[str, Any]] = []
    for flow in charged(session, await _past(request, known), since=daemon.clock.now() - BACK):
        energy_kwh = flow.kw * ((flow.end - flow.start) / HOUR)
        if spans and spans[-1]["end"] == flow.start:
            spans[-1] |= {"end": flow.end, "energy_kwh": spans[-1]["energy_kwh"] + energy_kwh}
        else:
            spans.append({"start": flow.start, "end": flow.end, "energy_kwh": energy_kwh})
    return [views.plain(span) for span in reversed(spans)]


@ROUTES.get("/cars/{vehicle}/chart.json")
async def chart(request: web.Request) -> web.Response:
    """Answer with what the chart draws."""
    daemon, known = request.app[DAEMON], known_of(request)
    state = daemon.state(known.spec.id)
    observed = state.observation.battery.capacity_kwh if state is not None else None
    capacity_kwh = observed or known.spec.capacity_kwh
    session = state.session if state is not None else None
    past = await _past(request, known)
    return web.json_response(car_chart(plan_of(daemon, known), session, past=past, capacity_kwh=capacity_kwh))


@ROUTES.post("/cars/{vehicle}/override")
async def override(request: web.Request) -> web.Response:
    """Store what a person wants, and show the car again."""
    daemon, known = request.app[DAEMON], known_of(request)
    form = await asking.form(request)
    body: dict[str, Any] = {
        name: value for name in ("will", "until", "ready_at") if isinstance(value := form.get(name), str) and value
    }
    if soc := form.get("soc_pct"):
        body["soc_pct"] = _number(soc)
    wanted = read_override(body | {"by": "dashboard"}, known, daemon.last(known.spec.id), now=daemon.clock.now())
    await daemon.wish(known.spec.id, wanted)
    raise web.HTTPSeeOther(f"/cars/{path_segment(known.spec.id)}?done={wanted.will.value}")


def _number(text: object) -> float | str:
    """Return a typed number; what is none is left for the check to refuse in words."""
    try:
        return float(str(text).replace(",", "."))
    except ValueError:
        return str(text)


@ROUTES.get("/cars/{vehicle}/explain")
async def explain(request: web.Request) -> web.Response:
    """Show why the car was charging or not at a minute, now or long ago."""
    daemon, known = request.app[DAEMON], known_of(request)
    now = daemon.clock.now()
    asked = request.query.get("at", "")
    at = instant(asked, timezone=known.home.timezone, now=now, past=True) if asked else now
    told = await explanation_of(daemon, known, at=at)
    there = at.astimezone(zone_named(known.home.timezone))
    return await answer(
        request,
        "explain.html",
        car={"id": known.spec.id, "name": known.name, "timezone": known.home.timezone},
        told=told,
        at=rfc3339(at),
        typed=f"{there:%Y-%m-%dT%H:%M}",
        steps=chain.steps(told, at=at, timezone=known.home.timezone),
    )
