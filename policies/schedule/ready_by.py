"""Be ready at a departure: a weekly one, single ones, those of a calendar, or all of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from operator import itemgetter

from scheduler.core.calendar import EVERY_DAY, local_instant, next_local
from scheduler.core.feeds import CalendarDeparture
from scheduler.core.model import Situation
from scheduler.core.policy import FARTHEST
from scheduler.core.terms import Target, Term

FULL_PCT = 100
SOC_PCT = 80.0
"""Where a target stands that says neither a state of charge nor an energy: kind to the battery, enough for a day."""

MOST_EVENTS = 60
"""Of so many events of a calendar the nearest are stated: each makes planning longer, and nobody leaves more often."""


@dataclass(frozen=True, kw_only=True)
class Departure:
    """One single departure, such as a journey.

    `at` without an offset is local time at the home. `soc_pct` [%] or `energy_kwh` [kWh, grid side, from the plug-in]
    say how much; neither means the policy's own.
    """

    at: datetime
    soc_pct: float | None = None
    energy_kwh: float | None = None

    def __post_init__(self) -> None:
        _check_amount(self.soc_pct, self.energy_kwh)

    def instant(self, timezone: str) -> datetime:
        """Return the departure as aware UTC."""
        if self.at.tzinfo is not None:
            return self.at.astimezone(UTC)
        return local_instant(self.at.date(), self.at.time(), timezone)


@dataclass(frozen=True, kw_only=True)
class ReadyBy:
    """Reach a state of charge, or take an energy, by a local time of day on the chosen weekdays.

    A time that the clock change skips means the first instant after it; a time that comes twice means the first.
    `soc_pct` [%] and `energy_kwh` [kWh, grid side, from the plug-in] exclude one another; neither means 80 %. The
    energy is for cars that never report their state of charge. `departures` come on top of the weekly time; without
    `at` they stand alone.

    So do the events of the `calendar` of that name ([[calendar]]), each from where it begins, with what it asks for
    itself or the policy's own target; with `match` only those whose title holds that text, in capitals or not. An event
    that lasts all day departs at the time `at` of its first day, and counts for nothing without one.
    """

    at: time | None = None
    days: frozenset[int] = EVERY_DAY  # 0 is Monday
    soc_pct: float | None = None
    energy_kwh: float | None = None
    departures: tuple[Departure, ...] = ()
    calendar: str | None = None
    match: str = ""

    def __post_init__(self) -> None:
        if self.at is None and not self.departures and self.calendar is None:
            raise ValueError('no departure: give at = "07:30", or departures, or a calendar, or several of them')
        if self.match and self.calendar is None:
            raise ValueError("match chooses events of a calendar: name one with calendar, or remove match")
        if self.at is not None and self.at.tzinfo is not None:
            raise ValueError("at is a local time of day and carries no offset")
        if not self.days or not self.days <= EVERY_DAY:
            raise ValueError(f"days must be some of 0 (Monday) to 6 (Sunday), not {sorted(self.days)}")
        _check_amount(self.soc_pct, self.energy_kwh)

    def terms(self, now: Situation) -> Iterable[Term]:
        """Yield the next weekly departure, the single ones within the horizon, and the next of them if it is farther.

        One more than 400 days away is not spoken of yet. Those of the calendar are told of within the horizon. Of
        several at one instant the highest target holds. One that came due unmet is the core's care
        (`Situation.overdue`).
        """
        highest: dict[tuple[datetime | None, bool], Target] = {}
        for target in (*self._weekly(now), *self._single(now), *self._of_calendar(now)):
            key = (target.by, target.soc_pct is None)  # an energy and a state of charge cannot be compared: both hold
            highest[key] = max(highest.get(key, target), target, key=_amount)
        yield from highest.values()

    def _weekly(self, now: Situation) -> Iterator[Target]:
        if self.at is not None:
            by = next_local(now.at, self.at, self.days, now.home.timezone)
            yield self._target(by, self.soc_pct, self.energy_kwh, f"ready by {self.at:%H:%M}")

    def _single(self, now: Situation) -> Iterator[Target]:
        zone = now.home.timezone
        instants = ((one.instant(zone), one) for one in self.departures)
        coming = sorted((pair for pair in instants if now.at < pair[0] <= now.at + FARTHEST), key=itemgetter(0))
        for by, one in [*coming[:1], *(pair for pair in coming[1:] if pair[0] <= now.at + now.limits.horizon)]:
            yield self._target(by, *self._asked(one), f"ready by {one.at:%Y-%m-%d %H:%M}")

    def _of_calendar(self, now: Situation) -> Iterator[Target]:
        chosen = (
            (self._instant(one, now.home.timezone), one)
            for one in now.departures
            if one.calendar == self.calendar and self.match.casefold() in one.title.casefold()
        )
        horizon = now.at + now.limits.horizon
        coming = [(by, one) for by, one in chosen if by is not None and now.at < by <= horizon]
        for by, one in sorted(coming, key=itemgetter(0))[:MOST_EVENTS]:
            why = f"calendar {one.calendar}: {one.title}" if one.title else f"calendar {one.calendar}"
            yield self._target(by, *self._asked(one), why)

    def _instant(self, one: CalendarDeparture, timezone: str) -> datetime | None:
        if one.day is None:
            return one.at
        return None if self.at is None else local_instant(one.day, self.at, timezone)

    def _asked(self, one: Departure | CalendarDeparture) -> tuple[float | None, float | None]:
        """Return the state of charge or the energy that a departure asks for itself, else the policy's own."""
        own = one.soc_pct is None and one.energy_kwh is None
        return (self.soc_pct, self.energy_kwh) if own else (one.soc_pct, one.energy_kwh)

    @staticmethod
    def _target(by: datetime, soc_pct: float | None, energy_kwh: float | None, why: str) -> Target:
        if energy_kwh is not None:
            return Target(energy_kwh=energy_kwh, by=by, why=why)
        return Target(soc_pct=SOC_PCT if soc_pct is None else soc_pct, by=by, why=why)


def _amount(target: Target) -> float:
    return (target.soc_pct if target.energy_kwh is None else target.energy_kwh) or 0.0


def _check_amount(soc_pct: float | None, energy_kwh: float | None) -> None:
    if soc_pct is not None and energy_kwh is not None:
        raise ValueError("soc_pct and energy_kwh exclude one another")
    if soc_pct is not None and not 0 < soc_pct <= FULL_PCT:
        raise ValueError(f"soc_pct must be above 0 and at most 100, not {soc_pct:g}")
    if energy_kwh is not None and not energy_kwh > 0:
        raise ValueError(f"energy_kwh must be above 0, not {energy_kwh:g}")
