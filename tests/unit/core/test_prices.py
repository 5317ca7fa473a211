"""What a kWh costs, and what stands in where that is not known."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from scheduler.core.feeds import PriceSeries
from scheduler.core.model import PriceRung
from scheduler.core.prices import curve, expected
from scheduler.core.terms import Price
from tests.unit.core.builders import NOW, in_hours, price_slots, situation


def told(now, hours):
    """Return the prices of each of the next hours, with an `?` for those that are not published."""
    found = curve(now, until=in_hours(hours, at=now.at))
    told = []
    for hour in range(hours):
        span = next(s for s in found.spans if s.start_s <= hour * 3600 < s.end_s)
        told.append(span.per_kwh if span.published else f"?{span.per_kwh}")
    return told


def test_published_prices_are_taken_as_they_are():
    now = situation(prices=[20, 60, -1, 80])
    assert told(now, 4) == [20, 60, -1, 80]
    assert curve(now, until=in_hours(4)).rung is PriceRung.FRESH


def test_several_prices_add_up_whatever_their_slots():
    fee = Price(slots=price_slots([1.0, 2.0], minutes=90))
    now = situation(prices=[10, 20, 30], terms=[fee])
    spans = curve(now, until=in_hours(3)).spans
    assert [(s.start_s / 60, s.end_s / 60, s.per_kwh) for s in spans] == [
        (0, 60, 11.0),
        (60, 90, 21.0),
        (90, 120, 22.0),
        (120, 180, 32.0),
    ]


def test_a_gap_is_an_unknown_price_and_the_sum_there_too():
    now = situation(prices=[10, None, 30], terms=[Price(slots=price_slots([1, 1, 1]))])
    assert told(now, 3) == [11, "?None", 31]


def test_after_the_last_price_the_same_time_of_day_is_expected_again():
    day = [float(hour) for hour in range(24)]
    now = situation(prices=day)
    assert told(now, 26) == [*day, "?0.0", "?1.0"]


def test_a_weekend_is_expected_from_weekends_and_a_working_day_from_working_days():
    friday = datetime(2025, 11, 21, 12, 0, tzinfo=UTC)
    weekend = price_slots([1.0] * 48, start=datetime(2025, 11, 14, 23, 0, tzinfo=UTC))
    week = price_slots([9.0] * 24 * 5, start=datetime(2025, 11, 9, 23, 0, tzinfo=UTC))
    now = situation(at=friday, terms=[Price(slots=week + weekend)])
    assert told(now, 13)[10:] == ["?9.0", "?1.0", "?1.0"]  # Saturday begins at 23 UTC


def test_days_far_back_do_not_count():
    old = price_slots([5.0] * 24, start=NOW - timedelta(days=30))
    recent = price_slots([1.0] * 24, start=NOW - timedelta(days=1))
    assert told(situation(terms=[Price(slots=old + recent)]), 3) == ["?1.0"] * 3


def test_of_an_unusual_day_half_is_left_a_day_later_and_half_of_that_the_next():
    """Thirteen working days and weekends at 2 by night and 4 by day; then a Friday that is 1.4 dearer throughout."""
    friday = datetime(2025, 11, 20, 23, 0, tzinfo=UTC)
    usual = [2.0] * 12 + [4.0] * 12
    past = price_slots(usual * 13, start=friday - timedelta(days=13))
    unusual = price_slots([per_kwh + 1.4 for per_kwh in usual], start=friday)
    now = situation(at=friday, terms=[Price(slots=past + unusual)])
    mean = 1.4 / 10  # by which the unusual day lifts the mean of ten working days
    above = 1.4 - mean
    found = [float(str(price).removeprefix("?")) for price in told(now, 24 * 5)]
    weekend, monday = found[24:72], found[72:96]
    assert weekend[:24] == [pytest.approx(per_kwh + above / 2) for per_kwh in usual]
    assert weekend[24:] == [pytest.approx(per_kwh + above / 4) for per_kwh in usual]
    assert monday == [pytest.approx(per_kwh + mean + above / 8) for per_kwh in usual]


def test_expected_slots_are_marked_and_never_replace_published_ones():
    slots = price_slots([1.0, None, 3.0])
    found = expected(slots, start=NOW, end=in_hours(30), timezone="Europe/Oslo")
    assert found[0].start == slots[-1].end
    assert found[-1].end == in_hours(30)
    assert not any(slot.published for slot in found)
    assert expected((), start=NOW, end=in_hours(3), timezone="Europe/Oslo") == ()
    assert expected(slots, start=NOW, end=in_hours(2), timezone="Europe/Oslo") == ()


def test_what_a_tariff_expects_itself_is_kept_and_is_no_history():
    own = price_slots([7.0] * 3, start=in_hours(2), published=False)
    now = situation(terms=[Price(slots=price_slots([1.0, 2.0]) + own)])
    assert told(now, 6) == [1.0, 2.0, "?7.0", "?7.0", "?7.0", "?1.5"]


def test_negative_prices_are_expected_again_as_they_were():
    assert told(situation(prices=[-5.0] * 12 + [0.0] * 12), 25)[24:] == ["?-5.0"]


def test_expected_prices_follow_the_local_clock_across_its_change():
    # Oslo leaves summer time on 26 October 2025 at 01:00 UTC: 07:00 local is 05:00 UTC before and 06:00 UTC after.
    start = datetime(2025, 10, 23, 22, 0, tzinfo=UTC)
    days = [2.0] * 7 + [9.0] + [2.0] * 16
    now = situation(at=start + timedelta(days=2), terms=[Price(slots=price_slots(days * 2, start=start))])
    found = [hour for hour, price in enumerate(told(now, 48)) if price == "?9.0"]
    assert [(now.at + timedelta(hours=hour)).hour for hour in found] == [6, 6]


def test_only_older_prices_are_a_rung_lower():
    now = situation(terms=[Price(slots=price_slots([1.0] * 24, start=NOW - timedelta(days=2)))])
    assert curve(now, until=in_hours(3)).rung is PriceRung.OLDER


def test_old_market_prices_give_their_shape_when_no_tariff_speaks():
    slots = price_slots([float(h) for h in range(24)], start=NOW - timedelta(days=1))
    series = PriceSeries(name="market", currency="EUR", slots=slots, fetched_at=NOW)
    now = replace(situation(), prices=(series,))
    found = curve(now, until=in_hours(2))
    assert (found.rung, found.money) == (PriceRung.OLDER, False)
    assert told(now, 2) == ["?0.0", "?1.0"]


def test_without_any_price_the_usual_shape_of_a_day_stands_in():
    found = curve(situation(), until=in_hours(24))
    assert (found.rung, found.money) == (PriceRung.PROFILE, False)
    by_hour = told(situation(), 24)
    night = [by_hour[hour] for hour in range(5, 11)]  # 23 to 05 UTC is 00 to 06 in Oslo
    assert set(night) == {min(by_hour)}
    assert by_hour[0] == max(by_hour)  # 19 local


def test_without_prices_and_time_zone_every_moment_is_alike():
    found = curve(situation(home={"timezone": "Nowhere/Atall"}), until=in_hours(24))
    assert found.rung is PriceRung.NOW
    assert len(found.spans) == 1


@pytest.mark.parametrize("minutes", [5, 15, 30, 60])
def test_expected_prices_are_right_for_every_slot_length(minutes):
    length = int(24 * 60 / minutes)
    prices = [float(i * minutes // 60) for i in range(length)]
    assert told(situation(prices=prices, slot_min=minutes), 27)[24:] == ["?0.0", "?1.0", "?2.0"]


def test_spans_have_no_gap_and_end_where_asked():
    spans = curve(situation(prices=[1, None, 2]), until=in_hours(30)).spans
    assert spans[0].start_s == 0
    assert spans[-1].end_s == 30 * 3600
    assert all(a.end_s == b.start_s for a, b in pairwise(spans))
