"""Price series ↔ rows of slots, and which of overlapping slots holds."""

from collections.abc import Iterable, Sequence
from operator import itemgetter

from scheduler.core.feeds import PriceSeries
from scheduler.core.terms import PriceSlot, PriceState
from scheduler.core.timeline import Interval, from_nanoseconds, merge, nanoseconds, subtract
from storage.rows import Row


def price_rows(series: PriceSeries) -> list[Row]:
    """Return a row for each slot."""
    return [
        {
            "source": series.name,
            "start": nanoseconds(slot.start),
            "end": nanoseconds(slot.end),
            "per_kwh": float(slot.per_kwh),
            "product": series.product,
            "currency": series.currency,
            "zone": series.zone,
            "state": slot.state.value,
            "fetched_at": nanoseconds(series.fetched_at),
        }
        for slot in series.slots
    ]


def newest_prices(*, stored: Iterable[Row], fetched: Iterable[Row]) -> list[Row]:
    """Return disjoint rows of a source, ordered by start: wherever they overlap, what was fetched now holds.

    A stored slot keeps the part that is not fetched anew. What is stored last was fetched last, whatever `fetched_at`
    says: the clock may have been ahead before, and what it dated so is not older for that.

    Args:
        stored: disjoint rows.
        fetched: disjoint rows.
    """
    new = list(fetched)
    covered = merge(_interval(row) for row in new)
    return sorted([*new, *(piece for row in stored for piece in _uncovered(row, covered))], key=itemgetter("start"))


def _uncovered(row: Row, covered: tuple[Interval, ...]) -> list[Row]:
    left = subtract([_interval(row)], covered)
    return [row | {"start": nanoseconds(piece.start), "end": nanoseconds(piece.end)} for piece in left]


def _interval(row: Row) -> Interval:
    return Interval(start=from_nanoseconds(row["start"]), end=from_nanoseconds(row["end"]))


def price_series(rows: Sequence[Row]) -> list[PriceSeries]:
    """Return one series a source, of rows ordered by source and start."""
    sources: dict[str, list[Row]] = {}
    for row in rows:
        sources.setdefault(row["source"], []).append(row)
    return [_series(name, slots) for name, slots in sources.items()]


def _series(name: str, slots: list[Row]) -> PriceSeries:
    return PriceSeries(
        name=name,
        currency=slots[0]["currency"],
        zone=slots[0]["zone"],
        fetched_at=from_nanoseconds(max(row["fetched_at"] for row in slots)),
        product=slots[0]["product"],
        slots=tuple(
            PriceSlot(
                start=from_nanoseconds(row["start"]),
                end=from_nanoseconds(row["end"]),
                per_kwh=row["per_kwh"],
                state=PriceState(row["state"]),
            )
            for row in slots
        ),
    )
