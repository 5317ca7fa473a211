"""The steps that a contract bills: market prices of shorter slots count with their mean over each."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from scheduler.core.calendar import zone_named
from scheduler.core.terms import PriceSlot, least_sure
from scheduler.core.timeline import Interval

BILLED_MIN = (15, 30, 60)
"""The lengths of a billing step [minutes]."""

DIGITS = 9
"""A mean is no finer than this: four equal quarters must be worth what each of them is."""


@lru_cache(maxsize=64)  # changes with the local day
def steps(within: Interval, *, minutes: int, timezone: str) -> tuple[Interval, ...]:
    """Return the billing steps of a span that begins at an edge of one, such as a local midnight.

    Steps lie on the home's clock, whatever its offset: in Adelaide an hour begins at half past in UTC. A day has as
    many as it is long; where the clock is set by less than a step (Lord Howe Island) the next one is shorter.
    """
    zone = zone_named(timezone)
    found: list[Interval] = []
    at = within.start
    while at < within.end:
        edge = min(_edge_after(at, timedelta(minutes=minutes), zone), within.end)
        found.append(Interval(start=at, end=edge))
        at = edge
    return tuple(found)


def _edge_after(at: datetime, step: timedelta, zone: ZoneInfo) -> datetime:
    local = at.astimezone(zone)
    return at + step - timedelta(hours=local.hour, minutes=local.minute, seconds=local.second) % step


def averaged(slots: Sequence[PriceSlot], billed: Sequence[Interval]) -> tuple[PriceSlot, ...]:
    """Return the mean price of each billing step, weighted by time. Both must be ordered and disjoint.

    A step of which any part is unknown is unknown, since half an hour says nothing of the other half. A mean is as sure
    as the least sure of its parts. What one slot covers whole keeps its price to the last digit, and steps of one slot
    stay together.
    """
    means: list[PriceSlot] = []
    first, whole = 0, -1  # the first slot that is not over, and the one of which the last mean was cut
    for step in billed:
        while first < len(slots) and slots[first].end <= step.start:
            first += 1
        last = first
        while last < len(slots) and slots[last].start < step.end:
            last += 1
        parts = [_cut(slot, step) for slot in slots[first:last]]
        if sum((part.end - part.start for part in parts), start=timedelta(0)) < step.duration:
            continue
        if len(parts) > 1:
            means.append(_mean(parts, step))
        elif whole == first and means[-1].end == step.start:
            means[-1] = _cut(slots[first], Interval(start=means[-1].start, end=step.end))
        else:
            means.append(parts[0])
        whole = first if len(parts) == 1 else -1
    return tuple(means)


def _cut(slot: PriceSlot, step: Interval) -> PriceSlot:
    low, high = max(slot.start, step.start), min(slot.end, step.end)
    return PriceSlot(start=low, end=high, per_kwh=slot.per_kwh, state=slot.state)


def _mean(parts: Sequence[PriceSlot], step: Interval) -> PriceSlot:
    paid = sum(part.per_kwh * ((part.end - part.start) / step.duration) for part in parts)
    return PriceSlot(
        start=step.start,
        end=step.end,
        per_kwh=round(paid, DIGITS),
        state=least_sure(part.state for part in parts),
    )
