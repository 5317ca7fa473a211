"""Which of overlapping prices holds."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.timeline import nanoseconds
from storage.price_slots import newest_prices

T0 = datetime(2026, 10, 25, tzinfo=UTC)


def slot(start: int, end: int, price: float, *, fetched: int = 0) -> dict:
    """A row from one minute to another."""
    begins, ends = (nanoseconds(T0 + timedelta(minutes=m)) for m in (start, end))
    return {"source": "spot", "start": begins, "end": ends, "per_kwh": price, "fetched_at": fetched}


def drawn(rows) -> list[tuple[int, int, float]]:
    zero = nanoseconds(T0)
    minute = 60_000_000_000
    return [((row["start"] - zero) // minute, (row["end"] - zero) // minute, row["per_kwh"]) for row in rows]


@pytest.mark.parametrize(
    ("stored", "fetched", "expected"),
    [
        pytest.param([], [slot(0, 60, 1)], [(0, 60, 1)], id="the-first"),
        pytest.param([slot(0, 60, 1)], [slot(0, 60, 2, fetched=1)], [(0, 60, 2)], id="a-correction"),
        pytest.param([slot(0, 60, 1, fetched=1)], [slot(0, 60, 2)], [(0, 60, 2)], id="after-a-clock-was-set-back"),
        pytest.param([slot(0, 60, 1)], [slot(0, 60, 2)], [(0, 60, 2)], id="two-of-one-instant"),
        pytest.param(
            [slot(0, 60, 1)], [slot(15, 30, 2, fetched=1)], [(0, 15, 1), (15, 30, 2), (30, 60, 1)], id="a-hole"
        ),
        pytest.param(
            [slot(0, 15, 1), slot(15, 30, 2)], [slot(0, 60, 3, fetched=1)], [(0, 60, 3)], id="quarters-become-an-hour"
        ),
        pytest.param([slot(0, 15, 1)], [slot(45, 60, 3)], [(0, 15, 1), (45, 60, 3)], id="a-gap-stays-a-gap"),
    ],
)
def test_the_newest_fetch_holds(stored, fetched, expected):
    assert drawn(newest_prices(stored=stored, fetched=fetched)) == expected


disjoint = st.lists(st.integers(0, 20), min_size=2, max_size=8, unique=True).map(sorted)


@given(layers=st.lists(st.tuples(disjoint, st.integers(0, 3)), min_size=1, max_size=5))
def test_each_minute_has_the_price_of_the_last_fetch_that_covers_it(layers):
    stored: list[dict] = []
    expected: dict[int, float] = {}
    for number, (edges, fetched_at) in enumerate(layers):
        spans = list(itertools.pairwise(edges))
        stored = newest_prices(stored=stored, fetched=[slot(a, b, number, fetched=fetched_at) for a, b in spans])
        expected |= {minute: number for a, b in spans for minute in range(a, b)}
    prices = {minute: price for start, end, price in drawn(stored) for minute in range(start, end)}
    assert prices == expected
    assert sum(end - start for start, end, _ in drawn(stored)) == len(prices)  # disjoint
    assert drawn(stored) == sorted(drawn(stored))
