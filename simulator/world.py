"""The simulated world: users, places, devices, their actions, and who is told of what changes."""

import random
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from simulator.accounts import Accounts
from simulator.actions import Actions
from simulator.agenda import Agenda
from simulator.charger import Charger
from simulator.clock import Clock
from simulator.description import describe
from simulator.faults import Faults
from simulator.instants import nanoseconds, zulu
from simulator.market import Market
from simulator.pairing import Pairing
from simulator.places import LOCATION_RADIUS_M, SOMEWHERE, Point, distance_m
from simulator.schedules import Schedule
from simulator.session import Session
from simulator.vehicle import Vehicle
from simulator.wire import charger_json, discovered_charger_json, discovered_json, vehicle_json

VERSION = "2024-10-01"
KEPT = 200_000
QUIET = {"lastSeen", "lastUpdated"}


@dataclass(kw_only=True, eq=False)
class Location:
    """A named place of a user."""

    id: str
    user_id: str
    name: str
    point: Point
    timezone: str
    created_at: datetime


@dataclass(kw_only=True, eq=False)
class User:
    """A person with a home and linked vendor accounts."""

    id: str
    created_at: datetime
    home: Point
    timezone: str
    invalid_vendors: set[str] = field(default_factory=set)


class World:
    """Everything there is, run by one agenda."""

    def __init__(self, *, seed: int, start_at: datetime) -> None:
        start_at = start_at.astimezone(UTC)
        self.seed = seed
        self.start_at = start_at
        self.agenda = Agenda(start_at)
        self._ids = random.Random(f"ids:{seed}")
        self._clock: Clock | None = None
        self.client_id = self.new_id()
        self.client_secret = uuid.UUID(int=self._ids.getrandbits(128)).hex
        self.users: dict[str, User] = {}
        self.locations: dict[str, Location] = {}
        self.vehicles: dict[str, Vehicle] = {}
        self.chargers: dict[str, Charger] = {}
        self.connections_limit: int | None = None
        self.outage = False
        self.calls_in_flight = 0
        self.accounts = Accounts(self)
        self.actions = Actions(self)
        self.schedules: dict[str, Schedule] = {}
        self.first_home = SOMEWHERE
        self.pairing = Pairing(self)
        self.market = Market()
        self.faults = Faults(self.agenda, seed=seed)
        self.listeners: list[Callable[[dict[str, Any]], None]] = []
        self.on_truth: Callable[[dict[str, Any]], None] | None = None
        self.truth: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.requests: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.closed_sessions: list[Session] = []
        self._published: dict[str, dict[str, Any]] = {}

    # time and identity

    def bind(self, clock: Clock | None) -> None:
        """Let time follow a clock from now on (None: only `run_until` moves it)."""
        self._clock = clock

    def catch_up(self) -> None:
        """Let everything happen that the clock says is past."""
        if self._clock is not None:
            self.agenda.run_until(self._clock.now())

    def run_until(self, at: datetime) -> None:
        """Let the world run up to an instant."""
        self.agenda.run_until(at)

    def run_for(self, **span: float) -> None:
        """Let the world run for a span, given as for `timedelta`."""
        self.agenda.run_until(self.agenda.now + timedelta(**span))

    def new_id(self) -> str:
        """Return a fresh id, the same in every run with this seed."""
        return str(uuid.UUID(int=self._ids.getrandbits(128), version=4))

    # making things

    def add_user(self, user_id: str, *, home: Point, timezone: str) -> User:
        """Add a user."""
        user = User(id=user_id, created_at=self._stamp(), home=home, timezone=timezone)
        self.users[user_id] = user
        return user

    def add_location(self, user_id: str, *, name: str, point: Point, timezone: str = "UTC") -> Location:
        """Add a Location; vehicles that stand there show it at once."""
        location = Location(
            id=self.new_id(), user_id=user_id, name=name, point=point, timezone=timezone, created_at=self._stamp()
        )
        self.locations[location.id] = location
        self.publish_places(user_id)
        return location

    def add_charger(self, user_id: str, **members: Any) -> Charger:
        """Add a linked charger."""
        charger = Charger(world=self, id=self.new_id(), user_id=user_id, created_at=self._stamp(), **members)
        self.chargers[charger.id] = charger
        if charger.location_id is not None:
            charger.location_at = self.agenda.now
        body = discovered_charger_json(charger)
        self._published[charger.id] = _plain(body)
        self.publish({"event": "user:charger:discovered", "user": {"id": user_id}, "charger": body})
        charger.refresher.hasten(5.0)
        self.publish_places(user_id)  # a new pair unlocks capabilities
        return charger

    def add_vehicle(self, user_id: str, **members: Any) -> Vehicle:
        """Add a linked vehicle, unplugged, at the user's home; its state is seen some seconds later."""
        user = self.users[user_id]
        known: dict[str, Any] = {"home": user.home, "timezone": user.timezone} | members
        known.setdefault("vin", f"WVWZZZE1ZNP{len(self.vehicles) + 1:06d}")
        vehicle = Vehicle(world=self, id=self.new_id(), user_id=user_id, created_at=self._stamp(), **known)
        self.vehicles[vehicle.id] = vehicle
        body = discovered_json(self, vehicle)
        self._published[vehicle.id] = _plain(body)
        self.publish({"event": "user:vehicle:discovered", "user": {"id": user_id}, "vehicle": body})
        vehicle.telemetry.refresher.hasten(5.0)
        return vehicle

    def remove_vehicle(self, vehicle: Vehicle) -> None:
        """Remove a vehicle, as when it left the vendor's account."""
        vehicle.unplug()
        self.actions.target_deleted(vehicle)
        vehicle.telemetry.refresher.stop()
        body = vehicle_json(self, vehicle)
        del self.vehicles[vehicle.id]
        self._forget_schedules(vehicle.id)
        self.publish({"event": "user:vehicle:deleted", "user": {"id": vehicle.user_id}, "vehicle": body})

    def remove_charger(self, charger: Charger) -> None:
        """Remove a charger; a car plugged into it is unplugged."""
        if charger.vehicle is not None:
            charger.vehicle.unplug()
        self.actions.target_deleted(charger)
        charger.refresher.stop()
        body = charger_json(charger)
        del self.chargers[charger.id]
        self._forget_schedules(charger.id)
        self.publish({"event": "user:charger:deleted", "user": {"id": charger.user_id}, "charger": body})

    def remove_user(self, user_id: str) -> None:
        """Remove a user and everything of theirs."""
        for vehicle in [each for each in self.vehicles.values() if each.user_id == user_id]:
            self.remove_vehicle(vehicle)
        for charger in [each for each in self.chargers.values() if each.user_id == user_id]:
            self.remove_charger(charger)
        self.locations = {key: each for key, each in self.locations.items() if each.user_id != user_id}
        self.users.pop(user_id, None)

    def _forget_schedules(self, target_id: str) -> None:
        self.schedules = {key: each for key, each in self.schedules.items() if each.target_id != target_id}

    def invalidate_credentials(self, user_id: str, vendor: str) -> None:
        """Lose the sign-in at a vendor and tell of it; its devices cannot be reached until it is linked again."""
        self.accounts.lose(user_id, vendor)
        self.publish({"event": "user:credentials:invalidated", "user": {"id": user_id}, "vendor": vendor})

    def restore_credentials(self, user_id: str, vendor: str) -> None:
        """Sign in at a vendor again: the same devices come back."""
        self.accounts.restore(user_id, vendor)

    def set_outage(self, *, down: bool, for_s: float | None = None) -> None:
        """Shut every client out of the API, or let them in again; devices and people go on."""
        self.catch_up()
        self.outage = down
        if down and for_s is not None:
            self.agenda.after(for_s, lambda: self.set_outage(down=False))
        for vehicle in self.vehicles.values():
            vehicle.path_changed()

    # telling

    def publish(self, event: dict[str, Any]) -> None:
        """Tell the listeners of an event."""
        stamped = {
            "event": event["event"],
            "createdAt": zulu(self.agenda.now),
            "version": VERSION,
        } | {key: value for key, value in event.items() if key != "event"}
        for listener in self.listeners:
            listener(stamped)

    def chargers_of(self, user_id: str) -> list[Charger]:
        """Return the linked chargers of a user."""
        return [each for each in self.chargers.values() if each.user_id == user_id]

    def location_of(self, vehicle: Vehicle) -> str | None:
        """Return the id of the Location at which a vehicle was last seen: its charger's, else the nearest one."""
        seen, charger = vehicle.telemetry.seen, vehicle.telemetry.recognised
        if charger is not None and charger.location_id is not None:
            return charger.location_id
        if seen.position is None:
            return None
        near = [
            (distance_m(seen.position, each.point), each.id)
            for each in self.locations.values()
            if each.user_id == vehicle.user_id
        ]
        within = [each for each in near if each[0] <= LOCATION_RADIUS_M]
        return min(within)[1] if within else None

    def publish_vehicle(self, vehicle: Vehicle) -> None:
        """Tell of a vehicle, if anything but times changed since it was last told of."""
        if vehicle.id in self.vehicles:
            self._publish_asset("vehicle", vehicle.user_id, vehicle_json(self, vehicle))

    def publish_charger(self, charger: Charger) -> None:
        """Tell of a charger, if anything but times changed since it was last told of."""
        if charger.id in self.chargers:
            self._publish_asset("charger", charger.user_id, charger_json(charger))

    def publish_places(self, user_id: str) -> None:
        """Tell of the vehicles whose inferred Location or capabilities changed."""
        for vehicle in self.vehicles.values():
            if vehicle.user_id == user_id and vehicle.telemetry.seen.at is not None:
                self.publish_vehicle(vehicle)

    def _publish_asset(self, kind: str, user_id: str, body: dict[str, Any]) -> None:
        plain = _plain(body)
        before = self._published.get(body["id"], {})
        fields = [key for key in plain if plain[key] != before.get(key)]
        if not fields:
            return
        self._published[body["id"]] = plain
        event = {"event": f"user:{kind}:updated", "user": {"id": user_id}, kind: body, "updatedFields": fields}
        self.publish(event)

    def tell_truth(self, vehicle: Vehicle, cause: str) -> None:
        """Keep and report what is true of a vehicle now."""
        record = {
            "t": nanoseconds(self.agenda.now),
            "v": vehicle.id,
            "plugged": vehicle.plugged,
            "home": vehicle.at_home,
            "charging": vehicle.charging,
            "soc": round(vehicle.true_soc_pct(), 3),
            "kw": round(vehicle.power_kw(), 3),
            "cause": cause,
            "path": vehicle.path_open,
            "kwh_per_pct": round(vehicle.battery.capacity_kwh / vehicle.battery.efficiency / 100, 5),
            "kw_max": vehicle.limit_kw if vehicle.plugged else None,
            "limit": vehicle.charge_limit_pct,
        }
        self.truth.append(record)
        if self.on_truth is not None:
            self.on_truth(record)

    def sessions(self) -> list[dict[str, Any]]:
        """Return every completed plug session at home, in the order of their ends."""
        return [each.as_json() for each in self.closed_sessions]

    def description(self) -> dict[str, Any]:
        """Return what is needed to configure a daemon for this world."""
        return describe(self)

    def _stamp(self) -> datetime:
        """Return the present, a little later for each thing made, so that the newest can be told."""
        made = len(self.users) + len(self.locations) + len(self.vehicles) + len(self.chargers)
        return self.agenda.now + timedelta(milliseconds=made)


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body without its times, to see whether anything else changed."""
    return {key: _plain(value) if isinstance(value, dict) else value for key, value in body.items() if key not in QUIET}
