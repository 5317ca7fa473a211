from datetime import timedelta

import pytest

from scheduler.core.feeds import GRAMS
from scheduler.core.terms import PriceState
from scheduler.plugins import SettingsError, build
from scheduler.prices.fixed import Fixed
from tests.unit.policies.builders import utc
from tests.unit.prices.answering import AT, covered, fetched, gapless, span


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2026-01-05T11:00", "2026-01-05T11:01", 1),
        ("2026-01-05T00:00", "2026-01-06T00:00", 1),
        ("2026-01-05T23:59", "2026-01-06T00:01", 2),
        ("2025-12-21T11:00", "2026-01-15T11:00", 26),
    ],
)
def test_the_whole_span_is_covered(start, end, days):
    calls = []
    found = fetched(build(Fixed, {"price": 0.3, "currency": "EUR"}), within=span(start, end), calls=calls)
    assert (found.currency, len(found.slots), calls) == ("EUR", days, [])
    assert gapless(found.slots)
    first, last = covered(found.slots)
    assert first <= utc(start) < first + timedelta(days=1)
    assert last - timedelta(days=1) < utc(end) <= last
    assert {(slot.per_kwh, slot.state) for slot in found.slots} == {(0.3, PriceState.FINAL)}


def test_the_slots_do_not_move_with_the_clock():
    source = Fixed(price=1, currency="EUR")
    earlier = fetched(source, within=span("2026-01-05T11:00", "2026-01-09T11:00"))
    assert fetched(source, within=span("2026-01-05T17:00", "2026-01-09T17:00")).slots == earlier.slots


@pytest.mark.parametrize("price", [-500, 0, 7750.86])
@pytest.mark.parametrize("currency", ["EUR", "AUD", GRAMS])
def test_any_number_is_only_a_number(price, currency):
    found = fetched(Fixed(price=price, currency=currency, zone="AT"), within=span("2026-01-05", "2026-01-06"))
    assert [(slot.per_kwh, found.currency, found.zone) for slot in found.slots] == [(price, currency, "AT")]


def test_it_always_reaches_beyond_the_farthest_plan():
    rhythm = Fixed.rhythm
    assert rhythm.wanted(AT).end - rhythm.next_news(AT) > timedelta(days=8)


def test_a_price_must_be_a_number():
    with pytest.raises(ValueError, match="price must be a finite number, not nan"):
        Fixed(price=float("nan"), currency="EUR")
    with pytest.raises(ValueError, match="currency must be one of ISO 4217"):
        Fixed(price=1, currency="ct")
    with pytest.raises(SettingsError, match="price"):
        build(Fixed, {"price": "0.3", "currency": "EUR"})
