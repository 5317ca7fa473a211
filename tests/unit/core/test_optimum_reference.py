"""The optimum against solvers of the same model: on nights of real prices by the minute, on small tasks to the second."""

import csv
import gzip
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from scheduler.core.charging import ChargeCurve, tapering
from scheduler.core.optimum import Task, solve
from scheduler.core.runs import Run, trace
from tests.milp import Reference, continuous, one_minute, plain
from tests.unit.core.grid import cost_of

POWER_KW = 11.0
WITHIN = 1e-6
ZONES = ("AT", "CZ", "DK1", "DK2", "SE2", "SE3")


@dataclass(frozen=True, kw_only=True)
class Night:
    """A night whose edges, needs and kinks are whole minutes: what each costs, and what is due by which of them."""

    per_kwh: tuple[float, ...]
    needs: tuple[tuple[int, int], ...]
    points: tuple[tuple[float, float], ...]  # minutes of charging, kWh
    start_cost: float
    running: bool

    @property
    def total(self) -> int:
        return max(amount for _, amount in self.needs)

    @property
    def model(self) -> dict[str, object]:
        members = {"needs": self.needs, "curve": self.points, "start_cost": self.start_cost}
        return {**members, "running": self.running}

    def task(
        self, *, blocked: frozenset[int] = frozenset(), forced: frozenset[int] = frozenset(), dwell: int = 0
    ) -> Task:
        """Return the night as a task, in steps as long as they may be, or of a minute where dwell is counted."""
        prices, edges = self.per_kwh, {0, len(self.per_kwh), *(by for by, _ in self.needs)}
        kinds = [(price, minute in blocked, minute in forced) for minute, price in enumerate(prices)]
        edges |= {minute for minute in range(1, len(kinds)) if dwell or kinds[minute] != kinds[minute - 1]}
        at = sorted(edges)
        floors = np.zeros(len(at))
        for by, amount in [*self.needs, (len(prices), self.total)]:
            floors[at.index(by)] = max(floors[at.index(by)], amount * 60.0)
        total_s = self.total * 60.0
        return Task(
            edges_s=np.array(at) * 60.0,
            per_kwh=np.array([prices[minute] for minute in at[:-1]]),
            per_s=np.zeros(len(at) - 1),
            top_s=np.array([0.0 if minute in blocked else total_s for minute in at[:-1]]),
            forced_s=np.array([total_s if minute in forced else 0.0 for minute in at[:-1]]),
            floor_s=floors,
            curve=tapering([(minutes * 60.0, energy_kwh) for minutes, energy_kwh in self.points]),
            cap_s=total_s,
            start_cost=self.start_cost,
            least_run_s=dwell * 60.0,
            least_pause_s=dwell * 60.0,
            running=self.running,
        )


@cache
def prices_of(directory: Path, zone: str) -> tuple[float, ...]:
    """Return the quarters of a zone [EUR/kWh]."""
    with gzip.open(directory / "prices" / f"{zone}_15min.csv.gz", "rt", encoding="utf-8") as lines:
        rows = csv.DictReader(line for line in lines if not line.startswith("#"))
        return tuple(float(row["price"]) / 1000 for row in rows)


def night(directory: Path, number: int, *, tapers: bool = False) -> Night:
    """Return one of the nights: 9 to 14 hours, half an hour to 8 hours of charging, two departures."""
    rng = np.random.default_rng(number)
    quarters = prices_of(directory, ZONES[number % len(ZONES)])
    hours, begin = int(rng.integers(9, 15)), int(rng.integers(0, len(quarters) - 60))
    minutes = np.repeat(quarters[begin : begin + 4 * hours], 15)[int(rng.integers(0, 15)) :]  # within its first quarter
    total = int(rng.integers(30, min(480, len(minutes) - 30)))
    first = int(rng.integers(1, total + 1))
    needs = ((int(rng.integers(first, len(minutes))), first), (len(minutes) - int(rng.integers(0, 15)), total))
    points = ((0.0, 0.0), (60.0, POWER_KW))
    if tapers:
        full, half = 0.6 * total // 1, 0.85 * total // 1
        points = ((0.0, 0.0), (full, full * 11 / 60), (half, full * 11 / 60 + (half - full) * 6 / 60))
    last_kw = 3.0 if tapers else POWER_KW
    end = (points[-1][0] + 600, points[-1][1] + last_kw * 10)
    return Night(
        per_kwh=tuple(minutes.tolist()),
        needs=needs,
        points=(*points, end),
        start_cost=float(rng.choice([0.02, 0.05, 0.2])),
        running=bool(rng.random() < 0.3),
    )


def charged_s(runs: list[Run], by_s: float) -> float:
    return sum(max(0.0, min(run.end_s, by_s) - run.start_s) for run in runs)


def assert_charged_in_time(task: Task, runs: list[Run]) -> None:
    """Assert that what is due is charged when it is, to 0.01 kWh, in order, within the steps and not beyond the cap."""
    assert all(one.end_s < other.start_s for one, other in pairwise(runs))
    for edge_s, floor_s in zip(task.edges_s.tolist(), task.floor_s.tolist(), strict=True):
        assert task.curve.energy(charged_s(runs, edge_s)) >= task.curve.energy(floor_s) - 0.01
    assert charged_s(runs, np.inf) <= task.cap_s + 1e-3
    for start_s, end_s, top_s in zip(task.edges_s[:-1], task.edges_s[1:], task.top_s, strict=True):
        after_s = charged_s(runs, end_s)
        assert after_s - charged_s(runs, start_s) < 1e-3 or after_s <= top_s + 1e-3


def assert_equal(task: Task, reference: float) -> list[Run]:
    runs = trace(solve(task))
    assert_charged_in_time(task, runs)
    assert cost_of(task, runs) == pytest.approx(reference, rel=WITHIN, abs=1e-9)
    return runs


def assert_as_solved(task: Task, reference: Reference) -> list[Run]:
    """Assert that the costs are equal; of a night that HiGHS leaves unsolved, that ours lies where the optimum must."""
    if reference.solved:
        return assert_equal(task, reference.cost)
    runs = trace(solve(task))
    assert_charged_in_time(task, runs)
    room = WITHIN * abs(reference.cost)
    assert reference.bound - room <= cost_of(task, runs) <= reference.cost + room
    return runs


@pytest.mark.parametrize("number", [0, 1, 2, 3, 5])
def test_a_night_costs_what_the_solver_finds_by_the_minute(data_dir, number):
    found = night(data_dir, number)
    assert_as_solved(found.task(), one_minute(found.per_kwh, **found.model))


@pytest.mark.parametrize("number", range(48))
def test_a_night_of_a_car_that_tapers_costs_what_every_minute_tried_costs(data_dir, number):
    found = night(data_dir, 100 + number, tapers=number % 4 > 0)
    assert_equal(found.task(), plain(found.per_kwh, **found.model))


def test_blocks_and_forced_runs_cost_what_the_solver_finds_by_the_minute(data_dir):
    found = night(data_dir, 7)
    blocked = frozenset(range(100, 190))
    forced = frozenset(range(found.needs[1][0] - 25, found.needs[1][0]))
    found = Night(**{**vars(found), "needs": (found.needs[1],)})
    reference = one_minute(found.per_kwh, **found.model, blocked=blocked, forced=forced)
    runs = assert_as_solved(found.task(blocked=blocked, forced=forced), reference)
    assert charged_s(runs, 190 * 60.0) - charged_s(runs, 100 * 60.0) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("number", [1, 4])
def test_runs_and_pauses_that_must_last_cost_what_the_solver_finds_by_the_minute(data_dir, number):
    found = night(data_dir, number)
    found = Night(**{**vars(found), "per_kwh": found.per_kwh[:240], "needs": ((110, 20), (230, 80))})
    dwell = 12
    reference = one_minute(found.per_kwh, **found.model, least_run=dwell, least_pause=dwell)
    runs = assert_as_solved(found.task(dwell=dwell), reference)
    begun = [run for run in runs if not (found.running and run.start_s < 1.0)]
    assert all(run.end_s - run.start_s >= dwell * 60.0 - 1e-3 for run in begun)
    assert all(other.start_s - one.end_s >= dwell * 60.0 - 1e-3 for one, other in pairwise(runs))


def small(number: int) -> tuple[Task, list[tuple[int, float]]]:
    """Return a task of odd seconds: few steps, a first piece or a cut that is no quarter, up to three needs, a top."""
    rng = np.random.default_rng(1000 + number)
    durations: NDArray[np.float64] = np.full(int(rng.integers(3, 11)), 900.0)
    durations[0] = rng.integers(30, 901)
    cut = int(rng.integers(1, len(durations)))
    durations = np.insert(durations, cut, rng.integers(60, 840))
    durations[cut + 1] = 900.0 - durations[cut]
    edges = np.concatenate([[0.0], np.cumsum(durations)])
    steps = len(durations)
    cap_s = float(round(rng.uniform(0.2, 0.9) * edges[-1], 3))
    tops = np.full(steps, cap_s)
    tops[rng.integers(0, steps)] = rng.choice([0.0, cap_s / 2, cap_s])
    most, floors = 0.0, np.zeros(steps + 1)
    for step in range(steps):
        most = max(most, min(tops[step], most + durations[step]))
        if step == steps - 1 or rng.random() < 0.2:
            floors[step + 1] = round(most * rng.uniform(0.3, 1.0), 3)
    kinks = sorted(rng.uniform(0.2, 0.9, 2) * cap_s)
    taper = tapering(
        [(kinks[0], kinks[0] / 514), (kinks[1], kinks[0] / 514 + (kinks[1] - kinks[0]) / 900), (1e5, 60.0)]
    )
    task = Task(
        edges_s=edges,
        per_kwh=rng.integers(-3, 12, steps) / 10,
        per_s=np.zeros(steps),
        top_s=tops,
        forced_s=np.zeros(steps),
        floor_s=floors,
        curve=ChargeCurve.at(7.0) if number % 2 else taper,
        cap_s=cap_s,
        start_cost=float(rng.choice([0.05, 0.2, 1.0])),
        running=bool(rng.random() < 0.3),
    )
    return task, [(edge, floor_s) for edge, floor_s in enumerate(floors.tolist()) if floor_s]


@pytest.mark.parametrize("number", range(24))
def test_a_small_task_costs_what_the_solver_finds_to_the_second(number):
    """HiGHS may call a plan optimal that is dearer than one that it missed; so ours need not cost as much, if it is sound."""
    task, needs = small(number)
    points = task.curve.points if len(task.curve.points) > 2 else ((0.0, 0.0), (36_000.0, 70.0))
    reference = continuous(
        task.durations_s.tolist(),
        task.per_kwh.tolist(),
        needs=needs,
        curve=points,
        cap_s=task.cap_s,
        tops_s=task.top_s.tolist(),
        start_cost=task.start_cost,
        running=task.running,
    )
    runs = trace(solve(task))
    assert_charged_in_time(task, runs)
    straight = len(task.curve.points) == 2
    room = (WITHIN if straight else 10 * WITHIN) * max(1.0, abs(reference.cost))  # its binaries are whole to 1e-6 only
    assert cost_of(task, runs) <= reference.cost + room
    if straight:
        assert cost_of(task, runs) >= reference.cost - room
