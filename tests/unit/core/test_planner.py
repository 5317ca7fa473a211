"""The planner finds the cheapest plan that honours the terms."""

import pytest

from scheduler.core.terms import Target
from tests.unit.core.builders import charging_minutes, plan_for, situation


@pytest.mark.parametrize(
    ("prices", "missing_kwh", "minutes", "shortfall_kwh"),
    [
        pytest.param([20, 60, 10, 80], 7.0, [0, 0, 60, 0], 0.0, id="one-hour-in-the-cheapest-slot"),
        pytest.param([20, 60, 10, 80], 10.5, [30, 0, 60, 0], 0.0, id="a-half-slot-in-the-next-cheapest"),
        pytest.param([20, 20, 20, 20], 7.0, [60, 0, 0, 0], 0.0, id="equal-prices-go-to-the-earlier"),
        pytest.param([9, -5, 9, -2], 7.0, [0, 60, 0, 0], 0.0, id="negative-prices-are-only-prices"),
        pytest.param([20, 60, 10, 80], 35.0, [60, 60, 60, 60], 7.0, id="too-late-charges-all-and-says-so"),
    ],
)
def test_a_target_is_met_in_the_cheapest_slots(prices, missing_kwh, minutes, shortfall_kwh):
    now = situation(prices=prices, missing_kwh=missing_kwh, charge_power_kw=7.0)
    plan = plan_for(now, [Target(energy_kwh=missing_kwh, by=now.horizon_end)])
    assert charging_minutes(plan, now) == minutes
    assert plan.shortfall_kwh == pytest.approx(shortfall_kwh)
