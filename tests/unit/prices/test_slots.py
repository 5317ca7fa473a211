from datetime import timedelta

import pytest

from scheduler.core.errors import PricesUnavailable
from scheduler.core.terms import PriceState
from scheduler.prices.slots import (
    Row,
    floored,
    local_dates,
    number,
    require_currency,
    require_one_of,
    require_unit,
    series,
    sureness,
)
from tests.unit.policies.builders import utc
from tests.unit.prices.answering import AT, span


@pytest.mark.parametrize(
    ("start", "end", "dates"),
    [
        pytest.param("2026-01-04T23:00", "2026-01-05T23:00", ["2026-01-05"], id="one-whole-day"),
        pytest.param("2026-01-04T22:59", "2026-01-05T23:01", ["2026-01-04", "2026-01-05", "2026-01-06"], id="edges"),
        pytest.param("2025-10-25T22:00", "2025-10-26T23:00", ["2025-10-26"], id="the-day-of-25-hours"),
        pytest.param("2026-03-28T23:00", "2026-03-29T22:00", ["2026-03-29"], id="the-day-of-23-hours"),
        pytest.param("2025-12-31T12:00", "2026-01-01T12:00", ["2025-12-31", "2026-01-01"], id="the-turn-of-the-year"),
    ],
)
def test_the_local_dates_that_touch_a_span(start, end, dates):
    assert [str(day) for day in local_dates(span(start, end), "Europe/Brussels")] == dates


def test_a_setting_that_is_none_of_those_known_is_refused_by_name():
    require_one_of("AT", ("AT", "DE"), "country")
    with pytest.raises(ValueError, match=r"^country must be one of AT, DE, not 'CH'$"):
        require_one_of("CH", ("AT", "DE"), "country")


HOURS = [
    Row(utc("2026-01-04T20:00"), utc("2026-01-04T23:30"), 1.0),
    Row(utc("2026-01-04T23:30"), utc("2026-01-05T00:30"), 2.0),
    Row(utc("2026-01-05T00:30"), utc("9999-12-31T00:00"), 3.0),
]


@pytest.mark.parametrize(
    ("whole", "edges"),
    [
        pytest.param(timedelta.max, ["04 20:00", "04 23:30", "05 00:30", "31 00:00"], id="all-stay-whole"),
        pytest.param(timedelta(hours=1), ["04 23:00", "04 23:30", "05 00:30", "05 23:00"], id="only-the-hour-does"),
    ],
)
def test_slots_longer_than_is_said_end_at_the_edges_of_the_span(whole, edges):
    asked = span("2026-01-04T23:00", "2026-01-05T23:00")
    found = series(HOURS, unit="EUR/kWh", currency="EUR", span=asked, at=AT, whole=whole).slots
    assert [f"{slot.start:%d %H:%M}" for slot in found] == edges[:-1]
    assert f"{found[-1].end:%d %H:%M}" == edges[-1]
    assert [slot.per_kwh for slot in found] == [1, 2, 3]


def test_a_long_slot_beside_the_span_is_none_of_its_own():
    asked = span("2026-01-04T22:00", "2026-01-04T23:30")
    found = series(HOURS, unit="EUR/kWh", currency="EUR", span=asked, at=AT, whole=timedelta(hours=1)).slots
    assert [slot.per_kwh for slot in found] == [1]


def test_an_hour_across_the_edge_stays_whole():
    asked = span("2026-01-05T00:00", "2026-01-05T00:15")
    found = series(HOURS, unit="EUR/kWh", currency="EUR", span=asked, at=AT, whole=timedelta(hours=1)).slots
    assert [slot.start for slot in found] == [utc("2026-01-04T23:30")]


@pytest.mark.parametrize(
    ("at", "minutes", "floor"),
    [
        ("2026-01-05T11:29:59", 30, "2026-01-05T11:00"),
        ("2026-01-05T11:30:00", 30, "2026-01-05T11:30"),
        ("2026-01-05T11:30:01", 5, "2026-01-05T11:30"),
        ("2026-01-05T11:30:01", 60, "2026-01-05T11:00"),
        ("2026-01-05T11:30:01", 24 * 60, "2026-01-05T00:00"),
    ],
)
def test_an_instant_goes_back_to_the_last_whole_step(at, minutes, floor):
    assert floored(utc(at), timedelta(minutes=minutes)) == utc(floor)


@pytest.mark.parametrize(
    ("start", "final", "state"),
    [
        ("2026-01-05T11:30", True, PriceState.FINAL),
        ("2026-01-05T11:00", False, PriceState.PRELIMINARY),
        ("2026-01-05T10:30", False, PriceState.PRELIMINARY),
        ("2026-01-05T11:30", False, PriceState.FORECAST),
    ],
)
def test_only_what_has_not_begun_is_a_forecast(start, final, state):
    assert sureness(utc(start), at=utc("2026-01-05T11:00"), final=final) is state


def test_a_currency_is_three_letters_or_the_grams_of_carbon():
    for currency in ("EUR", "AUD", "gCO2"):
        require_currency(currency)
    for currency in ("", "eur", "EURO", "€", "gCO", "ct"):
        with pytest.raises(
            ValueError, match=f"currency must be one of ISO 4217 such as EUR, or gCO2, not '{currency}'"
        ):
            require_currency(currency)


@pytest.mark.parametrize("naive", ["start", "end"])
def test_a_row_without_an_offset_is_refused(naive):
    row = HOURS[1]._replace(**{naive: getattr(HOURS[1], naive).replace(tzinfo=None)})
    with pytest.raises(PricesUnavailable, match="no offset"):
        series([row], unit="EUR/kWh", currency="EUR", span=span("2026-01-04T23:00", "2026-01-05T23:00"), at=AT)


@pytest.mark.parametrize(
    ("unit", "currency", "why"),
    [
        ("EUR/GJ", "EUR", "^unit: prices in 'EUR/GJ' cannot be used"),
        ("kWh", "EUR", "^unit: prices in 'kWh' cannot be used"),
        ("SEK/MWh", "EUR", "^unit is of SEK, currency is EUR$"),
        ("gCO2/kWh", "EUR", "^unit is of gCO2, currency is EUR$"),
    ],
)
def test_a_unit_must_be_understood_and_of_the_currency(unit, currency, why):
    for fits in (("EUR/MWh", "EUR"), ("EUR / kWh", "EUR"), ("ct/kWh", "EUR"), ("p/kWh", "GBP"), ("gCO2/kWh", "gCO2")):
        require_unit(*fits)
    with pytest.raises(ValueError, match=why):
        require_unit(unit, currency)


@pytest.mark.parametrize(
    ("told", "price"),
    [
        *[(0, 0), (-500, -500), (7750.86, 7750.86), ("-0.5", -0.5), (" 1e2 ", 100)],
        *[(none, None) for none in (None, True, "", "SN", "nan", "-inf", float("inf"), "1,5", [1], {}, 10**400)],
    ],
)
def test_what_is_no_finite_number_is_no_price(told, price):
    assert number(told) == price
