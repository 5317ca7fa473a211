"""Price series laid over one another: what is known, what a newer fetch changes, and who stands in. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from scheduler.core.feeds import PriceSeries, StandIn
from scheduler.core.terms import PriceSlot, PriceState
from scheduler.core.timeline import Interval, merge, subtract


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a source told, and which spans of time it covers: all of it, and what of it will not change any more.

    Both are asked for every minute and change once a day.
    """

    series: PriceSeries
    spans: tuple[Interval, ...]
    final: tuple[Interval, ...]

    @classmethod
    def of(cls, series: PriceSeries) -> Self:
        """Return a series with its spans."""
        final = (slot for slot in series.slots if slot.state is PriceState.FINAL)
        return cls(series=series, spans=_spans(series.slots), final=_spans(final))

    def fetched_again(self, at: datetime) -> Self:
        """Return the same, told once more at an instant."""
        return replace(self, series=replace(self.series, fetched_at=at))

    def same(self, after: PriceSeries) -> bool:
        """Tell whether a fetch brought nothing new: old slots fall out of the window as time passes."""
        before, known = self.series, {slot.start: slot for slot in self.series.slots}
        return (before.zone, before.currency) == (after.zone, after.currency) and all(
            known.get(slot.start) == slot for slot in after.slots
        )

    def under(self, series: PriceSeries, *, since: datetime) -> PriceSeries:
        """Return a newer series laid over this one: the newest fetch holds wherever it speaks."""
        before = self.series
        if (before.zone, before.currency) != (series.zone, series.currency):
            return series
        holes = subtract(_spans(slot for slot in before.slots if slot.end > since), _spans(series.slots))
        return replace(series, slots=_in_order(series.slots, _cut(before.slots, holes)))

    def completed(self, other: "Known") -> PriceSeries:
        """Return the series with another's slots where it has none itself."""
        holes = subtract(other.spans, self.spans)
        if not holes:
            return self.series
        slots = _in_order(self.series.slots, _cut(other.series.slots, holes))
        return replace(self.series, slots=slots, stand_ins=_standing_in(other.series.name, holes))

    def in_place_of(self, name: str) -> PriceSeries:
        """Return the series as that of another source, which has nothing."""
        return replace(self.series, name=name, stand_ins=_standing_in(self.series.name, self.spans))


def misfit(own: PriceSeries, other: PriceSeries) -> str:
    """Say why the other prices cannot stand in for one's own; empty where they can."""
    if own.currency == other.currency and (not own.zone or not other.zone or own.zone == other.zone):
        return ""
    return f"cannot stand in for {own.name}: {_what(other)} are not {_what(own)}"


def _what(series: PriceSeries) -> str:
    return f"prices of {series.zone or 'no zone'} in {series.currency}"


def _standing_in(name: str, spans: Iterable[Interval]) -> tuple[StandIn, ...]:
    return tuple(StandIn(interval=span, name=name) for span in spans)


def _in_order(first: Iterable[PriceSlot], second: Iterable[PriceSlot]) -> tuple[PriceSlot, ...]:
    return tuple(sorted((*first, *second), key=lambda slot: slot.start))


def _cut(slots: Iterable[PriceSlot], spans: Iterable[Interval]) -> list[PriceSlot]:
    """Return the parts of the slots inside the spans."""
    pieces = []
    for slot in slots:
        for span in spans:
            low, high = max(slot.start, span.start), min(slot.end, span.end)
            if low < high:
                pieces.append(replace(slot, start=low, end=high))
    return pieces


def _spans(slots: Iterable[PriceSlot]) -> tuple[Interval, ...]:
    return merge(Interval(start=slot.start, end=slot.end) for slot in slots)
