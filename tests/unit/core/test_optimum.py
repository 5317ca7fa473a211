"""The optimum against brute force: time in units, every way to charge in some of them, and none of them is better."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.charging import ChargeCurve, tapering
from scheduler.core.optimum import FEWER, WHOLE, Task, solve
from scheduler.core.runs import Run, shortest, trace
from tests.unit.core.grid import POWER_KW, UNIT_S, Grid, assert_optimal, changed, cost_of, solved, units_of

EXAMPLES = settings(max_examples=100, deadline=None)

prices = st.integers(-3, 6).map(float)
start_costs = st.sampled_from([0.0, 0.01, 0.3, 2.0])


@st.composite
def grids(draw: st.DrawFn, *, even: bool = False, due: bool = True) -> Grid:
    """Draw steps of mixed lengths (all one unit if `even`), a cap, and what is due by some edges."""
    lengths = draw(st.lists(st.just(1) if even else st.sampled_from([1, 2, 3, 3, 4]), min_size=1, max_size=9))
    while sum(lengths) > 9:
        lengths.pop()
    size, count = sum(lengths), len(lengths)
    cap = draw(st.integers(0, size))
    floors = [0] * (count + 1)
    for _ in range(draw(st.integers(1, 3)) if due else 0):
        edge = draw(st.integers(1, count))
        floors[edge] = max(floors[edge], draw(st.integers(0, min(cap, sum(lengths[:edge])))))
    return Grid(
        lengths=tuple(lengths),
        prices=tuple(draw(st.lists(prices, min_size=count, max_size=count))),
        cap=cap,
        floors=tuple(floors),
        start_cost=draw(start_costs),
        running=draw(st.booleans()),
    )


@st.composite
def curves(draw: st.DrawFn, size: int) -> ChargeCurve:
    """Draw a charge curve with kinks on whole units; most taper, some do not."""
    kinks = sorted(draw(st.sets(st.integers(1, max(1, size)), max_size=3)))
    points, power_kw = [(0.0, 0.0)], 12.0
    for kink in [*kinks, size + 5]:
        last_s, last_kwh = points[-1]
        points.append((kink * UNIT_S, last_kwh + (kink * UNIT_S - last_s) / 3600 * power_kw))
        power_kw *= draw(st.sampled_from([0.8, 0.5, 0.3, 1.5]))
    return ChargeCurve(points=tuple(points))


def each_step(draw: st.DrawFn, grid: Grid, usual: float, other: st.SearchStrategy[float]) -> tuple[float, ...]:
    """Draw a value for each step: the usual one, or in a third of them another."""
    one = st.one_of(st.just(usual), st.just(usual), other)
    return tuple(draw(st.lists(one, min_size=len(grid.lengths), max_size=len(grid.lengths))))


@EXAMPLES
@given(grids())
def test_targets_are_met_together_in_the_cheapest_parts_of_steps_of_any_length(grid):
    assert_optimal(grid)


@EXAMPLES
@given(st.data())
def test_a_charge_curve_makes_energy_depend_on_what_was_charged_before(data):
    grid = data.draw(grids())
    assert_optimal(changed(grid, curve=data.draw(curves(grid.size))))


@EXAMPLES
@given(grids(even=True), st.integers(0, 4), st.integers(0, 4))
def test_runs_and_pauses_last_long_enough_wherever_they_can(grid, least_run, least_pause):
    assert_optimal(changed(grid, least_run=least_run, least_pause=least_pause))


@EXAMPLES
@given(st.data())
def test_charging_goes_no_further_than_the_top_of_a_step(data):
    grid = data.draw(grids())
    assert_optimal(changed(grid, tops=each_step(data.draw, grid, grid.cap, st.integers(0, grid.size + 1))))


@EXAMPLES
@given(st.data())
def test_a_forced_step_charges_until_it_has_its_amount(data):
    grid = data.draw(grids())
    forced = each_step(data.draw, grid, 0, st.integers(0, grid.cap))
    tops = each_step(data.draw, grid, grid.cap, st.integers(0, grid.cap))
    assert_optimal(changed(grid, forced=forced, tops=tops))


@EXAMPLES
@given(st.data())
def test_a_step_that_is_forced_whole_is_charged_through(data):
    grid = data.draw(grids())
    assert_optimal(changed(grid, forced=each_step(data.draw, grid, 0, st.just(WHOLE)), once=data.draw(st.booleans())))


@EXAMPLES
@given(st.data())
def test_penalties_come_on_top_of_money(data):
    grid = data.draw(grids())
    assert_optimal(changed(grid, penalties=each_step(data.draw, grid, 0.0, st.sampled_from([0.5, 3.0]))))


@EXAMPLES
@given(st.data())
def test_energy_beyond_the_needs_is_bought_for_what_it_is_worth(data):
    grid = data.draw(grids(due=data.draw(st.booleans())))
    start = max(grid.floors or (0,))
    end = data.draw(st.integers(start, grid.cap))
    worth = ((start, end, data.draw(prices)), (end, grid.cap, data.draw(prices)))
    assert_optimal(changed(grid, worth=worth, curve=data.draw(curves(grid.size))))


@EXAMPLES
@given(grids())
def test_once_is_one_unbroken_run(grid):
    assert_optimal(changed(grid, once=True))


@EXAMPLES
@given(st.data())
def test_a_pause_ends_in_time_to_resume_before_what_is_left_no_longer_fits(data):
    grid = data.draw(grids(due=False))
    deadline = int(data.draw(st.sampled_from(grid.edges[1:].tolist())))
    slack = deadline - int(data.draw(st.sampled_from([edge for edge in grid.edges.tolist() if edge <= deadline])))
    need = data.draw(st.integers(0, min(deadline, grid.cap)))
    floors = tuple(need if edge >= deadline else 0 for edge in grid.edges.tolist())
    paused = tuple(max(0, need - max(0, deadline - unit - slack)) for unit in range(grid.size + 1))
    tops = each_step(data.draw, grid, grid.cap, st.integers(0, grid.cap))
    assert_optimal(changed(grid, floors=floors, paused=paused, tops=tops))


@EXAMPLES
@given(st.data())
def test_all_of_it_together_is_still_the_optimum(data):
    grid = data.draw(grids())
    assert_optimal(
        changed(
            grid,
            tops=each_step(data.draw, grid, grid.cap, st.integers(0, grid.cap)),
            forced=each_step(data.draw, grid, 0, st.integers(0, grid.cap)),
            penalties=each_step(data.draw, grid, 0.0, st.just(3.0)),
            worth=((0, grid.cap, data.draw(prices)),),
            curve=data.draw(curves(grid.size)),
        )
    )


@settings(max_examples=40, deadline=None)
@given(grids(), st.sampled_from([1e3, -1e6, 1e9]))
def test_one_enormous_price_decides_before_all_others(grid, enormous):
    grid = changed(grid, prices=(enormous, *grid.prices[1:]))
    table, runs = solved(grid)
    ways = grid.ways()
    chosen, costs = units_of(grid, runs), grid.costs(ways)
    assert (ways == chosen).all(axis=1).any()
    assert grid.costs(chosen[None])[0] - costs.min() <= grid.size * FEWER * table.task.stake
    first = slice(0, grid.lengths[0])
    assert chosen[first].sum() == ways[costs.argmin()][first].sum()


def minutes(grid: Grid) -> list[tuple[float, float]]:
    return [(round(run.start_s / 60, 6), round(run.end_s / 60, 6)) for run in solved(grid)[1]]


def quarters(values: list[float], need: int, **more: object) -> Grid:
    """Return steps of three units with a need by their end."""
    floors = (*(0,) * len(values), need)
    return Grid(lengths=(3,) * len(values), prices=tuple(values), cap=need, floors=floors, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        pytest.param(quarters([5, 5, 5], 4), [(0, 20)], id="equal-prices-go-to-the-earlier"),
        pytest.param(quarters([9, 5, 9, 5], 3), [(15, 30)], id="of-equal-steps-the-earlier"),
        pytest.param(quarters([2, 1, 3], 4), [(10, 30)], id="what-is-left-over-leans-on-the-run-after-it"),
        pytest.param(quarters([3, 1, 2], 4), [(15, 35)], id="or-on-the-one-before"),
        pytest.param(quarters([9, 1, 9, 2, 9], 4), [(15, 30), (45, 50)], id="or-stands-alone-where-it-is-cheapest"),
        pytest.param(
            quarters([9, 1, 9, 2, 9], 4, start_cost=5.0), [(10, 30)], id="unless-a-start-costs-more-than-that"
        ),
        pytest.param(quarters([5, 9, 1], 4, running=True), [(0, 5), (30, 45)], id="what-runs-need-not-be-started"),
        pytest.param(
            quarters([1, 2, 1], 4, running=True, start_cost=0.7), [(0, 20)], id="going-on-is-cheaper-than-a-start"
        ),
        pytest.param(quarters([1, 2, 1], 4, start_cost=0.7), [(0, 20)], id="a-second-start-costs-more-than-it-saves"),
        pytest.param(quarters([0.1, 0.1, 9, 0.09999], 4), [(0, 5), (45, 60)], id="one-spike-makes-no-saving-too-small"),
        pytest.param(quarters([4], 1), [(0, 5)], id="a-single-step"),
        pytest.param(quarters([4], 3), [(0, 15)], id="a-single-step-all-of-it"),
        pytest.param(quarters([-4, 5], 0), [], id="no-need-no-charging-even-if-paid-for-it"),
        pytest.param(quarters([5, -3, -3], 4), [(15, 35)], id="negative-prices-are-only-prices"),
        pytest.param(quarters([5, 1], 3, once=True, running=True), [(0, 15)], id="once-and-running-it-goes-on"),
        pytest.param(quarters([1, 9, 1], 6, once=True), [(0, 30)], id="once-is-one-run"),
        pytest.param(
            quarters([1, 9, 5], 4, forced=(0, 0, WHOLE)), [(0, 5), (30, 45)], id="the-last-step-is-warmed-up-in"
        ),
        pytest.param(quarters([1, 9, 5], 2, forced=(0, 0, WHOLE)), [], id="a-whole-step-that-does-not-fit-has-no-way"),
    ],
)
def test_a_plan_that_the_eye_can_check(grid, expected):
    assert minutes(grid) == expected


def test_a_need_of_whole_slots_is_counted_back_over_an_odd_last_step():
    """Fifteen minutes are due by the end of a step of five."""
    grid = Grid(lengths=(3, 1), prices=(2.0, -2.0), cap=3, floors=(0, 0, 3), start_cost=0.3)
    assert minutes(grid) == [(5, 20)]


def test_a_need_of_odd_seconds_begins_at_an_odd_second():
    task = Task(
        edges_s=np.array([0.0, 437.0, 1337.0, 2237.0]),
        per_kwh=np.array([3.0, 1.0, 2.0]),
        per_s=np.zeros(3),
        top_s=np.full(3, 1000.25),
        forced_s=np.zeros(3),
        floor_s=np.array([0.0, 0.0, 0.0, 1000.25]),
        curve=ChargeCurve.at(POWER_KW),
        cap_s=1000.25,
    )
    runs = trace(solve(task))
    assert [(run.start_s, run.end_s) for run in runs] == [pytest.approx((437.0, 1437.25))]
    assert cost_of(task, runs) == pytest.approx((900.0 + 2 * 100.25) * POWER_KW / 3600)


def test_a_tie_to_within_rounding_goes_to_the_earlier():
    assert minutes(quarters([0.1 + 0.2, 0.3], 3)) == [(0, 15)]


@pytest.mark.parametrize(
    ("share", "by"),
    [
        pytest.param(1.0, 11, id="all-the-time-there-is"),
        pytest.param(1.0, 7, id="all-the-time-before-a-deadline"),
        pytest.param(0.98, 7, id="nearly-all-of-it"),
        pytest.param(0.25, 11, id="a-part-of-it"),
    ],
)
def test_where_amounts_are_left_out_the_need_is_met_and_no_more(share, by):
    """So many odd steps have too many sums, and amounts are rounded; a real one is never below what is counted."""
    lengths = [61.25, 127.5, 293.75, 333.3, 411.9, 507.1, 613.7, 701.3, 811.9, 853.3, 871.7]
    edges = np.concatenate([[0.0], np.cumsum(lengths)])
    need_s = share * edges[by]
    task = Task(
        edges_s=edges,
        per_kwh=np.array([4.0, 4.0, 6.0, 8.0, 0.0, 1.0, 7.0, 8.0, 2.0, 2.0, 7.0]),
        per_s=np.zeros(11),
        top_s=np.full(11, need_s),
        forced_s=np.zeros(11),
        floor_s=np.where(np.arange(12) >= by, need_s, 0.0),
        curve=ChargeCurve.at(POWER_KW),
        cap_s=need_s,
    )
    runs = trace(solve(task))
    assert all(run.end_s <= edges[by] + 1e-3 for run in runs)
    assert sum(run.end_s - run.start_s for run in runs) == pytest.approx(need_s, abs=1e-3)


def test_what_is_left_over_may_end_where_the_power_falls():
    """Before the third step the car leaves its full power: what is dear there is less energy than in the first."""
    grid = quarters([4, 1, 5], 6, curve=tapering([(1200, 7 / 3), (3600, 7 / 3 + 2)]))
    assert minutes(grid) == [(10, 40)]


def test_what_runs_cost_is_their_energy_at_each_price_and_their_starts():
    task = quarters([2.0, 4.0], 3, start_cost=0.5).task()
    runs = [Run(start_s=0.0, end_s=300.0, before_s=0.0), Run(start_s=600.0, end_s=1200.0, before_s=300.0)]
    assert cost_of(task, runs) == pytest.approx((2 * 600 + 4 * 300) * POWER_KW / 3600 + 2 * 0.5)
    assert cost_of(task, []) == 0.0


def test_the_shortest_of_no_stretches_is_endless():
    assert shortest([]) == math.inf
    assert shortest([Run(start_s=0.0, end_s=60.0, before_s=0.0), Run(start_s=70.0, end_s=100.0, before_s=60.0)]) == 30.0
