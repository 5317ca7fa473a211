"""One charge by itself: the cheapest time to charge so long by a target, for `kwhen solve`.

There are no vehicles, homes or policies here, only prices, a charge curve and a need; the optimum is the planner's own.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import gcd, isfinite
from typing import NamedTuple

import numpy as np

from scheduler.core.charging import ChargeCurve, Floats
from scheduler.core.lattice import DIGITS, lattice
from scheduler.core.optimum import INSTANT_S, WHOLE, Task, solve
from scheduler.core.runs import Run, trace

UNKNOWN = 1.0
"""What a second without a known price costs, in all the money at stake: any known price is better."""

DEAREST_START = 2.5
"""What a start costs at most, where 2 is what the dearest plan costs beyond the cheapest: one less is better then."""


ALIKE = 1e-9
"""Prices that differ by no more than this share of them are equal: decimals leave rounding noise."""

LEAST = 1e-15
"""Prices and energies below this do not decide anything."""

NOTHING_KWH = 1e-6
"""Less energy than this is rounding."""

MOST_VALUES = 24_000_000
"""So many values the optimisation may hold, at 8 bytes each."""

VALUES = 2
"""So many values belong to an amount at an edge: charging, and not."""

RESTS = 4
"""Of lengths with fractions of a second so many sums are told apart; beyond, a second is as fine as it gets."""


class TooLarge(ValueError):  # noqa: N818 - what is wrong with it, as in `errors`
    """The steps times the amounts would not fit into memory."""


class Priced(NamedTuple):
    """What a kWh costs over `[start_s, end_s)`, in seconds from now."""

    start_s: float
    end_s: float
    per_kwh: float


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """Charge for `need_s` seconds between now and `target_s` seconds from now.

    The last `precondition_s` before the target must be charging; when the need is shorter, they are the need. Prices
    are disjoint and may have gaps; what lies outside now and the target does not matter.
    """

    target_s: float
    need_s: float
    precondition_s: float = 0.0
    once: bool = False
    start_cost: float = 0.0
    curve: ChargeCurve
    prices: tuple[Priced, ...] = ()

    @property
    def whole_need_s(self) -> float:
        """How long must be charged in all [s]."""
        return max(self.need_s, self.precondition_s)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """When to charge [s from now], ordered, disjoint and not touching, and what comes of it.

    `cost` is price times energy and the cost of each start. Energy at times without a price (`unknown_kwh`) has no
    part in it.
    """

    runs: tuple[Run, ...]
    cost: float
    energy_kwh: float
    shortfall_kwh: float
    unknown_kwh: float


def work_out(exercise: Exercise) -> Answer:
    """Return the cheapest way to charge what is needed by the target, or all the time there is when that is too short.

    Of all plans those with the least time at unknown prices are taken, of these the cheapest, of equals the one with
    fewer starts, then the earlier.

    Raises:
        TooLarge: the problem does not fit into memory.
    """
    span_s, need_s = exercise.target_s, exercise.whole_need_s
    if min(span_s, need_s) <= INSTANT_S:
        missing_kwh = exercise.curve.energy(need_s)
        return Answer(runs=(), cost=0.0, energy_kwh=0.0, shortfall_kwh=missing_kwh, unknown_kwh=0.0)
    steps = list(_steps(exercise))
    if need_s >= span_s - INSTANT_S:
        return _answer(exercise, steps, (Run(start_s=0.0, end_s=span_s, before_s=0.0),))
    return _answer(exercise, steps, _solved(exercise, _task(exercise, steps)))


def _answer(exercise: Exercise, steps: Sequence["_Step"], runs: Sequence[Run]) -> Answer:
    """Return what the runs cost and bring, at the prices as they were given."""
    cost, unknown_kwh = exercise.start_cost * len(runs), 0.0
    for run in runs:
        for step in steps:
            start_s, end_s = max(run.start_s, step.start_s), min(run.end_s, step.end_s)
            if end_s <= start_s:
                continue
            before_s = run.before_s - run.start_s
            energy_kwh = exercise.curve.energy(before_s + end_s) - exercise.curve.energy(before_s + start_s)
            if step.per_kwh is None:
                unknown_kwh += energy_kwh
            else:
                cost += step.per_kwh * energy_kwh
    charged_s = sum(run.end_s - run.start_s for run in runs)
    energy_kwh = exercise.curve.energy(charged_s)
    missing_kwh = exercise.curve.energy(exercise.whole_need_s) - energy_kwh
    return Answer(
        runs=tuple(runs),
        cost=cost,
        energy_kwh=energy_kwh,
        shortfall_kwh=missing_kwh if missing_kwh > NOTHING_KWH else 0.0,
        unknown_kwh=unknown_kwh,
    )


def _solved(exercise: Exercise, task: Task) -> Sequence[Run]:
    """Return the optimal runs; a block that ends at the target is a way in any case."""
    table = solve(_eased(task))
    if isfinite(table.cost):
        return trace(table)
    return (Run(start_s=exercise.target_s - task.cap_s, end_s=exercise.target_s, before_s=0.0),)


def _task(exercise: Exercise, steps: Sequence["_Step"]) -> Task:
    """Return the task in the money of the exercise, an unknown price standing as 0."""
    cap_s = exercise.whole_need_s
    edges = np.array([0.0, *(step.end_s for step in steps)])
    floors = np.zeros(len(edges))
    floors[-1] = cap_s
    must_s = exercise.target_s - exercise.precondition_s - INSTANT_S
    return Task(
        edges_s=edges,
        per_kwh=np.array([0.0 if step.per_kwh is None else step.per_kwh for step in steps]),
        per_s=np.array([UNKNOWN * (step.per_kwh is None) for step in steps]),
        top_s=np.full(len(steps), cap_s),
        forced_s=np.array([WHOLE if step.start_s >= must_s else 0.0 for step in steps]),
        floor_s=floors,
        curve=exercise.curve,
        cap_s=cap_s,
        start_cost=exercise.start_cost,
        once=exercise.once,
        amounts_s=_amounts(exercise, steps),
    )


class _Step(NamedTuple):
    start_s: float
    end_s: float
    per_kwh: float | None


def _steps(exercise: Exercise) -> Iterator[_Step]:
    """Yield the time until the target in steps of one price, cut where the precondition begins."""
    cut_s = exercise.target_s - exercise.precondition_s
    for start_s, end_s, per_kwh in _joined(_covering(exercise)):
        if start_s + INSTANT_S < cut_s < end_s - INSTANT_S:
            yield _Step(start_s, cut_s, per_kwh)
            yield _Step(cut_s, end_s, per_kwh)
        else:
            yield _Step(start_s, end_s, per_kwh)


def _covering(exercise: Exercise) -> Iterator[_Step]:
    reached_s = 0.0
    for price in sorted(exercise.prices):
        start_s, end_s = max(price.start_s, reached_s), min(price.end_s, exercise.target_s)
        if end_s - start_s <= INSTANT_S:
            continue
        if start_s - reached_s > INSTANT_S:
            yield _Step(reached_s, start_s, None)
        else:
            start_s = reached_s
        yield _Step(start_s, end_s, price.per_kwh)
        reached_s = end_s
    if exercise.target_s - reached_s > INSTANT_S or reached_s == 0.0:
        yield _Step(reached_s, exercise.target_s, None)


def _joined(steps: Iterable[_Step]) -> Iterator[_Step]:
    """Yield the steps, neighbours of one price as one: the fewer, the sooner they are solved."""
    for per_kwh, alike in itertools.groupby(steps, key=lambda step: step.per_kwh):
        group = list(alike)
        yield _Step(group[0].start_s, group[-1].end_s, per_kwh)


def _eased(task: Task) -> Task:
    """Return the task in a measure of its own, which leaves the optimum where it is and ties where they are.

    The energy is the same in all plans, so only what prices differ by matters. Starts that cost more than all of that
    are as dear as they can be.
    """
    prices, energy_kwh = task.per_kwh, task.curve.energy(task.cap_s)
    middle, half = float(prices.max() + prices.min()) / 2, float(prices.max() - prices.min()) / 2
    alike = half <= max(ALIKE * float(np.abs(prices).max()), LEAST)
    scale = 1.0 if alike else max(1.0, 1 / max(energy_kwh, LEAST)) / half
    dearest = DEAREST_START * half * scale * energy_kwh
    start_cost = min(task.start_cost * scale, dearest)
    eased = replace(task, per_kwh=(prices - middle) * scale, start_cost=start_cost)
    return replace(eased, per_s=task.per_s * eased.stake)


def _amounts(exercise: Exercise, steps: Sequence[_Step]) -> Floats | None:
    """Return the amounts of charging to tell apart [s]; None where the planner's own choice is exact.

    Steps of many odd lengths have too many sums to list. Their common divisor, a second at worst, takes them all in.

    Raises:
        TooLarge: the problem does not fit into memory.
    """
    lengths = [round(step.end_s - step.start_s, DIGITS) for step in steps]
    cap_s, marks = exercise.whole_need_s, exercise.curve.kinks_s
    made = lattice(lengths, marks_s=marks, cap_s=cap_s)
    if not made.whole:
        return _grid(lengths, cap_s=cap_s, marks=[mark for mark in (cap_s, *marks) if mark <= cap_s])
    if VALUES * len(made.amounts_s) * len(steps) > MOST_VALUES:
        raise TooLarge(f"{len(steps)} steps of time and {cap_s:g} s of charging")
    return None


def _grid(lengths: Sequence[float], *, cap_s: float, marks: Sequence[float]) -> Floats:
    """Return multiples of what whole-second lengths have in common, with what fractions and marks add to them."""
    common_s = float(gcd(*(int(length) for length in lengths if length.is_integer())) or 1)
    rests = _rests(lengths, common_s)
    if rests is None:
        common_s, rests = 1.0, {0.0}
    kinds = {round((mark + sign * rest) % common_s, DIGITS) for mark in marks for rest in rests for sign in (1, -1)}
    offsets = np.array(sorted(rests | kinds))
    most = MOST_VALUES / (VALUES * len(lengths) * len(offsets))
    cells = np.arange(0.0, cap_s, max(common_s, cap_s / most))
    made: Floats = np.sort(np.concatenate([(cells[:, None] + offsets[None, :]).ravel(), marks]))
    made = made[(np.diff(made, prepend=-1.0) > 10**-DIGITS) & (made <= cap_s)]
    made[-1] = cap_s
    return made


def _rests(lengths: Iterable[float], common_s: float) -> set[float] | None:
    """Return what the sums of lengths leave beyond multiples of the common one; None where they are too many."""
    rests = {0.0}
    for length in lengths:
        rests |= {round((rest + length) % common_s, DIGITS) % common_s for rest in rests}
        if len(rests) > RESTS:
            return None
    return rests
