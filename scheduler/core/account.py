"""What the planner's choice comes to: slots, needs, what cannot arrive in time and why, and which term gave way."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from scheduler.core.energy import energy_in
from scheduler.core.model import Broken, Need, Plan, PlannedSlot
from scheduler.core.needs import Claim
from scheduler.core.placement import Board, Laid
from scheduler.core.problem import Problem
from scheduler.core.terms import PriceLimit
from scheduler.core.timeline import Interval

NOTICEABLE_S = 1.0
"""Less time than this inside a block, or missing at a deadline, is rounding."""


def account(problem: Problem, board: Board, laid: Sequence[Laid]) -> Plan:
    """Return the plan that the laid choices make."""
    slots = tuple(_slots(problem, laid))
    short = [(claim, _short_s(problem, board, claim)) for claim in problem.claims]
    short = [(claim, short_s) for claim, short_s in short if short_s > NOTICEABLE_S]
    worst = max(short, key=lambda pair: pair[1], default=None)
    known = [slot.energy_kwh * slot.per_kwh for slot in slots if slot.per_kwh is not None]
    return Plan(
        slots=slots,
        needs=tuple(_need(problem, claim) for claim in problem.claims),
        shortfall_kwh=0.0 if worst is None else energy_in(seconds=worst[1], power_kw=problem.power_kw),
        shortfall_why="" if worst is None else _why_short(problem, *worst),
        broken=tuple(_broken(problem, board, laid, short)),
        rung=problem.prices.rung,
        cost=sum(known, 0.0) if len(known) == len(slots) else None,
        asks=True,
    )


def _slots(problem: Problem, laid: Sequence[Laid]) -> Iterator[PlannedSlot]:
    """Yield the choices as slots, neighbours that are alike joined."""
    joined: list[tuple[float, float, Laid]] = []
    for one in laid:
        if joined and joined[-1][1] == one.start_s and _alike(joined[-1][2], one):
            joined[-1] = (joined[-1][0], one.end_s, one)
        else:
            joined.append((one.start_s, one.end_s, one))
    for start_s, end_s, one in joined:
        yield PlannedSlot(
            start=problem.now.at + timedelta(seconds=start_s),
            end=problem.now.at + timedelta(seconds=end_s),
            energy_kwh=energy_in(seconds=end_s - start_s, power_kw=problem.power_kw),
            per_kwh=one.piece.per_kwh if problem.prices.money else None,
            published=one.piece.published,
            why=one.piece.why,
        )


def _alike(one: Laid, other: Laid) -> bool:
    a, b = one.piece, other.piece
    return a.per_kwh == b.per_kwh and a.published == b.published and a.why == b.why


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


def _short_s(problem: Problem, board: Board, claim: Claim) -> float:
    """Return how much of a claim cannot be charged in time [s]."""
    if claim.by is None:
        return problem.seconds(claim) - board.chosen_s()
    amount_s, _, by_s = problem.due(claim, timedelta(0))
    return amount_s - board.chosen_s(by_s)


def _why_short(problem: Problem, claim: Claim, short_s: float) -> str:
    by = claim.by or problem.end_at
    left_h = (by - problem.now.at) / timedelta(hours=1)
    stopped = [wall for wall in problem.walls if wall.stops(claim) and _overlaps(wall.interval, problem.now.at, by)]
    whose = dict.fromkeys(f"{wall.policy} ({wall.why})" for wall in stopped)
    blocked = f", {' and '.join(whose)} withheld" if whose else ""
    return (
        f"{claim.why} needs {problem.seconds(claim) / 3600:.1f} h at {problem.power_kw:.1f} kW, "
        f"{left_h:.1f} h are left{blocked}; {short_s / 60:.0f} min are missing"
    )


def _overlaps(interval: Interval, start: datetime, end: datetime) -> bool:
    return interval.start < end and start < interval.end


def _broken(
    problem: Problem, board: Board, laid: Sequence[Laid], short: Sequence[tuple[Claim, float]]
) -> Iterator[Broken]:
    """Yield each term that gave way: blocks that had to be charged in, targets that blocks made short, price limits."""
    for (wall, policy), taken_s in board.gave_way.items():
        if taken_s > NOTICEABLE_S:
            what = f"{wall.why} from {wall.interval.start:%Y-%m-%d %H:%MZ}, {taken_s / 60:.0f} min"
            yield Broken(policy=wall.policy, what=what, for_policy=policy)
    for claim, short_s in short:
        by = claim.by or problem.end_at
        walls = [w for w in problem.walls if w.stops(claim) and _overlaps(w.interval, problem.now.at, by)]
        if walls:
            what = f"{claim.why}, {energy_in(seconds=short_s, power_kw=problem.power_kw):.1f} kWh short"
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
            elif any(one.piece.why == claim.why and (one.piece.per_kwh or 0.0) > limit.per_kwh for one in laid):
                yield Broken(policy=stated.policy, what=limit.why, for_policy=claim.policy)
