"""A charger: what it truly does, and what the provider last saw of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from simulator.capability import Capability
from simulator.refresher import Refresher

if TYPE_CHECKING:
    from simulator.vehicle import Vehicle
    from simulator.world import World

SCOPES = ("charger:control:charging", "charger:read:data")
VOLTS = 230


@dataclass(frozen=True, kw_only=True)
class ChargerView:
    """What the provider saw when it last looked."""

    plugged: bool
    delivery: str
    kw: float
    max_current_a: float | None
    at: datetime


@dataclass(kw_only=True, eq=False)
class Charger:
    """A charger linked to a user."""

    world: "World"
    id: str
    user_id: str
    created_at: datetime
    vendor: str = "ZAPTEC"
    brand: str = "Zaptec"
    model: str = "Go"
    serial: str = "ZAP000001"
    max_power_kw: float = 11.0
    phases: int = 3
    max_current_a: float | None = None
    location_id: str | None = None
    location_at: datetime | None = None
    reachable: bool = True
    scopes: tuple[str, ...] = SCOPES
    capabilities: dict[str, Capability] = field(default_factory=dict)
    vehicle: "Vehicle | None" = None
    recognised: "Vehicle | None" = None
    seen: ChargerView = field(init=False)
    last_seen: datetime = field(init=False)
    seen_reachable: bool = field(init=False, default=True)
    refresher: Refresher = field(init=False)

    def __post_init__(self) -> None:
        self.last_seen = self.created_at
        self.seen = self._look()
        self.refresher = Refresher(self.world.agenda, every=self._every, refresh=self._refresh)
        self.refresher.hasten(self._every())

    @property
    def limit_kw(self) -> float:
        """The most that it gives now [kW]."""
        if self.max_current_a is None:
            return self.max_power_kw
        return min(self.max_power_kw, self.max_current_a * VOLTS * self.phases / 1000)

    def moved(self) -> None:
        """Have a change noticed in a few seconds: chargers are always on line."""
        self.refresher.hasten(5.0)

    def set_reachable(self, reachable: bool) -> None:
        """Let the provider reach the charger, or not."""
        self.world.catch_up()
        self.reachable = reachable
        self.moved()
        if self.vehicle is not None:
            self.vehicle.path_changed()

    def _every(self) -> float:
        return 120.0 if self.vehicle is not None and self.vehicle.charging else 420.0

    def _look(self) -> ChargerView:
        vehicle = self.vehicle
        delivery = "UNPLUGGED" if vehicle is None else vehicle.delivery
        if delivery == "PLUGGED_IN:COMPLETE":  # a charger does not know that the car is full
            delivery = "PLUGGED_IN:STOPPED"
        return ChargerView(
            plugged=vehicle is not None,
            delivery=delivery,
            kw=0.0 if vehicle is None else vehicle.power_kw(),
            max_current_a=self.max_current_a,
            at=self.world.agenda.now,
        )

    def _refresh(self) -> None:
        if self.reachable:
            self.seen = self._look()
            self.last_seen = self.world.agenda.now
        self.seen_reachable = self.reachable
        self.world.publish_charger(self)
