"""One car's set-up: its pair with the charger, what a person must do, other hands on it; and the owner's choices."""

from dataclasses import asdict
from typing import Any

from aiohttp import web

from scheduler.core.errors import NotThere, ProviderError
from scheduler.core.garage import Card, Conflict, InterventionCard
from scheduler.http import asking
from scheduler.http.api import DAEMON
from scheduler.http.web import markdown, preferences
from scheduler.http.web.pages import answer
from scheduler.http.web.preferences import Preferences
from scheduler.http.web.rendering import path_segment
from scheduler.http.web.setup_homes import PAUSES

ROUTES = web.RouteTableDef()

WHO = {"User": "You can do this", "ThirdParty": "Somebody else must do this"}
WHERE = {"Remote": "from anywhere", "Physical": "at the car or charger"}
DOES = {
    "startCharging": "start charging",
    "stopCharging": "stop charging",
    "location": "know where the car is",
    "chargeState": "see the charging",
    "information": "see what car it is",
    "odometer": "see the odometer",
    "setMaxCurrent": "limit the current",
    "smartCharging": "charge smartly",
    "chargeRate": "see the charging power",
}
"""What a capability of the provider's is good for."""

DONE = {"resolved": "Switched off.", "paused": "Only watched for now.", "changed": "Changed."}


@ROUTES.get("/setup/cars/{vehicle}")
async def car(request: web.Request) -> web.Response:
    """Show what one car needs, with what blocks before what only helps."""
    daemon, vehicle_id = request.app[DAEMON], request.match_info["vehicle"]
    chosen = await preferences.read(daemon.store)
    cards, conflicts, trouble = await _asked(request, vehicle_id, chosen.language)
    paused = {one.subject: one.until for one in await daemon.onboarding.pauses()}.get(vehicle_id)
    return await answer(
        request,
        "setup_car.html",
        card=await _card(request, vehicle_id),
        blocking=[_told(one) for one in cards if one.blocking],
        optional=[_told(one) for one in cards if not one.blocking],
        conflicts=conflicts,
        trouble=trouble,
        language=preferences.LANGUAGES[chosen.language],
        paused=paused,
        pauses=PAUSES,
        done=DONE.get(request.query.get("done", ""), ""),
    )


async def _asked(
    request: web.Request, vehicle_id: str, language: str
) -> tuple[tuple[InterventionCard, ...], tuple[Conflict, ...], str]:
    """Return what is asked for and who else is at work; what the provider does not tell now is said in words."""
    onboarding = request.app[DAEMON].onboarding
    try:
        cards = await onboarding.interventions(vehicle_id, language=language)
        return cards, await onboarding.conflicts(vehicle_id), ""
    except ProviderError as error:
        return (), (), str(error)


async def _card(request: web.Request, vehicle_id: str) -> Card:
    """Return the car as the provider shows it. Raises NotThere."""
    daemon = request.app[DAEMON]
    mine = [home.user_id for home in daemon.homes() if any(one.id == vehicle_id for one in home.vehicles)]
    for user_id in mine or await daemon.onboarding.users():
        if (found := (await daemon.onboarding.account(user_id)).vehicle(vehicle_id)) is not None:
            return found
    raise NotThere(f"no linked car has the id {vehicle_id}", remedy="Link it first.")


def _told(one: InterventionCard) -> dict[str, Any]:
    return asdict(one) | {
        "text": markdown.safe(one.description),
        "by": " ".join(part for part in (WHO.get(one.who, ""), WHERE.get(one.where, "")) if part),
        "so_that": " and ".join(DOES.get(name, name) for name in one.capabilities),
    }


@ROUTES.post("/setup/cars/{vehicle}/conflicts/{conflict}")
async def resolve(request: web.Request) -> web.Response:
    """Switch another hand of the provider's off."""
    vehicle_id = request.match_info["vehicle"]
    await request.app[DAEMON].onboarding.resolve(vehicle_id, request.match_info["conflict"])
    raise web.HTTPSeeOther(f"/setup/cars/{path_segment(vehicle_id)}?done=resolved")


@ROUTES.get("/setup/preferences")
async def choices(request: web.Request) -> web.Response:
    """Show the language of the provider's texts and the map's tiles."""
    chosen = await preferences.read(request.app[DAEMON].store)
    return await answer(request, "preferences.html", chosen=chosen, languages=preferences.LANGUAGES)


@ROUTES.post("/setup/preferences")
async def choose(request: web.Request) -> web.Response:
    """Keep what was chosen."""
    form = await asking.form(request)
    sent = {name: str(form.get(name, "")).strip() for name in ("language", "tiles", "credit")}
    await preferences.write(request.app[DAEMON].store, Preferences(**sent))
    raise web.HTTPSeeOther("/setup?done=chosen")
