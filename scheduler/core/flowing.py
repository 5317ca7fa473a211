"""What flows of energy come to at so much per kWh, in money or in grams."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import timedelta

from scheduler.core.model import Flow
from scheduler.core.terms import PriceSlot
from scheduler.core.timeline import Interval, clip


def come_to(flows: Iterable[Flow], slots: Sequence[PriceSlot]) -> float | None:
    """Return what the flows come to in all, in the slots' measure; None where any part of one has no slot.

    The slots are ordered and disjoint, and may have gaps.
    """
    total = 0.0
    for flow in flows:
        covered = timedelta(0)
        for index in range(bisect_right(slots, flow.start, key=lambda slot: slot.end), len(slots)):
            slot = slots[index]
            if slot.start >= flow.end:
                break
            part = clip(Interval(start=flow.start, end=flow.end), start=slot.start, end=slot.end)
            if part is not None:
                total += part.hours * flow.kw * slot.per_kwh
                covered += part.duration
        if covered < flow.end - flow.start:
            return None
    return total
