"""Routes under `/_sim/`: the truth, and a hand on the world, for tests from another process."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from aiohttp import web

from simulator.answers import Refusal, read_object
from simulator.charger import Charger
from simulator.deeds import CHARGER_DEEDS, VEHICLE_DEEDS
from simulator.instants import zulu
from simulator.keys import WEBHOOKS, WORLD
from simulator.vehicle import Vehicle
from simulator.world import World

routes = web.RouteTableDef()

D = TypeVar("D", Vehicle, Charger)

FAULT_MEMBERS = ("kind", "method", "path", "count", "for_s", "share", "status", "retry_after_s", "delay_s")


@routes.get("/_sim/truth")
async def truth(request: web.Request) -> web.Response:
    """Answer every record of the truth, oldest first."""
    return web.json_response(list(request.app[WORLD].truth))


@routes.get("/_sim/sessions")
async def sessions(request: web.Request) -> web.Response:
    """Answer the completed plug sessions at home."""
    return web.json_response(request.app[WORLD].sessions())


@routes.get("/_sim/description")
async def description(request: web.Request) -> web.Response:
    """Answer what a daemon's configuration needs."""
    return web.json_response(request.app[WORLD].description())


@routes.get("/_sim/prices")
async def prices(request: web.Request) -> web.Response:
    """Answer what a zone's prices are on some delivery days, whether they are published yet or not."""
    try:
        zone = request.app[WORLD].market.zones[request.query["zone"]]
        first, last = (date.fromisoformat(request.query[name]) for name in ("first", "last"))
    except (KeyError, ValueError) as error:
        raise Refusal(400, f"a parameter is missing or unknown: {error}") from error
    return web.json_response(zone.told(first, last))


@routes.post("/_sim/prices")
async def publish(request: web.Request) -> web.Response:
    """Move the publication of a delivery day's prices in a zone: `at` is an instant, or null for never."""
    body = await read_object(request, allowed=("zone", "day", "at"), required=("zone", "day", "at"))
    try:
        zone = request.app[WORLD].market.zones[body["zone"]]
        at = None if body["at"] is None else datetime.fromisoformat(body["at"]).astimezone(UTC)
        zone.late[date.fromisoformat(body["day"])] = at
    except (KeyError, TypeError, ValueError) as error:
        raise Refusal(400, f"{type(error).__name__}: {error}") from error
    return web.json_response({"zone": zone.name, "late": {str(day): at and zulu(at) for day, at in zone.late.items()}})


@routes.get("/_sim/requests")
async def requests(request: web.Request) -> web.Response:
    """Answer the calls received, how many charging actions were accepted for each device, how many away from home."""
    world = request.app[WORLD]
    actions = world.actions
    body = {"requests": list(world.requests), "accepted": dict(actions.accepted), "away": len(actions.away)}
    return web.json_response(body)


@routes.get("/_sim/status")
async def status(request: web.Request) -> web.Response:
    """Answer what is on its way at this moment."""
    hooks = request.app[WEBHOOKS]
    waiting = sum(len(each.pending) for each in hooks.subscriptions.values())
    return web.json_response({"deliveries_in_flight": hooks.in_flight, "events_pending": waiting})


@routes.post("/_sim/fault")
async def fault(request: web.Request) -> web.Response:
    """Put a fault in force (`{"kind": "clear"}` lifts all, `{"kind": "outage", "for_s": …}` shuts everybody out)."""
    world = request.app[WORLD]
    body = await read_object(request, allowed=FAULT_MEMBERS, required=("kind",))
    try:
        if body["kind"] == "clear":
            world.faults.clear()
            world.set_outage(down=False)
        elif body["kind"] == "outage":
            world.set_outage(down=True, for_s=body.get("for_s"))
        else:
            world.faults.add(**body)
    except (TypeError, ValueError) as error:
        raise Refusal(400, str(error)) from error
    return web.Response(status=204)


@routes.post("/_sim/vehicles/{id}")
async def act(request: web.Request) -> web.Response:
    """Do something to a vehicle: `{"do": name, …}`, the names being those of `VEHICLE_DEEDS`."""
    world = request.app[WORLD]
    vehicle = world.vehicles.get(request.match_info["id"])
    if vehicle is None:
        raise Refusal(404, "No such vehicle.")
    await _do(request, vehicle, VEHICLE_DEEDS)
    return web.json_response(
        {
            "id": vehicle.id,
            "delivery": vehicle.delivery,
            "soc_pct": vehicle.true_soc_pct(),
            "kw": vehicle.power_kw(),
            "home": vehicle.at_home,
            "path": vehicle.path_open,
        }
    )


@routes.post("/_sim/chargers/{id}")
async def act_on_charger(request: web.Request) -> web.Response:
    """Do something to a charger: `{"do": name, …}`, the names being those of `CHARGER_DEEDS`."""
    charger = request.app[WORLD].chargers.get(request.match_info["id"])
    if charger is None:
        raise Refusal(404, "No such charger.")
    await _do(request, charger, CHARGER_DEEDS)
    return web.json_response({"id": charger.id, "vehicle": charger.vehicle and charger.vehicle.id})


async def _do(request: web.Request, device: D, deeds: dict[str, Callable[[World, D, dict[str, Any]], None]]) -> None:
    body = await request.json()
    deed = deeds.get(str(body.get("do"))) if isinstance(body, dict) else None
    if deed is None:
        raise Refusal(400, f"do must be one of: {', '.join(deeds)}")
    try:
        deed(request.app[WORLD], device, body)
    except (KeyError, TypeError, ValueError) as error:
        raise Refusal(400, f"{type(error).__name__}: {error}") from error
