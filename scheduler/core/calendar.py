"""Local times of day become instants here: departures, windows, local days.

Two rules hold everywhere. A local time that the clock change skips means the first instant after the gap; a local time
that comes twice means its first coming. So a departure is never later than the person can have meant, and the windows
of a day cover exactly its real length (23 to 25 hours; half hours occur).
"""

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from scheduler.core.timeline import Interval, clip, merge

EVERY_DAY = frozenset(range(7))
"""Weekdays; 0 is Monday."""

EVERY_MONTH = frozenset(range(1, 13))
"""Months; 1 is January."""

MIDNIGHT = time(0)

ONE_DAY = timedelta(days=1)

V = TypeVar("V")

LONGEST_NAME = 64
"""No zone has a longer name; Python looks for one of a thousand parts until it falls over its own depth."""


def zone_named(timezone: str) -> ZoneInfo:
    """Return the zone of an IANA name such as `Europe/Oslo`.

    Raises:
        ValueError: there is no such zone, or no zone data at all.
    """
    if len(timezone) > LONGEST_NAME:
        raise ValueError(f"no time zone is called {timezone[:LONGEST_NAME]!r}…")
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"no time zone is called {timezone!r}") from error


def local_instant(day: date, at: time, timezone: str) -> datetime:
    """Return the instant of a local time of day on a local date, by the two rules of this module."""
    zone = zone_named(timezone)
    wall = datetime.combine(day, at.replace(tzinfo=None, fold=0))
    first = wall.replace(tzinfo=zone).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    # The wall time falls into a gap: read with the offset before the gap it lies after it, and the other way round.
    return _change_between(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), first, zone)


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant, to the second, with another offset than `before` has; there is one by `after`."""
    old = before.astimezone(zone).utcoffset()
    low, high = 0, int((after - before).total_seconds()) + 1
    while low + 1 < high:
        middle = (low + high) // 2
        changed = (before + timedelta(seconds=middle)).astimezone(zone).utcoffset() != old
        low, high = (low, middle) if changed else (middle, high)
    return (before + timedelta(seconds=high)).replace(microsecond=0)


def next_local(at: datetime, time_of_day: time, days: Collection[int], timezone: str) -> datetime:
    """Return the first instant after `at` that is this local time of day on one of the weekdays (0 is Monday).

    Raises:
        ValueError: no weekday is given, or one that does not exist, or the zone is unknown.
    """
    if not days or not EVERY_DAY.issuperset(days):
        raise ValueError(f"weekdays must be some of 0 (Monday) to 6 (Sunday), not {sorted(days)}")
    today = at.astimezone(zone_named(timezone)).date()
    for offset in range(-1, 9):  # yesterday too: a gap at midnight moves its evening into today
        day = today + timedelta(days=offset)
        if day.weekday() in days and (instant := local_instant(day, time_of_day, timezone)) > at:
            return instant
    raise ValueError(f"no {time_of_day} within a week after {at} in {timezone}")  # no calendar has that


def local_days(at: datetime, span: timedelta, timezone: str) -> Interval:
    """Return the whole local days that touch `[at, at + span)`.

    Terms stated over these stay the same all day long, so a decision does not change for the clock alone.
    """
    zone = zone_named(timezone)
    first, last = at.astimezone(zone).date(), (at + span).astimezone(zone).date()
    return Interval(
        start=local_instant(first, MIDNIGHT, timezone), end=local_instant(last + ONE_DAY, MIDNIGHT, timezone)
    )


@dataclass(frozen=True, kw_only=True)
class Recurring:
    """A local window that comes again: from `start` to `end` on the days it begins on, in the months given.

    An `end` at or before `start` lies on the next day, so `22:00` to `06:00` crosses midnight and `00:00` to `00:00`
    is the whole day. Weekday and month are those of the day on which the window begins.
    """

    start: time = MIDNIGHT
    end: time = MIDNIGHT
    days: frozenset[int] = EVERY_DAY  # 0 is Monday
    months: frozenset[int] = EVERY_MONTH  # 1 is January

    def __post_init__(self) -> None:
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError("start and end are local times of day and carry no offset")
        if not self.days or not self.days <= EVERY_DAY:
            raise ValueError(f"days must be some of 0 (Monday) to 6 (Sunday), not {sorted(self.days)}")
        if not self.months or not self.months <= EVERY_MONTH:
            raise ValueError(f"months must be some of 1 to 12, not {sorted(self.months)}")

    def on(self, day: date, timezone: str) -> Interval | None:
        """Return the window that begins on this local date; None when there is none or a gap swallows it."""
        if day.weekday() not in self.days or day.month not in self.months:
            return None
        last = day if self.start < self.end else day + ONE_DAY
        start, end = local_instant(day, self.start, timezone), local_instant(last, self.end, timezone)
        return Interval(start=start, end=end) if start < end else None


def local_windows(window: Recurring, *, within: Interval, timezone: str) -> tuple[Interval, ...]:
    """Return the parts of a recurring window inside a span: ordered, disjoint, those that touch joined."""
    return merge(_parts(window, within, timezone))


def _parts(window: Recurring, within: Interval, timezone: str) -> Iterator[Interval]:
    zone = zone_named(timezone)
    day, last = within.start.astimezone(zone).date() - 2 * ONE_DAY, within.end.astimezone(zone).date()
    while day <= last:
        whole = window.on(day, timezone)
        if whole is not None and (part := clip(whole, start=within.start, end=within.end)) is not None:
            yield part
        day += ONE_DAY


def last_match(
    rows: Sequence[tuple[Recurring, V]], *, default: V, within: Interval, timezone: str
) -> tuple[tuple[Interval, V], ...]:
    """Cut a span by rows of windows, each with a value. Where several rows match, the last one holds.

    Returns:
        Ordered, disjoint pieces that cover the span without a gap; neighbours differ in value.
    """
    windows = [(local_windows(window, within=within, timezone=timezone), value) for window, value in rows]
    edges = {within.start, within.end} | {
        edge for found, _ in windows for one in found for edge in (one.start, one.end)
    }
    ordered = sorted(edges)
    starts = [([one.start for one in found], found, value) for found, value in reversed(windows)]
    pieces: list[tuple[Interval, V]] = []
    for low, high in pairwise(ordered):
        value = next((v for begins, found, v in starts if _covered(low, begins, found)), default)
        if pieces and pieces[-1][1] == value:
            low = pieces.pop()[0].start  # noqa: PLW2901 - the piece grows to the left
        pieces.append((Interval(start=low, end=high), value))
    return tuple(pieces)


def _covered(at: datetime, begins: Sequence[datetime], windows: Sequence[Interval]) -> bool:
    index = bisect_right(begins, at) - 1
    return index >= 0 and at < windows[index].end
