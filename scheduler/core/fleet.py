"""Plans for many cars at once: cars on one price curve with one deadline and one kind of charging share a table.

A table of `optimum` tells what is still to pay from every amount on. Counted from the end of the need backward, that is
an answer to every car, whatever it needs. Two things are rounded so that cars can share: needs go up to whole minutes,
of which the surplus is taken back where charging is dearest; and powers fall into classes a twentieth apart, which
weigh only how much a start costs beside the energy. A car that has neither due time is not planned later for it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler.core.charging import ChargeCurve, Floats
from scheduler.core.optimum import INSTANT_S, Ints, Table, Task, solve

GRAIN_S = 60.0
"""Needs are rounded up to it."""

CLASS = 1.05
"""Powers of one class differ by no more than this factor."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rates:
    """What a kWh costs between edges [s from now], shared by all cars that name the same object."""

    edges_s: Floats
    per_kwh: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Car:
    """What one car needs [kWh, grid side] by when [s from now], and how it charges.

    With a `taper`, that is the curve that ends where the need is met; the power is not asked for then.
    """

    rates: Rates
    by_s: float
    energy_kwh: float
    power_kw: float = 0.0
    taper: ChargeCurve | None = None
    start_cost: float = 0.0

    @property
    def need_s(self) -> float:
        """How long the need takes [s]."""
        if self.taper is None:
            return self.energy_kwh / self.power_kw * 3600
        end_s, end_kwh = self.taper.points[-1]
        return end_s - self.taper.seconds(max(0.0, end_kwh - self.energy_kwh))

    @property
    def kind(self) -> tuple[int, float, object, float]:
        """What cars must have in common to share a table."""
        charging = id(self.taper) if self.taper is not None else round(math.log(self.power_kw, CLASS))
        return id(self.rates), self.by_s, (self.taper is None, charging), self.start_cost


@dataclass(frozen=True, kw_only=True)
class FleetPlan:
    """The runs of all cars in one array: those of car `i` are `first[i]` to `first[i + 1]` [s from now].

    `short_s` is how much of each need does not fit before the deadline; `tables` how many were made for them all.
    """

    starts_s: Floats
    ends_s: Floats
    first: Ints
    short_s: Floats
    tables: int

    def runs(self, car: int) -> list[tuple[float, float]]:
        """Return when one car charges [s from now]."""
        own = slice(int(self.first[car]), int(self.first[car + 1]))
        return list(zip(self.starts_s[own].tolist(), self.ends_s[own].tolist(), strict=True))


def plan_fleet(cars: Sequence[Car]) -> FleetPlan:
    """Return the cheapest runs of every car; a need that does not fit is charged as far as it does."""
    groups: dict[object, list[int]] = {}
    for index, car in enumerate(cars):
        groups.setdefault(car.kind, []).append(index)
    short, parts = np.zeros(len(cars)), [_NONE]
    for group in groups.values():
        found, short[group] = _plan_group([cars[index] for index in group], np.array(group))
        parts.append(found)
    runs = _joined(parts)
    order = np.lexsort((runs.starts_s, runs.owner))
    first = np.searchsorted(runs.owner[order], np.arange(len(cars) + 1))
    starts, ends = runs.starts_s[order], runs.ends_s[order]
    return FleetPlan(starts_s=starts, ends_s=ends, first=first, short_s=short, tables=len(groups))


@dataclass(frozen=True, kw_only=True)
class _Runs:
    """Runs [s from now] and whose each is."""

    owner: Ints
    starts_s: Floats
    ends_s: Floats


_NONE = _Runs(owner=np.empty(0, dtype=np.int64), starts_s=np.empty(0), ends_s=np.empty(0))


def _plan_group(cars: Sequence[Car], indices: Ints) -> tuple["_Runs", Floats]:
    """Return the runs of cars that share a table, and what is short for each."""
    one = cars[0]
    needs = np.array([car.need_s for car in cars])
    edges = np.unique(np.clip([0.0, *one.rates.edges_s.tolist(), one.by_s], 0.0, max(one.by_s, 0.0)))
    due = np.minimum(needs, edges[-1])
    rounded = np.ceil(due / GRAIN_S - INSTANT_S) * GRAIN_S
    all_along = rounded > edges[-1]  # no time is left to choose from
    shared = np.flatnonzero(~all_along & (due > INSTANT_S))
    owner = np.flatnonzero(all_along)
    parts = [_Runs(owner=owner, starts_s=np.zeros(len(owner)), ends_s=due[all_along])]
    if len(shared):
        cap_s = float(rounded[shared].max())
        table = solve(_task(one, edges, cap_s))
        begins = np.rint((cap_s - rounded[shared]) / GRAIN_S).astype(np.int64)
        kinds, kind_of = np.unique(begins, return_inverse=True)
        own = _handed_out(_walked(table, kinds), kind_of, rounded[shared] - due[shared], table)
        parts.append(_Runs(owner=shared[own.owner], starts_s=own.starts_s, ends_s=own.ends_s))
    found = _joined(parts)
    return _Runs(owner=indices[found.owner], starts_s=found.starts_s, ends_s=found.ends_s), needs - due


def _joined(parts: Sequence["_Runs"]) -> "_Runs":
    return _Runs(
        owner=np.concatenate([part.owner for part in parts]),
        starts_s=np.concatenate([part.starts_s for part in parts]),
        ends_s=np.concatenate([part.ends_s for part in parts]),
    )


def _task(car: Car, edges: Floats, cap_s: float) -> Task:
    """Return the task of the largest need; a smaller one begins further on."""
    prices = car.rates.per_kwh[np.searchsorted(car.rates.edges_s, (edges[1:] + edges[:-1]) / 2) - 1]
    steps = len(prices)
    floors = np.zeros(steps + 1)
    floors[-1] = cap_s
    return Task(
        edges_s=edges,
        per_kwh=prices,
        per_s=np.zeros(steps),
        top_s=np.full(steps, cap_s),
        forced_s=np.zeros(steps),
        floor_s=floors,
        curve=_curve(car, cap_s),
        cap_s=cap_s,
        start_cost=car.start_cost,
        amounts_s=np.arange(round(cap_s / GRAIN_S) + 1, dtype=np.float64) * GRAIN_S,
    )


def _curve(car: Car, cap_s: float) -> ChargeCurve:
    """Return the last `cap_s` of the car's charging; before a curve's beginning it charges as it does there."""
    if car.taper is None:
        return ChargeCurve.at(CLASS ** round(math.log(car.power_kw, CLASS)))
    points = car.taper.points
    first_kw = points[1][1] / points[1][0]
    start_s = points[-1][0] - cap_s
    start_kwh = car.taper.energy(start_s) if start_s >= 0 else first_kw * start_s
    inner = [(s - start_s, kwh - start_kwh) for s, kwh in points if s > start_s + INSTANT_S]
    return ChargeCurve(points=((0.0, 0.0), *inner))


def _walked(table: Table, amounts: Ints) -> _Runs:
    """Walk the table forward from each amount at once; return the runs, sorted by the amounts' order."""
    walk = _Walk(table, amounts)
    for step in range(len(table.task.per_kwh)):
        walk.begin(step)
        walk.go_on(step)
        walk.begin_within(step)
    return walk.runs()


class _Walk:
    """Cars on their way through a table. Of equals the earlier is taken, as in a single trace."""

    def __init__(self, table: Table, amounts: Ints) -> None:
        self._table = table
        self._amount = amounts.copy()
        self._on = np.zeros(len(amounts), dtype=bool)
        self._late = np.zeros(len(amounts), dtype=bool)  # began within the step: not to be moved on in it again
        self._starts: list[tuple[Ints, Floats]] = []
        self._ends: list[tuple[Ints, Floats]] = []
        self._tie = 1e-9 * table.task.stake

    def begin(self, step: int) -> None:
        """Let those begin that begin at the edge."""
        table = self._table
        self._late[:] = False
        self._rested = np.flatnonzero(~self._on)
        at = self._amount[self._rested]
        begins = table.on[step, 0, at] + table.start_cost <= table.off[step, 0, at] + self._tie
        begins &= at < len(table.amounts_s) - 1
        new = self._rested[begins]
        self._on[new] = True
        self._rested = self._rested[~begins]
        if len(new):
            self._starts.append((new, np.full(len(new), table.task.edges_s[step])))

    def go_on(self, step: int) -> None:
        """Let those go on that charge, for the whole step or a part of it."""
        table, reach, base = self._table, self._table.reaches[step], self._table.bases[step]
        going = np.flatnonzero(self._on)
        at = self._amount[going]
        up = reach.up[at]
        fits = reach.whole[at] < len(reach.up)
        cost = np.where(fits, table.on[step + 1, 0, up] + base[up] - base[at], np.inf)
        value = table.on[step, 0, at] + self._tie
        whole = cost <= value
        self._amount[going[whole]] = up[whole]
        stop, at, value = going[~whole], at[~whole], value[~whole]
        if not len(stop):
            return
        reached = self._furthest(step, at, table.off[step + 1, 0], value)
        self._on[stop] = False
        self._late[stop] = True
        self._amount[stop] = reached
        charged = table.amounts_s[reached] - table.amounts_s[at]
        self._ends.append((stop, table.task.edges_s[step] + charged))

    def begin_within(self, step: int) -> None:
        """Let those begin that begin within the step, as early as they can for the least."""
        table = self._table
        cars = self._rested
        at = self._amount[cars]
        must = table.off[step, 0, at] < table.off[step + 1, 0, at] - self._tie
        cars, at = cars[must], at[must]
        if not len(cars):
            return
        left = table.off[step, 0, at] + self._tie - table.start_cost
        reached = self._furthest(step, at, table.on[step + 1, 0], left)
        self._on[cars] = True
        self._amount[cars] = reached
        charged = table.amounts_s[reached] - table.amounts_s[at]
        self._starts.append((cars, table.task.edges_s[step + 1] - charged))

    def _furthest(self, step: int, at: Ints, then: Floats, most: Floats) -> Ints:
        """Return the furthest amount within the step that costs no more than `most`; where there is none, the same."""
        base, reach = self._table.bases[step], self._table.reaches[step]
        wide = int((reach.up[at] - at).max(initial=0))
        ahead = np.minimum(at[:, None] + np.arange(wide + 1)[None, :], reach.up[at][:, None])
        values = then[ahead] + base[ahead] - base[at][:, None]
        fitting = values <= most[:, None]
        fitting[:, 0] = True
        last = wide - np.argmax(fitting[:, ::-1], axis=1)
        furthest: Ints = ahead[np.arange(len(at)), last]
        return furthest

    def runs(self) -> _Runs:
        """Return the runs, sorted by car; empty ones and seams between runs that touch are left out."""
        end_s = float(self._table.task.edges_s[-1])
        still = np.flatnonzero(self._on)
        self._ends.append((still, np.full(len(still), end_s)))
        cars, starts = _sorted(self._starts)
        _, ends = _sorted(self._ends)
        seam = np.zeros(len(cars), dtype=bool)
        seam[1:] = (cars[1:] == cars[:-1]) & (starts[1:] - ends[:-1] <= INSTANT_S)
        ends = ends[np.append(~seam[1:], True)] if len(cars) else ends
        cars, starts = cars[~seam], starts[~seam]
        long = ends - starts > INSTANT_S
        return _Runs(owner=cars[long], starts_s=starts[long], ends_s=ends[long])


def _sorted(events: Sequence[tuple[Ints, Floats]]) -> tuple[Ints, Floats]:
    if not events:
        return np.empty(0, dtype=np.int64), np.empty(0)
    cars = np.concatenate([cars for cars, _ in events])
    instants = np.concatenate([at for _, at in events])
    order = np.argsort(cars, kind="stable")
    return cars[order], instants[order]


def _handed_out(walked: _Runs, kind_of: Ints, surplus: Floats, table: Table) -> _Runs:
    """Give each car the runs of its need, less what rounding added: that comes off where charging is dearest."""
    first = np.searchsorted(walked.owner, np.arange(int(kind_of.max()) + 2))
    counts = (first[1:] - first[:-1])[kind_of]
    owner = np.repeat(np.arange(len(kind_of)), counts)
    begun = np.concatenate([[0], np.cumsum(counts)])
    source = np.arange(len(owner)) - begun[owner] + first[kind_of[owner]]
    starts, ends = walked.starts_s[source], walked.ends_s[source]
    edges, prices = table.task.edges_s, table.task.per_kwh
    at_start = prices[np.minimum(np.searchsorted(edges, starts + INSTANT_S, side="right") - 1, len(prices) - 1)]
    at_end = prices[np.maximum(np.searchsorted(edges, ends - INSTANT_S, side="right") - 1, 0)]
    dear = np.maximum(at_start, at_end)
    dear[ends - starts <= surplus[owner] + INSTANT_S] = -np.inf
    order = np.lexsort((dear, owner))
    last = order[begun[1:][counts > 0] - 1]  # the dearest run of each car that has one
    back = surplus[owner[last]]
    late = at_end[last] >= at_start[last]
    ends[last[late]] -= back[late]
    starts[last[~late]] += back[~late]
    kept: NDArray[np.bool_] = ends > starts
    return _Runs(owner=owner[kept], starts_s=starts[kept], ends_s=ends[kept])
