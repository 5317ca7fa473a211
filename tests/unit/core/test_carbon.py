"""Grams of what flowed and of what is planned."""

from dataclasses import replace

import pytest

from scheduler.core.carbon import planned_grams, session_grams
from scheduler.core.feeds import GRAMS, PriceSeries
from scheduler.core.flowing import come_to
from scheduler.core.model import Flow, Plan, PlannedSlot, PolicySpec
from tests.unit.core.builders import NOW, in_hours, price_slots, situation

CARBON = PolicySpec(name="carbon", settings={"source": "grid", "per_tonne": 80})
GRID = PriceSeries(name="grid", currency=GRAMS, slots=price_slots([100.0, 200.0, 400.0]), fetched_at=NOW)


def at_home(*policies, prices=(GRID,)):
    return replace(situation(home={"policies": policies}), prices=prices)


def flow(start_h, end_h, kw=10.0):
    return Flow(start=in_hours(start_h), end=in_hours(end_h), kw=kw)


def planned(start_h, end_h, kwh):
    return PlannedSlot(
        start=in_hours(start_h), end=in_hours(end_h), energy_kwh=kwh, per_kwh=None, published=True, why=""
    )


@pytest.mark.parametrize(
    ("flows", "total"),
    [
        pytest.param([], 0.0, id="nothing"),
        pytest.param([flow(0.5, 1.5)], 5 * 100 + 5 * 200, id="over-an-edge"),
        pytest.param([flow(0, 0.1), flow(0.2, 0.3), flow(2, 3, kw=2.0)], 100 + 100 + 2 * 400, id="several"),
        pytest.param([flow(2.5, 3.1)], None, id="beyond-the-last-slot"),
        pytest.param([flow(-0.1, 0.5), flow(1, 2)], None, id="before-the-first"),
    ],
)
def test_flows_come_to_the_sum_of_their_parts(flows, total):
    assert come_to(flows, GRID.slots) == (None if total is None else pytest.approx(total))


def test_a_gap_makes_the_sum_unknown():
    slots = price_slots([100.0, None, 400.0])
    assert come_to([flow(0, 1), flow(2, 3)], slots) == pytest.approx(5000.0)
    assert come_to([flow(0, 3)], slots) is None


def test_a_session_has_the_grams_of_the_source_that_the_homes_policy_names():
    other = replace(GRID, name="other", slots=price_slots([1.0, 1.0, 1.0]))
    now = at_home(PolicySpec(name="spot", settings={"source": "other"}), CARBON, prices=(other, GRID))
    assert session_grams([flow(1, 2)], now) == pytest.approx(2000.0)


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(at_home(), id="no-policy"),
        pytest.param(at_home(CARBON, prices=()), id="nothing-known-yet"),
        pytest.param(at_home(CARBON, prices=(replace(GRID, currency="EUR"),)), id="money"),
        pytest.param(at_home(PolicySpec(name="carbon", settings={"source": 3})), id="no-name"),
    ],
)
def test_without_a_source_of_grams_they_are_not_known(now):
    assert session_grams([flow(0, 1)], now) is None
    assert planned_grams(Plan(slots=(planned(0, 1, 7.0),)), now) == [None]


def test_what_was_only_forecast_is_not_reported():
    slots = (*price_slots([100.0]), *price_slots([200.0], start=in_hours(1), published=False))
    now = at_home(CARBON, prices=(replace(GRID, slots=slots),))
    assert session_grams([flow(0, 1)], now) == pytest.approx(1000.0)
    assert session_grams([flow(0, 1.1)], now) is None


def test_a_plan_tells_the_grams_of_each_slot_also_beyond_the_last_that_is_known():
    plan = Plan(slots=(planned(0.5, 1.5, 7.0), planned(27, 28, 7.0)))
    before, beyond = planned_grams(plan, at_home(CARBON))
    assert before == pytest.approx(3.5 * 100 + 3.5 * 200)
    assert beyond == pytest.approx(7.0 * 233.333, rel=1e-4)  # an hour of the day of which nothing is known: the mean


def test_a_gap_in_the_grams_makes_the_planned_ones_unknown():
    holed = replace(GRID, slots=price_slots([100.0, None, 400.0]))
    assert planned_grams(Plan(slots=(planned(0, 2, 7.0),)), at_home(CARBON, prices=(holed,))) == [None]
