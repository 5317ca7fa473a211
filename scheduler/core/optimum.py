"""The cheapest time to charge in, exactly: a dynamic programme over (edge of time, seconds charged, charging or not).

The model is stated in `docs/planner-model.md`. Time is cut into steps that are alike throughout; the car charges at its
full power or not at all; a run may begin and end inside a step. `Table` holds, for each edge and each amount that an
optimal plan can have reached there, the least that is still to pay. It is filled from the end, so one table answers
every car that shares it, however much it has charged already.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from scheduler.core.charging import ChargeCurve, Floats
from scheduler.core.lattice import DIGITS, lattice

Ints = NDArray[np.int64]

INSTANT_S = 1e-6
"""Shorter than this is nothing: the resolution of an instant."""

TIE = 1e-9
"""Costs that differ by less than this share of all that is at stake are equal; of equals the earlier is taken."""

PRICE_DIGITS = 9
"""Prices that differ by less are equal: sums of fees carry rounding noise."""

ROUNDED_S = 1e-5
"""Sums of steps carry rounding noise."""

FEWER = 1e-7
"""What a start costs at least, as a share of all that is at stake: of two plans of one cost, the one with fewer.

It is far below what a plan costs even where one price of the night is fifty times the others."""

NOISE = 1e-13
"""What rounding leaves of a cost, as a share of it."""

FLAW = 1e3
"""What a run or pause that is too short costs, in all that is at stake: more than any money, less than a need."""


WHOLE = math.inf
"""As `forced_s`: the step must be charged in from its start to its end."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be optimised; offsets in seconds from now, n steps between n + 1 edges.

    In a step charging goes no further than `top_s` seconds in all, and goes on without a pause until `forced_s` are
    charged; by an edge `floor_s` must be reached. `per_kwh` is money; `per_s` comes on top of it and is not money (time
    that is better left alone). `worth` is what energy beyond the needs is worth: from so many seconds on [s], up to
    where [s], per kWh.

    With `once`, charging is one unbroken run. Where a car that has charged before is paused, `pause_floor_s` must be
    reached by then: what is left still fits after a START that fails at first. A car that waits for its first start
    is not paused; one that is `paused` already is so from the beginning.
    """

    edges_s: Floats
    per_kwh: Floats
    per_s: Floats
    top_s: Floats
    forced_s: Floats
    floor_s: Floats
    curve: ChargeCurve
    cap_s: float
    worth: tuple[tuple[float, float, float], ...] = ()
    start_cost: float = 0.0
    least_run_s: float = 0.0
    least_pause_s: float = 0.0
    once: bool = False
    running: bool = False
    paused: bool = False
    pause_floor_s: Floats | None = None
    amounts_s: Floats | None = None

    @cached_property
    def durations_s(self) -> Floats:
        """How long each step is."""
        return np.diff(self.edges_s)

    @cached_property
    def stake(self) -> float:
        """All the money that may be at stake: what makes one penalty outweigh it, and another vanish beside it."""
        spread = float(np.abs(self.per_kwh).max(initial=0.0)) * self.curve.energy(self.cap_s)
        return max(spread + self.start_cost * min(len(self.per_kwh), 50), 1e-3)

    @cached_property
    def stride_s(self) -> float:
        """The step in which runs and pauses are counted; 0 without a minimum."""
        least = max(self.least_run_s, self.least_pause_s)
        return 0.0 if least <= 0 else float(self.durations_s.max(initial=60.0))


@dataclass(frozen=True, kw_only=True)
class _Reach:
    """How far one step of a duration leads, from each amount.

    What it looks up are rows by amount that go on, beyond the last amount, with so many infinite ones as `beyond` says.
    """

    up: Ints  # the last amount within reach, by the index of the amount
    whole: Ints  # where a whole step leads to, by the index of the amount; beyond the last where it cannot be taken
    width: int | None  # by how many indices all of these lie ahead, where that is the same for all

    @property
    def beyond(self) -> int:
        """How many infinite entries rows must end in."""
        return (self.width or 0) + 1

    def shifted(self, rows: Floats) -> Floats:
        """Return what a whole step leads to, from each amount."""
        return rows[..., self.whole] if self.width is None else rows[..., self.width : self.width + len(self.up)]

    def after(self, amount: int) -> int | None:
        """Return where a whole step leads to from an amount, if it can be taken."""
        target = int(self.whole[amount])
        return target if target < len(self.up) else None

    def least(self, rows: Floats) -> Floats:
        """Return the least value within reach of each amount, for each row."""
        count = len(self.up)
        if self.width is None:
            edges = np.empty(2 * count, dtype=np.int64)
            edges[::2], edges[1::2] = np.arange(count), self.up + 1
            least: Floats = np.minimum.reduceat(rows[:, : count + 1], edges, axis=1)[:, ::2]
            return least
        entries, span = self.width + 1, 1
        while span * 2 <= entries:
            rows = np.minimum(rows[:, :-span], rows[:, span:])
            span *= 2
        rest = entries - span
        return np.minimum(rows[:, :count], rows[:, rest : rest + count])


def _reach(amounts: Floats, duration_s: float, *, rounding: bool) -> _Reach:
    """Return the reach of a duration. With `rounding` a step may count for less than it charges, never for more."""
    count = len(amounts)
    ahead = amounts + duration_s
    up = np.searchsorted(amounts, ahead + INSTANT_S, side="right") - 1
    taken = ahead <= amounts[-1] + INSTANT_S
    if not rounding:
        taken &= ahead - amounts[up] <= ROUNDED_S
    whole = np.where(taken, up, count)
    width = int(up[0])
    alike = np.arange(count) + width
    same = np.array_equal(up, np.minimum(alike, count - 1)) and np.array_equal(whole, np.minimum(alike, count))
    return _Reach(up=up, whole=whole, width=width if same else None)


@dataclass(frozen=True, kw_only=True)
class Table:
    """What is still to pay, by edge, level and amount: `on` while charging, `off` while not.

    The levels of `on` are a run that has not lasted long enough yet, the last one free. Those of `off` are such a
    pause, the last of these free, and where a pause has a floor one more: waiting for the first start.
    """

    task: Task
    amounts_s: Floats
    on: Floats = field(repr=False)
    off: Floats = field(repr=False)
    floors: Ints = field(repr=False)
    pause_floors: Ints | None = field(repr=False)
    tops: Ints = field(repr=False)
    bases: Floats = field(repr=False)
    forced: Ints = field(repr=False)  # from this amount on the step is free
    reaches: tuple[_Reach, ...] = field(repr=False)
    done: Floats | None = field(repr=False)
    start_cost: float
    flaw: float

    @property
    def cost(self) -> float:
        """What a car that has charged nothing yet is still to pay; infinite when there is no way."""
        return float(self.on[0, -1, 0] if self.task.running else self.off[0, self.first_off, 0])

    @property
    def first_off(self) -> int:
        """The level of `off` on which a car that does not charge begins: it waits for its first start, or is paused."""
        return self.pauses - 1 if self.task.paused else int(self.off.shape[1]) - 1

    @property
    def pauses(self) -> int:
        """How many levels of `off` are pauses."""
        return int(self.off.shape[1]) - (self.pause_floors is not None)

    def halted(self, edge: int) -> Floats:
        """Return what is still to pay after a stop at an edge, before a pause has lasted at all."""
        halted: Floats = self.off[edge, 0] if self.done is None else self.done[edge]
        return halted

    def counts(self, step: int) -> bool:
        """Tell whether a step is long enough to count toward the shortest run and pause."""
        return bool(self.task.durations_s[step] >= self.task.stride_s - INSTANT_S)


def solve(task: Task) -> Table:
    """Fill the table from the end."""
    table = _prepared(task)
    sweep = _Sweep(table)
    for step in reversed(range(len(task.per_kwh))):
        sweep.fill(step)
        if floor := table.floors[step]:
            table.on[step, :, :floor] = np.inf
            table.off[step, :, :floor] = np.inf
        if table.pause_floors is not None and (floor := table.pause_floors[step]):
            table.off[step, : table.pauses, :floor] = np.inf
    return table


def _prepared(task: Task) -> Table:
    durations = np.round(task.durations_s, DIGITS).tolist()
    amounts, whole = _amounts(task, durations)
    count, steps = len(amounts), len(durations)
    runs, pauses = _levels(task, task.least_run_s), _levels(task, task.least_pause_s)
    by_length = {duration: _reach(amounts, duration, rounding=not whole) for duration in set(durations)}
    waiting = task.pause_floor_s is not None
    values = np.empty((steps + 1, runs + pauses + 2 + waiting, count))
    floors = np.searchsorted(amounts, task.floor_s - INSTANT_S)
    table = Table(
        task=task,
        amounts_s=amounts,
        on=values[:, : runs + 1],
        off=values[:, runs + 1 :],
        floors=floors,
        pause_floors=None if task.pause_floor_s is None else np.searchsorted(amounts, task.pause_floor_s - INSTANT_S),
        tops=np.searchsorted(amounts, task.top_s + INSTANT_S) - 1,
        bases=np.round(task.per_kwh, PRICE_DIGITS)[:, None] * task.curve.energies(amounts)
        + task.per_s[:, None] * amounts,
        forced=np.searchsorted(
            amounts, np.minimum(task.forced_s, np.where(np.isinf(task.forced_s), WHOLE, task.top_s)) - INSTANT_S
        ),
        reaches=tuple(by_length[length] for length in durations),
        done=_done(task, amounts, floors) if task.once else None,
        start_cost=max(task.start_cost, FEWER * task.stake),
        flaw=FLAW * task.stake,
    )
    values[-1] = -_worth(task, amounts)
    values[-1, :, : floors[-1]] = np.inf
    values[-1, :runs] += table.flaw
    return table


def _amounts(task: Task, durations: Sequence[float]) -> tuple[Floats, bool]:
    """Return the amounts that are the states, and whether every sum of steps is among them."""
    if task.amounts_s is not None:
        return task.amounts_s, False
    arrays = [some for some in (task.floor_s, task.top_s, task.forced_s, task.pause_floor_s) if some is not None]
    bounds = [sorted(set(some.tolist())) for some in arrays]
    marks = [*chain(*bounds), *(at_s for worth in task.worth for at_s in worth[:2]), *task.curve.kinks_s]
    sure = _extremes(task, durations)
    made = lattice(durations, marks_s=marks, cap_s=task.cap_s, stride_s=task.stride_s, sure_s=sure)
    return made.amounts_s, made.whole


def _extremes(task: Task, durations: Sequence[float]) -> list[float]:
    """Return what is charged by each edge as early as can be, and as late: one of these meets whatever is due."""
    amounts, charged_s = [], 0.0
    for top_s, duration_s in zip(task.top_s.tolist(), durations, strict=True):
        charged_s = max(charged_s, min(top_s, task.cap_s, charged_s + duration_s))
        amounts.append(charged_s)
    left_s = task.cap_s
    for duration_s in reversed(durations):
        left_s -= duration_s
        amounts.append(left_s)
    return amounts


def _levels(task: Task, least_s: float) -> int:
    return math.ceil(least_s / task.stride_s - INSTANT_S) if least_s > 0 else 0


def _worth(task: Task, amounts: Floats) -> Floats:
    """Return what the energy beyond the needs is worth, by amount."""
    total = np.zeros(len(amounts))
    for start_s, end_s, per_kwh in task.worth:
        within = task.curve.energies(np.clip(amounts, start_s, end_s))
        total += per_kwh * (within - task.curve.energy(start_s))
    return total


def _done(task: Task, amounts: Floats, floors: Ints) -> Floats:
    """Return what is still to pay, by edge, once no run may begin any more: nothing, where all due is charged."""
    done = np.tile(-_worth(task, amounts), (len(floors), 1))
    for edge in range(len(floors)):
        due = len(amounts) if np.isinf(task.forced_s[edge:]).any() else floors[edge:].max()
        done[edge, :due] = np.inf
    return done


class _Sweep:
    """Fills the edges of a table, each from the next. What it looks ahead in ends in amounts that nothing reaches."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._count = len(table.amounts_s)
        allowed = np.arange(self._count) <= table.tops[:, None]
        self._within = np.where(allowed, table.bases, np.inf)
        self._waits = table.pause_floors is not None
        levels, width = table.on.shape[1], self._count + max((one.beyond for one in table.reaches), default=0)
        self._ends = np.full((3 if self._waits else 2, width), np.inf)
        self._going = self._ends[-1:] if levels == 1 else np.full((levels, width), np.inf)

    def fill(self, step: int) -> None:
        """Fill one edge: go on for the whole step, stop or begin within it, or rest."""
        table = self._table
        reach, base, pauses = table.reaches[step], table.bases[step], table.pauses
        on, off, rest = table.on[step], table.off[step], self._rested(step)
        self._look_ahead(step)
        least = reach.least(self._ends)  # a stop, a start after a pause, and the first start, where that is another
        least -= base
        np.subtract(reach.shifted(self._going), base, out=on)
        stop = np.minimum(least[0], rest[0] if table.done is None else table.done[step])
        np.minimum(on[-1], stop, out=on[-1])
        if len(on) > 1:
            np.minimum(on[:-1], stop + table.flaw, out=on[:-1])
        begin = np.minimum(least[1:], on[0])
        begin += table.start_cost
        np.minimum(rest[pauses - 1 :], begin, out=off[pauses - 1 :])
        if pauses > 1:
            np.minimum(rest[: pauses - 1], begin[0] + table.flaw, out=off[: pauses - 1])
        if table.forced[step]:
            self._force(step)

    def _look_ahead(self, step: int) -> None:
        """Note what follows at the next edge, and what was paid by then, by the amount reached within the step."""
        table, count = self._table, self._count
        within, then_on = self._within[step], table.on[step + 1]
        ends = self._ends[:, :count]
        np.add(table.halted(step + 1), within, out=ends[0])
        np.add(then_on[0], within, out=ends[-1])
        if table.pause_floors is not None:  # a pause that ends within the step ends in time if it meets the next floor
            ends[1] = ends[2]
            ends[1, : table.pause_floors[step + 1]] = np.inf
        if len(then_on) > 1:
            further = np.concatenate([then_on[1:], then_on[-1:]]) if table.counts(step) else then_on
            np.add(further, within, out=self._going[:, :count])

    def _rested(self, step: int) -> Floats:
        """Return what follows a whole step of rest, by level."""
        free = self._table.pauses - 1
        then_off: Floats = self._table.off[step + 1]
        if not free or not self._table.counts(step):
            return then_off
        return np.concatenate([then_off[1 : free + 1], then_off[free:]])

    def _force(self, step: int) -> None:
        """Let every amount below what is forced go on until it is reached, or for the whole step."""
        table = self._table
        reach, base, forced = table.reaches[step], table.bases[step], int(table.forced[step])
        on, off = table.on[step], table.off[step]
        np.subtract(reach.shifted(self._going)[:, :forced], base[:forced], out=on[:, :forced])
        first = int(np.searchsorted(reach.up, forced))
        if forced < self._count and first < forced:
            stop = np.minimum.accumulate(self._ends[0, forced : self._count])
            reached = stop[reach.up[first:forced] - forced] - base[first:forced]
            np.minimum(on[:, first:forced], reached, out=on[:, first:forced])
        off[:, :forced] = on[0, :forced] + table.start_cost
