"""A home that was made on a page, changed on one: where it is, what belongs to it, and what is wanted there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from scheduler.core.errors import HomeInvalid, OnboardError, ProviderError
from scheduler.core.garage import Account, Doubt, HomeText, LocationCard, Spot
from scheduler.http.api import DAEMON
from scheduler.http.web import home_form
from scheduler.http.web.home_form import Form
from scheduler.http.web.rendering import path_segment
from scheduler.http.web.setup_homes import form_page

ROUTES = web.RouteTableDef()

POWER = "power:"
"""What stands before a car's id in the name of its own field."""


@dataclass(frozen=True, kw_only=True)
class _Known:
    """The home as it is: its text, and what the provider tells of it (`trouble` where that is nothing)."""

    text: HomeText
    account: Account
    trouble: str = ""

    @property
    def place(self) -> LocationCard | None:
        """The home's place at the provider."""
        wanted = self.text.table.get("location_id")
        return next((one for one in self.account.locations if one.id == wanted), None)

    @property
    def vehicles(self) -> dict[str, Mapping[str, Any]]:
        """The tables of the home's vehicles, by id."""
        return {one["id"]: one for one in self.text.table.get("vehicle", ())}

    @property
    def charger_ids(self) -> tuple[str, ...]:
        return tuple(self.text.table.get("charger_ids", ()))

    def cars(self) -> dict[str, str]:
        """Return the names of the home's cars and of those that have no home, by id."""
        free = {one.id: one.name for one in self.account.vehicles if one.home_id in {None, self.text.id}}
        own = {key: str(one.get("name") or free.get(key, key)) for key, one in self.vehicles.items()}
        return own | {key: name for key, name in free.items() if key not in own}

    def chargers(self) -> dict[str, str]:
        """Return the names of the home's chargers and of those that have no home, by id."""
        names = {one.id: one.name for one in self.account.chargers}
        free = [one.id for one in self.account.chargers if one.home_id in {None, self.text.id}]
        return {one: names.get(one, one) for one in dict.fromkeys([*self.charger_ids, *free])}


@ROUTES.get("/setup/homes/{home}/change")
async def ask(request: web.Request) -> web.Response:
    """Show the form of a home as it is; one of the file is changed there, and its own page says so."""
    known = await _known(request)
    form, fault = _first(known, in_lines=request.query.get("policies") == "toml"), ""
    if source := request.query.get("from", ""):
        try:
            found = await home_form.position_of(request, known.account, source)
            form = replace(form, texts={**form.texts, **found})
        except (OnboardError, ProviderError) as error:
            fault = f"{error}. Try again in a minute, or type the coordinates."
    return await _shown(request, known, form, faults=[fault] if fault else [])


async def _known(request: web.Request) -> _Known:
    """Return the home that the address names. Raises NotThere."""
    onboarding, home_id = request.app[DAEMON].onboarding, request.match_info["home"]
    text = await onboarding.home_text(home_id)
    if not text.stored:
        raise web.HTTPSeeOther(f"/setup/homes/{path_segment(home_id)}")
    user_id = str(text.table["user_id"])
    try:
        return _Known(text=text, account=await onboarding.account(user_id))
    except ProviderError as error:
        return _Known(
            text=text, account=Account(user_id=user_id, at=request.app[DAEMON].clock.now()), trouble=str(error)
        )


def _first(known: _Known, *, in_lines: bool) -> Form:
    """Return the form of a home as it is now."""
    table, place = known.text.table, known.place
    policies = None if in_lines else home_form.as_fields(table.get("policy", ()))
    texts = {
        "timezone": str(table.get("timezone", "")),
        "currency": str(table.get("currency", "EUR")),
        "name": place.name if place is not None else "Home",
        "latitude": "",
        "longitude": "",
        "per_kwh": "",
        "release": "yes",
    }
    if place is not None and place.position is not None:
        texts |= home_form.coordinates(place.position)
    texts |= {"policies": home_form.as_lines(known.text.lines)} if policies is None else policies
    for key, one in known.vehicles.items():
        texts[POWER + key] = str(one.get("charge_power_kw") or "").removesuffix(".0")
    return Form(
        user_id=known.account.user_id, texts=texts, charger_ids=known.charger_ids, vehicle_ids=tuple(known.vehicles)
    )


async def _shown(
    request: web.Request, known: _Known, form: Form, *, faults: Sequence[str] = (), doubts: Sequence[Doubt] = ()
) -> web.Response:
    return await form_page(
        request,
        "home_change.html",
        form=form,
        text=known.text,
        account=known.account,
        trouble=known.trouble,
        cars=known.cars(),
        own=known.vehicles,
        chargers=known.chargers(),
        faults=faults,
        doubts=doubts,
    )


@ROUTES.post("/setup/homes/{home}/change")
async def change(request: web.Request) -> web.Response:
    """Change the home as asked; first tell what is doubtful about another place."""
    known, onboarding = await _known(request), request.app[DAEMON].onboarding
    empty = ("latitude", "longitude", "timezone", "currency", "per_kwh", "ready_at", "target_pct")
    first = dict.fromkeys(empty, "") | {"name": "Home", "prices": home_form.FLAT}
    form = await home_form.form_of(request, user_id=known.account.user_id, first=first)
    if "exchange" in form.texts:
        return await _shown(request, known, form.exchanged())
    try:
        table, spot = _table(known, form), _spot(known, form)
        doubts = await _doubts(request, known, form, spot)
        if not form.settled(doubts):
            return await _shown(request, known, form, doubts=doubts)
        release = form.texts.get("release") == "yes"
        await onboarding.change_home(known.text.id, table, release=release, spot=spot)
    except (HomeInvalid, OnboardError, ProviderError, ValueError) as error:
        return await _shown(request, known, form, faults=home_form.faults_of(error))
    raise web.HTTPSeeOther(f"/setup/homes/{path_segment(known.text.id)}?done=changed")


def _table(known: _Known, form: Form) -> dict[str, Any]:
    """Return the home's table as it is wanted; what the form does not show stays. Raises ValueError."""
    return {
        **known.text.table,
        "timezone": form.text("timezone"),
        "currency": form.text("currency").upper(),
        "charger_ids": [one for one in known.chargers() if one in form.charger_ids],
        "vehicle": [_vehicle(known, form, one) for one in known.cars() if one in form.vehicle_ids],
        "policy": home_form.policies_of(form),
    }


def _vehicle(known: _Known, form: Form, vehicle_id: str) -> dict[str, Any]:
    table = {"id": vehicle_id, **known.vehicles.get(vehicle_id, {})}
    table.pop("charge_power_kw", None)
    name = POWER + vehicle_id
    power = {"charge_power_kw": form.number(name, "The charging power")} if form.text(name) else {}
    return table | power


def _spot(known: _Known, form: Form) -> Spot | None:
    """Return where the home is to be; None where nothing of that was changed, or can be. Raises ValueError."""
    if known.trouble or not (form.text("latitude") or form.text("longitude")):
        return None
    spot, place = form.spot(), known.place
    as_it_is = place is not None and (place.name, place.timezone) == (spot.name, spot.timezone)
    if as_it_is and _is_there(place, spot) and set(form.charger_ids) <= set(known.charger_ids):
        return None
    return spot


def _is_there(place: LocationCard | None, spot: Spot) -> bool:
    here = place.position if place is not None else None
    return here is not None and home_form.coordinates(here) == home_form.coordinates(spot.position)


async def _doubts(request: web.Request, known: _Known, form: Form, spot: Spot | None) -> tuple[Doubt, ...]:
    """Return what is doubtful about the place, where that is to be another, or in another time zone."""
    if spot is None or (_is_there(known.place, spot) and known.text.table.get("timezone") == spot.timezone):
        return ()
    return await request.app[DAEMON].onboarding.doubts(
        known.account.user_id, spot, charger_ids=form.charger_ids, home_id=known.text.id
    )
