"""Runs and pauses that are too short are mended."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.terms import Block, MinDwell, Target
from scheduler.core.timeline import merge
from tests.unit.core.builders import charging_minutes, in_hours, plan_for, situation, span

TEN = timedelta(minutes=10)


@pytest.mark.parametrize(
    ("prices", "hours", "minutes"),
    [
        pytest.param([20, 90, 90, 10, 25, 80], 1.1, [0, 0, 0, 60, 6, 0], id="a-short-run-joins-another"),
        pytest.param([20, 90, 24, 10, 90, 80], 1.1, [0, 0, 6, 60, 0, 0], id="at-either-end"),
        pytest.param([20, 90, 90, 10, 90, 80], 1.1, [10, 0, 0, 56, 0, 0], id="or-is-lengthened-where-that-is-cheaper"),
        pytest.param([20, 10, 30, 40], 0.1, [0, 6, 0, 0], id="alone-it-stays"),
        pytest.param([5, 9, 5, 80], 2.9, [60, 60, 54, 0], id="a-short-pause-is-closed"),
    ],
)
def test_what_is_too_short_is_mended_for_little_money(prices, hours, minutes):
    now = situation(prices=prices)
    made = plan_for(now, [Target(energy_kwh=7.0 * hours, by=in_hours(len(prices)))])
    assert charging_minutes(made, now) == minutes


def test_a_stated_dwell_counts_as_the_homes_does():
    now = situation(prices=[20, 90, 90, 10, 25, 80], home={"min_dwell": timedelta(0)})
    target = Target(energy_kwh=7.7, by=in_hours(6))
    assert charging_minutes(plan_for(now, [target]), now) == [6, 0, 0, 60, 0, 0]
    assert charging_minutes(plan_for(now, [target, MinDwell(duration=TEN)]), now) == [0, 0, 0, 60, 6, 0]


def test_no_repair_enters_a_block():
    now = situation(prices=[20, 90, 24, 10, 24, 80])
    blocks = [Block(interval=span(2, 3)), Block(interval=span(4, 5))]
    made = plan_for(now, [*blocks, Target(energy_kwh=7.7, by=in_hours(6))])
    assert charging_minutes(made, now) == [10, 0, 0, 56, 0, 0]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(-3, 9), min_size=4, max_size=16),
    st.lists(st.tuples(st.floats(0.1, 25.0), st.floats(0.6, 4.0)), min_size=1, max_size=2),
    st.sampled_from([5, 15, 60]),
)
def test_repairs_keep_every_promise_and_the_energy(prices, needs, slot_min):
    targets = [Target(energy_kwh=energy_kwh, by=in_hours(hours)) for energy_kwh, hours in needs]
    mended = plan_for(situation(prices=prices, slot_min=slot_min, soc_pct=0.0), targets)
    bare = plan_for(situation(prices=prices, slot_min=slot_min, soc_pct=0.0, home={"min_dwell": timedelta(0)}), targets)
    assert sum(s.energy_kwh for s in mended.slots) == pytest.approx(sum(s.energy_kwh for s in bare.slots), abs=1e-3)
    assert mended.shortfall_kwh == pytest.approx(bare.shortfall_kwh, abs=1e-3)
    assert all(one.end <= other.start for one, other in pairwise(mended.slots))
    if mended.cost is not None and bare.cost is not None:
        assert mended.cost >= bare.cost - 1e-3
    assert short_runs(mended) <= short_runs(bare)


def short_runs(made):
    return sum(run.duration < TEN - timedelta(milliseconds=10) for run in merge(slot.interval for slot in made.slots))
