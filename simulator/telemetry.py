"""What the provider knows of a vehicle: a look now and then, never the truth itself."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from simulator.charger import VOLTS, Charger
from simulator.places import Point
from simulator.refresher import Refresher

if TYPE_CHECKING:
    from simulator.vehicle import Vehicle

CHARGING_EVERY_S = 120.0
REGULAR_EVERY_S = 420.0
UNREACHABLE_EVERY_S = 600.0


@dataclass(frozen=True, kw_only=True)
class VehicleView:
    """What was seen at `at`; None where the vehicle did not say."""

    at: datetime | None = None
    soc_pct: int | None = None
    delivery: str = "UNKNOWN"
    kw: float | None = None
    limit_kw: float | None = None
    remaining_min: int | None = None
    max_current_a: float | None = None
    fully_charged: bool | None = None
    odometer_km: float | None = None
    position: Point | None = None
    position_at: datetime | None = None

    @property
    def plugged(self) -> bool | None:
        """Whether it was plugged in, as far as known."""
        return None if self.delivery == "UNKNOWN" else self.delivery.startswith("PLUGGED_IN")

    @property
    def charging(self) -> bool | None:
        """Whether it was charging, as far as known."""
        return None if self.delivery == "UNKNOWN" else self.delivery == "PLUGGED_IN:CHARGING"


@dataclass(kw_only=True)
class Distortion:
    """What makes a picture differ from the truth, for as long as it is set."""

    flickers: int = 0  # so many looks see the plug the other way round
    frozen_soc: bool = False
    soc_pct: int | None = None
    frozen_place: bool = False
    position: Point | None = None
    blank: bool = False  # the vehicle says nothing of its charging
    delivery: str | None = None
    ahead_s: float = 0.0  # the provider's clock runs ahead


class Telemetry:
    """The provider's cached picture of one vehicle."""

    def __init__(self, vehicle: "Vehicle") -> None:
        self._vehicle = vehicle
        self._agenda = vehicle.world.agenda
        self.seen = VehicleView()
        self.recognised: Charger | None = None
        self.last_seen = self._agenda.now
        self.reachable: bool | None = None
        self.looks = 0
        self.hints = 0
        self.distortion = Distortion()
        self.refresher = Refresher(self._agenda, every=self._every, refresh=self.look)

    def moved(self) -> None:
        """Have a change noticed in about 20 s, when the car can say so."""
        if self._vehicle.reachable:
            self.refresher.hasten(self._vehicle.rng.uniform(15.0, 25.0))

    def hint(self) -> None:
        """Look sooner because a client asked; a sleeping car takes longer to answer."""
        self.hints += 1
        low_s, high_s = (20.0, 40.0) if self._vehicle.asleep else (5.0, 15.0)
        self.refresher.hasten(self._vehicle.rng.uniform(low_s, high_s))

    def _every(self) -> float:
        vehicle = self._vehicle
        if not vehicle.reachable:
            return UNREACHABLE_EVERY_S
        if vehicle.charging:
            return vehicle.seen_every_s
        return vehicle.mood.sleep_refresh_s if vehicle.asleep else REGULAR_EVERY_S

    def look(self) -> None:
        """Read the vehicle, if it can be reached, and tell whoever listens when something changed."""
        vehicle = self._vehicle
        self.looks += 1
        self.reachable = vehicle.reachable
        if vehicle.reachable:
            self.last_seen = self._agenda.now
            self.seen = self._picture()
        vehicle.world.publish_vehicle(vehicle)

    def _picture(self) -> VehicleView:
        vehicle, distortion = self._vehicle, self.distortion
        at = self._agenda.now + timedelta(seconds=distortion.ahead_s)
        if distortion.blank:
            return self._placed(VehicleView(at=at), at)
        kw, soc_pct = vehicle.power_kw(), vehicle.true_soc_pct()
        delivery = self._delivery()
        charging = delivery == "PLUGGED_IN:CHARGING"
        view = VehicleView(
            at=at,
            soc_pct=self._soc_pct(soc_pct),
            delivery=delivery,
            kw=round(kw, 2) if charging and vehicle.reports_power else None,
            limit_kw=vehicle.limit_kw if vehicle.plugged else None,
            remaining_min=round(vehicle.seconds_to_full() / 60) if charging else None,
            max_current_a=round(vehicle.limit_kw * 1000 / VOLTS / 3) if vehicle.plugged else None,
            odometer_km=round(vehicle.odometer_km),
            fully_charged=delivery == "PLUGGED_IN:COMPLETE",
        )
        return self._placed(view, at)

    def _delivery(self) -> str:
        plugged = self._vehicle.plugged
        if self.distortion.flickers > 0:
            self.distortion.flickers -= 1
            return "UNPLUGGED" if plugged else "PLUGGED_IN:STOPPED"
        return self.distortion.delivery or self._vehicle.delivery

    def _soc_pct(self, true_pct: float) -> int:
        if self.distortion.soc_pct is not None:
            return self.distortion.soc_pct
        if self.distortion.frozen_soc and self.seen.soc_pct is not None:
            return self.seen.soc_pct
        return int(true_pct + 1e-6)

    def _placed(self, view: VehicleView, at: datetime) -> VehicleView:
        vehicle = self._vehicle
        if not vehicle.has_gps or "vehicle:read:location" not in vehicle.scopes:
            return view
        if self.distortion.frozen_place:
            return replace(view, position=self.seen.position, position_at=self.seen.position_at)
        return replace(view, position=self.distortion.position or vehicle.position, position_at=at)
