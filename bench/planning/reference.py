"""The planner's model as a mixed-integer programme in HiGHS: runs may begin and end at any instant.

Per step: how long is charged in each stretch of the charge curve (of one power each), whether there is charging at
all, and whether charging goes on across the step's first edge. Within a step every instant costs alike, so that a
pause can be moved to an edge: a step has one stretch of charging, and costs a start unless it goes on from before.
Nothing in it is general that the nights do not ask for, so that it is as quick a rival as the solver allows.
"""

import time
from dataclasses import dataclass
from itertools import pairwise

import highspy
import numpy as np

from bench.planning.nights import START_COST, Night
from scheduler.core.charging import Floats

GAP, LIMIT_S = 1e-7, 60.0


@dataclass(frozen=True, kw_only=True)
class Found:
    """The cost of the best plan found, infinite without one; what no plan can cost less than; how long it took."""

    cost: float
    bound: float
    solved: bool
    took_s: float


class _Model:
    """Rows and columns one by one, by number; all times in hours."""

    def __init__(self) -> None:
        self.highs = highspy.Highs()  # type: ignore[no-untyped-call]
        self.highs.setOptionValue("output_flag", False)
        self.columns = 0

    def column(self, upper: float, *, cost: float = 0.0, whole: bool = False) -> int:
        self.highs.addCol(cost, 0.0, upper, 0, np.array([], dtype=np.int32), np.array([]))
        if whole:
            self.highs.changeColIntegrality(self.columns, highspy.HighsVarType.kInteger)
        self.columns += 1
        return self.columns - 1

    def row(self, terms: dict[int, float], *, least: float = -highspy.kHighsInf, most: float = 0.0) -> None:
        index, value = np.array(list(terms), dtype=np.int32), np.array(list(terms.values()), dtype=np.float64)
        self.highs.addRow(least, most, len(index), index, value)


def continuous(night: Night, *, limit_s: float = LIMIT_S) -> Found:
    """Return the optimum, or as near as HiGHS comes to it in `limit_s` on one thread."""
    model = _model(night)
    highs = model.highs
    for option, value in {
        "threads": 1,
        "mip_rel_gap": GAP,
        "mip_abs_gap": 1e-10,
        "mip_feasibility_tolerance": 1e-8,
        "primal_feasibility_tolerance": 1e-8,
        "time_limit": limit_s,
    }.items():
        highs.setOptionValue(option, value)
    began = time.perf_counter()
    highs.run()
    took_s = time.perf_counter() - began
    info = highs.getInfo()
    solved = highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    simple = START_COST + night.need_kwh * float(night.per_kwh.min())
    bound = max(simple, info.mip_dual_bound)
    return Found(cost=info.objective_function_value, bound=bound, solved=solved, took_s=took_s)


def _stretches(night: Night) -> list[tuple[float, float]]:
    """Return the stretches of the charge curve up to the need: how long [h], and its power [kW]."""
    ends = [*night.curve.points[1:-1], (night.need_s, night.need_kwh)]
    return [((b[0] - a[0]) / 3600, (b[1] - a[1]) / (b[0] - a[0]) * 3600) for a, b in pairwise([(0.0, 0.0), *ends])]


def _model(night: Night) -> _Model:
    model, durations, stretches = _Model(), np.diff(night.edges_s) / 3600, _stretches(night)
    charged = [
        [model.column(min(hours, length), cost=per_kwh * power_kw) for length, power_kw in stretches]
        for hours, per_kwh in zip(durations, night.per_kwh, strict=True)
    ]
    _switch(model, durations, charged)
    for stretch, (length, _) in enumerate(stretches):
        model.row({step[stretch]: 1 for step in charged}, least=length, most=length)
    if len(stretches) > 1:
        _in_order(model, [length for length, _ in stretches], charged)
    return model


def _switch(model: _Model, durations: Floats, charged: list[list[int]]) -> None:
    """Charge only where there is a start or charging goes on, and go on only from a step that is charged to its end."""
    steps = len(durations)
    start = [model.column(1.0, cost=START_COST, whole=True) for _ in durations]
    across = [model.column(1.0 if 0 < edge < steps else 0.0, whole=True) for edge in range(steps + 1)]
    for step, hours in enumerate(durations.tolist()):
        inside = dict.fromkeys(charged[step], 1.0)
        model.row({start[step]: 1, across[step]: 1}, most=1)
        model.row({across[step + 1]: 1, start[step]: -1, across[step]: -1})
        model.row({**inside, start[step]: -hours, across[step]: -hours})
        model.row({**inside, start[step]: hours, across[step + 1]: -hours}, least=0, most=highspy.kHighsInf)
    starts = model.column(float(steps), whole=True)  # its number helps the search, and so does that one is needed
    model.row({**dict.fromkeys(start, 1.0), starts: -1.0}, least=0)
    model.row({starts: 1.0}, least=1, most=highspy.kHighsInf)


def _in_order(model: _Model, lengths: list[float], charged: list[list[int]]) -> None:
    """Let the next stretch of the curve begin only when the one before it is complete."""
    so_far = [[model.column(length) for length in lengths] for _ in charged]
    for step, now in enumerate(charged):
        complete = [model.column(1.0, whole=True) for _ in lengths[1:]]
        for stretch, column in enumerate(now):
            before = {so_far[step - 1][stretch]: -1.0} if step else {}
            model.row({so_far[step][stretch]: 1, column: -1, **before}, least=0)
        for stretch, done in enumerate(complete):
            model.row({so_far[step][stretch]: -1, done: lengths[stretch]})
            model.row({so_far[step][stretch + 1]: 1, done: -lengths[stretch + 1]})
