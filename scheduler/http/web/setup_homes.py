"""Homes on a page: place one, make it, look at it, only watch it for a while, delete it."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from scheduler.core.errors import HomeInvalid, OnboardError, ProviderError
from scheduler.core.garage import Account, Doubt
from scheduler.core.model import Mode
from scheduler.http import asking, views
from scheduler.http.api import DAEMON
from scheduler.http.daemon import all_vehicles
from scheduler.http.problem import Problem
from scheduler.http.web import home_form, preferences
from scheduler.http.web.guard import HEADERS
from scheduler.http.web.home_form import Form
from scheduler.http.web.pages import answer
from scheduler.http.web.rendering import path_segment
from scheduler.http.web.setup_links import user_of

PRICES_BACK = timedelta(days=2)
FOR_GOOD = timedelta(days=3650)
PAUSES = {"1": "a day", "3": "three days", "7": "a week", "14": "two weeks", "0": "until I resume it"}
"""Days to choose from, with the words for them."""

MAP = "img-src 'self' data: {}"
"""What the page with the map may show: pictures of its tiles' host, and the empty one of the map's library."""

ROUTES = web.RouteTableDef()


@ROUTES.get("/setup/place")
async def place(request: web.Request) -> web.Response:
    """Ask where home is and what is wanted there."""
    user_id = user_of(request.query.get("user"))
    account = await request.app[DAEMON].onboarding.account(user_id)
    texts, fault = _fresh(request, account), ""
    if source := request.query.get("from", ""):
        try:
            texts |= await home_form.position_of(request, account, source)
        except (OnboardError, ProviderError) as error:
            fault = f"{error}. One that was just linked needs a minute or so: try again, or type the coordinates."
    free = tuple(one.id for one in account.chargers if one.home_id is None)
    cars = tuple(one.id for one in account.vehicles if one.home_id is None)
    form = Form(user_id=user_id, texts=texts, charger_ids=free, vehicle_ids=cars)
    return await _shown(request, form, faults=[fault] if fault else [])


def _fresh(request: web.Request, account: Account | None = None) -> dict[str, str]:
    homes = request.app[DAEMON].homes()
    places = account.locations if account is not None else ()
    zones = [*(one.timezone for one in places), *(one.timezone for one in homes)]
    return {
        "name": "Home" if not homes else "",
        "timezone": next(iter(zones), ""),
        "currency": homes[0].currency if homes else "EUR",
        "ready_at": "07:30",
        "power_kw": "",
        "target_pct": home_form.TARGET_PCT,
        "prices": home_form.FLAT,
        "per_kwh": "0.25",
    }


async def _shown(
    request: web.Request, form: Form, *, faults: Sequence[str] = (), doubts: Sequence[Doubt] = ()
) -> web.Response:
    account = await request.app[DAEMON].onboarding.account(form.user_id)
    return await form_page(request, "place.html", form=form, account=account, faults=faults, doubts=doubts)


async def form_page(
    request: web.Request, template: str, *, faults: Sequence[str], doubts: Sequence[Doubt], **values: Any
) -> web.Response:
    """Answer with a page that has the form of a home: with its map, where the owner has named one."""
    daemon = request.app[DAEMON]
    chosen = await preferences.read(daemon.store)
    series = await daemon.store.prices(since=daemon.clock.now() - PRICES_BACK)
    sources = list(dict.fromkeys(one.name for one in series))
    barred = any(one.barred for one in doubts)
    told = {"faults": faults, "doubts": doubts, "barred": barred, "mark": home_form.mark_of(doubts)}
    known = {"sources": sources, "zones": home_form.zones(), "chosen": chosen}
    response = await answer(request, template, **told, **known, **values)
    response.set_status(400 if faults or barred else 409 if doubts else 200)
    if chosen.tiles:  # the one form that may fetch pictures from elsewhere, from there alone
        policy = f"{HEADERS['Content-Security-Policy']}; {MAP.format(chosen.tile_origin)}"
        response.headers["Content-Security-Policy"] = policy
    return response


@ROUTES.post("/setup/homes")
async def make(request: web.Request) -> web.Response:
    """Place the home at the provider with its chargers, and make it here; first tell what is doubtful about it."""
    onboarding = request.app[DAEMON].onboarding
    form = await home_form.form_of(request, first=_fresh(request))
    if "exchange" in form.texts:
        return await _shown(request, form.exchanged())
    try:
        table, spot = _table(form), form.spot()
        doubts = await onboarding.doubts(form.user_id, spot, charger_ids=form.charger_ids)
        if not form.settled(doubts):
            return await _shown(request, form, doubts=doubts)
        placed = await onboarding.place(
            form.user_id,
            latitude=spot.position.latitude,
            longitude=spot.position.longitude,
            name=spot.name,
            timezone=spot.timezone,
            charger_ids=form.charger_ids,
        )
        home = await onboarding.create_home({**table, "location_id": placed.location_id})
    except (HomeInvalid, OnboardError, ProviderError, ValueError) as error:
        return await _shown(request, form, faults=home_form.faults_of(error))
    raise web.HTTPSeeOther(f"/setup/homes/{path_segment(home.id)}?done=made")


def _table(form: Form) -> dict[str, Any]:
    """Return the home in the shape of the configuration, but for its place. Raises ValueError."""
    home_id = re.sub(r"[^\w]+", "-", form.text("name").casefold()).strip("-_")
    if not home_id:
        raise ValueError("Give the home a name.")
    power = {"charge_power_kw": form.number("power_kw", "The charging power")} if form.text("power_kw") else {}
    return {
        "id": home_id,
        "user_id": form.user_id,
        "timezone": form.text("timezone"),
        "currency": form.text("currency").upper(),
        "charger_ids": list(form.charger_ids),
        "vehicle": [{"id": one} | power for one in form.vehicle_ids],
        "policy": home_form.policies_of(form),
    }


DONE = {"made": "The home was made.", "paused": "Only watched for now.", "changed": "Changed."}


@ROUTES.get("/setup/homes/{home}")
async def home(request: web.Request) -> web.Response:
    """Show one home, and the lines to paste where it stands in the file."""
    daemon, home_id = request.app[DAEMON], request.match_info["home"]
    text = await daemon.onboarding.home_text(home_id)
    found = next((one for one in daemon.homes() if one.id == home_id), None)
    pauses = {one.subject: one.until for one in await daemon.onboarding.pauses()}
    now = daemon.clock.now()
    until = pauses.get(home_id)
    return await answer(
        request,
        "home.html",
        text=text,
        home=None if found is None else views.home_view(found),
        names={known.spec.id: known.name for known in all_vehicles(daemon)},
        mode=text.table.get("mode", Mode.CONTROL.value),
        paused=until,
        for_good=until is not None and until - now > FOR_GOOD / 2,
        pauses=PAUSES,
        done=DONE.get(request.query.get("done", ""), ""),
    )


@ROUTES.post("/setup/pauses/{subject}")
async def pause(request: web.Request) -> web.Response:
    """Only watch a home or a car for some days, or resume it."""
    form, daemon = await asking.form(request), request.app[DAEMON]
    subject, days = request.match_info["subject"], str(form.get("days", ""))
    until: datetime | None = None
    if days != "resume":
        if days not in PAUSES:
            raise Problem(400, "that is no time to pause for", remedy="Choose one of the list.")
        until = daemon.clock.now() + (timedelta(days=int(days)) if days != "0" else FOR_GOOD)
    await daemon.onboarding.pause(subject, until=until)
    is_home = any(one.id == subject for one in daemon.homes())
    where = f"/setup/{'homes' if is_home else 'cars'}/{path_segment(subject)}"
    raise web.HTTPSeeOther(f"{where}?done={'paused' if until else 'changed'}")


@ROUTES.post("/setup/homes/{home}/mode")
async def mode(request: web.Request) -> web.Response:
    """Control a home, or only watch it from now on: what is held is started first. One of the file is refused."""
    form, onboarding = await asking.form(request), request.app[DAEMON].onboarding
    home_id = request.match_info["home"]
    wanted = str(form.get("mode", ""))
    if wanted not in {one.value for one in Mode}:
        raise Problem(400, "that is no mode", remedy="control, observe or off.")
    text = await onboarding.home_text(home_id)
    await onboarding.change_home(home_id, {**text.table, "mode": wanted}, release=True)
    raise web.HTTPSeeOther(f"/setup/homes/{path_segment(home_id)}?done=changed")


@ROUTES.post("/setup/homes/{home}/delete")
async def delete(request: web.Request) -> web.Response:
    """Delete a home; a car that is held is started first where the person left that ticked."""
    form = await asking.form(request)
    await request.app[DAEMON].onboarding.delete_home(request.match_info["home"], release=form.get("release") == "yes")
    raise web.HTTPSeeOther("/setup?done=deleted")
