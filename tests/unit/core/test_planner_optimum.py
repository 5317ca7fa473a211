"""The planner against brute force: on small grids nothing is cheaper, nothing is later, nothing is broken for nothing."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.model import Limits, Situation
from scheduler.core.needs import reserved_deadline
from scheduler.core.planner import plan
from scheduler.core.terms import Block, Target
from tests.unit.core.builders import NOW, in_hours, minutes_within, plan_for, situation, span

POWER_KW = 6.0
"""A quarter of an hour is 1.5 kWh."""

NO_MARGINS = Limits(r_out=timedelta(0), r_stop=timedelta(0))
AT_ONCE = {"start_latency_s": 0.0}

prices_of_a_grid = st.lists(st.integers(-3, 9), min_size=1, max_size=7)


def grid(prices: list[int], **more: object) -> Situation:
    """Return a situation without margins and minimum pauses, so that the optimum is that of the bare problem."""
    made = situation(
        prices=prices, slot_min=15, charge_power_kw=POWER_KW, soc_pct=0.0, home={"min_dwell": timedelta(0)}
    )
    return replace(made, limits=NO_MARGINS, learned=replace(made.learned, **AT_ONCE), **more)


def brute_force(prices: list[int], needs: list[tuple[int, int]], forbidden: frozenset[int] = frozenset()) -> int | None:
    """Return the least cost of whole slots with `count` of them before each `deadline`; None if there is no way."""
    best: int | None = None
    total = max((count for count, _ in needs), default=0)
    for chosen in product((0, 1), repeat=len(prices)):
        if any(chosen[i] for i in forbidden) or sum(chosen) != total:
            continue
        if all(sum(chosen[:deadline]) >= count for count, deadline in needs):
            cost = sum(price for price, one in zip(prices, chosen, strict=True) if one)
            best = cost if best is None else min(best, cost)
    return best


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, int]], frozenset[int]]:
    prices = draw(prices_of_a_grid)
    size = len(prices)
    needs = draw(st.lists(st.tuples(st.integers(0, size), st.integers(1, size)), min_size=1, max_size=3))
    forbidden = draw(st.frozensets(st.integers(0, size - 1), max_size=3))
    return prices, needs, forbidden


def terms_of(needs: list[tuple[int, int]], forbidden: frozenset[int]) -> list[Block | Target]:
    blocks = [Block(interval=span(i / 4, (i + 1) / 4)) for i in sorted(forbidden)]
    return [*blocks, *(Target(energy_kwh=count * POWER_KW / 4, by=in_hours(by / 4)) for count, by in needs)]


@settings(max_examples=150, deadline=None)
@given(problems())
def test_no_plan_is_cheaper_and_none_is_late_when_one_can_be_in_time(problem):
    prices, needs, forbidden = problem
    made = plan_for(grid(prices), terms_of(needs, forbidden))
    best = brute_force(prices, needs, forbidden)
    if best is None:
        assert made.shortfall_kwh > 0.0
        assert made.shortfall_why
        return
    assert made.shortfall_kwh == 0.0
    assert made.cost == pytest.approx(best * POWER_KW / 4)
    for count, by in needs:
        assert minutes_within(made, NOW, in_hours(by / 4)) >= 15 * count - 1e-6
    for i in forbidden:
        assert minutes_within(made, in_hours(i / 4), in_hours((i + 1) / 4)) == 0


@settings(max_examples=100, deadline=None)
@given(prices_of_a_grid, st.data())
def test_a_block_listed_later_is_broken_only_as_far_as_needed(prices, data):
    blocked = data.draw(st.frozensets(st.integers(0, len(prices) - 1), max_size=4))
    count = data.draw(st.integers(0, len(prices)))
    target = Target(energy_kwh=count * POWER_KW / 4, by=in_hours(len(prices) / 4))
    made = plan_for(grid(prices), [target, *(b for b in terms_of([], blocked))])
    inside = sum(minutes_within(made, in_hours(i / 4), in_hours((i + 1) / 4)) for i in blocked)
    assert made.shortfall_kwh == 0.0
    assert inside == pytest.approx(15 * max(0, count - (len(prices) - len(blocked))))
    assert bool(made.broken) == (inside > 0)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(-3, 9), min_size=4, max_size=12),
    st.floats(0.1, 30.0),
    st.floats(0.5, 4.0),
    st.sampled_from([5, 15, 30, 60]),
    st.booleans(),
)
def test_every_plan_is_ordered_disjoint_and_within_its_bounds(prices, energy_kwh, hours, slot_min, charging):
    now = situation(prices=prices, slot_min=slot_min, charging=charging, soc_pct=10.0)
    made = plan_for(now, [Target(energy_kwh=energy_kwh, by=in_hours(hours))])
    assert made == plan_for(now, [Target(energy_kwh=energy_kwh, by=in_hours(hours))])
    for slot in made.slots:
        assert NOW <= slot.start < slot.end <= in_hours(hours)
        assert slot.energy_kwh == pytest.approx(7.0 * slot.interval.hours)
    assert all(one.end <= other.start for one, other in pairwise(made.slots))
    assert sum(slot.energy_kwh for slot in made.slots) + made.shortfall_kwh == pytest.approx(energy_kwh, abs=1e-3)
    early = min(reserved_deadline(now, in_hours(hours)), in_hours(hours))
    if energy_kwh / 7.0 <= (early - NOW) / timedelta(hours=1):
        assert all(slot.end <= early + timedelta(microseconds=2) for slot in made.slots)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_from_the_latest_start_the_need_is_met_and_a_minute_later_it_is_not(data):
    holes = data.draw(st.lists(st.tuples(st.floats(0, 9), st.floats(0.1, 3)), max_size=3))
    energy_kwh = data.draw(st.floats(1.0, 25.0))
    target = Target(energy_kwh=energy_kwh, by=in_hours(10))
    blocks = [Block(interval=span(start, start + length)) for start, length in holes]
    now = situation(prices=[1] * 10, soc_pct=0.0)
    need = plan_for(now, [*blocks, target]).needs[0]
    assert need.lst_at is not None
    permitted = permitted_minutes(now, blocks, need.lst_at)
    if need.lst_at > NOW:
        assert permitted == pytest.approx(energy_kwh / 7.0 * 60)
        assert permitted_minutes(now, blocks, need.lst_at + timedelta(minutes=1)) < permitted
    else:
        assert permitted <= energy_kwh / 7.0 * 60 + 1e-6


def permitted_minutes(now: Situation, blocks: list[Block], start_at) -> float:
    """Count, second by second at the edges only, the minutes outside every block until the reserved deadline."""
    end_at = reserved_deadline(now, in_hours(10))
    edges = sorted({start_at, end_at, *(e for b in blocks for e in (b.interval.start, b.interval.end))})
    pieces = ((a, b) for a, b in pairwise(edges) if start_at <= a and b <= end_at)
    return sum((b - a) / timedelta(minutes=1) for a, b in pieces if not any(x.interval.covers(a) for x in blocks))


def test_the_same_situation_gives_the_same_plan():
    now = situation(prices=[3, 1, 2, 1], terms=[Target(soc_pct=70, by=in_hours(4))])
    assert plan(now) == plan(replace(now))
