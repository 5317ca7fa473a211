"""What the back door can do to a vehicle or a charger, by name."""

from collections.abc import Callable
from typing import Any

from simulator import remedies
from simulator.charger import Charger
from simulator.places import Point
from simulator.telemetry import Distortion
from simulator.vehicle import Vehicle
from simulator.world import World

Body = dict[str, Any]


def _plug(world: World, vehicle: Vehicle, body: Body) -> None:
    charger_id = body.get("charger")
    charger = None if charger_id is None else world.chargers[charger_id]
    if charger is not None and not vehicle.at_home:
        vehicle.drive_to(vehicle.home)
    vehicle.plug_in(charger, power_kw=body.get("power_kw"))


def _drive(_world: World, vehicle: Vehicle, body: Body) -> None:
    place = Point(latitude=body["latitude"], longitude=body["longitude"]) if "latitude" in body else None
    away = vehicle.home.moved(north_m=15_000)
    vehicle.drive_to(place or away, used_kwh=float(body.get("used_kwh", 0)))


def _mood(_world: World, vehicle: Vehicle, body: Body) -> None:
    for name, value in body.items():
        if name == "do":
            continue
        if not hasattr(vehicle.mood, name):
            raise ValueError(f"no mood {name}")
        setattr(vehicle.mood, name, tuple(value) if isinstance(value, list) else value)


def _set(world: World, vehicle: Vehicle, body: Body) -> None:
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


def _distort(_world: World, vehicle: Vehicle, body: Body) -> None:
    members = {name: value for name, value in body.items() if name != "do"}
    if isinstance(members.get("position"), dict):
        members["position"] = Point(**members["position"])
    vehicle.telemetry.distortion = Distortion(**members)


def _ask(world: World, device: Vehicle | Charger, body: Body) -> None:
    optional = bool(body.get("optional", False))
    remedies.ask(world, device, body["intervention"], body["capabilities"], optional=optional)


def _solve(world: World, vehicle: Vehicle, body: Body) -> None:
    remedies.solve(world, remedies.showing(world, vehicle, body["intervention"]), body["intervention"])


VEHICLE_DEEDS: dict[str, Callable[[World, Vehicle, Body], None]] = {
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
    "ask": _ask,
    "solve": _solve,
}

CHARGER_DEEDS: dict[str, Callable[[World, Charger, Body], None]] = {
    "reachable": lambda _w, charger, body: charger.set_reachable(reachable=bool(body["reachable"])),
    "look": lambda _w, charger, _b: charger.refresher.now(),
    "invalidate": lambda world, charger, _b: world.invalidate_credentials(charger.user_id, charger.vendor),
    "delete": lambda world, charger, _b: world.remove_charger(charger),
    "ask": _ask,
    "solve": lambda world, charger, body: remedies.solve(world, charger, body["intervention"]),
}
