"""What a plan has promised, and when it is kept (S13): estimates alone do not put off the next start.

The runs of the last plan are remembered with what they were made for: wishes, the next departures, prices. While
that is the same, and as much is to be charged as before but for noise, a plan that would begin later is not taken. The
one before it is, made a little longer or shorter at an end.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np

from scheduler.core.charging import Floats
from scheduler.core.energy import usable_capacity_kwh
from scheduler.core.keys import hashed
from scheduler.core.model import Need, Plan, Situation
from scheduler.core.needs import Claim, missing_kwh
from scheduler.core.optimum import INSTANT_S, Task
from scheduler.core.problem import Problem
from scheduler.core.runs import Run
from scheduler.core.timeline import Interval, merge

ROUNDING_S = 0.01
"""Instants are kept in microseconds, and amounts are sums of them: less than this is no difference."""

Span = tuple[float, float]


def promised(plan: Plan, at: datetime) -> tuple[Interval, ...]:
    """Return when a plan charges from an instant on, slots that touch being one run."""
    return merge(slot.interval for slot in plan.slots if slot.end > at)


def purpose(now: Situation, needs: Sequence[Need | Claim]) -> str:
    """Return in a few letters what a plan is made for, amounts left out.

    That are prices, what the home's policies and settings make of them, a wish, the next departures.
    """
    first = min((need.by for need in needs if need.by is not None), default=None)
    asked = [(need.policy, need.soc_pct, need.by) for need in needs if need.by in (None, first)]
    wish = None if now.override is None else (now.override.will, now.override.set_at)
    prices = [(p.name, p.fetched_at, p.product, p.stand_ins) for p in now.prices]
    settings = (now.home.policies, now.home.start_cost, now.home.max_kw)
    return hashed((prices, settings, asked, wish))


def kept(problem: Problem, task: Task, found: Sequence[Run], *, once: bool = False) -> tuple[Run, ...] | None:
    """Return the runs that keep what was promised where `found` begins later; None where nothing stands against it.

    With `once` charging must be one unbroken run.
    """
    if all(run.start_s <= at_s + INSTANT_S for at_s, run in zip(problem.committed_s, found, strict=False)):
        return None
    if problem.now.committed_to != purpose(problem.now, problem.claims):
        return None
    spans = problem.committed_spans_s
    more_s = sum(run.end_s - run.start_s for run in found) - sum(end_s - start_s for start_s, end_s in spans)
    if abs(more_s) > _noise_s(problem) or (once and len(spans) > 1):
        return None
    fitting = (runs for runs in _adjusted(spans, more_s, problem.least_dwell_s) if allows(task, runs))
    return next((tuple(_runs(runs)) for runs in fitting), None)


def _noise_s(problem: Problem) -> float:
    """Return how much more or less charging two readings may ask for, though nothing has changed [s].

    Each may be off by `eps_soc`, one up and one down. Time that goes by between two looks is no change either.
    """
    limits, capacity = problem.now.limits, usable_capacity_kwh(problem.now)
    points_kwh = 0.0 if capacity is None else missing_kwh(0.0, 2 * limits.eps_soc, capacity)
    return problem.curve.seconds(points_kwh) + limits.t_tick.total_seconds()


def _adjusted(spans: Sequence[Span], more_s: float, least_s: float) -> Iterator[list[Span]]:
    """Yield the spans with so much more charging: at the end of the longest, else of another, else before the first.

    When no span can be that much shorter, the last ones are given up, and one that has begun takes what they had.
    """
    if abs(more_s) <= ROUNDING_S:
        yield list(spans)
    for index in sorted(range(len(spans)), key=lambda one: spans[one][0] - spans[one][1]):
        start_s, end_s = spans[index][0], spans[index][1] + more_s
        begun, last = start_s <= INSTANT_S, index == len(spans) - 1
        long_enough = end_s - start_s >= least_s or (begun and end_s > start_s)
        if long_enough and (last or spans[index + 1][0] - end_s >= least_s):
            yield [*spans[:index], (start_s, end_s), *spans[index + 1 :]]
    if 0 < more_s <= spans[0][0]:
        yield [(spans[0][0] - more_s, spans[0][1]), *spans[1:]]
    for left in range(len(spans) - 1, 0, -1):
        (start_s, end_s), rest = spans[0], list(spans[1:left])
        end_s += more_s + sum(end - start for start, end in spans[left:])
        if start_s <= INSTANT_S and end_s > start_s and (not rest or rest[0][0] - end_s >= least_s):
            yield [(start_s, end_s), *rest]


def _runs(spans: Sequence[Span]) -> Iterator[Run]:
    before_s = 0.0
    for start_s, end_s in spans:
        yield Run(start_s=start_s, end_s=end_s, before_s=before_s)
        before_s += end_s - start_s


def allows(task: Task, spans: Sequence[Span]) -> bool:
    """Tell whether a task allows to charge in these spans and in no other [s from now]: all but their cost."""
    edges = task.edges_s
    charged: Floats = np.sum([np.clip(edges - start_s, 0.0, end_s - start_s) for start_s, end_s in spans], axis=0)
    before, after, length = charged[:-1], charged[1:], task.durations_s
    taken, slight = after - before, ROUNDING_S
    if spans[-1][1] > edges[-1] + slight or after[-1] > task.cap_s + slight:
        return False
    if (after > np.where(taken > slight, task.top_s, np.inf) + slight).any() or (charged < task.floor_s - slight).any():
        return False
    if (taken < np.minimum(length, task.forced_s - before) - slight).any():
        return False
    if task.pause_floor_s is None:
        return True
    paused = (taken < length - slight) & ((before > slight) | task.running | task.paused)
    return not (paused & (after < task.pause_floor_s[1:] - slight)).any()
