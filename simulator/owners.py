"""Owners and their habits: when they drive, how far, where they plug in. Each day is drawn from its own seed."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from simulator.charger import Charger
from simulator.instants import at_local
from simulator.vehicle import Vehicle

if TYPE_CHECKING:
    from simulator.world import World

FIRST_WEEKEND_DAY = 5


@dataclass(frozen=True, kw_only=True)
class Routine:
    """What an owner does with a car, in local time; ranges are drawn from evenly."""

    leaves: time = time(7, 31)
    leaves_late_min: float = 10.0
    returns: time = time(17, 0)
    returns_late_min: float = 60.0
    weekday_kwh: tuple[float, float] = (10.0, 16.0)
    weekend_share: float = 0.8
    weekend_leaves: time = time(10, 0)
    weekend_returns: time = time(15, 0)
    weekend_kwh: tuple[float, float] = (4.0, 10.0)
    away_north_m: float = 18_000.0


@dataclass(frozen=True, kw_only=True)
class Stop:
    """A charging stop away from home, at a charger that nobody linked."""

    at: time
    minutes: float
    power_kw: float


@dataclass(frozen=True, kw_only=True)
class Trip:
    """One drive, from leaving home to being back."""

    leaves_at: datetime
    returns_at: datetime
    used_kwh: float
    plugs_in_after_s: float


@dataclass(kw_only=True, eq=False)
class Owner:
    """The owner of one car, living day after day."""

    world: "World"
    vehicle: Vehicle
    charger: Charger | None
    name: str
    routine: Routine = field(default_factory=Routine)
    stops: Mapping[date, Stop] = field(default_factory=dict)
    plug: Callable[[], None] | None = None  # plugs in at home, where that is not into `charger`

    def live(self) -> None:
        """Take up the habits from now on: out if it is a time to be out, else plugged in at home."""
        now = self.world.agenda.now
        today = now.astimezone(ZoneInfo(self.vehicle.timezone)).date()
        trip = self._trip(today)
        if trip is not None and trip.leaves_at <= now < trip.returns_at:
            self._drive_off(today)
            self._come_back(trip)
        elif self.charger is not None:
            self.vehicle.plug_in(self.charger)
        self._plan(today)

    def stay(self) -> None:
        """Take up the habits from the next departure on, whatever the hour; until then the car stays as it is."""
        self._plan(self.world.agenda.now.astimezone(ZoneInfo(self.vehicle.timezone)).date())

    @property
    def _gone(self) -> bool:
        return self.vehicle.id not in self.world.vehicles  # an account unlinked: nobody sees the car any more

    def _plan(self, day: date) -> None:
        if self._gone:
            return
        now = self.world.agenda.now
        trip = self._trip(day)
        if trip is not None and trip.leaves_at > now:
            self.world.agenda.at(trip.leaves_at, lambda: self._leave(day, trip))
        tomorrow = day + timedelta(days=1)
        self.world.agenda.at(at_local(tomorrow, time(0, 0), self.vehicle.timezone), lambda: self._plan(tomorrow))

    def _trip(self, day: date) -> Trip | None:
        routine, zone = self.routine, self.vehicle.timezone
        rng = random.Random(f"{self.world.seed}:{self.name}:{day}")
        goes = rng.random()
        late = rng.random() * routine.leaves_late_min, rng.random() * routine.returns_late_min
        energy, plug_s = rng.random(), rng.uniform(40, 150)
        weekend = day.weekday() >= FIRST_WEEKEND_DAY
        if weekend and goes > routine.weekend_share:
            return None
        leaves, returns = (routine.leaves, routine.returns)
        low_kwh, high_kwh = routine.weekday_kwh
        if weekend:
            leaves, returns = (routine.weekend_leaves, routine.weekend_returns)
            low_kwh, high_kwh = routine.weekend_kwh
        return Trip(
            leaves_at=at_local(day, leaves, zone) + timedelta(minutes=late[0]),
            returns_at=at_local(day, returns, zone) + timedelta(minutes=late[1]),
            used_kwh=low_kwh + energy * (high_kwh - low_kwh),
            plugs_in_after_s=plug_s,
        )

    def _leave(self, day: date, trip: Trip) -> None:
        if self._gone:
            return
        self._drive_off(day)
        self._come_back(trip)

    def _drive_off(self, day: date) -> None:
        self.vehicle.drive_to(self.vehicle.home.moved(north_m=self.routine.away_north_m))
        stop = self.stops.get(day)
        if stop is None:
            return
        arrives_at = at_local(day, stop.at, self.vehicle.timezone)
        if arrives_at > self.world.agenda.now:
            self.world.agenda.at(arrives_at, lambda: self.vehicle.plug_in(power_kw=stop.power_kw))
            self.world.agenda.at(arrives_at + timedelta(minutes=stop.minutes), self.vehicle.unplug)

    def _come_back(self, trip: Trip) -> None:
        def park() -> None:
            if self._gone:
                return
            self.vehicle.drive_to(self.vehicle.home, used_kwh=trip.used_kwh)
            self.world.agenda.after(trip.plugs_in_after_s, self._plug_in)

        self.world.agenda.at(trip.returns_at, park)

    def _plug_in(self) -> None:
        if self._gone:
            return
        if self.plug is not None:
            self.plug()
        elif self.charger is not None and not self.vehicle.plugged and self.charger.vehicle is None:
            self.vehicle.plug_in(self.charger)
