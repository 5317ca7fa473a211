from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.core.model import Learned
from scheduler.core.planner import plan
from scheduler.core.safety import price_of_safety
from scheduler.core.terms import Target
from tests.unit.core.builders import in_hours, situation, stated


def wanting(*, prices, kwh, by_h, **more):
    now = situation(prices=prices, **more)
    terms = (*now.terms, *stated([Target(energy_kwh=kwh, by=in_hours(by_h))], first_rank=len(now.terms)))
    return replace(now, terms=terms)


def test_the_cheap_half_hour_that_is_kept_free_before_the_departure_is_what_safety_costs():
    now = wanting(prices=[5, 5, 5, 1], kwh=7.0, by_h=4, learned=Learned(start_latency_s=0.0))
    assert plan(now).cost == pytest.approx(3.5 * 5 + 3.5 * 1)
    assert price_of_safety(now) == pytest.approx(3.5 * (5 - 1))


def test_the_latency_of_a_start_costs_too():
    now = wanting(prices=[5, 5, 5, 1], kwh=7.0, by_h=4, learned=Learned(start_latency_s=360.0))
    assert price_of_safety(now) == pytest.approx((3.5 + 0.7) * (5 - 1))


def test_the_slack_of_the_home_is_a_margin_like_the_other():
    now = wanting(
        prices=[5, 5, 5, 1],
        kwh=7.0,
        by_h=4,
        learned=Learned(start_latency_s=0.0),
        home={"slack": timedelta(minutes=15)},
    )
    assert price_of_safety(now) == pytest.approx(1.75 * (5 - 1))


def test_a_pause_that_must_end_early_enough_to_resume_costs_too():
    now = wanting(
        prices=[1, 5, 5, 1], kwh=14.0, by_h=4, home={"slack": timedelta(0)}, learned=Learned(start_latency_s=0.0)
    )
    assert price_of_safety(now) == pytest.approx(3.5 * (5 - 1))


def test_safety_costs_nothing_where_the_cheap_hours_come_early():
    assert price_of_safety(wanting(prices=[5, 1, 5, 5], kwh=7.0, by_h=4)) == 0.0


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(situation(prices=[5, 1]), id="nothing-asked"),
        pytest.param(wanting(prices=None, kwh=7.0, by_h=4), id="no-prices"),
        pytest.param(wanting(prices=[5, 1], kwh=7.0, by_h=4, charge_power_kw=None), id="no-power"),
        pytest.param(wanting(prices=[5, None, 5, 5], kwh=24.5, by_h=4), id="a-gap-must-be-used"),
    ],
)
def test_it_is_not_told_where_a_cost_is_not_known(now):
    assert price_of_safety(now) is None
