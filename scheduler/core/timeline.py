"""Half-open spans of time. Every instant is aware UTC."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def nanoseconds(at: datetime) -> int:
    """Return the instant as whole nanoseconds since 1970 UTC, exactly (an instant has microseconds)."""
    return (at - EPOCH) // timedelta(microseconds=1) * 1000


def from_nanoseconds(ns: int) -> datetime:
    """Return the aware UTC instant of `nanoseconds`; what is below a microsecond is cut off."""
    return EPOCH + timedelta(microseconds=ns // 1000)


def require_utc(at: datetime, name: str) -> None:
    """Refuse an instant that is not aware UTC.

    Raises:
        ValueError: the instant is naive or in another offset; `name` says which member it was.
    """
    if at.tzinfo is UTC:  # the ordinary case, cheaply
        return
    if at.tzinfo is None or at.utcoffset() != timedelta(0):
        raise ValueError(f"{name} must be an aware UTC instant, not {at!r}")


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Interval:
    """The span `[start, end)`; never empty."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        require_utc(self.start, "start")
        require_utc(self.end, "end")
        if self.end <= self.start:
            raise ValueError(f"an interval must end after it starts: {self.start} .. {self.end}")

    @property
    def duration(self) -> timedelta:
        """How long the interval lasts."""
        return self.end - self.start

    @property
    def hours(self) -> float:
        """The duration in hours."""
        return self.duration / timedelta(hours=1)

    def covers(self, at: datetime) -> bool:
        """Tell whether the instant lies inside."""
        return self.start <= at < self.end


def clip(interval: Interval, *, start: datetime, end: datetime) -> Interval | None:
    """Return the part of the interval inside `[start, end)`, or None when there is none."""
    low, high = max(interval.start, start), min(interval.end, end)
    return Interval(start=low, end=high) if low < high else None


def merge(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the union: ordered, disjoint, neighbours that touch joined."""
    merged: list[Interval] = []
    for interval in sorted(intervals, key=lambda i: i.start):
        if merged and interval.start <= merged[-1].end:
            merged[-1] = Interval(start=merged[-1].start, end=max(merged[-1].end, interval.end))
        else:
            merged.append(Interval(start=interval.start, end=interval.end))
    return tuple(merged)


def subtract(intervals: Iterable[Interval], holes: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return what is in `intervals` and in none of `holes`: ordered, disjoint."""
    left = list(merge(intervals))
    for hole in merge(holes):
        left = [piece for interval in left for piece in _without(interval, hole)]
    return tuple(left)


def _without(interval: Interval, hole: Interval) -> Iterator[Interval]:
    if hole.end <= interval.start or interval.end <= hole.start:
        yield interval
        return
    if interval.start < hole.start:
        yield Interval(start=interval.start, end=hole.start)
    if hole.end < interval.end:
        yield Interval(start=hole.end, end=interval.end)


def total(intervals: Iterable[Interval]) -> timedelta:
    """Return the summed duration of disjoint intervals."""
    return sum((i.duration for i in intervals), start=timedelta(0))
