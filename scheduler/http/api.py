"""The API `/api/v1`: what the command line asks over the Unix socket, and a web page may ask later.

Every answer is JSON; an error is a problem with `title`, `detail` and `remedy`.
"""

import inspect
import json
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from scheduler.core.model import Place
from scheduler.http import asking, views
from scheduler.http.api_document import add_document
from scheduler.http.api_events import add_feed
from scheduler.http.api_onboarding import add_onboarding
from scheduler.http.api_prices import add_prices
from scheduler.http.daemon import Daemon, Known, all_vehicles, vehicle_called
from scheduler.http.instants import instant
from scheduler.http.metrics import add_metrics
from scheduler.http.overview import (
    alerts_of,
    commands_of,
    explanation_of,
    names_of,
    plan_in_full,
    plan_of,
    status_of,
    summary_of,
)
from scheduler.http.problem import Problem, problems
from scheduler.http.wishes import read_override
from scheduler.ports import DecisionRecord

DAEMON = web.AppKey("daemon", Daemon)


def api_app(daemon: Daemon) -> web.Application:
    """Return the application that serves the whole API, health and metrics."""
    app = web.Application(middlewares=[problems], client_max_size=64 * 1024)
    add_api(app, daemon)
    add_health(app, daemon)
    return app


def add_api(app: web.Application, daemon: Daemon) -> None:
    """Add the routes of `/api/v1`: on the socket as they are, on a port behind a guard."""
    app[DAEMON] = daemon
    v1 = "/api/v1"
    app.add_routes(
        [
            web.get(f"{v1}/status", _status),
            web.get(f"{v1}/homes", _homes),
            web.get(f"{v1}/vehicles", _vehicles),
            web.get(f"{v1}/vehicles/{{vehicle}}", _vehicle),
            web.get(f"{v1}/vehicles/{{vehicle}}/plan", _plan),
            web.get(f"{v1}/vehicles/{{vehicle}}/explain", _explain),
            web.post(f"{v1}/vehicles/{{vehicle}}/override", _override),
            web.delete(f"{v1}/vehicles/{{vehicle}}/override", _clear_override),
            web.post(f"{v1}/release", _release),
            web.get(f"{v1}/actions", _actions),
            web.get(f"{v1}/overrides", _overrides),
            web.get(f"{v1}/sessions", _sessions),
            web.get(f"{v1}/alerts", _alerts),
            web.get(f"{v1}/decisions", _decisions),
            web.get(f"{v1}/blobs/{{digest}}", _blob),
            web.get(f"{v1}/policies", _policies),
            web.get(f"{v1}/journal", _journal),
            web.post(f"{v1}/reload", _reload),
            web.get(f"{v1}/webhook", _webhook),
            web.post(f"{v1}/webhook", _webhook_do),
        ]
    )
    add_onboarding(app, daemon)
    add_prices(app, daemon)
    add_feed(app, daemon)
    add_document(app)


def add_health(app: web.Application, daemon: Daemon) -> None:
    """Add `/healthz`, `/readyz` and `/metrics`: 503 where the daemon is not alive, or not ready."""

    async def alive(request: web.Request) -> web.Response:  # noqa: ARG001
        return _health(daemon, "live")

    async def ready(request: web.Request) -> web.Response:  # noqa: ARG001
        return _health(daemon, "ready")

    app.add_routes([web.get("/healthz", alive), web.get("/readyz", ready)])
    add_metrics(app, daemon)


def _health(daemon: Daemon, what: str) -> web.Response:
    health = views.plain(daemon.health())
    return web.json_response(health, status=200 if health.get(what) else 503)


async def _status(request: web.Request) -> web.Response:
    return web.json_response(await status_of(request.app[DAEMON]))


async def _homes(request: web.Request) -> web.Response:
    return web.json_response({"homes": [views.home_view(home) for home in request.app[DAEMON].homes()]})


async def _vehicles(request: web.Request) -> web.Response:
    daemon = request.app[DAEMON]
    return web.json_response({"vehicles": [summary_of(daemon, known) for known in all_vehicles(daemon)]})


def _known(request: web.Request) -> Known:
    return vehicle_called(request.app[DAEMON], request.match_info["vehicle"])


async def _vehicle(request: web.Request) -> web.Response:
    daemon, known = request.app[DAEMON], _known(request)
    commands = await commands_of(daemon, known.spec.id)
    return web.json_response(summary_of(daemon, known) | {"plan": plan_of(daemon, known), "commands": commands})


async def _plan(request: web.Request) -> web.Response:
    return web.json_response(await plan_in_full(request.app[DAEMON], _known(request)))


async def _explain(request: web.Request) -> web.Response:
    """Say why the car was charging or not: now, or at the instant `at`."""
    daemon, known = request.app[DAEMON], _known(request)
    now = daemon.clock.now()
    asked = request.query.get("at")
    at = instant(asked, timezone=known.home.timezone, now=now, past=True) if asked else now
    return web.json_response(await explanation_of(daemon, known, at=at))


async def _override(request: web.Request) -> web.Response:
    daemon, known = request.app[DAEMON], _known(request)
    override = read_override(await asking.body(request), known, daemon.last(known.spec.id), now=daemon.clock.now())
    await daemon.wish(known.spec.id, override)
    place = summary_of(daemon, known).get("verdict")
    home = place is not None and place["place"] == Place.HOME
    answer = {"vehicle": known.spec.id, "name": known.name, "timezone": known.home.timezone, "at_home": home}
    return web.json_response(answer | {"override": views.override_view(override)}, status=202)


async def _clear_override(request: web.Request) -> web.Response:
    daemon, known = request.app[DAEMON], _known(request)
    by = request.query.get("by", "api")
    override = read_override({"will": "auto", "by": by}, known, None, now=daemon.clock.now())
    await daemon.wish(known.spec.id, override)
    return web.json_response({"vehicle": known.spec.id, "name": known.name, "override": None}, status=202)


async def _release(request: web.Request) -> web.Response:
    """Start what we hold: the vehicles named in `vehicles`, or with `all` every one."""
    daemon, body = request.app[DAEMON], await asking.body(request)
    named = body.get("vehicles", [])
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise Problem(400, "vehicles must be a list of names", remedy='Send {"vehicles": ["Polly"]} or {"all": true}.')
    if not isinstance(body.get("all", False), bool):
        raise Problem(400, "all must be true or false", remedy='Send {"all": true}.')
    if bool(named) == bool(body.get("all")):
        raise Problem(400, "name vehicles, or all of them", remedy='Send {"vehicles": ["Polly"]} or {"all": true}.')
    known = all_vehicles(daemon) if body.get("all") else [vehicle_called(daemon, name) for name in named]
    asked = await daemon.release([one.spec.id for one in known])
    names = {one.spec.id: one.name for one in known}
    return web.json_response({"asked": [{"vehicle": one, "name": names.get(one, one)} for one in asked]}, status=202)


async def _actions(request: web.Request) -> web.Response:
    daemon = request.app[DAEMON]
    names = names_of(daemon)
    since = asking.instant_of(request, "since", daemon.clock.now())
    found = await daemon.store.commands(
        vehicle_id=asking.vehicle_id(request, daemon), since=since, limit=asking.limit(request)
    )
    return web.json_response({"actions": [views.command_view(command, names) for command in found]})


async def _overrides(request: web.Request) -> web.Response:
    daemon = request.app[DAEMON]
    found = await daemon.store.overrides(vehicle_id=asking.vehicle_id(request, daemon), limit=asking.limit(request))
    return web.json_response({"overrides": [views.override_record_view(one, names_of(daemon)) for one in found]})


async def _sessions(request: web.Request) -> web.Response:
    daemon = request.app[DAEMON]
    vehicle_id, names = asking.vehicle_id(request, daemon), names_of(daemon)
    found = await daemon.store.sessions(vehicle_id=vehicle_id, limit=asking.limit(request))
    totals = await daemon.store.session_totals(vehicle_id=vehicle_id)
    return web.json_response(
        {
            "sessions": [views.session_record_view(one, names) for one in found],
            "totals": [views.session_total_view(one) for one in totals],
        }
    )


async def _alerts(request: web.Request) -> web.Response:
    daemon = request.app[DAEMON]
    open_only = not asking.flag(request, "all")
    found = await daemon.store.alerts(open_only=open_only, limit=asking.limit(request))
    return web.json_response({"alerts": alerts_of(daemon, found)})


async def _decisions(request: web.Request) -> web.StreamResponse:
    """Answer with the kept decisions, oldest first; with `full` as JSON lines that a replay can read."""
    daemon = request.app[DAEMON]
    full, names = asking.flag(request, "full"), names_of(daemon)
    most = asking.limit(request, default=1_000_000 if full else 100, most=1_000_000)
    found: Any = daemon.store.decisions(vehicle_id=asking.vehicle_id(request, daemon), limit=most)
    records: AsyncIterator[DecisionRecord] = await found if inspect.isawaitable(found) else found
    if not full:
        return web.json_response({"decisions": [views.record_view(one, names) async for one in records]})
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    async for record in records:
        await response.write(json.dumps(views.record_view(record, names, full=True)).encode() + b"\n")
    await response.write_eof()
    return response


async def _blob(request: web.Request) -> web.Response:
    """Answer with what was stored once by its hash: a replay needs it."""
    stored = await request.app[DAEMON].store.blob(request.match_info["digest"])
    if stored is None:
        raise Problem(404, "nothing is stored by that hash", detail=request.match_info["digest"])
    return web.Response(body=stored, content_type="application/json")


async def _policies(request: web.Request) -> web.Response:
    return web.json_response({"policies": views.plain(request.app[DAEMON].policies())})


async def _journal(request: web.Request) -> web.Response:
    """Answer with a page of the journal; `next` goes into the next request's `after`."""
    daemon = request.app[DAEMON]
    after = asking.whole(request, "after", default=0)
    run = asking.whole(request, "run", default=-1)
    events = await daemon.store.journal(
        after=after,
        run=None if run < 0 else run,
        vehicle_id=asking.vehicle_id(request, daemon),
        limit=asking.limit(request, default=1000),
    )
    last = events[-1].get("row", after) if events else after
    return web.json_response({"events": events, "next": last})


async def _reload(request: web.Request) -> web.Response:
    return web.json_response({"reloaded": True, "warnings": await request.app[DAEMON].reload()})


async def _webhook(request: web.Request) -> web.Response:
    return web.json_response(views.plain(await request.app[DAEMON].webhook("status")))


async def _webhook_do(request: web.Request) -> web.Response:
    op = (await asking.body(request)).get("op")
    if not isinstance(op, str) or op not in {"ensure", "test"}:
        raise Problem(400, "op must be ensure or test", remedy='Send {"op": "ensure"}.')
    return web.json_response(views.plain(await request.app[DAEMON].webhook(op)))
