"""From a table of `optimum` to the runs: the way forward through it, of equals the earlier."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scheduler.core.charging import Floats
from scheduler.core.optimum import INSTANT_S, NOISE, TIE, Table


@dataclass(frozen=True, kw_only=True)
class Run:
    """A stretch of charging [s from now], and how many seconds were charged before it."""

    start_s: float
    end_s: float
    before_s: float


def trace(table: Table) -> list[Run]:
    """Return the optimal runs of a car that has charged nothing yet; none when there is no way."""
    return _Trace(table).runs() if np.isfinite(table.cost) else []


class _Trace:
    """Walks the table forward, and takes the earlier of equals."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._free_on, self._free_off = table.on.shape[1] - 1, table.pauses - 1
        self._tie = TIE * table.task.stake
        self._pieces: list[tuple[float, float]] = []

    def runs(self) -> list[Run]:
        task = self._table.task
        step, amount, charging = 0, 0, task.running
        level = self._free_on if charging else self._table.first_off
        self._begun = 0.0
        while step < len(task.per_kwh):
            if charging:
                step, amount, charging, level = self._on(step, amount, level)
            else:
                step, amount, charging, level = self._off(step, amount, level)
        if charging:
            self._end(float(task.edges_s[-1]))
        return self._joined()

    def _end(self, at_s: float) -> None:
        if at_s > self._begun + INSTANT_S:
            self._pieces.append((self._begun, at_s))

    def _joined(self) -> list[Run]:
        """Join what touches, and give back at the end what rounding charged beyond the cap."""
        joined: list[list[float]] = []
        for start_s, end_s in self._pieces:
            if joined and start_s - joined[-1][1] <= INSTANT_S:
                joined[-1][1] = end_s
            else:
                joined.append([start_s, end_s])
        runs: list[Run] = []
        before_s, cap_s = 0.0, self._table.task.cap_s
        for start_s, end_s in joined:
            kept_s = min(end_s, start_s + cap_s - before_s)
            if kept_s > start_s + INSTANT_S:
                runs.append(Run(start_s=start_s, end_s=kept_s, before_s=before_s))
                before_s += kept_s - start_s
        return runs

    def _on(self, step: int, amount: int, level: int) -> tuple[int, int, bool, int]:
        table, task = self._table, self._table.task
        value = float(table.on[step, level, amount])
        tie = self._tie + abs(value) * NOISE
        reach, base = table.reaches[step], table.bases[step]
        counts = table.counts(step)
        target, further = reach.after(amount), min(level + counts, self._free_on)
        if target is not None and target <= table.tops[step]:
            going = table.on[step + 1, further, target] + base[target] - base[amount]
            if going <= value + tie:
                return step + 1, target, True, further
        edge_s = float(task.edges_s[step])
        forced = int(table.forced[step])
        too_short = level < self._free_on and amount >= forced
        left = value + tie - (table.flaw if too_short else 0.0)
        found = self._window(step, amount, table.halted(step + 1), left, least=forced)
        self._end(edge_s if found is None else edge_s + float(table.amounts_s[found] - table.amounts_s[amount]))
        if task.once:
            return len(task.per_kwh), amount, False, 0
        if found is not None:
            return step + 1, found, False, 0
        return step + 1, amount, False, min(int(counts), self._free_off)

    def _off(self, step: int, amount: int, level: int) -> tuple[int, int, bool, int]:
        table, task = self._table, self._table.task
        value = float(table.off[step, level, amount])
        resting = level + (table.counts(step) and level < self._free_off)
        most = value + self._tie + abs(value) * NOISE
        left = most - table.start_cost - (table.flaw if level < self._free_off else 0.0)
        if table.on[step, 0, amount] <= left and amount < table.tops[step]:
            self._begun = float(task.edges_s[step])
            return step, amount, True, 0
        waiting = table.pause_floors is None or level >= table.pauses
        least = 0 if waiting or table.pause_floors is None else int(table.pause_floors[step + 1])
        found = (
            None
            if amount < table.forced[step]
            else self._window(step, amount, table.on[step + 1, 0], left, least=least)
        )
        if found is not None:
            self._begun = float(task.edges_s[step + 1] - (table.amounts_s[found] - table.amounts_s[amount]))
            return step + 1, found, True, 0
        return step + 1, amount, False, resting

    def _window(self, step: int, amount: int, then: Floats, most: float, *, least: int = 0) -> int | None:
        """Return the furthest amount that a part of the step reaches for no more than `most`, if there is one."""
        table = self._table
        last = min(int(table.reaches[step].up[amount]), int(table.tops[step]))
        if last <= amount:
            return None
        base = table.bases[step]
        values = then[amount + 1 : last + 1] + (base[amount + 1 : last + 1] - base[amount])
        fitting = np.flatnonzero(values <= most)
        found = amount + 1 + int(fitting[-1]) if len(fitting) else None
        return found if found is None or found >= least else None


def shortest(stretches: Sequence[Run]) -> float:
    """Return the length of the shortest of stretches [s]."""
    return min((one.end_s - one.start_s for one in stretches), default=math.inf)
