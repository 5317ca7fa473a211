"""A vehicle as it truly is: battery, plug, place, moods; commands and people act on it here."""

import random
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from simulator.capability import Capability
from simulator.character import Habit, Mood
from simulator.charger import Charger
from simulator.logbook import Logbook
from simulator.physics import Battery
from simulator.places import Point, distance_m
from simulator.telemetry import CHARGING_EVERY_S, Telemetry
from simulator.timers import Timers

if TYPE_CHECKING:
    from simulator.world import World

UNPLUGGED = "UNPLUGGED"
INITIALIZING = "PLUGGED_IN:INITIALIZING"
CHARGING = "PLUGGED_IN:CHARGING"
STOPPED = "PLUGGED_IN:STOPPED"
COMPLETE = "PLUGGED_IN:COMPLETE"
NO_POWER = "PLUGGED_IN:NO_POWER"
FAULT = "PLUGGED_IN:FAULT"

SCOPES = ("vehicle:control:charging", "vehicle:read:data", "vehicle:read:location")
HANDSHAKE_S = 15.0
TRUTH_EVERY_S = 900.0
HOME_RADIUS_M = 100.0
KM_PER_KWH = 6.0


@dataclass(kw_only=True, eq=False)
class Vehicle:
    """A car linked to a user, with everything that is true of it."""

    world: "World"
    id: str
    user_id: str
    created_at: datetime
    home: Point
    timezone: str
    battery: Battery
    soc_pct: float = field(repr=False)
    vendor: str = "VOLKSWAGEN"
    brand: str = "Volkswagen"
    model: str = "ID.3 Pro"
    year: int = 2022
    vin: str = "WVWZZZE1ZNP000001"
    name: str = "Car"
    max_power_kw: float = 11.0
    weakness_kw: float | None = None  # what it truly takes, where that is less than it should
    charge_limit_pct: float = 90.0
    range_km: float = 400.0
    odometer_km: float = 18_240.0
    auto_start: bool = True
    native_control: bool = True
    has_gps: bool = True
    reports_power: bool = True
    seen_every_s: float = CHARGING_EVERY_S
    habit: Habit | None = None
    mood: Mood = field(default_factory=Mood)
    scopes: tuple[str, ...] = SCOPES
    capabilities: dict[str, Capability] = field(default_factory=dict)
    reachable: bool = True
    controlled_elsewhere: bool = False
    pair_valid: bool = True
    failed_unplugged: int = 0
    delivery: str = UNPLUGGED
    charger: Charger | None = None
    supply_kw: float = 0.0
    held_by_person: bool = False
    smart_policy: dict[str, object] = field(
        default_factory=lambda: {"isEnabled": False, "deadline": None, "minimumChargeLimit": 0}
    )
    smart_policy_at: datetime = field(init=False)
    position: Point = field(init=False)
    stored_kwh: float = field(init=False)
    active_at: datetime = field(init=False)
    telemetry: Telemetry = field(init=False)
    _since: datetime = field(init=False)
    _timers: Timers = field(init=False)
    _logbook: Logbook = field(init=False)

    def __post_init__(self) -> None:
        self.position = self.home
        self.stored_kwh = self.battery.capacity_kwh * self.soc_pct / 100
        self._since = self.active_at = self.smart_policy_at = self.world.agenda.now
        self.rng = random.Random(f"{self.world.seed}:{self.id}")
        self._timers, self._logbook = Timers(self.world.agenda), Logbook(self)
        self.telemetry = Telemetry(self)

    # what is so now

    @property
    def plugged(self) -> bool:
        """Whether the plug is in."""
        return self.delivery != UNPLUGGED

    @property
    def charging(self) -> bool:
        """Whether energy flows."""
        return self.delivery == CHARGING

    @property
    def at_home(self) -> bool:
        """Whether the car truly stands at home."""
        return distance_m(self.position, self.home) <= HOME_RADIUS_M

    @property
    def asleep(self) -> bool:
        """Whether the car has nothing to do and has gone to sleep."""
        idle_s = (self.world.agenda.now - self.active_at).total_seconds()
        return not self.charging and idle_s > self.mood.sleeps_after_s

    @property
    def limit_kw(self) -> float:
        """The most that car and supply together take now, before the taper [kW]."""
        supply_kw = self.supply_kw if self.charger is None else min(self.max_power_kw, self.charger.limit_kw)
        return supply_kw if self.weakness_kw is None else min(supply_kw, self.weakness_kw)

    @property
    def path_open(self) -> bool:
        """Whether a command sent through the API would reach the car now."""
        return self.plugged and not self.world.outage and self.world.pairing.can_route(self, "START")

    def power_kw(self) -> float:
        """Return the power drawn from the grid now [kW]."""
        self.settle()
        if not self.charging:
            return 0.0
        return self.battery.power_kw(stored_kwh=self.stored_kwh, limit_kw=self.limit_kw)

    def true_soc_pct(self) -> float:
        """Return the true state of charge now [%]."""
        self.settle()
        return 100 * self.stored_kwh / self.battery.capacity_kwh

    def seconds_to_full(self) -> float:
        """Return how long it takes from now up to the car's own limit, at this plug [s]."""
        self.settle()
        goal_kwh, limit_kw = self._goal_kwh(), max(self.limit_kw, 0.1)
        return self.battery.seconds_to(stored_kwh=self.stored_kwh, goal_kwh=goal_kwh, limit_kw=limit_kw)

    # driving and plugging

    def plug_in(self, charger: Charger | None = None, *, power_kw: float | None = None) -> None:
        """Put the plug in: into a linked charger, or into an unknown one of so much power."""
        self.world.catch_up()
        if self.plugged:
            raise ValueError(f"{self.id} is plugged in already")
        if charger is not None and charger.vehicle is not None:
            raise ValueError(f"charger {charger.id} is taken")
        self.charger = charger
        self.supply_kw = self.max_power_kw if power_kw is None else power_kw
        self.delivery = STOPPED
        self.held_by_person = False
        if charger is not None:
            charger.vehicle = self
            charger.moved()
            self.world.pairing.plugged(self, charger)
        if self.at_home:
            self._logbook.open()
        self.changed("plug")
        if self.auto_start:
            self._begin("auto")

    def hangs_on(self, charger: Charger) -> None:
        """Learn that the charger the car is plugged into has just been linked; nothing moves.

        Raises:
            ValueError: the car is not plugged in, hangs on a known charger already, or the charger is taken.
        """
        self.world.catch_up()
        if not self.plugged or self.charger is not None or charger.vehicle is not None:
            raise ValueError(f"{self.id} cannot be found at charger {charger.id}")
        self.settle()
        self.charger, charger.vehicle = charger, self
        self._plan_end()
        self.world.pairing.plugged(self, charger)
        self.changed("linked")

    def unplug(self) -> None:
        """Take the plug out; nothing happens when it is out already."""
        self.world.catch_up()
        if not self.plugged:
            return
        self.settle()
        self._timers.clear()
        self.delivery = UNPLUGGED
        charger, self.charger = self.charger, None
        self.held_by_person = False
        if charger is not None:
            charger.vehicle = None
            charger.moved()
        self._logbook.close()
        self.changed("unplug")
        self.world.pairing.unplugged(self)

    def drive_to(self, place: Point, *, used_kwh: float = 0.0) -> None:
        """Be at a place, with so much energy used on the way; the battery never falls below 5 %."""
        self.unplug()
        self.stored_kwh = max(0.05 * self.battery.capacity_kwh, self.stored_kwh - used_kwh)
        self.position = place
        self.odometer_km += used_kwh * KM_PER_KWH
        self.changed("drive")

    # who acts on it

    def person_starts(self) -> None:
        """Have the owner start charging in the car's own app."""
        self.world.catch_up()
        self.held_by_person = False
        self._begin("person")

    def person_stops(self) -> None:
        """Have the owner stop charging in the car's own app; it stays so until started or unplugged."""
        self.world.catch_up()
        if self.plugged:
            self.held_by_person = True
            self._halt(STOPPED, "person")

    def car_stops(self, delivery: str = STOPPED) -> None:
        """Have the car stop by itself: a timer of its own, or a fault."""
        self.world.catch_up()
        if self.plugged:
            self._halt(delivery, "car")

    def set_soc(self, soc_pct: float) -> None:
        """Set the true state of charge [%]."""
        self.world.catch_up()
        self.settle()
        self.stored_kwh = self.battery.capacity_kwh * soc_pct / 100
        self._plan_end()
        self.changed("set")

    def set_reachable(self, reachable: bool) -> None:
        """Let the provider reach the car's own connection, or not."""
        self.world.catch_up()
        self.reachable = reachable
        self.changed("reachable" if reachable else "unreachable")

    def obey(self, kind: str) -> str:
        """Carry out a command that has reached the device: `done`, `unnecessary`, `unplugged` or `ignored`."""
        self.active_at = self.world.agenda.now
        if not self.plugged:
            return "unplugged"
        if kind == "STOP":
            if self.delivery not in {CHARGING, INITIALIZING}:
                return "unnecessary"
            self._halt(STOPPED, "command")
            return "done"
        if self.delivery in {CHARGING, INITIALIZING}:
            return "unnecessary"
        if self.mood.resumes_left is not None:
            if self.mood.resumes_left == 0:
                return "ignored"
            self.mood.resumes_left -= 1
        self.held_by_person = False
        if self.mood.no_power_starts > 0:
            self.mood.no_power_starts -= 1
            self._halt(NO_POWER, "command")
        else:
            self._begin("command")
        return "done"

    # the course of charging

    def settle(self) -> None:
        """Bring the stored energy up to the present."""
        now = self.world.agenda.now
        if self.charging and now > self._since:
            before_kwh = self.stored_kwh
            seconds = (now - self._since).total_seconds()
            self.stored_kwh = self.battery.charge(stored_kwh=before_kwh, limit_kw=self.limit_kw, seconds=seconds)
            self._logbook.draw(self._since, now, (self.stored_kwh - before_kwh) / self.battery.efficiency)
        self._since = now

    def limit_changed(self) -> None:
        """Follow a change of the charger's limit or of the car's own; the caller has settled before it.

        A car that had ended at its own limit has not reached a higher one: it waits to be started.
        """
        if self.delivery == COMPLETE and self.stored_kwh < self._goal_kwh():
            self.delivery = STOPPED
        self._plan_end()
        self.changed("command")

    def changed(self, cause: str) -> None:
        """Tell the truth, note what blocks, and have the provider notice in its own time."""
        self.settle()
        self.active_at = self.world.agenda.now
        self._logbook.note()
        self.telemetry.moved()
        if self.charger is not None:
            self.charger.moved()
        self.tell(cause)

    def tell(self, cause: str) -> None:
        """Report the truth, and again in a quarter of an hour while plugged in."""
        self.world.tell_truth(self, cause)
        if self.plugged:
            self._timers.set("truth", TRUTH_EVERY_S, lambda: self.tell("time"))

    def path_changed(self) -> None:
        """Note that the way for commands opened or closed."""
        self._logbook.note()
        self.tell("path")

    def _begin(self, cause: str) -> None:
        self.settle()
        if not self.plugged or self.delivery in {CHARGING, INITIALIZING}:
            return
        if self._goal_kwh() <= self.stored_kwh:
            self.delivery = COMPLETE
        else:
            self.delivery = INITIALIZING
            self._timers.set("phase", self.world.agenda.hurried(HANDSHAKE_S), lambda: self._flow(cause))
        self.changed(cause)

    def _flow(self, cause: str) -> None:
        self.settle()
        self.delivery = CHARGING
        self._plan_end()
        self.changed(cause)

    def _plan_end(self) -> None:
        if self.charging:
            seconds = self.battery.seconds_to(
                stored_kwh=self.stored_kwh, goal_kwh=self._goal_kwh(), limit_kw=self.limit_kw
            )
            self._timers.set("phase", min(seconds, 1e8), lambda: self._halt(COMPLETE, "car"))

    def _halt(self, delivery: str, cause: str) -> None:
        self.settle()
        self._timers.cancel("phase")
        self.delivery = delivery
        self.changed(cause)

    def _goal_kwh(self) -> float:
        return self.battery.capacity_kwh * self.charge_limit_pct / 100
