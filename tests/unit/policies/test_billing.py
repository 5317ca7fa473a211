"""Which steps a contract bills, and what the market's prices count for in them."""

import itertools
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.tariff.billing import averaged, steps
from policies.tariff.spot import Spot
from scheduler.core.calendar import local_days
from scheduler.core.terms import PriceSlot, PriceState
from scheduler.core.timeline import Interval
from tests.unit.policies.builders import AT, market, situation, utc

QUARTER = timedelta(minutes=15)
HOUR = timedelta(hours=1)
NOW = timedelta(0)


def hours_of(day: str, timezone: str, *, minutes: int = 60) -> tuple[Interval, ...]:
    return steps(local_days(utc(f"{day}T12:00"), NOW, timezone), minutes=minutes, timezone=timezone)


def slot(start: str, end: str, per_kwh: float, state: PriceState = PriceState.FINAL) -> PriceSlot:
    return PriceSlot(start=utc(f"2026-01-05T{start}"), end=utc(f"2026-01-05T{end}"), per_kwh=per_kwh, state=state)


def told(slots) -> list[tuple[str, str, float]]:
    return [(f"{one.start:%H:%M}", f"{one.end:%H:%M}", one.per_kwh) for one in slots]


def test_quarters_count_with_the_mean_of_their_hour():
    prices = market(0.10, 0.20, 0.30, 0.40, -0.10, -0.10, 0.0, 0.0, start=utc("2026-01-05T11:00"), step=QUARTER)
    now = situation(prices=[prices])
    (term,) = Spot(source="spot", billing_min=60).terms(now)
    published = tuple(one for one in term.slots if one.published)
    assert told(published) == [("11:00", "12:00", 0.25), ("12:00", "13:00", -0.05)]


def test_what_is_put_on_top_is_put_on_the_mean():
    """Without VAT on a negative sum the order of averaging and adding shows: (-0.3 + 0.1) / 2 has no VAT."""
    prices = market(-0.30, 0.10, start=utc("2026-01-05T11:00"), step=2 * QUARTER)
    (term,) = Spot(source="spot", billing_min=60, vat_pct=25, vat_on_negative=False).terms(situation(prices=[prices]))
    assert told(term.slots[:1]) == [("11:00", "12:00", -0.1)]


def test_a_mean_is_weighted_by_time():
    hour = [Interval(start=utc("2026-01-05T11:00"), end=utc("2026-01-05T12:00"))]
    assert told(averaged([slot("10:00", "11:45", 0.1), slot("11:45", "13:00", 0.5)], hour)) == [("11:00", "12:00", 0.2)]


@pytest.mark.parametrize(
    "slots",
    [
        pytest.param([slot("11:15", "12:00", 0.3)], id="begins-late"),
        pytest.param([slot("11:00", "11:45", 0.3)], id="ends-early"),
        pytest.param([slot("11:00", "11:15", 0.3), slot("11:30", "12:00", 0.3)], id="gap"),
        pytest.param([], id="nothing"),
    ],
)
def test_a_step_of_which_a_part_is_unknown_is_unknown(slots):
    hour = [Interval(start=utc("2026-01-05T11:00"), end=utc("2026-01-05T12:00"))]
    assert averaged(slots, hour) == ()


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ((PriceState.FINAL, PriceState.FINAL), PriceState.FINAL),
        ((PriceState.FINAL, PriceState.PRELIMINARY), PriceState.PRELIMINARY),
        ((PriceState.FORECAST, PriceState.PRELIMINARY), PriceState.FORECAST),
    ],
)
def test_a_mean_is_as_sure_as_its_least_sure_part(parts, whole):
    hour = [Interval(start=utc("2026-01-05T11:00"), end=utc("2026-01-05T12:00"))]
    halves = [slot("11:00", "11:30", 0.1, parts[0]), slot("11:30", "12:00", 0.2, parts[1])]
    assert [one.state for one in averaged(halves, hour)] == [whole]


def test_an_hour_published_in_part_is_completed_by_what_is_expected():
    """Publication ends at half past: the hour is a mean of published and expected quarters, so it is expected."""
    prices = market(*[0.2] * 94, start=utc("2026-01-04T23:00"), step=QUARTER)
    (term,) = Spot(source="spot", billing_min=60).terms(situation(prices=[prices]))
    last = [one for one in term.slots if one.published][-1]
    assert last.end == utc("2026-01-05T22:00")
    assert {one.per_kwh for one in term.slots} == {0.2}


def test_expected_prices_are_averaged_too():
    quarters = [0.1, 0.2, 0.3, 0.4] * 24
    prices = market(*quarters, start=utc("2026-01-04T23:00"), step=QUARTER)
    (term,) = Spot(source="spot", billing_min=60).terms(situation(prices=[prices]))
    assert {round(one.per_kwh, 6) for one in term.slots if not one.published} == {0.25}


def test_slots_longer_than_the_step_stay_as_they_are():
    prices = market(0.1, 0.3, start=utc("2026-01-05T11:00"))
    (term,) = Spot(source="spot", billing_min=15).terms(situation(prices=[prices]))
    assert told(one for one in term.slots if one.published) == [("11:00", "12:00", 0.1), ("12:00", "13:00", 0.3)]


@pytest.mark.parametrize(
    ("day", "timezone", "minutes", "count"),
    [
        ("2026-01-05", "Europe/Oslo", 60, 24),
        ("2026-03-29", "Europe/Oslo", 60, 23),
        ("2026-10-25", "Europe/Oslo", 60, 25),
        ("2026-10-25", "Europe/Oslo", 15, 100),
        ("2026-03-29", "Europe/Oslo", 30, 46),
        ("2026-04-05", "Australia/Adelaide", 60, 25),
        ("2026-10-04", "Australia/Adelaide", 60, 23),
    ],
)
def test_a_day_has_as_many_steps_as_it_is_long(day, timezone, minutes, count):
    found = hours_of(day, timezone, minutes=minutes)
    assert len(found) == count
    assert {one.duration for one in found} == {timedelta(minutes=minutes)}
    assert all(one.end == other.start for one, other in itertools.pairwise(found))


def test_an_hour_of_a_half_hour_zone_begins_at_half_past():
    quarters = market(0.1, 0.1, 0.3, 0.3, 0.5, 0.5, start=utc("2026-01-05T11:00"), step=QUARTER)
    (term,) = Spot(source="spot", billing_min=60).terms(situation(prices=[quarters], timezone="Australia/Adelaide"))
    assert told(one for one in term.slots if one.published) == [("11:30", "12:30", 0.4)]


def test_a_clock_that_is_set_by_half_an_hour_cuts_an_hour():
    """Lord Howe Island: at 02:00 the clock goes back to 01:30, so that half an hour comes twice."""
    autumn = hours_of("2026-04-05", "Australia/Lord_Howe")
    assert [one.duration for one in autumn].count(HOUR / 2) == 1
    assert Interval(start=utc("2026-04-04T15:00"), end=utc("2026-04-04T15:30")) in autumn
    spring = hours_of("2026-10-04", "Australia/Lord_Howe")  # 02:00 becomes 02:30
    assert Interval(start=utc("2026-10-03T15:30"), end=utc("2026-10-03T16:00")) in spring
    assert sum((one.duration for one in spring), start=NOW) == 23.5 * HOUR


@pytest.mark.parametrize("minutes", [0, 20, 45, 120])
def test_steps_that_nobody_bills_are_refused(minutes):
    with pytest.raises(ValueError, match="billing_min must be one of 15, 30, 60"):
        Spot(source="spot", billing_min=minutes)


# --- for all prices -----------------------------------------------------------------------------------------------------

DAYS = st.sampled_from(["2026-01-05", "2026-03-29", "2026-10-25", "2026-04-05", "2026-10-04"])
ZONES = st.sampled_from(["Europe/Oslo", "Australia/Adelaide", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"])
LENGTHS = st.lists(st.sampled_from([5, 15, 30, 60]), min_size=1, max_size=60)


@st.composite
def markets(draw) -> list[PriceSlot]:
    """Slots of mixed lengths from some instant of the day before on, a few of them unknown."""
    at = utc(f"{draw(DAYS)}T00:00") + timedelta(minutes=5 * draw(st.integers(-200, 100)))
    slots = []
    for minutes in draw(LENGTHS):
        end = at + timedelta(minutes=minutes)
        if draw(st.integers(0, 9)):
            slots.append(PriceSlot(start=at, end=end, per_kwh=draw(st.floats(-0.5, 8.0))))
        at = end
    return slots


def worth(slots, within: Interval) -> tuple[Fraction, timedelta]:
    """Return price times time within an interval, exactly, and how much of it is priced."""
    both = [(max(one.start, within.start), min(one.end, within.end), one) for one in slots]
    inside = [(high - low, one) for low, high, one in both if low < high]
    paid = sum(Fraction(one.per_kwh) * int(length / timedelta(seconds=1)) for length, one in inside)
    return Fraction(paid), sum((length for length, _ in inside), start=NOW)


@given(slots=markets(), minutes=st.sampled_from([15, 30, 60]), timezone=ZONES)
def test_each_step_keeps_its_mean_or_is_unknown(slots, minutes, timezone):
    around = local_days(slots[0].start if slots else AT, timedelta(days=2), timezone)
    billed = steps(around, minutes=minutes, timezone=timezone)
    means = averaged(slots, billed)
    assert all(one.end <= other.start for one, other in itertools.pairwise(means))
    for step in billed:
        paid, known = worth(slots, step)
        counted, priced = worth(means, step)
        assert priced == (step.duration if known == step.duration else NOW)
        if priced:
            assert abs(counted - paid) <= Fraction(1, 10**9) * int(step.duration / timedelta(seconds=1))
