"""Routes under `/_sim/`: the truth, and a hand on the world, for tests from another process."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from simulator.answers import Refusal, read_object
from simulator.keys import WEBHOOKS, WORLD
from simulator.places import Point
from simulator.telemetry import Distortion
from simulator.vehicle import Vehicle
from simulator.world import World

routes = web.RouteTableDef()

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
    """Do something to a vehicle: `{"do": name, …}`, the names being those of `DEEDS`."""
    world = request.app[WORLD]
    vehicle = world.vehicles.get(request.match_info["id"])
    if vehicle is None:
        raise Refusal(404, "No such vehicle.")
    body = await request.json()
    deed = DEEDS.get(str(body.get("do"))) if isinstance(body, dict) else None
    if deed is None:
        raise Refusal(400, f"do must be one of: {', '.join(DEEDS)}")
    try:
        deed(world, vehicle, body)
    except (KeyError, TypeError, ValueError) as error:
        raise Refusal(400, f"{type(error).__name__}: {error}") from error
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


def _plug(world: World, vehicle: Vehicle, body: dict[str, Any]) -> None:
    charger_id = body.get("charger")
    charger = None if charger_id is None else world.chargers[charger_id]
    if charger is not None and not vehicle.at_home:
        vehicle.drive_to(vehicle.home)
    vehicle.plug_in(charger, power_kw=body.get("power_kw"))


def _drive(_world: World, vehicle: Vehicle, body: dict[str, Any]) -> None:
    place = Point(latitude=body["latitude"], longitude=body["longitude"]) if "latitude" in body else None
    away = vehicle.home.moved(north_m=15_000)
    vehicle.drive_to(place or away, used_kwh=float(body.get("used_kwh", 0)))


def _mood(_world: World, vehicle: Vehicle, body: dict[str, Any]) -> None:
    for name, value in body.items():
        if name == "do":
            continue
        if not hasattr(vehicle.mood, name):
            raise ValueError(f"no mood {name}")
        setattr(vehicle.mood, name, tuple(value) if isinstance(value, list) else value)


def _set(world: World, vehicle: Vehicle, body: dict[str, Any]) -> None:
    allowed = {
        "weakness_kw",
        "auto_start",
        "native_control",
        "has_gps",
        "reports_power",
        "controlled_elsewhere",
        "charge_limit_pct",
    }
    for name, value in body.items():
        if name in allowed:
            setattr(vehicle, name, value)
        elif name != "do":
            raise ValueError(f"cannot set {name}")
    world.publish_vehicle(vehicle)


def _distort(_world: World, vehicle: Vehicle, body: dict[str, Any]) -> None:
    members = {name: value for name, value in body.items() if name != "do"}
    if isinstance(members.get("position"), dict):
        members["position"] = Point(**members["position"])
    vehicle.telemetry.distortion = Distortion(**members)


DEEDS: dict[str, Callable[[World, Vehicle, dict[str, Any]], None]] = {
    "plug": _plug,
    "unplug": lambda _w, vehicle, _b: vehicle.unplug(),
    "drive": _drive,
    "drive_home": lambda _w, vehicle, body: vehicle.drive_to(vehicle.home, used_kwh=float(body.get("used_kwh", 0))),
    "person_starts": lambda _w, vehicle, _b: vehicle.person_starts(),
    "person_stops": lambda _w, vehicle, _b: vehicle.person_stops(),
    "car_stops": lambda _w, vehicle, body: vehicle.car_stops(body.get("delivery", "PLUGGED_IN:STOPPED")),
    "soc": lambda _w, vehicle, body: vehicle.set_soc(float(body["soc_pct"])),
    "reachable": lambda _w, vehicle, body: vehicle.set_reachable(reachable=bool(body["reachable"])),
    "look": lambda _w, vehicle, _b: vehicle.telemetry.refresher.now(),
    "mood": _mood,
    "set": _set,
    "distort": _distort,
    "invalidate": lambda world, vehicle, _b: world.invalidate_credentials(vehicle.user_id, vehicle.vendor),
    "delete": lambda world, vehicle, _b: world.remove_vehicle(vehicle),
}
