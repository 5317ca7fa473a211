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
    """How far one step of a duration leads, from each amount."""

    up: Ints  # the last amount within reach, by the index of the amount
    whole: int  # so many of the amounts can take a whole step
    width: int | None  # of how many indices each reach consists, where that is the same for all
    missed: frozenset[int]  # the amounts from which a whole step leads to none of ours

    def shifted(self, rows: Floats) -> Floats:
        """Return what a whole step leads to, from each amount that can take one."""
        if self.width is not None and not self.missed:
            return rows[..., self.width : self.width + self.whole]
        found = rows[..., self.up[: self.whole]]
        found[..., list(self.missed)] = np.inf
        return found

    def after(self, amount: int) -> int | None:
        """Return where a whole step leads to from an amount, if it can be taken."""
        return int(self.up[amount]) if amount < self.whole and amount not in self.missed else None

    def least(self, rows: Floats) -> Floats:
        """Return the least value within reach of each amount, for each row."""
        count = rows.shape[-1]
        if self.width is None:
            edges = np.empty(2 * count, dtype=np.int64)
            edges[::2], edges[1::2] = np.arange(count), self.up + 1
            padded = np.concatenate([rows, np.full((len(rows), 1), np.inf)], axis=1)
            least: Floats = np.minimum.reduceat(padded, edges, axis=1)[:, ::2]
            return least
        entries, span = self.width + 1, 1
        padded = np.empty((len(rows), count + entries))
        padded[:, :count] = rows
        padded[:, count:] = np.inf
        while span * 2 <= entries:
            padded = np.minimum(padded[:, :-span], padded[:, span:])
            span *= 2
        rest = entries - span
        return np.minimum(padded[:, :count], padded[:, rest : rest + count])


def _reach(amounts: Floats, duration_s: float, *, rounding: bool) -> _Reach:
    """Return the reach of a duration. With `rounding` a step may count for less than it charges, never for more."""
    ahead = amounts + duration_s
    up = np.searchsorted(amounts, ahead + INSTANT_S, side="right") - 1
    whole = int(np.searchsorted(ahead, amounts[-1] + INSTANT_S, side="right"))
    widths = (up - np.arange(len(amounts)))[:whole]
    same = whole > 0 and bool((widths == widths[0]).all())
    missed = [] if rounding else np.flatnonzero(ahead[:whole] - amounts[up[:whole]] > ROUNDED_S).tolist()
    return _Reach(up=up, whole=whole, width=int(widths[0]) if same else None, missed=frozenset(missed))


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
    for step in reversed(range(len(task.per_kwh))):
        _fill(table, step)
        if table.forced[step]:
            _force(table, step)
        floor = table.floors[step]
        table.on[step, :, :floor] = np.inf
        table.off[step, :, :floor] = np.inf
        if table.pause_floors is not None:
            table.off[step, : table.pauses, : table.pause_floors[step]] = np.inf
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


def _fill(table: Table, step: int) -> None:
    """Fill one edge from the next: go on for the whole step, stop or begin within it, or rest."""
    reach, base, top = table.reaches[step], table.bases[step], int(table.tops[step])
    on, off, then_on, then_off = table.on[step], table.off[step], table.on[step + 1], table.off[step + 1]
    floors = table.pause_floors
    ends = np.empty((2 if floors is None else 3, len(base)))
    np.add(then_on[0], base, out=ends[0])
    np.add(table.halted(step + 1), base, out=ends[1])
    ends[:2, top + 1 :] = np.inf
    if floors is not None:  # a pause that ends within the step has ended in time when the next edge's floor is reached
        ends[2] = ends[0]
        ends[2, : floors[step + 1]] = np.inf
    least = reach.least(ends)
    least -= base
    rest = _rested(table, step, then_off)
    on[:] = np.inf
    going = ends[:1] if len(on) == 1 else _going(table, step, then_on)
    np.subtract(reach.shifted(going), base[: reach.whole], out=on[:, : reach.whole])
    stop = np.minimum(least[1], rest[0] if table.done is None else table.done[step])
    np.minimum(on[-1], stop, out=on[-1])
    if len(on) > 1:
        np.minimum(on[:-1], stop + table.flaw, out=on[:-1])
    begin = np.minimum(least[-1 if floors is not None else 0], on[0])
    begin += table.start_cost
    pauses = table.pauses
    np.minimum(rest[pauses - 1], begin, out=off[pauses - 1])
    if pauses > 1:
        np.minimum(rest[: pauses - 1], begin + table.flaw, out=off[: pauses - 1])
    if floors is not None:
        np.minimum(rest[-1], np.minimum(least[0], on[0]) + table.start_cost, out=off[-1])


def _force(table: Table, step: int) -> None:
    """Let every amount below what is forced go on until it is reached, or for the whole step."""
    reach, base, forced = table.reaches[step], table.bases[step], int(table.forced[step])
    on, off = table.on[step], table.off[step]
    going = _going(table, step, table.on[step + 1])
    whole = np.full_like(on, np.inf)
    np.subtract(reach.shifted(going), base[: reach.whole], out=whole[:, : reach.whole])
    on[:, :forced] = whole[:, :forced]
    first = int(np.searchsorted(reach.up, forced))
    if forced < len(base) and first < forced:
        stop = table.halted(step + 1)[forced:] + base[forced:]
        stop[int(table.tops[step]) + 1 - forced :] = np.inf
        stop = np.minimum.accumulate(stop)[reach.up[first:forced] - forced] - base[first:forced]
        np.minimum(on[:, first:forced], stop, out=on[:, first:forced])
    off[:, :forced] = on[0, :forced] + table.start_cost


def _going(table: Table, step: int, then_on: Floats) -> Floats:
    """Return what follows a whole step of charging and what it costs, by level and amount reached."""
    further = then_on
    if len(then_on) > 1 and table.counts(step):
        further = np.concatenate([then_on[1:], then_on[-1:]])
    going: Floats = further + table.bases[step]
    going[:, table.tops[step] + 1 :] = np.inf
    return going


def _rested(table: Table, step: int, then_off: Floats) -> Floats:
    """Return what follows a whole step of rest, by level."""
    free = table.pauses - 1
    return np.concatenate([then_off[1 : free + 1], then_off[free:]]) if free and table.counts(step) else then_off
