"""Price series ↔ rows of slots, and which of overlapping slots holds."""

from collections.abc import Iterable, Sequence

from scheduler.core.model import PriceSeries
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
    """Return disjoint rows, ordered by start: wherever rows of a source overlap, the newest fetch holds.

    An older slot keeps the part that no newer one covers. Of fetches at the same instant the one stored last holds.
    """
    kept: list[Row] = []
    covered: tuple[Interval, ...] = ()
    layers: dict[tuple[int, bool], list[Row]] = {}
    for is_now, rows in ((False, stored), (True, fetched)):
        for row in rows:
            layers.setdefault((row["fetched_at"], is_now), []).append(row)
    for layer in sorted(layers, reverse=True):
        pieces = [piece for row in layers[layer] for piece in _uncovered(row, covered)]
        kept += pieces
        covered = merge([*covered, *(_interval(piece) for piece in pieces)])
    return sorted(kept, key=lambda row: row["start"])


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
