"""Prices that are not published: they place charging, are marked, and decide nothing that is safe to leave to them."""

from datetime import timedelta

import pytest

from scheduler.core.model import Limits
from scheduler.core.terms import Opportunity, Price, PriceLimit, Run, Target
from tests.unit.core.builders import charging_minutes, in_hours, plan_for, price_slots, situation, span

EIGHT_HOURS = {
    "cheap-at-the-end": [5, 5, 5, 5, 5, 5, 5, -9],
    "cheap-at-the-beginning": [-9, 5, 5, 5, 5, 5, 5, 5],
    "free": [0] * 8,
    "dear": [99] * 8,
}


def of_two_kinds(published, expected):
    """Return a price that is published for some hours and expected for those after them."""
    known = price_slots(published)
    return Price(slots=known + price_slots(expected, start=in_hours(len(published)), published=False))


@pytest.mark.parametrize("expected", EIGHT_HOURS.values(), ids=EIGHT_HOURS)
def test_no_expectation_moves_the_latest_start_or_the_end_of_charging_past_the_reserve(expected):
    by = in_hours(10)
    now = situation(missing_kwh=14.0, terms=[of_two_kinds([50, 50], expected)])
    made = plan_for(now, [Target(soc_pct=80, by=by)])
    done_by = by - now.limits.r_out - timedelta(minutes=1)
    assert made.needs[0].lst_at == done_by - timedelta(hours=2)
    assert made.slots[-1].end <= done_by
    assert sum(slot.energy_kwh for slot in made.slots) == pytest.approx(14.0)
    assert made.shortfall_kwh == 0


def test_planned_slots_say_whether_their_price_is_published():
    now = situation(missing_kwh=14.0, terms=[of_two_kinds([50, 10, 50], [50, 20, 50])])
    made = plan_for(now, [Target(soc_pct=80, by=in_hours(7))])
    assert [(slot.start, slot.per_kwh, slot.published) for slot in made.slots] == [
        (in_hours(1), 10, True),
        (in_hours(4), 20, False),
    ]


def test_a_hole_is_charged_in_last_and_costs_nobody_knows_what():
    prices = [60, None, 70, None, 80, 90]
    sparing = situation(prices=prices, missing_kwh=14.0)
    assert charging_minutes(plan_for(sparing, [Target(soc_pct=80, by=in_hours(6))]), sparing) == [60, 60, 0, 0]
    needy = situation(prices=prices, missing_kwh=31.5, limits=Limits(r_stop=timedelta(0)))
    made = plan_for(needy, [Target(soc_pct=80, by=in_hours(6))])
    in_holes = [slot for slot in made.slots if slot.per_kwh is None]
    assert charging_minutes(made, needy) == [60, 60, 60, 29]  # until the reserve
    assert sum((slot.end - slot.start for slot in in_holes), timedelta(0)) == timedelta(minutes=61)
    assert made.cost is None


@pytest.mark.parametrize(
    ("limit", "minutes"),
    [(-0.01, [0, 60, 0, 60, 0]), (0.0, [60, 60, 0, 60, 0]), (-0.06, [0, 0, 0, 0, 0]), (0.05, [60, 60, 60, 60, 0])],
)
def test_limits_at_zero_and_below_are_limits_like_others(limit, minutes):
    now = situation(soc_pct=10, prices=[0.0, -0.02, 0.05, -0.05, 0.3])
    made = plan_for(now, [PriceLimit(per_kwh=limit), Run(interval=span(0, 5))])
    assert charging_minutes(made, now) == minutes


@pytest.mark.parametrize("limit", [-0.01, 0.0])
def test_an_opportunity_below_zero_takes_what_is_published_and_leaves_what_is_expected(limit):
    now = situation(soc_pct=50, terms=[of_two_kinds([0.3, -0.02, 0.01], [-0.5, -0.5])])
    made = plan_for(now, [Opportunity(soc_pct=100, per_kwh=limit)])
    assert charging_minutes(made, now) == [0, 60, 0, 0, 0]


def test_a_need_is_not_exceeded_because_prices_are_negative():
    now = situation(missing_kwh=7.0, prices=[-5, -9, -5, -5])
    made = plan_for(now, [Target(soc_pct=80, by=in_hours(4))])
    assert charging_minutes(made, now) == [0, 60, 0, 0]
    assert made.cost == pytest.approx(-63.0)
