"""Routes of the API for vehicles, chargers, their actions, and interventions."""

from typing import Any

from aiohttp import web

from simulator.actions import Action
from simulator.answers import Refusal, invalid, page, read_object
from simulator.capability import charger_capabilities, vehicle_capabilities
from simulator.charger import Charger
from simulator.interventions import CATALOGUE, FALLBACK
from simulator.keys import WORLD
from simulator.schedules import in_control
from simulator.vehicle import Vehicle
from simulator.wire import charger_json, vehicle_json
from simulator.world import World

routes = web.RouteTableDef()


def _vehicle(request: web.Request) -> Vehicle:
    found = request.app[WORLD].vehicles.get(request.match_info["id"])
    if found is None:
        raise Refusal(404, "The requested asset wasn't found.")
    return found


def _charger(request: web.Request) -> Charger:
    found = request.app[WORLD].chargers.get(request.match_info["id"])
    if found is None:
        raise Refusal(404, "The requested asset wasn't found.")
    return found


def _action(request: web.Request, kind: type[Vehicle | Charger]) -> Action:
    found = request.app[WORLD].actions.by_id.get(request.match_info["id"])
    if found is None or not isinstance(found.target, kind):
        raise Refusal(404, empty=True)
    return found


def _own(request: web.Request, items: dict[str, Any]) -> list[Any]:
    user_id = request.match_info.get("user_id")
    return [each for each in items.values() if user_id is None or each.user_id == user_id]


@routes.get("/vehicles")
@routes.get("/users/{user_id}/vehicles")
async def list_vehicles(request: web.Request) -> web.Response:
    """Answer a page of vehicles."""
    world = request.app[WORLD]
    return page(request, _own(request, world.vehicles), lambda each: vehicle_json(world, each))


@routes.get("/vehicles/actions/{id}")
async def get_vehicle_action(request: web.Request) -> web.Response:
    """Answer an action of a vehicle."""
    return web.json_response(_action(request, Vehicle).as_json())


@routes.post("/vehicles/actions/{id}/cancel")
async def cancel_vehicle_action(request: web.Request) -> web.Response:
    """Cancel an action of a vehicle; one that has ended answers 409 with itself."""
    return _cancel(request.app[WORLD], _action(request, Vehicle))


@routes.get("/vehicles/{id}")
async def get_vehicle(request: web.Request) -> web.Response:
    """Answer a vehicle."""
    return web.json_response(vehicle_json(request.app[WORLD], _vehicle(request)))


@routes.post("/vehicles/{id}/charging")
async def control_vehicle(request: web.Request) -> web.Response:
    """Take a START or STOP for a vehicle."""
    vehicle = _vehicle(request)
    kind = await _read_kind(request)
    world = request.app[WORLD]
    able = vehicle_capabilities(vehicle, world.chargers_of(vehicle.user_id))
    if not able["startCharging" if kind == "START" else "stopCharging"].capable:
        raise Refusal(400, "The vehicle cannot do this.")
    if in_control(world, vehicle):
        raise Refusal(422, "A schedule or a smart charging plan controls this vehicle.")
    seen = vehicle.telemetry.seen
    pending = world.actions.pending_for(vehicle.id)
    if pending is None:
        _refuse_needless(kind, charging=bool(seen.charging), plugged=bool(seen.plugged), full=bool(seen.fully_charged))
    return web.json_response(world.actions.charge(vehicle, kind).as_json())


def _refuse_needless(kind: str, *, charging: bool, plugged: bool, full: bool) -> None:
    if kind == "START" and full:
        raise Refusal(400, "The vehicle is fully charged.")
    if kind == "START" and charging:
        raise Refusal(400, "The device is charging already.")
    if kind == "STOP" and plugged and not charging:
        raise Refusal(400, "The device is not charging.")


@routes.post("/vehicles/{id}/max-current")
async def limit_vehicle(request: web.Request) -> web.Response:
    """Refuse a current limit: no simulated car can do it."""
    _vehicle(request)
    await _read_current(request)
    raise Refusal(400, "The vehicle cannot do this.")


@routes.post("/vehicles/{id}/refresh-hint")
async def hint_vehicle(request: web.Request) -> web.Response:
    """Look at a vehicle sooner."""
    vehicle = request.app[WORLD].vehicles.get(request.match_info["id"])
    if vehicle is None:
        raise Refusal(404, empty=True)
    vehicle.telemetry.hint()
    return web.Response(status=204)


@routes.get("/chargers")
@routes.get("/users/{user_id}/chargers")
async def list_chargers(request: web.Request) -> web.Response:
    """Answer a page of chargers."""
    return page(request, _own(request, request.app[WORLD].chargers), charger_json)


@routes.get("/chargers/actions/{id}")
async def get_charger_action(request: web.Request) -> web.Response:
    """Answer an action of a charger."""
    return web.json_response(_action(request, Charger).as_json())


@routes.post("/chargers/actions/{id}/cancel")
async def cancel_charger_action(request: web.Request) -> web.Response:
    """Cancel an action of a charger."""
    return _cancel(request.app[WORLD], _action(request, Charger))


@routes.get("/chargers/{id}")
async def get_charger(request: web.Request) -> web.Response:
    """Answer a charger."""
    return web.json_response(charger_json(_charger(request)))


@routes.put("/chargers/{id}")
async def put_charger(request: web.Request) -> web.Response:
    """Set the Location of a charger; a vehicle plugged into it shows it at once."""
    charger, world = _charger(request), request.app[WORLD]
    body = await read_object(request, allowed=("locationId",), required=("locationId",))
    location = world.locations.get(body["locationId"]) if body["locationId"] is not None else None
    if body["locationId"] is not None and (location is None or location.user_id != charger.user_id):
        raise invalid("locationId", "is no Location of this user")
    charger.location_id = location.id if location else None
    charger.location_at = world.agenda.now
    world.publish_charger(charger)
    world.publish_places(charger.user_id)
    return web.json_response(charger_json(charger))


@routes.post("/chargers/{id}/charging")
async def control_charger(request: web.Request) -> web.Response:
    """Take a START or STOP for a charger."""
    charger = _charger(request)
    kind = await _read_kind(request)
    if not charger_capabilities(charger)["startCharging" if kind == "START" else "stopCharging"].capable:
        raise Refusal(400, "The charger cannot do this.")
    seen, world = charger.seen, request.app[WORLD]
    if in_control(world, charger):
        raise Refusal(422, "A schedule controls this charger.")
    if world.actions.pending_for(charger.id) is None:
        _refuse_needless(kind, charging=seen.delivery == "PLUGGED_IN:CHARGING", plugged=seen.plugged, full=False)
    return web.json_response(world.actions.charge(charger, kind).as_json())


@routes.post("/chargers/{id}/max-current")
async def limit_charger(request: web.Request) -> web.Response:
    """Take a current limit for a charger."""
    charger = _charger(request)
    current_a = await _read_current(request)
    if not charger_capabilities(charger)["setMaxCurrent"].capable:
        raise Refusal(400, "The charger cannot do this.")
    return web.json_response(request.app[WORLD].actions.limit(charger, current_a).as_json())


@routes.post("/chargers/{id}/refresh-hint")
async def hint_charger(request: web.Request) -> web.Response:
    """Look at a charger sooner."""
    charger = request.app[WORLD].chargers.get(request.match_info["id"])
    if charger is None:
        raise Refusal(404, empty=True)
    charger.refresher.hasten(5.0)
    return web.Response(status=204)


@routes.get("/interventions")
async def list_interventions(request: web.Request) -> web.Response:
    """Answer the catalogue of interventions, a plain array, in the language asked for where there is one."""
    wanted = [
        each
        for each in (one.as_json(_language(request)) for one in CATALOGUE.values())
        if all(request.query.get(name) in (None, each[name]) for name in ("vendor", "vendorType"))
    ]
    return web.json_response(wanted)


@routes.get("/interventions/{id}")
async def get_intervention(request: web.Request) -> web.Response:
    """Answer one intervention."""
    found = CATALOGUE.get(request.match_info["id"])
    if found is None:
        raise Refusal(404, empty=True)
    return web.json_response(found.as_json(_language(request)))


def _language(request: web.Request) -> str:
    return request.query.get("language", FALLBACK)


async def _read_kind(request: web.Request) -> str:
    body = await read_object(request, allowed=("action",), required=("action",))
    if body["action"] not in ("START", "STOP"):
        raise invalid("action", "must be START or STOP")
    return str(body["action"])


async def _read_current(request: web.Request) -> float:
    body = await read_object(request, allowed=("maxCurrent",), required=("maxCurrent",))
    current_a = body["maxCurrent"]
    if isinstance(current_a, bool) or not isinstance(current_a, int | float) or current_a <= 0:
        raise invalid("maxCurrent", "must be a positive number")
    return float(current_a)


def _cancel(world: World, action: Action) -> web.Response:
    if not action.pending:
        return web.json_response(action.as_json(), status=409)
    world.actions.cancel(action)
    return web.json_response(action.as_json())
