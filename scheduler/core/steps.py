"""The planner's problem cut into steps of time, with who may charge in each, how far, and what must not wait.

Everything that terms, margins and precedence ask for becomes one of four things here: an edge, a top (how far charging
may go in a step), a floor (how much must be charged by an edge), or a force (a step that must be charged in).
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from scheduler.core.charging import Floats
from scheduler.core.needs import Barrier, Claim, Tier
from scheduler.core.optimum import INSTANT_S, Task
from scheduler.core.prices import Span
from scheduler.core.problem import Problem, asking
from scheduler.core.terms import Opportunity, PriceLimit, Stated

UNKNOWN = 1.0
"""What a second at an unknown price costs beside the dearest known one, in all the money at stake."""

BLOCKED = 100.0
"""What a second inside a block costs, in all the money at stake; more for one of higher precedence."""

WORTH_A_START = 1e-4
"""An opportunity is worth its limit and so much of the money at stake per kWh: a price at the limit is taken."""

Test = Callable[["Step"], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A stretch of time [s from now] that is alike throughout: one price, one weight beside it, the same blocks."""

    start_s: float
    end_s: float
    per_kwh: float | None
    published: bool
    weight: float = 0.0
    walls: tuple[Barrier, ...] = ()

    @property
    def dearness(self) -> float:
        """What charging inside its blocks weighs: the block listed last is broken first."""
        return 1 + 1 / (2 + min(wall.rank for wall in self.walls)) if self.walls else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """Who wants charging, up to how many seconds of it, and in which steps."""

    claim: Claim
    amount_s: float
    start_s: float = 0.0
    end_s: float = float("inf")
    only: Test | None = None
    forced: bool = False  # it goes on until it has its amount
    worth: float | None = None
    blocked: bool = True  # it may enter a block that does not stop it

    def takes(self, step: Step) -> bool:
        """Tell whether it may charge in a step."""
        if step.start_s < self.start_s - INSTANT_S or step.end_s > self.end_s + INSTANT_S:
            return False
        if step.walls and (not self.blocked or any(wall.stops(self.claim) for wall in step.walls)):
            return False
        return self.only is None or self.only(step)


@dataclass(frozen=True, kw_only=True)
class Board:
    """The steps, who asks for charging in them, and the task they make."""

    steps: tuple[Step, ...]
    asks: tuple[Ask, ...]
    task: Task

    def server(self, step: Step, before_s: float) -> Ask | None:
        """Return whom charging in a step serves, once so many seconds are charged."""
        return next((ask for ask in self.asks if ask.amount_s > before_s + INSTANT_S and ask.takes(step)), None)


def lay_out(problem: Problem, *, once: bool = False, stride_s: float = 0.0, going_on: bool = False) -> Board:
    """Return the problem as a task, with its steps.

    With `once` charging is one run; with a stride, runs and pauses are counted in steps of it, and must not be too
    short. With `going_on` a car that charges is not paused before the first published price.
    """
    steps = _steps(problem, stride_s=stride_s)
    asks = tuple(_asks(problem, steps, once=once, going_on=going_on))
    return Board(steps=steps, asks=asks, task=_task(problem, steps, asks, once=once, stride_s=stride_s))


def _steps(problem: Problem, *, stride_s: float) -> tuple[Step, ...]:
    edges = [edge for claim in problem.dated for edge in problem.due(claim)[1:]]
    edges += [max(0.0, problem.due(claim)[1] - problem.r_stop_s) for claim in problem.dated]  # pauses end by then
    spans = [*(wall.interval for wall in problem.walls), *(run for _, run in problem.runs)]
    edges += [problem.offset_s(edge) for span in spans for edge in (span.start, span.end)]
    pieces = cut(problem.prices.spans, edges)
    if stride_s:
        pieces = [part for piece in pieces for part in _strides(piece, stride_s)]
    walls = [(problem.offset_s(w.interval.start), problem.offset_s(w.interval.end), w) for w in problem.walls]
    return tuple(
        Step(
            start_s=piece.start_s,
            end_s=piece.end_s,
            per_kwh=piece.per_kwh,
            published=piece.published,
            weight=piece.weight,
            walls=tuple(
                w
                for start_s, end_s, w in walls
                if start_s < piece.end_s - INSTANT_S and piece.start_s < end_s - INSTANT_S
            ),
        )
        for piece in pieces
    )


def cut(spans: Sequence[Span], edges_s: Iterable[float]) -> list[Span]:
    """Cut prices at every edge, so that each piece lies wholly before or wholly after it."""
    edges = sorted(set(edges_s))
    pieces: list[Span] = []
    upcoming = 0
    for span in spans:
        start_s = span.start_s
        while upcoming < len(edges) and edges[upcoming] < span.end_s - INSTANT_S:
            if edges[upcoming] > start_s + INSTANT_S:
                pieces.append(span._replace(start_s=start_s, end_s=edges[upcoming]))
                start_s = edges[upcoming]
            upcoming += 1
        pieces.append(span._replace(start_s=start_s))
    return pieces


def _strides(piece: Span, stride_s: float) -> Iterator[Span]:
    """Cut a piece into strides counted back from its end, where prices change on the clock."""
    length_s = piece.end_s - piece.start_s
    count = int((length_s - INSTANT_S) // stride_s)
    edges = [piece.start_s, *(piece.end_s - stride_s * left for left in range(count, -1, -1))]
    for start_s, end_s in itertools.pairwise(edges):
        yield piece._replace(start_s=start_s, end_s=end_s)


def _asks(problem: Problem, steps: Sequence[Step], *, once: bool, going_on: bool) -> Iterator[Ask]:
    """Yield who asks, in the order in which charging is put down to them."""
    need_s = max((problem.due(claim)[0] for claim in problem.claims), default=0.0)
    if going_on:
        sure_s = next((step.start_s for step in steps if step.published), float("inf"))
        yield Ask(claim=problem.unbroken, amount_s=need_s, end_s=sure_s, forced=True)
    elif once:
        yield Ask(claim=problem.unbroken, amount_s=need_s, blocked=False)
    for claim in problem.at_once:
        yield Ask(claim=claim, amount_s=problem.seconds(claim), forced=True)
    for claim, interval in problem.runs:
        yield Ask(
            claim=claim,
            amount_s=problem.full_s,
            start_s=problem.offset_s(interval.start),
            end_s=problem.offset_s(interval.end),
            only=_within_limits(problem, claim),
            forced=True,
        )
    for claim in problem.dated:
        amount_s, early_s, by_s = problem.due(claim)
        free = (step for step in steps if not step.walls and step.end_s <= early_s + INSTANT_S)
        free_s = sum(step.end_s - step.start_s for step in free)
        needy = amount_s > free_s + INSTANT_S
        yield Ask(claim=claim, amount_s=amount_s, end_s=early_s, blocked=needy)
        yield Ask(claim=claim, amount_s=amount_s, start_s=early_s, end_s=by_s, blocked=needy, forced=True)
    for stated in sorted(problem.now.terms, key=lambda s: s.rank):
        if isinstance(stated.term, Opportunity) and problem.prices.money:
            yield from _opportunity(problem, stated, stated.term)


def _opportunity(problem: Problem, stated: Stated, term: Opportunity) -> Iterator[Ask]:
    amount_s = problem.seconds_to(term.soc_pct)
    if amount_s is None:
        return
    claim = asking(stated.policy, term.why, Tier.CONFIGURED, stated.rank)
    allowed = _within_limits(problem, claim)

    def cheap(one: Step | Span) -> bool:
        return one.published and one.per_kwh is not None and one.per_kwh <= term.per_kwh

    def only(step: Step) -> bool:
        return cheap(step) and (allowed is None or allowed(step))

    heaviest = max((span.weight for span in problem.prices.spans if cheap(span)), default=0.0)
    yield Ask(claim=claim, amount_s=amount_s, only=only, worth=term.per_kwh + heaviest)  # weights forbid none of it


def _within_limits(problem: Problem, claim: Claim) -> Test | None:
    """Return the test whether a price limit of higher precedence lets energy be bought that no target needs."""
    stated = [s for s in problem.now.terms if isinstance(s.term, PriceLimit)]
    before = [s.term.per_kwh for s in stated if isinstance(s.term, PriceLimit) and s.rank < claim.rank]
    if not before or claim.tier is Tier.PERSON:
        return None
    most = min(before)
    return lambda step: step.per_kwh is not None and problem.prices.money and step.per_kwh <= most


def _task(problem: Problem, steps: Sequence[Step], asks: Sequence[Ask], *, once: bool, stride_s: float) -> Task:
    edges = np.array([0.0, *(step.end_s for step in steps)])
    durations = np.diff(edges)
    usable = [np.array([ask.takes(step) for step in steps]) for ask in asks]
    tops, forced = np.zeros(len(steps)), np.zeros(len(steps))
    for ask, mask in zip(asks, usable, strict=True):
        tops[mask] = np.maximum(tops[mask], ask.amount_s)
        if ask.forced:
            forced[mask] = np.maximum(forced[mask], ask.amount_s)
    cap_s = min(problem.full_s, float(tops.max(initial=0.0)), float(edges[-1]))
    tops = np.minimum(tops, cap_s)
    floors, sure = _floors(problem, edges, durations, asks, usable)
    unblocked = np.where([not step.walls for step in steps], tops, 0.0)
    known = [step.per_kwh for step in steps if step.per_kwh is not None]
    dearest = max(known, default=0.0)
    prices = np.array([(dearest if step.per_kwh is None else step.per_kwh) + step.weight for step in steps])
    task = Task(
        edges_s=edges,
        per_kwh=prices,
        per_s=np.zeros(len(steps)),
        top_s=tops,
        forced_s=np.minimum(forced, cap_s),
        floor_s=np.minimum(floors, _greedy(tops, durations)),
        pause_floor_s=np.minimum(sure, _greedy(unblocked, durations)) if problem.r_stop_s else None,
        curve=problem.curve,
        cap_s=cap_s,
        worth=(),
        start_cost=problem.start_cost,
        least_run_s=problem.least_dwell_s if stride_s else 0.0,
        least_pause_s=problem.least_dwell_s if stride_s else 0.0,
        once=once,
        running=problem.charging,
        paused=problem.held,
    )
    return replace(task, per_s=_per_s(steps, task.stake), worth=tuple(_worths(problem, asks, task)))


def _floors(
    problem: Problem, edges: Floats, durations: Floats, asks: Sequence[Ask], usable: Sequence[NDArray[np.bool_]]
) -> tuple[Floats, Floats]:
    """Return how much must be charged by each edge, and how much where the car pauses there [s].

    What is due is due as early as its reserve asks. A pause has to leave the time to resume before the latest start,
    with the reserve for a START that fails.
    """
    floors, sure = np.zeros(len(edges)), np.zeros(len(edges))
    for ask, mask in zip(asks, usable, strict=True):
        if ask.claim not in problem.claims or ask.claim.by is None or ask.forced:
            continue
        reach = np.concatenate([[0.0], np.cumsum(durations * mask)])
        due = edges >= ask.end_s - INSTANT_S
        floors = np.where(due, np.maximum(floors, np.minimum(ask.amount_s, reach[-1])), floors)
        left = reach[-1] - np.interp(edges + problem.r_stop_s, edges, reach)
        sure = np.maximum(sure, ask.amount_s - left)
    return floors, sure


def _greedy(tops: Floats, durations: Floats) -> Floats:
    """Return how much is charged by each edge at most [s]."""
    charged, found = 0.0, [0.0]
    for top_s, duration_s in zip(tops.tolist(), durations.tolist(), strict=True):
        charged = max(charged, min(top_s, charged + duration_s))
        found.append(charged)
    return np.array(found)


def _per_s(steps: Sequence[Step], stake: float) -> Floats:
    """Return what is added to the price of each step [per s], so that what should be left alone is."""
    extra = np.array([BLOCKED * step.dearness + UNKNOWN * (step.per_kwh is None) for step in steps])
    return extra * stake


def _worths(problem: Problem, asks: Sequence[Ask], task: Task) -> Iterator[tuple[float, float, float]]:
    """Yield what energy beyond the needs is worth: to the opportunity that pays the most for it."""
    reached_s = max((problem.due(claim)[0] for claim in problem.claims), default=0.0)
    paying = sorted((ask for ask in asks if ask.worth is not None), key=lambda ask: -(ask.worth or 0.0))
    for ask in paying:
        if ask.amount_s > reached_s:
            yield reached_s, ask.amount_s, (ask.worth or 0.0) + WORTH_A_START * task.stake
            reached_s = ask.amount_s
