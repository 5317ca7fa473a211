"""The planner's model once more, without any of its code: the references that its own optimum is compared with.

Two are mixed-integer programmes in HiGHS: `one_minute` decides minute by minute, `continuous` lets runs begin and end at
any instant. HiGHS takes long where the car tapers, and rounding may make it call a plan optimal that is not: `plain` is
the night in minutes once more, by the plainest dynamic programme. All know one car, on or off, on a charge curve that is
piecewise linear.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

GAP = 1e-7
Curve = Sequence[tuple[float, float]]
"""Points (seconds or minutes of charging, kWh), from (0, 0) to at least all that is charged."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What HiGHS found: the cost of its best plan, what no plan can cost less than, and when it charges.

    `charged` is how long is charged in each minute or step, in minutes or seconds; empty when there is no plan.
    """

    cost: float
    bound: float
    solved: bool
    charged: tuple[float, ...] = ()


class _Model:
    """A programme made row by row; columns are known by their numbers."""

    def __init__(self) -> None:
        self.library = pytest.importorskip("highspy", reason="the dev group has highspy", exc_type=ImportError)
        self.highs = self.library.Highs()
        self.highs.setOptionValue("output_flag", False)
        self.count = 0

    def column(self, most: float = 1.0, *, cost: float = 0.0, whole: bool = False) -> int:
        self.highs.addCol(cost, 0.0, most, 0, np.array([], dtype=np.int32), np.array([]))
        if whole:
            self.highs.changeColIntegrality(self.count, self.library.HighsVarType.kInteger)
        self.count += 1
        return self.count - 1

    def row(self, terms: Mapping[int, float], *, least: float = -math.inf, most: float = math.inf) -> None:
        index, value = np.array(list(terms), dtype=np.int32), np.array(list(terms.values()), dtype=np.float64)
        self.highs.addRow(least, most, len(index), index, value)

    def solve(self, limit_s: float) -> tuple[Reference, list[float]]:
        options = {
            "threads": 1,
            "mip_rel_gap": GAP,
            "mip_abs_gap": 1e-10,
            "time_limit": limit_s,
        }
        for option, value in options.items():
            self.highs.setOptionValue(option, value)
        self.highs.run()
        info = self.highs.getInfo()
        if self.highs.getModelStatus() == self.library.HighsModelStatus.kInfeasible:
            return Reference(cost=math.inf, bound=math.inf, solved=True), []
        solved = self.highs.getModelStatus() == self.library.HighsModelStatus.kOptimal
        found = Reference(cost=info.objective_function_value, bound=info.mip_dual_bound, solved=solved)
        return found, list(self.highs.getSolution().col_value)


def one_minute(
    per_kwh: Sequence[float],
    *,
    needs: Iterable[tuple[int, int]],
    curve: Curve,
    start_cost: float = 0.0,
    least_run: int = 0,
    least_pause: int = 0,
    blocked: frozenset[int] = frozenset(),
    forced: frozenset[int] = frozenset(),
    running: bool = False,
    limit_s: float = 20.0,
) -> Reference:
    """Return the optimum of a night in minutes: each is charged through or not at all.

    `needs` are (minute, minutes of charging by then), the largest of them charged exactly; the curve has its kinks on
    whole minutes. A run that goes on from before and a pause that was there before have lasted long enough.
    """
    model, minutes, wanted = _Model(), len(per_kwh), list(needs)
    total = max((amount for _, amount in wanted), default=0)
    on = [model.column(whole=True) for _ in range(minutes)]
    starts = [model.column(cost=start_cost) for _ in range(minutes)]
    for minute in range(minutes):
        before = {on[minute - 1]: -1.0} if minute else {}
        model.row({on[minute]: 1.0, starts[minute]: -1.0, **before}, most=float(running and not minute))
        if minute in forced or minute in blocked:
            model.row({on[minute]: 1.0}, least=float(minute in forced), most=float(minute not in blocked))
    for by, amount in [*wanted, (minutes, total)]:
        model.row(dict.fromkeys(on[:by], 1.0), least=amount)
    model.row(dict.fromkeys(on, 1.0), most=total)
    _dwell(model, on, starts, least_run=least_run, least_pause=least_pause, running=running)
    _energy(model, on, per_kwh, curve, total)
    found, values = model.solve(limit_s)
    return _with(found, [values[column] for column in on] if values else [])


def _dwell(
    model: _Model, on: Sequence[int], starts: Sequence[int], *, least_run: int, least_pause: int, running: bool
) -> None:
    """Let what was started within the shortest run still charge, and what was stopped within the shortest pause rest."""
    minutes = len(on)
    for minute in range(minutes):
        first = minute - least_run + 1
        if least_run > 1:
            model.row({**dict.fromkeys(starts[max(0, first) : minute + 1], -1.0), on[minute]: 1.0}, least=0.0)
        if least_run > 1 and minute > minutes - least_run:
            model.row({starts[minute]: 1.0}, most=0.0)  # it would not last long enough
        for back in range(2, least_pause + 1):  # charged, at rest and charged again within the shortest pause
            if minute - back >= 0:
                model.row({on[minute - back]: 1.0, on[minute - back + 1]: -1.0, on[minute]: 1.0}, most=1.0)
            elif minute - back == -1 and running:
                model.row({on[0]: -1.0, on[minute]: 1.0}, most=0.0)


def _energy(model: _Model, charged: Sequence[int], per_kwh: Sequence[float], curve: Curve, cap: float) -> None:
    """Price the energy between edges where the price changes; each amount lies in one stretch of the curve."""
    points = [point for point in curve if point[0] < cap] + [next(p for p in curve if p[0] >= cap)]
    if len(points) <= 2:
        for column, price in zip(charged, per_kwh, strict=True):
            model.highs.changeColCost(column, price * points[-1][1] / points[-1][0])
        return
    prices, reached, last = [*per_kwh, 0.0], model.column(0.0), 0
    for edge in range(1, len(charged) + 1):
        if prices[edge - 1] == prices[edge]:
            continue
        before, reached = reached, model.column()  # as a share of the cap
        model.row({reached: 1.0, before: -1.0, **dict.fromkeys(charged[last:edge], -1 / cap)}, least=0.0, most=0.0)
        last = edge
        shares = [model.column(cost=(prices[edge - 1] - prices[edge]) * energy_kwh) for _, energy_kwh in points]
        inside = [model.column(whole=True) for _ in points[1:]]
        model.row(dict.fromkeys(shares, 1.0), least=1.0, most=1.0)
        model.row(dict.fromkeys(inside, 1.0), least=1.0, most=1.0)
        for number, share in enumerate(shares):
            beside = [inside[index] for index in (number - 1, number) if 0 <= index < len(inside)]
            model.row({share: 1.0, **dict.fromkeys(beside, -1.0)}, most=0.0)
        amount = {share: length / cap for share, (length, _) in zip(shares, points, strict=True) if length}
        model.row({**amount, reached: -1.0}, least=0.0, most=0.0)


def continuous(
    durations_s: Sequence[float],
    per_kwh: Sequence[float],
    *,
    needs: Iterable[tuple[int, float]],
    curve: Curve,
    cap_s: float,
    tops_s: Sequence[float] | None = None,
    start_cost: float = 0.0,
    running: bool = False,
    limit_s: float = 20.0,
) -> Reference:
    """Return the optimum of steps in which charging may begin and end at any instant.

    `needs` are (edge, seconds of charging by then); no more than `cap_s` is charged, and in a step no further than its
    top. Within a step all instants cost alike, so a step has one stretch of charging: it begins a run unless it goes on
    across the step's first edge, for which both neighbours must be charged up to that edge.
    """
    model, steps = _Model(), len(durations_s)
    tops = [min(cap_s, top_s) for top_s in tops_s] if tops_s is not None else [cap_s] * steps
    charged = [model.column(float(length)) for length in durations_s]
    used = [model.column(cost=start_cost, whole=True) for _ in durations_s]
    joined = [model.column(float(running or edge > 0), cost=-start_cost, whole=True) for edge in range(steps)]
    parted = [model.column(cost=start_cost, whole=True) for _ in durations_s]  # it charges at both ends, not between
    for step, length in enumerate(map(float, durations_s)):
        model.row({charged[step]: 1.0, used[step]: -length}, most=0.0)
        model.row({joined[step]: 1.0, used[step]: -1.0}, most=0.0)
        through = {joined[step]: -length, charged[step]: 1.0, parted[step]: length}
        if step + 1 < steps:
            model.row({joined[step + 1]: 1.0, used[step]: -1.0}, most=0.0)
            model.row({**through, joined[step + 1]: -length}, least=-length)
        model.row({**dict.fromkeys(charged[: step + 1], 1.0), used[step]: cap_s}, most=tops[step] + cap_s)
    for edge, amount_s in needs:
        model.row(dict.fromkeys(charged[:edge], 1.0), least=amount_s)
    model.row(dict.fromkeys(charged, 1.0), most=cap_s)
    _energy(model, charged, per_kwh, curve, cap_s)
    found, values = model.solve(limit_s)
    return _with(found, [values[column] for column in charged] if values else [])


def plain(
    per_kwh: Sequence[float],
    *,
    needs: Iterable[tuple[int, int]],
    curve: Curve,
    start_cost: float = 0.0,
    running: bool = False,
) -> float:
    """Return the least cost of a night in minutes, as `one_minute` means it; infinite when there is no way."""
    wanted = list(needs)
    total, minutes = max(amount for _, amount in wanted), len(per_kwh)
    lengths, energies = zip(*curve, strict=True)
    taken = np.diff(np.interp(np.arange(total + 1), lengths, energies))
    due = dict.fromkeys(range(minutes + 1), 0)
    for by, amount in [*wanted, (minutes, total)]:
        due[by] = max(due[by], amount)
    on = off = np.where(np.arange(total + 1) < total, np.inf, 0.0)
    for minute in reversed(range(minutes)):
        charging = np.append(per_kwh[minute] * taken + on[1:], np.inf)
        on, off = np.minimum(charging, off), np.minimum(off, charging + start_cost)
        for costs in (on, off):
            costs[: due[minute]] = np.inf
    return float(on[0] if running else off[0])


def _with(found: Reference, charged: Sequence[float]) -> Reference:
    return Reference(cost=found.cost, bound=found.bound, solved=found.solved, charged=tuple(charged))
