"""Homes on a page: place one, make it, look at it, only watch it for a while, delete it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from aiohttp import web

from scheduler.core.errors import HomeInvalid, OnboardError, ProviderError
from scheduler.core.garage import Account, Placed
from scheduler.core.model import Mode
from scheduler.http import views
from scheduler.http.api import DAEMON
from scheduler.http.daemon import all_vehicles
from scheduler.http.problem import Problem
from scheduler.http.web import preferences
from scheduler.http.web.guard import HEADERS
from scheduler.http.web.pages import answer
from scheduler.http.web.rendering import path_segment
from scheduler.http.web.setup_links import user_of

PRICES_BACK = timedelta(days=2)
FOR_GOOD = timedelta(days=3650)
PAUSES = {"1": "a day", "3": "three days", "7": "a week", "14": "two weeks", "0": "until I resume it"}
"""Days to choose from, with the words for them."""

FLAT = "flat"

ROUTES = web.RouteTableDef()


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """The form as it was sent."""

    user_id: str
    texts: Mapping[str, str]
    charger_ids: tuple[str, ...]
    vehicle_ids: tuple[str, ...]

    def number(self, name: str, words: str) -> float:
        """Return a number. Raises ValueError with words for the person."""
        text = self.texts.get(name, "").strip().replace(",", ".")
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"{words} must be a number.") from None
        if not abs(value) < 1e6:  # noqa: PLR2004 - finite
            raise ValueError(f"{words} must be a number.")
        return value


@ROUTES.get("/setup/place")
async def place(request: web.Request) -> web.Response:
    """Ask where home is and what is wanted there."""
    user_id = user_of(request.query.get("user"))
    account = await request.app[DAEMON].onboarding.account(user_id)
    texts, fault = _fresh(request, account), ""
    if source := request.query.get("from", ""):
        try:
            texts |= await _position(request, account, source)
        except (OnboardError, ProviderError) as error:
            fault = f"{error}. One that was just linked needs a minute or so: try again, or type the coordinates."
    free = tuple(one.id for one in account.chargers if one.home_id is None)
    cars = tuple(one.id for one in account.vehicles if one.home_id is None)
    asked = _Asked(user_id=user_id, texts=texts, charger_ids=free, vehicle_ids=cars)
    return await _form(request, account, asked, [fault] if fault else [])


async def _position(request: web.Request, account: Account, source: str) -> dict[str, str]:
    """Return the coordinates of a place that the provider keeps, or of where a car is now; they stand in no address."""
    kept = next((one for one in account.locations if one.id == source and one.position is not None), None)
    if kept is not None and kept.position is not None:
        found, more = kept.position, {"name": kept.name, "timezone": kept.timezone}
    else:
        found, more = await request.app[DAEMON].onboarding.whereabouts(source), {}
    return {"latitude": f"{found.latitude:.6f}", "longitude": f"{found.longitude:.6f}", **more}


def _fresh(request: web.Request, account: Account) -> dict[str, str]:
    homes = request.app[DAEMON].homes()
    zones = [*(one.timezone for one in account.locations), *(one.timezone for one in homes)]
    return {
        "name": "Home" if not homes else "",
        "timezone": next(iter(zones), ""),
        "currency": homes[0].currency if homes else "EUR",
        "ready_at": "07:30",
        "power_kw": "",
        "target_pct": "80",
        "prices": FLAT,
        "per_kwh": "0.25",
    }


async def _form(
    request: web.Request, account: Account, asked: _Asked, faults: list[str], status: int = 200
) -> web.Response:
    daemon = request.app[DAEMON]
    chosen = await preferences.read(daemon.store)
    response = await answer(
        request,
        "place.html",
        user=asked.user_id,
        account=account,
        texts=asked.texts,
        charger_ids=asked.charger_ids,
        vehicle_ids=asked.vehicle_ids,
        faults=faults,
        sources=await _sources(request),
        zones=_zones(),
        chosen=chosen,
    )
    response.set_status(status)
    if chosen.tiles:  # the one page that may fetch pictures from elsewhere, from there alone
        policy = f"{HEADERS['Content-Security-Policy']}; img-src 'self' {chosen.tile_origin}"
        response.headers["Content-Security-Policy"] = policy
    return response


@cache
def _zones() -> tuple[str, ...]:
    """Return every time zone that there is; looking costs more than the rest of the page."""
    return tuple(sorted(available_timezones()))


async def _sources(request: web.Request) -> list[str]:
    daemon = request.app[DAEMON]
    series = await daemon.store.prices(since=daemon.clock.now() - PRICES_BACK)
    return list(dict.fromkeys(one.name for one in series))


@ROUTES.post("/setup/homes")
async def make(request: web.Request) -> web.Response:
    """Place the home at the provider with its chargers, and make it here."""
    form, onboarding = await request.post(), request.app[DAEMON].onboarding
    texts = {name: value for name, value in form.items() if isinstance(value, str) and not name.startswith("_")}
    asked = _Asked(
        user_id=user_of(form.get("user")),
        texts=_fresh(request, Account(user_id="", at=request.app[DAEMON].clock.now())) | texts,
        charger_ids=tuple(str(one) for one in form.getall("charger", [])),
        vehicle_ids=tuple(str(one) for one in form.getall("vehicle", [])),
    )
    try:
        table = _table(asked)
        placed = await onboarding.place(
            asked.user_id,
            latitude=asked.number("latitude", "Latitude"),
            longitude=asked.number("longitude", "Longitude"),
            name=asked.texts["name"].strip(),
            timezone=asked.texts["timezone"].strip(),
            charger_ids=asked.charger_ids,
        )
        home = await onboarding.create_home({**table, "location_id": placed.location_id})
    except (HomeInvalid, OnboardError, ProviderError, ValueError) as error:
        account = await onboarding.account(asked.user_id)
        return await _form(request, account, asked, _faults(error), status=400)
    return await _made(request, home.id, placed)


def _faults(error: Exception) -> list[str]:
    if isinstance(error, HomeInvalid):
        return list(error.problems)
    remedy = error.remedy if isinstance(error, OnboardError) else ""
    return [f"{str(error)[:1].upper()}{str(error)[1:].rstrip('.')}. {remedy}".strip()]


async def _made(request: web.Request, home_id: str, placed: Placed) -> web.Response:
    if not placed.warnings:
        raise web.HTTPSeeOther(f"/setup/homes/{path_segment(home_id)}?done=made")
    return await answer(request, "placed.html", home=home_id, placed=placed)


def _table(asked: _Asked) -> dict[str, Any]:
    """Return the home in the shape of the configuration, but for its place. Raises ValueError."""
    name = asked.texts["name"].strip()
    home_id = re.sub(r"[^\w]+", "-", name.casefold()).strip("-_")
    if not home_id:
        raise ValueError("Give the home a name.")
    policies: list[dict[str, Any]] = []
    if asked.texts["ready_at"]:
        soc_pct = asked.number("target_pct", "The wanted state of charge")
        policies.append({"name": "ready-by", "at": asked.texts["ready_at"], "soc_pct": soc_pct})
    if asked.texts["prices"] == FLAT:
        policies.append({"name": "flat", "per_kwh": asked.number("per_kwh", "The price")})
    else:
        policies.append({"name": "spot", "source": asked.texts["prices"]})
    power = {"charge_power_kw": asked.number("power_kw", "The charging power")} if asked.texts["power_kw"] else {}
    return {
        "id": home_id,
        "user_id": asked.user_id,
        "timezone": asked.texts["timezone"].strip(),
        "currency": asked.texts["currency"].strip().upper(),
        "charger_ids": list(asked.charger_ids),
        "vehicle": [{"id": one} | power for one in asked.vehicle_ids],
        "policy": policies,
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
    form, daemon = await request.post(), request.app[DAEMON]
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
    """Control a home, or only watch it from now on. A home of the file is refused with the lines to paste."""
    form, onboarding = await request.post(), request.app[DAEMON].onboarding
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
    form = await request.post()
    await request.app[DAEMON].onboarding.delete_home(request.match_info["home"], release=form.get("release") == "yes")
    raise web.HTTPSeeOther("/setup?done=deleted")
