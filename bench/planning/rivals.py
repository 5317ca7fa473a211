"""What a plan is held against, and how it is judged: by the kWh it brings and the price of each, not by the planner."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bench.planning.nights import START_COST, Night
from scheduler.core.runs import Run

INSTANT_S = 1e-6
NEED_KWH = 0.01

Stretch = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What runs cost with their starts [EUR], how many there are, and whether they do what they must."""

    cost: float
    starts: int
    short: bool
    late: bool


def judged(night: Night, runs: Sequence[Stretch]) -> Judged:
    """Price the runs step by step, and see that they are in order, in time and enough."""
    taken_s = taken_kwh = cost = 0.0
    for start_s, end_s in runs:
        inside = night.edges_s[(night.edges_s > start_s) & (night.edges_s < end_s)].tolist()
        for from_s, to_s in pairwise([start_s, *inside, end_s]):
            step = int(np.searchsorted(night.edges_s, (from_s + to_s) / 2)) - 1
            taken_s += to_s - from_s
            now_kwh = night.curve.energy(taken_s)
            cost += (now_kwh - taken_kwh) * float(night.per_kwh[step])
            taken_kwh = now_kwh
    orderly = all(a[1] < b[0] for a, b in pairwise(runs)) and all(start_s < end_s for start_s, end_s in runs)
    within = not runs or (runs[0][0] >= -INSTANT_S and runs[-1][1] <= night.edges_s[-1] + INSTANT_S)
    return Judged(
        cost=cost + START_COST * len(runs),
        starts=len(runs),
        short=abs(taken_kwh - night.need_kwh) > NEED_KWH,
        late=not (orderly and within),
    )


def stretches(runs: Sequence[Run]) -> list[Stretch]:
    return [(run.start_s, run.end_s) for run in runs]


def at_once(night: Night) -> list[Stretch]:
    return [(0.0, night.need_s)]


def greedy(night: Night) -> list[Stretch]:
    """Return the cheapest slots, the earlier of equals, the dearest of them only as far as it is needed."""
    left_s, pieces = night.need_s, []
    for step in np.argsort(night.per_kwh, kind="stable").tolist():
        start_s, end_s = float(night.edges_s[step]), float(night.edges_s[step + 1])
        if left_s <= INSTANT_S:
            break
        pieces.append((start_s, min(end_s, start_s + left_s)))
        left_s -= end_s - start_s
    joined: list[Stretch] = []
    for start_s, end_s in sorted(pieces):
        if joined and start_s - joined[-1][1] <= INSTANT_S:
            joined[-1] = (joined[-1][0], end_s)
        else:
            joined.append((start_s, end_s))
    return joined
