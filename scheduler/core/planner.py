"""From terms to a plan: the cheapest slots that honour every term, or which term gave way to which.

Charging is on or off, at one pessimistic power. `problem` states it in offsets from now, `placement` holds the model
and its seams, `account` tells the outcome; here the steps stand in their order.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from scheduler.core.account import account
from scheduler.core.battery import estimate_soc
from scheduler.core.dwell import settled
from scheduler.core.energy import duration_s, pessimistic_power_kw, usable_capacity_kwh
from scheduler.core.model import Plan, Situation
from scheduler.core.needs import Claim, Tier, claims, full_kwh, missing_kwh
from scheduler.core.placement import INSTANT_S, Board, Laid, Piece, cheapest_window
from scheduler.core.prices import curve
from scheduler.core.problem import Problem, asking, pose, running
from scheduler.core.terms import Opportunity, PriceLimit, Target, of_type

UNKNOWN_POWER = "capacity or charge power unknown: set charge_power_kw"
UNKNOWN_CAPACITY = "capacity or charge power unknown: set capacity_kwh"
NO_PAUSE = "pause not allowed"


def plan(situation: Situation) -> Plan:
    """Return the cheapest plan that honours the terms of the situation, with needs, shortfall and what gave way.

    It is pure: the same situation gives the same plan. A target out of reach is a shortfall, never an exception.
    """
    charge = estimate_soc(situation)
    wanted = claims(situation, charge)
    asked = (wanted, running(situation), of_type(situation.terms, Target), of_type(situation.terms, Opportunity))
    if not any(asked):
        return Plan(rung=curve(situation, until=situation.at).rung)
    power_kw = pessimistic_power_kw(situation)
    known = [claim for claim in wanted if claim.energy_kwh is not None]
    if power_kw is None or (wanted and not known):
        why = UNKNOWN_POWER if power_kw is None else UNKNOWN_CAPACITY
        return Plan(asks=True, shortfall_why=why, rung=curve(situation, until=situation.at).rung)
    problem = pose(situation, charge, known, power_kw)
    board, laid = _solve(problem)
    made = account(problem, board, laid)
    return replace(made, shortfall_why=made.shortfall_why or UNKNOWN_CAPACITY) if len(known) < len(wanted) else made


def _solve(problem: Problem) -> tuple[Board, list[Laid]]:
    """Return the cheapest choice, or one that keeps what is committed or must not be interrupted."""
    if problem.unpausable:
        unbroken = _unbroken(problem)
        if unbroken is not None:
            return unbroken, _laid(problem, unbroken)
    board = _fill(problem)
    board, laid = _kept(problem, board, _laid(problem, board))
    if problem.charging and laid and laid[0].start_s > INSTANT_S:
        return _resumable(problem, board, laid)
    return board, laid


def _laid(problem: Problem, board: Board) -> list[Laid]:
    """Lay the choices, with runs and pauses no shorter than the minimum where that can be had without a delay."""
    dues = [problem.due(claim, timedelta(0)) for claim in problem.dated]
    promised = [(end_s, min(due[0], board.chosen_s(end_s))) for due in dues for end_s in due[1:]]
    return settled(board.pieces, least_s=problem.least_dwell_s, promised=promised, running=problem.charging)


def _unbroken(problem: Problem) -> Board | None:
    """Put all that targets need into one run; None when blocks or runs leave no such choice."""
    length_s = max((problem.seconds(claim) for claim in problem.claims), default=0.0)
    if problem.charging:
        return _fill(problem, forced=(0.0, length_s)) if length_s > INSTANT_S else None
    if problem.runs or not problem.dated or any(problem.seconds(claim) > INSTANT_S for claim in problem.at_once):
        return None
    dues = [problem.due(claim, timedelta(0)) for claim in problem.dated]
    latest_s = min(early_s - amount_s for amount_s, early_s, _ in dues)
    length_s = max(amount_s for amount_s, _, _ in dues)
    board = _fill(problem)
    start_s = cheapest_window(board.pieces, length_s=length_s, latest_s=latest_s)
    board = _fill(problem, forced=(start_s, start_s + length_s))
    return None if any(wall.stops(claim) for wall, _ in board.gave_way for claim in problem.dated) else board


def _fill(
    problem: Problem,
    *,
    loyal: bool = False,
    forced: tuple[float, float] = (0.0, 0.0),
    reserve: timedelta = timedelta(0),
) -> Board:
    """Choose the time to charge in: what cannot wait, what must not be interrupted, runs, deadlines, opportunities."""
    board = Board(
        pieces=problem.pieces(forced, reserve),
        loyal=loyal,
        running=problem.charging,
    )
    end_s = problem.offset_s(problem.end_at)
    for wall in problem.walls:
        board.mark(wall, problem.offset_s(wall.interval.start), problem.offset_s(wall.interval.end))
    for span in problem.now.committed:
        board.commit(problem.offset_s(span.start), problem.offset_s(span.end))
    for claim in problem.at_once:
        board.take_first(problem.seconds(claim) - board.chosen_s(), claim=claim, start_s=0.0, end_s=end_s)
    board.take_first(forced[1] - forced[0], claim=_forcing(problem), start_s=forced[0], end_s=forced[1])
    for claim, interval in problem.runs:
        start_s, stop_s = problem.offset_s(interval.start), problem.offset_s(interval.end)
        only = _within_limits(problem, claim)
        board.take_first(stop_s - start_s, claim=claim, start_s=start_s, end_s=stop_s, only=only)
    for claim in problem.dated:
        amount_s, early_s, by_s = problem.due(claim, reserve)
        board.take(amount_s - board.chosen_s(early_s), claim=claim, end_s=early_s)
        board.take_first(amount_s - board.chosen_s(by_s), claim=claim, start_s=early_s, end_s=by_s)
    _seize(problem, board, end_s)
    board.trim(duration_s(energy_kwh=full_kwh(problem.now, problem.charge), power_kw=problem.power_kw))
    return board


def _forcing(problem: Problem) -> Claim:
    """Return what asks for a stretch that must not be interrupted."""
    first = next(iter(problem.dated), None)
    policy, why = (NO_PAUSE, NO_PAUSE) if first is None else (first.policy, f"{first.why}, {NO_PAUSE}")
    return asking(policy, NO_PAUSE if problem.charging else why, Tier.PERSON, -1)


def _within_limits(problem: Problem, claim: Claim) -> Callable[[Piece], bool]:
    """Return the test whether a price limit of higher precedence lets energy be bought that no target needs."""
    stated = [s for s in problem.now.terms if isinstance(s.term, PriceLimit)]
    before = [s.term.per_kwh for s in stated if isinstance(s.term, PriceLimit) and s.rank < claim.rank]
    most = min(before, default=None)

    def cheap(piece: Piece) -> bool:
        return piece.per_kwh is not None and problem.prices.money and (most is None or piece.per_kwh <= most)

    return cheap if most is not None and claim.tier is not Tier.PERSON else lambda _: True


def _seize(problem: Problem, board: Board, end_s: float) -> None:
    """Go on to the state of charge of each opportunity where it is cheap enough: where that is sure, first."""
    capacity, low_pct = usable_capacity_kwh(problem.now), problem.charge.low_pct
    if capacity is None or low_pct is None:
        return
    for stated in sorted(problem.now.terms, key=lambda s: s.rank):
        term = stated.term
        if not isinstance(term, Opportunity):
            continue
        claim = asking(stated.policy, term.why, Tier.CONFIGURED, stated.rank)
        allowed, most = _within_limits(problem, claim), term.per_kwh
        energy_kwh = missing_kwh(low_pct, term.soc_pct, capacity)
        for sure in (True, False):

            def only(piece: Piece, sure: bool = sure, most: float = most) -> bool:
                cheap = piece.per_kwh is not None and problem.prices.money and piece.per_kwh <= most
                return cheap and (piece.published or not sure) and allowed(piece)  # noqa: B023 - used at once

            left_s = duration_s(energy_kwh=energy_kwh, power_kw=problem.power_kw) - board.chosen_s()
            board.take(left_s, claim=claim, end_s=end_s, only=only)


def _kept(problem: Problem, board: Board, laid: list[Laid]) -> tuple[Board, list[Laid]]:
    """Return the plan that keeps the committed start (S13), where the new one would begin later without good cause.

    Good cause is more than noise: it moves more charging than one tick, or than the tolerance of a reading.
    """
    spans = sorted((span for span in problem.now.committed if span.end > problem.now.at), key=lambda s: s.start)
    if not spans or not laid:
        return board, laid
    committed_s = problem.offset_s(spans[0].start)
    if laid[0].start_s <= committed_s + INSTANT_S:
        return board, laid
    other = _fill(problem, loyal=True)
    moved_s = sum(max(0.0, a.taken_s - b.taken_s) for a, b in zip(other.pieces, board.pieces, strict=True))
    if moved_s > _noise_s(problem):
        return board, laid
    for piece in other.pieces:
        piece.pinned = piece.pinned or piece.committed
    return other, _laid(problem, other)


def _noise_s(problem: Problem) -> float:
    """Return how much charging an estimate may be off by [s]."""
    limits, capacity = problem.now.limits, usable_capacity_kwh(problem.now)
    points_kwh = 0.0 if capacity is None else missing_kwh(0.0, limits.eps_soc, capacity)
    return max(limits.t_tick.total_seconds(), duration_s(energy_kwh=points_kwh, power_kw=problem.power_kw))


def _resumable(problem: Problem, board: Board, laid: list[Laid]) -> tuple[Board, list[Laid]]:
    """Return a plan whose pause now is allowed (S10, S11), or that goes on charging and says so."""
    first = board.pieces[0]
    if first.walls:
        return board, laid
    chosen_s = sum(one.end_s - one.start_s for one in laid)
    if not first.published:
        sure_s = next((piece.start_s for piece in board.pieces if piece.published), chosen_s)
        going_on = _fill(problem, forced=(0.0, min(sure_s, chosen_s)))
        return going_on, _laid(problem, going_on)
    if _slack_s(problem, laid) >= problem.now.limits.r_stop.total_seconds():
        return board, laid
    board = _fill(problem, reserve=problem.now.limits.r_stop)
    laid = _laid(problem, board)
    if laid and laid[0].start_s > INSTANT_S and _slack_s(problem, laid) < problem.now.limits.r_stop.total_seconds():
        board = _fill(problem, forced=(0.0, chosen_s))
        laid = _laid(problem, board)
    return board, laid


def _slack_s(problem: Problem, laid: list[Laid]) -> float:
    """Return the time between the planned resume and the earliest latest start [s]."""
    starts = [lst for claim in problem.dated if (lst := problem.latest_start(claim)) is not None]
    if not starts:
        return float("inf")
    return (min(starts) - problem.now.at).total_seconds() - laid[0].start_s
