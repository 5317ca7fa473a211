"""What the planner's choice comes to: slots, needs, what cannot arrive in time and why, and which term gave way."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler.core.model import Broken, Need, Plan, PlannedSlot
from scheduler.core.needs import Barrier, Claim
from scheduler.core.optimum import INSTANT_S
from scheduler.core.problem import Problem
from scheduler.core.runs import Run
from scheduler.core.steps import Ask, Board, Step
from scheduler.core.terms import PriceLimit
from scheduler.core.timeline import Interval

NOTICEABLE_S = 1.0
"""Less time than this inside a block, or missing at a deadline, is rounding."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Laid:
    """Charging inside one step [s from now], after so many seconds of it, and whom it serves."""

    step: Step
    start_s: float
    end_s: float
    before_s: float
    ask: Ask | None

    @property
    def after_s(self) -> float:
        """How much is charged by its end [s]."""
        return self.before_s + self.end_s - self.start_s

    @property
    def why(self) -> str:
        """What it is put down to."""
        return self.ask.claim.why if self.ask is not None else ""

    def alike(self, other: "Laid") -> bool:
        """Tell whether two neighbours are one slot to the owner."""
        a, b = self.step, other.step
        touching = other.start_s - self.end_s <= INSTANT_S
        return touching and (a.per_kwh, a.published, self.why) == (b.per_kwh, b.published, other.why)


def account(problem: Problem, board: Board, runs: Sequence[Run]) -> Plan:
    """Return the plan that runs make."""
    laid = list(_laid(board, runs))
    slots = tuple(_slots(problem, laid))
    short = [(claim, _short_s(problem, runs, claim)) for claim in problem.claims]
    short = [(claim, short_s) for claim, short_s in short if short_s > NOTICEABLE_S]
    worst = max(short, key=lambda pair: pair[1], default=None)
    known = [slot.energy_kwh * slot.per_kwh for slot in slots if slot.per_kwh is not None]
    return Plan(
        slots=slots,
        needs=tuple(_need(problem, claim) for claim in problem.claims),
        shortfall_kwh=0.0 if worst is None else _short_kwh(problem, *worst),
        shortfall_why="" if worst is None else _why_short(problem, *worst),
        broken=tuple(_broken(problem, laid, short)),
        rung=problem.prices.rung,
        cost=sum(known, 0.0) if len(known) == len(slots) else None,
        asks=True,
        start_by=problem.start_by,
    )


def _laid(board: Board, runs: Sequence[Run]) -> Iterator[Laid]:
    """Yield the runs cut at the steps, and where one need is met and the next begins to be."""
    for run in runs:
        at_s, before_s = run.start_s, run.before_s
        for step in board.steps:
            while step.start_s <= at_s + INSTANT_S and at_s < min(step.end_s, run.end_s) - INSTANT_S:
                ask = board.server(step, before_s)
                end_s = min(step.end_s, run.end_s, at_s + (ask.amount_s - before_s if ask is not None else step.end_s))
                yield Laid(step=step, start_s=at_s, end_s=end_s, before_s=before_s, ask=ask)
                before_s += end_s - at_s
                at_s = end_s


def _slots(problem: Problem, laid: Sequence[Laid]) -> Iterator[PlannedSlot]:
    """Yield the choices as slots, neighbours that are alike joined."""
    joined: list[list[Laid]] = []
    for one in laid:
        if joined and joined[-1][-1].alike(one):
            joined[-1].append(one)
        else:
            joined.append([one])
    for first, last in ((group[0], group[-1]) for group in joined):
        energies = problem.curve.energy(last.after_s) - problem.curve.energy(first.before_s)
        yield PlannedSlot(
            start=problem.now.at + timedelta(seconds=first.start_s),
            end=problem.now.at + timedelta(seconds=last.end_s),
            energy_kwh=energies,
            per_kwh=first.step.per_kwh if problem.prices.money else None,
            published=first.step.published,
            why=first.why,
        )


def _need(problem: Problem, claim: Claim) -> Need:
    return Need(
        policy=claim.policy,
        energy_kwh=claim.energy_kwh or 0.0,
        by=claim.by,
        lst_at=problem.latest_start(claim),
        soc_pct=claim.soc_pct,
        quality=claim.quality,
        why=claim.why,
    )


def _short_s(problem: Problem, runs: Sequence[Run], claim: Claim) -> float:
    """Return how much of a claim cannot be charged in time [s]."""
    due_s, by_s = problem.seconds(claim), problem.offset_s(problem.end_at)
    if claim.by is not None:
        due_s, _, by_s = problem.due(claim)
    return due_s - sum(max(0.0, min(run.end_s, by_s) - run.start_s) for run in runs)


def _short_kwh(problem: Problem, claim: Claim, short_s: float) -> float:
    """Return the energy that the last seconds of a claim would have brought [kWh]."""
    due_s = problem.seconds(claim) if claim.by is None else problem.due(claim)[0]
    return problem.curve.energy(due_s) - problem.curve.energy(due_s - short_s)


def _why_short(problem: Problem, claim: Claim, short_s: float) -> str:
    by = claim.by or problem.end_at
    left_h = (by - problem.now.at) / timedelta(hours=1)
    stopped = [wall for wall in problem.walls if wall.stops(claim) and _overlaps(wall.interval, problem.now.at, by)]
    whose = dict.fromkeys(f"{wall.policy} ({wall.why})" for wall in stopped)
    blocked = f", {' and '.join(whose)} withheld" if whose else ""
    return (
        f"{claim.why} needs {problem.seconds(claim) / 3600:.1f} h at {problem.curve.most_kw:.1f} kW, "
        f"{left_h:.1f} h are left{blocked}; {short_s / 60:.0f} min are missing"
    )


def _overlaps(interval: Interval, start: datetime, end: datetime) -> bool:
    return interval.start < end and start < interval.end


def _broken(problem: Problem, laid: Sequence[Laid], short: Sequence[tuple[Claim, float]]) -> Iterator[Broken]:
    """Yield each term that gave way: blocks that had to be charged in, targets that blocks made short, price limits."""
    inside: dict[tuple[Barrier, str], float] = {}
    for one in laid:
        for wall in one.step.walls if one.ask is not None else ():
            key = (wall, one.ask.claim.policy if one.ask is not None else "")
            inside[key] = inside.get(key, 0.0) + one.end_s - one.start_s
    for (wall, policy), taken_s in inside.items():
        if taken_s > NOTICEABLE_S:
            what = f"{wall.why} from {wall.interval.start:%Y-%m-%d %H:%MZ}, {taken_s / 60:.0f} min"
            yield Broken(policy=wall.policy, what=what, for_policy=policy)
    for claim, short_s in short:
        by = claim.by or problem.end_at
        walls = [w for w in problem.walls if w.stops(claim) and _overlaps(w.interval, problem.now.at, by)]
        if walls:
            what = f"{claim.why}, {_short_kwh(problem, claim, short_s):.1f} kWh short"
            yield Broken(policy=claim.policy, what=what, for_policy=walls[0].policy)
    yield from _limits(problem, laid)


def _limits(problem: Problem, laid: Sequence[Laid]) -> Iterator[Broken]:
    """Yield the price limits and the runs of which one gave way to the other, by their order in the config."""
    if not problem.prices.money:
        return
    for stated in problem.now.terms:
        limit = stated.term
        if not isinstance(limit, PriceLimit):
            continue
        for claim, interval in problem.runs:
            start_s, end_s = problem.offset_s(interval.start), problem.offset_s(interval.end)
            dear = [s for s in problem.prices.spans if s.per_kwh is not None and s.per_kwh > limit.per_kwh]
            if not any(s.start_s < end_s and start_s < s.end_s for s in dear):
                continue
            if stated.rank < claim.rank:
                yield Broken(policy=claim.policy, what=claim.why, for_policy=stated.policy)
            elif any(one.why == claim.why and (one.step.per_kwh or 0.0) > limit.per_kwh for one in laid):
                yield Broken(policy=stated.policy, what=limit.why, for_policy=claim.policy)
