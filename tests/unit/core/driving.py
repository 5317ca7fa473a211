"""Cars that do not take what they were said to: whole weeks of plug sessions, planned again as they go.

Nothing but the core runs: a reading is observed, the plan is made from all that is known, and followed until the next
reading. What is learned in one session is there in the next.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random

from scheduler.core.commitment import promised, purpose
from scheduler.core.cycle import observe, situation_of
from scheduler.core.model import Home, Limits, Plan, VehicleSpec, VehicleState
from scheduler.core.observation import BatteryFacet, ChargeFacet, Delivery, PlaceFacet, Reading, Source, Stamp
from scheduler.core.planner import plan
from scheduler.core.terms import Price, PriceSlot, Target
from simulator.physics import Battery
from tests.unit.core.builders import stated

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
MONDAY = datetime(2025, 11, 17, tzinfo=UTC)
CHARGING_LOOK = 30 * MINUTE
"""How often a charging car is read, rarer than by the daemon; one that waits is read when its plan has it start."""

START_DELAY = timedelta(seconds=60)
NO_TAPER = 0.9999
LIMITS = Limits()


@dataclass(frozen=True, kw_only=True)
class Trip:
    """One plug session: the car comes with a state of charge, and is wanted with another."""

    plugged_at: datetime
    departure_at: datetime
    soc_pct: float
    target_pct: float
    slots: tuple[PriceSlot, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a session came to. `possible`: with the assumed power and no taper; `feasible`: with the true ones."""

    trip: Trip
    soc_pct: float
    starts: int
    possible: bool
    feasible: bool
    first_plan: Plan

    @property
    def met(self) -> bool:
        return self.soc_pct >= self.trip.target_pct - LIMITS.eps_soc


@dataclass
class Driving:
    """A car and its owner's trips. `assumed_kw` is configured; the truth is a share of it, and tapers."""

    assumed_kw: float
    battery: Battery
    true_share: float = 0.9
    learns: bool = True
    slack: timedelta | None = None
    state: VehicleState = field(default_factory=lambda: VehicleState(vehicle_id="car", home_id="home", user_id="user"))

    def __post_init__(self) -> None:
        self.vehicle = VehicleSpec(id="car", charge_power_kw=self.assumed_kw, capacity_kwh=self.battery.capacity_kwh)
        self.home = Home(
            id="home",
            user_id="user",
            timezone="UTC",
            location_id="here",
            charger_ids=("box",),
            slack=self.slack,
        )
        self._true_kw = self.assumed_kw * self.true_share

    def drive(self, trips: Sequence[Trip]) -> list[Outcome]:
        return [self._charge(trip) for trip in trips]

    def _charge(self, trip: Trip) -> Outcome:
        if not self.learns:
            self.state = VehicleState(vehicle_id="car", home_id="home", user_id="user")
        at, first = trip.plugged_at, None
        stored = self.battery.capacity_kwh * trip.soc_pct / 100
        charging, starts = False, 0
        self._reads(at - 3 * HOUR, Delivery.UNPLUGGED, stored)
        while at < trip.departure_at:
            self._reads(at, Delivery.CHARGING if charging else Delivery.STOPPED, stored)
            made = self._plan(trip, at)
            first = first or made
            slot, begins_at = made.slot_at(at), made.next_start(at)
            begin, charging = slot is not None and not charging, slot is not None
            starts += begin
            until = min(at + CHARGING_LOOK, slot.end) if slot is not None else begins_at or trip.departure_at
            until = max(min(until, trip.departure_at), at + MINUTE)
            if slot is not None:
                flowing = until - at - (START_DELAY if begin else timedelta(0))
                stored = self.battery.charge(
                    stored_kwh=stored, limit_kw=self._true_kw, seconds=max(0.0, flowing.total_seconds())
                )
            at = until
        self._reads(at, Delivery.UNPLUGGED, stored)
        self._reads(at + 10 * MINUTE, Delivery.UNPLUGGED, stored)
        assert first is not None
        return Outcome(
            trip=trip,
            soc_pct=stored / self.battery.capacity_kwh * 100,
            starts=starts,
            possible=self._needs(trip, replace(self.battery, taper_floor=NO_TAPER), self.assumed_kw) <= _time(trip),
            feasible=self._needs(trip, self.battery, self._true_kw) <= _time(trip),
            first_plan=first,
        )

    def _needs(self, trip: Trip, battery: Battery, kw: float) -> timedelta:
        stored, goal = (battery.capacity_kwh * pct / 100 for pct in (trip.soc_pct, trip.target_pct))
        return timedelta(seconds=battery.seconds_to(stored_kwh=stored, goal_kwh=goal, limit_kw=kw)) + START_DELAY

    def _plan(self, trip: Trip, at: datetime) -> Plan:
        now = situation_of(self.state, home=self.home, vehicle=self.vehicle, limits=LIMITS, prices=(), now=_stamp(at))
        terms = stated([Price(slots=trip.slots), Target(soc_pct=trip.target_pct, by=trip.departure_at)])
        now = replace(now, terms=terms)
        made = plan(now)
        self.state = replace(self.state, committed=promised(made, at), committed_to=purpose(now, made.needs))
        return made

    def _reads(self, at: datetime, delivery: Delivery, stored_kwh: float) -> None:
        plugged, charging = delivery is not Delivery.UNPLUGGED, delivery is Delivery.CHARGING
        kw = self.battery.power_kw(stored_kwh=stored_kwh, limit_kw=self._true_kw) if charging else 0.0
        soc_pct = float(math.floor(stored_kwh / self.battery.capacity_kwh * 100 + 1e-9))
        reading = Reading(
            vehicle_id="car",
            user_id="user",
            source=Source.POLL,
            received=_stamp(at),
            charge=ChargeFacet(
                at=at,
                plugged=plugged,
                charging=charging,
                delivery=delivery,
                power_kw=round(kw, 1),
                charger_id="box" if plugged else None,
            ),
            place=PlaceFacet(at=at, location_id="here"),
            battery=BatteryFacet(at=at, soc_pct=soc_pct, capacity_kwh=self.battery.capacity_kwh),
        )
        seen = observe(self.state, [reading], home=self.home, limits=LIMITS, now=_stamp(at)).state
        self.state = replace(seen, override=None)  # no commands are sent here: what moves is not another's hand


def _stamp(at: datetime) -> Stamp:
    return Stamp(at=at, mono_ns=round((at - MONDAY).total_seconds() * 1e9), run=1)


def _time(trip: Trip) -> timedelta:
    return trip.departure_at - trip.plugged_at


def daily_prices(rng: Random, start: datetime, hours: int) -> tuple[PriceSlot, ...]:
    """Return hourly prices with cheap nights and dear evenings, each day at its own level and with its own noise."""
    first = start.replace(minute=0, second=0, microsecond=0)
    level, swing = rng.uniform(0.05, 0.2), rng.uniform(0.0, 0.12)
    return tuple(
        PriceSlot(
            start=first + i * HOUR,
            end=first + (i + 1) * HOUR,
            per_kwh=level - swing * math.cos((first.hour + i - 4) / 12 * math.pi) + rng.gauss(0, 0.02),
        )
        for i in range(hours)
    )


def commuting(rng: Random, *, capacity_kwh: float, nights: int) -> list[Trip]:
    """Return a commuter's nights: home in the evening, away in the morning, now and then a long drive or a late return."""
    trips = []
    for day in range(nights):
        evening_h = max(14.0, min(24.0, rng.gauss(18.5, 2.5)))
        morning_min = 15 * round(4 * max(4.5, min(11.0, rng.gauss(7.25, 1.0))))
        plugged_at = MONDAY + timedelta(days=day, hours=evening_h)
        target_pct = 100.0 if rng.random() < 0.15 else rng.choice([70.0, 80.0, 80.0, 90.0])
        driven_kwh = rng.uniform(5.0, 20.0) if rng.random() < 0.75 else rng.uniform(15.0, 45.0)
        trip = Trip(
            plugged_at=plugged_at,
            departure_at=MONDAY + timedelta(days=day + 1, minutes=morning_min),
            soc_pct=max(5.0, min(target_pct, 85.0) - driven_kwh / capacity_kwh * 100),
            target_pct=target_pct,
            slots=daily_prices(rng, plugged_at, 24),
        )
        trips.append(trip)
    return trips
