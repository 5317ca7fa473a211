"""Tasks on a grid of units so small that every way to charge can be tried, and what is asked of the best of them."""

import math
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pytest
from numpy.typing import NDArray

from scheduler.core.charging import ChargeCurve
from scheduler.core.optimum import FEWER, Table, Task, solve
from scheduler.core.runs import Run, trace

UNIT_S = 300.0
POWER_KW = 7.0
ROUNDING = 1e-12

Ways = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A task whose every edge and amount is a whole number of units; `None` stands for what asks for nothing."""

    lengths: tuple[int, ...]
    prices: tuple[float, ...]
    cap: int
    floors: tuple[int, ...] | None = None
    tops: tuple[int, ...] | None = None
    forced: tuple[float, ...] | None = None
    penalties: tuple[float, ...] | None = None
    paused: tuple[int, ...] | None = None  # the pause floor after each unit of time
    curve: ChargeCurve = ChargeCurve.at(POWER_KW)  # noqa: RUF009
    worth: tuple[tuple[int, int, float], ...] = ()
    start_cost: float = 0.0
    least_run: int = 0
    least_pause: int = 0
    once: bool = False
    running: bool = False

    @property
    def size(self) -> int:
        return sum(self.lengths)

    @property
    def edges(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(self.lengths)])

    @property
    def steps(self) -> NDArray[np.int64]:
        """Which step each unit lies in."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def task(self) -> Task:
        count = len(self.lengths)

        def seconds(values: tuple[float, ...] | None, default: float, size: int = count) -> NDArray[np.float64]:
            return np.array(values or (default,) * size, dtype=float) * UNIT_S

        return Task(
            edges_s=self.edges * UNIT_S,
            per_kwh=np.array(self.prices),
            per_s=seconds(self.penalties, 0.0) / UNIT_S,
            top_s=seconds(self.tops, self.cap),
            forced_s=seconds(self.forced, 0.0),
            floor_s=seconds(self.floors, 0.0, count + 1),
            curve=self.curve,
            cap_s=self.cap * UNIT_S,
            worth=tuple((start * UNIT_S, end * UNIT_S, per_kwh) for start, end, per_kwh in self.worth),
            start_cost=self.start_cost,
            least_run_s=self.least_run * UNIT_S,
            least_pause_s=self.least_pause * UNIT_S,
            once=self.once,
            running=self.running,
            pause_floor_s=None if self.paused is None else np.array(self.paused)[self.edges] * UNIT_S,
        )

    def ways(self) -> Ways:
        """Return every permitted way to charge, the one that charges earlier first."""
        ways = ((np.arange(2**self.size)[::-1, None] >> np.arange(self.size)[::-1]) & 1).astype(bool)
        amounts = amounts_of(ways)
        before, after = amounts[:, :-1], amounts[:, 1:]
        tops = np.array(self.tops or (self.cap,) * len(self.lengths))[self.steps]
        forced = np.array(self.forced or (0.0,) * len(self.lengths))[self.steps]
        forced = np.where(np.isinf(forced), forced, np.minimum(forced, tops))
        good = (amounts[:, -1] <= self.cap) & ~(ways & (after > tops)).any(1) & ~(~ways & (before < forced)).any(1)
        if self.floors is not None:
            good &= (amounts[:, self.edges] >= np.array(self.floors)).all(1)
        if self.paused is not None:
            begun = (before > 0) | self.running
            good &= ~(begun & ~ways & (before < np.array(self.paused)[1:])).any(1)
        if self.once:
            good &= self.starts(ways) + self.running <= 1
        return ways[good]

    def starts(self, ways: Ways) -> NDArray[np.int64]:
        begun = np.concatenate([np.full((len(ways), 1), self.running), ways[:, :-1]], axis=1)
        found: NDArray[np.int64] = (ways & ~begun).sum(axis=1)
        return found

    def costs(self, ways: Ways) -> NDArray[np.float64]:
        """Return what the ways cost, penalties included, and less what the energy is worth."""
        amounts = amounts_of(ways) * UNIT_S
        taken = np.diff(self.curve.energies(amounts), axis=1)
        total = (taken * np.array(self.prices)[self.steps]).sum(1) + self.starts(ways) * self.start_cost
        if self.penalties is not None:
            total += (ways * np.array(self.penalties)[self.steps]).sum(1) * UNIT_S
        for start, end, per_kwh in self.worth:
            reached = np.clip(amounts[:, -1], start * UNIT_S, end * UNIT_S)
            total -= per_kwh * (self.curve.energies(reached) - self.curve.energy(start * UNIT_S))
        found: NDArray[np.float64] = total
        return found

    def flaws(self, way: NDArray[np.bool_]) -> int:
        """Count the runs and pauses that are too short; what was there before has lasted long enough."""
        stretches = [(bool(on), len(list(units))) for on, units in groupby(way)]
        count = 0
        for number, (on, length) in enumerate(stretches):
            first, last = number == 0, number == len(stretches) - 1
            if on:
                count += length < self.least_run and not (first and self.running)
            else:
                count += length < self.least_pause and not last and (not first or self.running)
        return count


def amounts_of(ways: Ways) -> NDArray[np.int64]:
    return np.concatenate([np.zeros((len(ways), 1), dtype=np.int64), np.cumsum(ways, axis=1)], axis=1)


def units_of(grid: Grid, runs: list[Run]) -> NDArray[np.bool_]:
    """Return which units runs charge in; they begin and end on whole ones, and count what was charged before."""
    chosen, before_s = np.zeros(grid.size, dtype=bool), 0.0
    for run in runs:
        start, end = round(run.start_s / UNIT_S), round(run.end_s / UNIT_S)
        assert (run.start_s, run.end_s) == pytest.approx((start * UNIT_S, end * UNIT_S), abs=1e-4)
        assert run.before_s == pytest.approx(before_s, abs=1e-4)
        assert not chosen[max(0, start - 1) : end].any()  # apart from one another, and in order
        chosen[start:end] = True
        before_s += run.end_s - run.start_s
    return chosen


def solved(grid: Grid) -> tuple[Table, list[Run]]:
    table = solve(grid.task())
    return table, trace(table)


def assert_optimal(grid: Grid) -> None:
    """Assert that no permitted way has fewer flaws, or costs less, or costs the same and charges earlier."""
    table, runs = solved(grid)
    ways = grid.ways()
    if not len(ways):
        assert (table.cost, runs) == (math.inf, [])
        return
    chosen = units_of(grid, runs)
    assert (ways == chosen).all(axis=1).any(), "the plan is not permitted"
    if grid.least_run > 1 or grid.least_pause > 1:
        flaws = np.array([grid.flaws(way) for way in ways])
        assert grid.flaws(chosen) == flaws.min()
        ways = ways[flaws == flaws.min()]
    a_start = max(0.0, FEWER * grid.task().stake - grid.start_cost)
    totals = grid.costs(ways) + grid.starts(ways) * a_start
    least = totals.min()
    assert grid.costs(chosen[None])[0] <= least + ROUNDING * max(1.0, abs(least))
    earliest = ways[totals <= least + ROUNDING][0] if abs(least) < 1e3 else chosen
    assert chosen.tolist() == earliest.tolist()


def changed(grid: Grid, **members: object) -> Grid:
    return Grid(**{**vars(grid), **members})  # type: ignore[arg-type]


def cost_of(task: Task, runs: list[Run]) -> float:
    """Return what runs cost in money, starts included."""
    total, before_s = 0.0, 0.0
    for run in runs:
        total += task.start_cost * (run.start_s > 1e-6 or not task.running)
        inside = task.edges_s[(task.edges_s > run.start_s) & (task.edges_s < run.end_s)]
        cuts = np.concatenate([[run.start_s], inside, [run.end_s]])
        prices = task.per_kwh[np.searchsorted(task.edges_s, (cuts[1:] + cuts[:-1]) / 2) - 1]
        total += float(np.sum(np.diff(task.curve.energies(cuts - run.start_s + before_s)) * prices))
        before_s += run.end_s - run.start_s
    return total
