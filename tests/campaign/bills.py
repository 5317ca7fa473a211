"""What sessions cost, what they would have cost on arrival, and the least they could have cost.

The optimum knows what the daemon could know: sessions are compared whose prices were all published at the plug-in, up
to the first departure, and that nothing but us ended, of cars that may be paused. It has the same rules to keep. What a
car takes by itself until a STOP can reach it, and what is missing to the minimum, it takes at once. It keeps the
reserve before the departure (`R_out`), and, for a car that had to be stopped, the slack of a pause before that
(`R_stop`: each resume leaves as much, so the last does, and with it the end). It takes the energy that was taken, with
the power that the car took after as many minutes of charging: a car that tapers does so in the cheapest hour, too. It
may pause as often as it likes, so that it is a bound, not a plan. The free optimum keeps no reserve, no slack and no
minimum: between the two lies the price of safety.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.instants import next_departure
from simulator.market import Slot, Zone, delivery_day
from simulator.vehicle import Vehicle

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
RESERVE = timedelta(minutes=30)  # R_out
SLACK = timedelta(minutes=30)  # R_stop
SETTLING = timedelta(minutes=2)  # a plug has to last, and the command has to arrive
LEAST_KWH = 0.5
EFFICIENCY = 0.9
STEP_H = 1 / 60

Curve = npt.NDArray[np.float64]
"""Energy that was taken after each minute of charging [kWh], from none to all."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """A true session at home. `trace` are spans with the power drawn [kW]."""

    plugged_at: datetime
    unplugged_at: datetime
    trace: tuple[tuple[datetime, datetime, float], ...]
    kw: float
    soc_pct: float
    capacity_kwh: float
    departure_at: datetime | None
    minimum_pct: float
    pausable: bool = True

    @property
    def kwh(self) -> float:
        """What was drawn."""
        return sum((end - start) / HOUR * kw for start, end, kw in self.trace)

    @property
    def first_kwh(self) -> float:
        """What it takes at once: up to the minimum, and by itself."""
        by_itself = sum((min(end, self.settled_at) - start) / HOUR * kw for start, end, kw in self._unasked)
        return max(by_itself, (self.minimum_pct - self.soc_pct) / 100 * self.capacity_kwh / EFFICIENCY)

    @property
    def settled_at(self) -> datetime:
        """When a command can have reached the car."""
        return self.plugged_at + SETTLING

    @property
    def begins_at(self) -> datetime:
        """When it begins what it takes at once."""
        return min(self.settled_at, self.trace[0][0])

    @property
    def ends_by(self) -> datetime | None:
        """By when it must have taken all: with the reserve, and the slack of a pause where it had to be stopped."""
        if self.departure_at is None:
            return None
        return self.departure_at - RESERVE - (SLACK if self._unasked else timedelta(0))

    @property
    def _unasked(self) -> list[tuple[datetime, datetime, float]]:
        return [(start, end, kw) for start, end, kw in self.trace if start < self.settled_at]

    def curve(self, *, from_kwh: float = 0.0, until_kwh: float | None = None) -> Curve:
        """Return how energy was taken from one amount to another, the pauses left out; the last step may be a short one."""
        hours = np.cumsum([0.0] + [(end - start) / HOUR for start, end, _ in self.trace])
        taken = np.cumsum([0.0] + [(end - start) / HOUR * kw for start, end, kw in self.trace])
        begin_h, end_h = np.interp([from_kwh, taken[-1] if until_kwh is None else until_kwh], taken, hours)
        steps = math.ceil((end_h - begin_h) / STEP_H - 1e-6)
        after = np.interp(np.minimum(begin_h + STEP_H * np.arange(steps + 1), end_h), hours, taken)
        return np.asarray(after - after[0])


class Market:
    """True prices, slot by slot, for as long as a life lasts and some days more."""

    def __init__(self, zone: Zone, start_at: datetime, days: int) -> None:
        first = delivery_day(start_at) - DAY
        slots = [slot for n in range(days + 9) for slot in zone.prices(first + n * DAY)]
        self._slots: Sequence[Slot] = slots
        self._starts = [slot.start for slot in slots]
        self._zone = zone

    def between(self, start: datetime, end: datetime) -> Iterator[tuple[float, float]]:
        """Yield hours and price of every slot, or part of one, in a span. Gaps yield nothing."""
        for slot in self._slots[max(0, bisect_right(self._starts, start) - 1) :]:
            if slot.start >= end:
                return
            hours = (min(slot.end, end) - max(slot.start, start)) / HOUR
            if hours > 0:
                yield hours, slot.per_kwh

    def cost(self, start: datetime, end: datetime, kw: float) -> float:
        """Return what a power costs over a span."""
        return sum(hours * kw * per_kwh for hours, per_kwh in self.between(start, end))

    def least(self, start: datetime, end: datetime, curve: Curve) -> float | None:
        """Return the least that energy taken along a curve can cost in a span; None where it does not fit.

        Slots count in whole minutes, rounded up, so that it is never more than the least.
        """
        cost = np.full(len(curve), np.inf)
        cost[0] = 0.0
        for hours, per_kwh in self.between(start, end):
            steps = math.ceil(hours / STEP_H - 1e-6)
            before = np.concatenate([np.full(steps, np.inf), cost - per_kwh * curve])
            cost = per_kwh * curve + np.lib.stride_tricks.sliding_window_view(before, steps + 1).min(axis=1)
        return float(cost[-1]) if np.isfinite(cost[-1]) else None

    def published(self, until: datetime, at: datetime) -> bool:
        """Tell whether all prices up to an instant were known at another."""
        known_at = self._zone.published_at(delivery_day(until - timedelta(seconds=1)))
        return known_at is not None and known_at <= at


def sums(sessions: Sequence[Session], market: Market, *, quiet: bool) -> dict[str, float]:
    """Return the sums over the sessions of a life; those against the optimum only of one without troubles."""
    found = dict.fromkeys(("sessions", "kwh", "cost", "at_once", "compared", "spent", "optimum", "free_optimum"), 0.0)
    for one in sessions:
        if one.kwh < LEAST_KWH:
            continue
        found["sessions"] += 1
        found["kwh"] += one.kwh
        found["cost"] += _cost(one, market)
        found["at_once"] += market.cost(one.plugged_at, one.plugged_at + one.kwh / one.kw * HOUR, one.kw)
        best = _optima(one, market) if quiet else None
        if best is not None:
            found["compared"] += 1
            found["spent"] += _cost(one, market)
            found["optimum"] += best[0]
            found["free_optimum"] += best[1]
    return found


def _cost(session: Session, market: Market) -> float:
    return sum(market.cost(start, end, kw) for start, end, kw in session.trace)


def _optima(session: Session, market: Market) -> tuple[float, float] | None:
    """Return the optimum under the rules and without them; None for a session that is no fair comparison."""
    by, until = session.departure_at, session.ends_by
    if by is None or until is None or by > session.unplugged_at or not session.pausable:
        return None
    if not market.published(by, session.plugged_at) or session.trace[-1][1] > by or session.first_kwh > session.kwh:
        return None
    at_once = session.curve(until_kwh=session.first_kwh)
    at_once_until = session.begins_at + (len(at_once) - 1) * STEP_H * HOUR
    first = market.least(session.begins_at, at_once_until, at_once)
    rest = market.least(at_once_until, until, session.curve(from_kwh=session.first_kwh))
    free = market.least(session.plugged_at, by, session.curve())
    return None if first is None or rest is None or free is None else (first + rest, free)


def session_of(told: Mapping[str, Any], vehicle: Vehicle, *, minimum_pct: float, pausable: bool = True) -> Session:
    """Return a session as the simulator tells it."""
    plugged_at = _instant(told["plugged_at"])
    habit = vehicle.habit
    departure_at = next_departure(plugged_at, habit.departure, habit.days, vehicle.timezone) if habit else None
    return Session(
        plugged_at=plugged_at,
        unplugged_at=_instant(told["unplugged_at"]),
        trace=tuple((_instant(start), _instant(end), float(kw)) for start, end, kw in told["power_trace"]),
        kw=float(told["max_power_kw"]),
        soc_pct=float(told["soc_at_plug_in_pct"]),
        capacity_kwh=vehicle.battery.capacity_kwh,
        departure_at=departure_at,
        minimum_pct=minimum_pct,
        pausable=pausable,
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
