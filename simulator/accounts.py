"""Accounts at vendors: the devices that appear by linking, and what losing or ending a link does to them."""

from collections.abc import Iterable, Mapping
from datetime import time
from typing import TYPE_CHECKING, Any

from simulator import remedies
from simulator.brands import BRANDS, COMING, PLUGGED, Brand
from simulator.character import Habit
from simulator.charger import Charger
from simulator.owners import Owner
from simulator.physics import Battery
from simulator.vehicle import Vehicle

if TYPE_CHECKING:
    from simulator.world import World

COMES_HOME_AFTER_S = 180.0
PLUGS_IN_AFTER_S = 45.0
ON_ITS_WAY_M = 2_500.0
COMMUTER = Habit(departure=time(7, 30), days=frozenset(range(5)), target_soc_pct=80.0)


class Accounts:
    """The accounts that users signed in to; each holds one device, which keeps its id for as long as it is linked."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.brands: Mapping[str, Mapping[str, Brand]] = BRANDS
        self._devices: dict[tuple[str, str, str, str], str] = {}

    def sign_in(self, user_id: str, *, kind: str, vendor: str, name: str, scopes: Iterable[str]) -> Vehicle | Charger:
        """Link an account: a lost one is restored, a known one gets more scopes, a new one brings its device.

        `kind` is `vehicle` or `charger`; `name` tells accounts of one vendor apart.
        """
        granted = {each for each in scopes if each.startswith(kind + ":")}
        key = (user_id, kind, vendor, name)
        known = self.device(self._devices.get(key, ""))
        if vendor in self._world.users[user_id].invalid_vendors:
            self.restore(user_id, vendor)
            same_kind = [each for each in self._of(user_id, vendor) if isinstance(each, Vehicle) == (kind == "vehicle")]
            known = known or next(iter(same_kind), None)
        if known is None:
            device = self._add(user_id, kind=kind, vendor=vendor, scopes=tuple(sorted(granted)))
            self._devices[key] = device.id
            return device
        known.scopes = tuple(sorted({*known.scopes, *granted}))
        remedies.solve_by_linking(self._world, known)
        return known

    def sign_in_again(self, device: Vehicle | Charger) -> None:
        """Link the account of a device again: it comes back, and what only that solves is solved."""
        self.restore(device.user_id, device.vendor)
        remedies.solve_by_linking(self._world, device)

    def device(self, device_id: str) -> Vehicle | Charger | None:
        """Return a linked device, or None where there is none of this id."""
        return self._world.vehicles.get(device_id) or self._world.chargers.get(device_id)

    def lose(self, user_id: str, vendor: str) -> None:
        """Lose the sign-in at a vendor, as by a changed password: its devices stay, and can no longer be reached."""
        self._world.users[user_id].invalid_vendors.add(vendor)
        for device in self._of(user_id, vendor):
            device.set_reachable(reachable=False)
            _look(device)

    def restore(self, user_id: str, vendor: str) -> None:
        """Sign in at a vendor again: the same devices can be reached as before."""
        lost = self._world.users[user_id].invalid_vendors
        if vendor not in lost:
            return
        lost.discard(vendor)
        for device in self._of(user_id, vendor):
            device.set_reachable(reachable=True)
        self._world.publish_places(user_id)

    def end(self, user_id: str, vendor: str, *, kind: str | None = None) -> None:
        """Unlink a vendor, or its devices of one kind: they are gone, and come back under other ids."""
        for device in self._of(user_id, vendor):
            if isinstance(device, Vehicle) and kind in (None, "vehicle"):
                self._world.remove_vehicle(device)
            elif isinstance(device, Charger) and kind in (None, "charger"):
                self._world.remove_charger(device)
        if user_id in self._world.users and not self._of(user_id, vendor):
            self._world.users[user_id].invalid_vendors.discard(vendor)

    def _of(self, user_id: str, vendor: str) -> list[Vehicle | Charger]:
        every: list[Vehicle | Charger] = [*self._world.vehicles.values(), *self._world.chargers.values()]
        return [each for each in every if (each.user_id, each.vendor) == (user_id, vendor)]

    def _add(self, user_id: str, *, kind: str, vendor: str, scopes: tuple[str, ...]) -> Vehicle | Charger:
        brand = self.brands[kind][vendor]
        members: dict[str, Any] = {**brand.device, "vendor": vendor, "scopes": scopes}
        members["capabilities"] = dict(members.get("capabilities", {}))
        if kind == "charger":
            return self._found(self._world.add_charger(user_id, **members))
        number = 1 + sum(each.user_id == user_id for each in self._world.vehicles.values())
        members = {"name": f"Car {number}", "habit": COMMUTER if brand.lives else None} | members
        battery = Battery(capacity_kwh=brand.capacity_kwh)
        vehicle = self._world.add_vehicle(user_id, battery=battery, soc_pct=brand.soc_pct, **members)
        if brand.arrival == PLUGGED:
            self._settle(vehicle, lives=brand.lives)
        elif brand.arrival == COMING:
            vehicle.drive_to(vehicle.home.moved(north_m=ON_ITS_WAY_M))
            self._world.agenda.soon(COMES_HOME_AFTER_S, lambda: self._park(vehicle, lives=brand.lives))
        return vehicle

    def _found(self, charger: Charger) -> Charger:
        """Have a charger just linked known to be the one that a car at home is plugged into."""
        for vehicle in self._world.vehicles.values():
            plugged_at_home = vehicle.plugged and vehicle.at_home and vehicle.charger is None
            if vehicle.user_id == charger.user_id and plugged_at_home:
                vehicle.hangs_on(charger)
                break
        return charger

    def _park(self, vehicle: Vehicle, *, lives: bool) -> None:
        if self.device(vehicle.id) is vehicle and not vehicle.plugged:
            vehicle.drive_to(vehicle.home)
            self._world.agenda.soon(PLUGS_IN_AFTER_S, lambda: self._settle(vehicle, lives=lives))

    def _settle(self, vehicle: Vehicle, *, lives: bool) -> None:
        self._plug_in(vehicle)
        if lives:
            Owner(
                world=self._world, vehicle=vehicle, charger=None, name=vehicle.name, plug=lambda: self._plug_in(vehicle)
            ).stay()

    def _plug_in(self, vehicle: Vehicle) -> None:
        """Plug a car in at home: into a linked charger of its user that is free, else into one nobody linked."""
        if self.device(vehicle.id) is not vehicle or vehicle.plugged:
            return
        free = [each for each in self._world.chargers.values() if each.user_id == vehicle.user_id and not each.vehicle]
        vehicle.plug_in(free[0] if free else None)


def _look(device: Vehicle | Charger) -> None:
    refresher = device.telemetry.refresher if isinstance(device, Vehicle) else device.refresher
    refresher.now()
