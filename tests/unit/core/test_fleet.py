"""Many cars at once: each gets what it would get alone, from as few tables as there are kinds."""

from itertools import pairwise

import numpy as np
import pytest

from scheduler.core.charging import ChargeCurve
from scheduler.core.fleet import GRAIN_S, Car, FleetPlan, Rates, plan_fleet
from scheduler.core.optimum import Task, solve
from scheduler.core.runs import Run, trace
from tests.unit.core.grid import cost_of

SLOT_S = 900.0
START_COST = 0.05


def rates(prices: list[float]) -> Rates:
    return Rates(edges_s=np.arange(len(prices) + 1) * SLOT_S, per_kwh=np.array(prices, dtype=np.float64))


def task_of(car: Car, curve: ChargeCurve) -> Task:
    """Return the car's own task, with its own power and its exact need."""
    steps = round(car.by_s / SLOT_S)
    due_s = min(car.need_s, car.by_s)
    floors = np.zeros(steps + 1)
    floors[-1] = due_s
    return Task(
        edges_s=np.arange(steps + 1) * SLOT_S,
        per_kwh=car.rates.per_kwh[:steps],
        per_s=np.zeros(steps),
        top_s=np.full(steps, due_s),
        forced_s=np.zeros(steps),
        floor_s=floors,
        curve=curve,
        cap_s=due_s,
        start_cost=car.start_cost,
    )


def runs_of(made: FleetPlan, car: int) -> list[Run]:
    runs, before_s = [], 0.0
    for start_s, end_s in made.runs(car):
        runs.append(Run(start_s=start_s, end_s=end_s, before_s=before_s))
        before_s += end_s - start_s
    return runs


def a_fleet(count: int, seed: int = 0) -> list[Car]:
    rng = np.random.default_rng(seed)
    days = [rates(np.round(rng.uniform(-0.05, 0.3, 96), 4).tolist()) for _ in range(3)]
    kinds = [(days[i % 3], float(rng.integers(20, 96)) * SLOT_S, float(rng.choice([3.7, 7.4, 11.0]))) for i in range(8)]
    return [
        Car(
            rates=day,
            by_s=by_s,
            power_kw=power_kw,
            energy_kwh=float(rng.uniform(0.2, 40.0)),
            start_cost=START_COST,
        )
        for day, by_s, power_kw in (kinds[int(rng.integers(8))] for _ in range(count))
    ]


def test_each_car_gets_what_it_needs_in_time_for_what_it_would_pay_alone():
    cars = a_fleet(200)
    made = plan_fleet(cars)
    dearer = []
    for index, car in enumerate(cars):
        runs = runs_of(made, index)
        assert all(one.end_s < other.start_s for one, other in pairwise(runs))
        assert sum(run.end_s - run.start_s for run in runs) == pytest.approx(min(car.need_s, car.by_s))
        assert runs[0].start_s >= 0
        assert runs[-1].end_s <= car.by_s + 1e-6
        task = task_of(car, ChargeCurve.at(car.power_kw))
        alone = cost_of(task, trace(solve(task)))
        spread = float(np.ptp(car.rates.per_kwh))
        dearer.append((cost_of(task, runs) - alone) / (car.power_kw * GRAIN_S / 3600 * spread))
    assert min(dearer) >= -1e-6
    assert max(dearer) < 1.0  # less than a minute in the dearest slot instead of the cheapest
    assert float(np.mean(dearer)) < 0.05


def test_cars_of_one_kind_share_a_table():
    made = plan_fleet(a_fleet(200))
    assert made.tables <= 8
    assert plan_fleet([]).tables == 0


def test_a_car_is_planned_as_if_it_were_alone_in_the_fleet():
    cars = a_fleet(40, seed=1)
    together = plan_fleet(cars)
    for index, car in enumerate(cars):
        alone = plan_fleet([car]).runs(0)
        assert [round(at, 3) for run in together.runs(index) for at in run] == [
            round(at, 3) for run in alone for at in run
        ]


def test_of_equal_times_the_earlier_and_of_equal_plans_the_one_with_fewer_starts():
    day = rates([5, 5, 5, 5, 5, 5])
    made = plan_fleet([Car(rates=day, by_s=5400.0, power_kw=4.0, energy_kwh=1.5)])
    assert made.runs(0) == [(0.0, 1350.0)]


def test_what_rounding_adds_comes_off_where_it_is_dearest():
    day = rates([9, 1, 3, 9])
    made = plan_fleet([Car(rates=day, by_s=3600.0, power_kw=3.6, energy_kwh=1.01)])  # 1,010 s, rounded up to 1,020 s
    assert made.runs(0) == [(900.0, 1910.0)]


def test_a_need_that_does_not_fit_is_charged_as_far_as_it_does():
    day = rates([1, 2])
    cars = [
        Car(rates=day, by_s=1790.0, power_kw=3.6, energy_kwh=9.0),
        Car(rates=day, by_s=1790.0, power_kw=3.6, energy_kwh=1.785),
        Car(rates=day, by_s=-60.0, power_kw=3.6, energy_kwh=1.0),
        Car(rates=day, by_s=1790.0, power_kw=3.6, energy_kwh=0.0),
    ]
    made = plan_fleet(cars)
    assert [made.runs(index) for index in (0, 2, 3)] == [[(0.0, 1790.0)], [], []]
    assert made.runs(1)[0] == pytest.approx((0.0, 1785.0))
    assert made.short_s.tolist() == pytest.approx([9000.0 - 1790.0, 0.0, 1000.0, 0.0])


def test_cars_that_taper_share_a_table_and_begin_where_they_are_on_the_curve():
    curve = ChargeCurve(points=((0.0, 0.0), (7200.0, 14.0), (10800.0, 17.0)))
    day = rates([9.0, 1.0, 3.0, 2.0] * 6)
    cars = [
        Car(rates=day, by_s=21600.0, energy_kwh=kwh, taper=curve, start_cost=START_COST) for kwh in (1.0, 5.0, 16.9)
    ]
    made = plan_fleet(cars)
    assert made.tables == 1
    for index, car in enumerate(cars):
        begun_s = 10800.0 - car.need_s
        inner = tuple((s - begun_s, kwh - curve.energy(begun_s)) for s, kwh in curve.points if s > begun_s)
        task = task_of(car, ChargeCurve(points=((0.0, 0.0), *inner)))
        runs = runs_of(made, index)
        assert task.curve.energy(sum(run.end_s - run.start_s for run in runs)) == pytest.approx(car.energy_kwh)
        assert cost_of(task, runs) <= cost_of(task, trace(solve(task))) * (1 + 1e-2)
