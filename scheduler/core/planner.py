"""From terms to a plan: the cheapest time to charge in that honours every term, or which term gave way to which.

Charging is on or off, along one pessimistic charge curve. `problem` states it in offsets from now, `steps` makes it a
task with floors and tops, `optimum` solves it exactly, `account` tells the outcome. The model: `docs/planner-model.md`.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd, isfinite

from scheduler.core.account import account
from scheduler.core.battery import estimate_soc
from scheduler.core.commitment import kept
from scheduler.core.energy import charge_curve
from scheduler.core.model import Plan, Situation
from scheduler.core.needs import claims
from scheduler.core.optimum import INSTANT_S, solve
from scheduler.core.prices import curve
from scheduler.core.problem import Problem, pose, running
from scheduler.core.runs import Run, shortest, trace
from scheduler.core.steps import Board, lay_out
from scheduler.core.terms import Opportunity, Target, of_type

UNKNOWN_POWER = "capacity or charge power unknown: set charge_power_kw"
UNKNOWN_CAPACITY = "capacity or charge power unknown: set capacity_kwh"

LEAST_STRIDE_S = 60
"""Runs and pauses are counted in no finer steps."""


@dataclass(frozen=True, kw_only=True)
class Solution:
    """A task on its steps, and the runs that solve it."""

    board: Board
    runs: tuple[Run, ...]

    @property
    def starts_s(self) -> float:
        """When charging begins [s from now]; infinite when it never does."""
        return self.runs[0].start_s if self.runs else float("inf")


def plan(situation: Situation) -> Plan:
    """Return the cheapest plan that honours the terms of the situation, with needs, shortfall and what gave way.

    It is pure: the same situation gives the same plan. A target out of reach is a shortfall, never an exception.
    """
    charge = estimate_soc(situation)
    wanted = claims(situation, charge)
    asked = (wanted, running(situation), of_type(situation.terms, Target), of_type(situation.terms, Opportunity))
    if not any(asked):
        return Plan(rung=curve(situation, until=situation.at).rung)
    taking = charge_curve(situation, low_pct=charge.low_pct)
    known = [claim for claim in wanted if claim.energy_kwh is not None]
    if taking is None or (wanted and not known):
        why = UNKNOWN_POWER if taking is None else UNKNOWN_CAPACITY
        return Plan(asks=True, shortfall_why=why, rung=curve(situation, until=situation.at).rung)
    problem = pose(situation, charge, known, taking)
    found = _solved(problem)
    made = account(problem, found.board, found.runs)
    return replace(made, shortfall_why=made.shortfall_why or UNKNOWN_CAPACITY) if len(known) < len(wanted) else made


def _solved(problem: Problem) -> Solution:
    """Return the optimum, or one that keeps what is committed or must not be interrupted."""
    if problem.unpausable and (problem.charging or not _pressing(problem)):
        unbroken = _solution(problem, once=True)
        if unbroken is not None:
            return _steady(problem, unbroken, once=True)
    found = _steady(problem, _solution(problem) or _nothing(problem))
    if problem.charging and found.runs and found.starts_s > INSTANT_S:
        first = found.board.steps[0]
        if not first.published and not first.walls:
            return _solution(problem, going_on=True) or found
    return found


def _pressing(problem: Problem) -> bool:
    """Tell whether something asks for charging at once, or in windows, that one run could not serve."""
    return bool(problem.runs) or any(problem.seconds(claim) > INSTANT_S for claim in problem.at_once)


def _solution(problem: Problem, *, once: bool = False, going_on: bool = False) -> Solution | None:
    """Return the optimum, with runs and pauses no shorter than the minimum where that can be had without a delay.

    Without that minimum the optimum is found sooner, and where it keeps it, it is the same. None: there is no way.
    """
    board = lay_out(problem, once=once, going_on=going_on)
    table = solve(board.task)
    if not isfinite(table.cost):
        return None
    runs = trace(table)
    if once or not _flawed(problem, runs):
        return Solution(board=board, runs=tuple(runs))
    board = lay_out(problem, going_on=going_on, stride_s=_stride_s(problem, board))
    return Solution(board=board, runs=tuple(trace(solve(board.task))))


def _nothing(problem: Problem) -> Solution:
    return Solution(board=lay_out(problem), runs=())


def _flawed(problem: Problem, runs: Sequence[Run]) -> bool:
    """Tell whether a run or a pause is too short; a run that goes on may have begun long ago."""
    least_s = problem.least_dwell_s - INSTANT_S
    begun = [run for run in runs if not (problem.charging and run.start_s <= INSTANT_S)]
    return shortest(begun) < least_s or shortest(_pauses(runs)) < least_s


def _pauses(runs: Sequence[Run]) -> list[Run]:
    return [Run(start_s=a.end_s, end_s=b.start_s, before_s=b.before_s) for a, b in itertools.pairwise(runs)]


def _stride_s(problem: Problem, board: Board) -> float:
    """Return the step in which runs and pauses are counted: what the usual steps and the minimum have in common."""
    least_s = max(LEAST_STRIDE_S, round(problem.least_dwell_s))
    usual_s = max(LEAST_STRIDE_S, round(max(step.end_s - step.start_s for step in board.steps)))
    return float(max(LEAST_STRIDE_S, gcd(least_s, usual_s)))


def _steady(problem: Problem, found: Solution, *, once: bool = False) -> Solution:
    """Return the solution, or the one that was promised where only an estimate speaks for beginning later (S13)."""
    runs = kept(problem, found.board.task, found.runs, once=once)
    return found if runs is None else replace(found, runs=runs)
