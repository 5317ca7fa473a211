"""Where charging goes: pieces of time with a price, and the cheapest choice among them.

At one constant power every second of charging brings the same energy, and the needs are amounts due by nested
deadlines. Then the greedy choice is exact: go through the deadlines from the earliest on and add to what is chosen
already the cheapest time that is left before each. (Whatever a cheaper plan would take before the first deadline can
be exchanged for the cheapest time there without breaking any later one; the rest is the same problem, smaller.)

A cost per start, a power that tapers and a least duration of runs break that exchange. They need a dynamic programme
over (piece, energy so far, charging or not) on the same pieces; it replaces `Board.take` and nothing else.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter, itemgetter

import numpy as np

from scheduler.core.needs import Barrier, Claim
from scheduler.core.prices import Span

INSTANT_S = 1e-6
"""Shorter than this is nothing: the resolution of an instant."""

PRICE_DIGITS = 9
"""Prices that differ by less are equal: sums of fees carry rounding noise."""


@dataclass(slots=True)
class Piece:
    """A stretch of time [s from now] that is alike throughout: one price, the same blocks; and how much is chosen."""

    start_s: float
    end_s: float
    per_kwh: float | None
    published: bool
    index: int = 0
    walls: tuple[Barrier, ...] = ()
    committed: bool = False
    taken_s: float = 0.0
    pinned: bool = False  # what is chosen of it begins at its start
    why: str = ""

    @property
    def free_s(self) -> float:
        """How much is not chosen yet."""
        return self.end_s - self.start_s - self.taken_s

    @property
    def whole(self) -> bool:
        """Tell whether all of it is chosen."""
        return self.free_s <= INSTANT_S

    @property
    def dearness(self) -> tuple[float, bool, float]:
        """What orders pieces: a block is broken last (the one listed last first), an unknown price bought late."""
        wall = 1 + 1 / (2 + min(w.rank for w in self.walls)) if self.walls else 0.0
        unknown = self.per_kwh is None
        return wall, unknown, 0.0 if self.per_kwh is None else round(self.per_kwh, PRICE_DIGITS)


Test = Callable[[Piece], bool]


def anything(_: Piece) -> bool:
    """Let every piece pass."""
    return True


@dataclass(frozen=True, kw_only=True, slots=True)
class Laid:
    """A chosen stretch [s from now] of one piece."""

    start_s: float
    end_s: float
    piece: Piece


def cut(spans: Sequence[Span], edges_s: Iterable[float]) -> list[Piece]:
    """Cut prices at every edge, so that each piece lies wholly before or wholly after it."""
    edges = sorted(set(edges_s))
    pieces: list[Piece] = []
    upcoming = 0
    for span in spans:
        start_s = span.start_s
        while upcoming < len(edges) and edges[upcoming] < span.end_s - INSTANT_S:
            if edges[upcoming] > start_s + INSTANT_S:
                pieces.append(Piece(start_s, edges[upcoming], span.per_kwh, span.published, len(pieces)))
                start_s = edges[upcoming]
            upcoming += 1
        pieces.append(Piece(start_s, span.end_s, span.per_kwh, span.published, len(pieces)))
    return pieces


@dataclass(kw_only=True)
class Board:
    """The pieces of a plan in the making. With `loyal`, committed time is chosen before all other that is as free."""

    pieces: list[Piece]
    loyal: bool = False
    running: bool = False  # the car charges now
    gave_way: dict[tuple[Barrier, str], float] = field(default_factory=dict)
    """Time taken inside a block [s], by the block and the policy it gave way to."""

    def within(self, start_s: float, end_s: float) -> Sequence[Piece]:
        """Return the pieces of a stretch whose ends are edges."""
        first = bisect_left(self.pieces, start_s - INSTANT_S, key=attrgetter("start_s"))
        last = bisect_right(self.pieces, end_s + INSTANT_S, key=attrgetter("end_s"))
        return self.pieces[first:last]

    def mark(self, wall: Barrier, start_s: float, end_s: float) -> None:
        """Put a block over the pieces of a stretch."""
        for piece in self.within(start_s, end_s):
            piece.walls = (*piece.walls, wall)

    def commit(self, start_s: float, end_s: float) -> None:
        """Mark a stretch as committed."""
        for piece in self.within(start_s, end_s):
            piece.committed = True

    def chosen_s(self, end_s: float = float("inf")) -> float:
        """Return how much is chosen before an edge."""
        return sum(piece.taken_s for piece in self.pieces if piece.end_s <= end_s + INSTANT_S)

    def open_to(self, claim: Claim, start_s: float, end_s: float, only: Test = anything) -> list[Piece]:
        """Return the pieces of a stretch that the claim may still use, in time order."""
        return [
            piece
            for piece in self.within(start_s, end_s)
            if not piece.whole
            and not (piece.walls and any(wall.stops(claim) for wall in piece.walls))
            and (only is anything or only(piece))
        ]

    def take(self, seconds: float, *, claim: Claim, end_s: float, only: Test = anything) -> float:
        """Choose the cheapest open time before an edge. Return what found no place [s]."""
        left = seconds
        if left <= INSTANT_S:
            return 0.0
        ordered = [(self._order(piece), piece.start_s, piece) for piece in self.open_to(claim, 0.0, end_s, only)]
        ordered.sort(key=itemgetter(0, 1))
        for _, group in groupby(ordered, key=itemgetter(0)):
            alike = [piece for _, _, piece in group]
            if sum(piece.free_s for piece in alike) <= left + INSTANT_S:
                for piece in alike:
                    left -= self._choose(piece, left, claim)
            else:
                left = self._grow(alike, left, claim)
            if left <= INSTANT_S:
                return 0.0
        return left

    def take_first(self, seconds: float, *, claim: Claim, start_s: float, end_s: float, only: Test = anything) -> float:
        """Choose the earliest open time of a stretch, whatever it costs. Return what found no place [s]."""
        left = seconds
        for piece in self.open_to(claim, start_s, end_s, only):
            if left <= INSTANT_S:
                return 0.0
            left -= self._choose(piece, left, claim)
            piece.pinned = True
        return max(0.0, left)

    def trim(self, most_s: float) -> None:
        """Give back the latest choices until no more than `most_s` is chosen."""
        excess = self.chosen_s() - most_s
        for piece in reversed(self.pieces):
            if excess <= INSTANT_S:
                return
            back = min(piece.taken_s, excess)
            piece.taken_s -= back
            excess -= back

    def _order(self, piece: Piece) -> tuple[float, bool, bool, float]:
        wall, unknown, price = piece.dearness
        if self.loyal and piece.committed:
            return wall, False, False, 0.0
        return wall, True, unknown, price

    def _grow(self, alike: Sequence[Piece], seconds: float, claim: Claim) -> float:
        """Choose some of what costs the same: committed first, then what lengthens a run, then the earliest."""
        left, open_pieces = seconds, list(alike)
        while left > INSTANT_S and open_pieces:
            if self.loyal and open_pieces[0].committed:
                best = open_pieces[0]
            else:
                best = min(open_pieces, key=lambda p: (not p.committed, not self._touches(p), p.start_s))
            open_pieces.remove(best)
            left -= self._choose(best, left, claim)
        return max(0.0, left)

    def _touches(self, piece: Piece) -> bool:
        before = self.pieces[piece.index - 1].whole if piece.index else self.running
        return before or (piece.index + 1 < len(self.pieces) and self.pieces[piece.index + 1].whole)

    def _choose(self, piece: Piece, seconds: float, claim: Claim) -> float:
        chosen = min(piece.free_s, seconds)
        if not piece.taken_s:
            piece.why = claim.why
        piece.taken_s += chosen
        for wall in piece.walls:
            key = (wall, claim.policy)
            self.gave_way[key] = self.gave_way.get(key, 0.0) + chosen
        return chosen


def lay(pieces: Sequence[Piece]) -> list[Laid]:
    """Put each choice into its piece: at the end when only the next piece is charged through, else at the start."""
    laid: list[Laid] = []
    for piece in pieces:
        if piece.taken_s <= INSTANT_S:
            continue
        start_s, end_s = piece.start_s, piece.end_s
        if not piece.whole:
            joined = piece.pinned or (bool(laid) and start_s - laid[-1].end_s <= INSTANT_S)
            follows = piece.index + 1 < len(pieces) and pieces[piece.index + 1].whole
            if follows and not joined:
                start_s = end_s - piece.taken_s
            else:
                end_s = start_s + piece.taken_s
        laid.append(Laid(start_s=start_s, end_s=end_s, piece=piece))
    return laid


def cheapest_window(pieces: Sequence[Piece], *, length_s: float, latest_s: float) -> float:
    """Return the start of the cheapest unbroken run of a length that begins by `latest_s`; of equals the earliest.

    Blocks are avoided first, unknown prices second. The optimum begins or ends at an edge: in between the cost changes
    evenly. A run past the last piece costs nothing there, so the caller keeps `latest_s` within.
    """
    edges = np.array([piece.start_s for piece in pieces] + [pieces[-1].end_s])
    starts = np.concatenate([edges, edges - length_s])
    starts = np.unique(starts[(starts >= 0) & (starts <= max(0.0, latest_s))])
    lengths = np.diff(edges)
    costs = [
        [bool(piece.walls) for piece in pieces],
        [piece.per_kwh is None for piece in pieces],
        [piece.per_kwh or 0.0 for piece in pieces],
    ]
    keys = []
    for cost in costs:
        summed = np.concatenate([[0.0], np.cumsum(np.array(cost, dtype=float) * lengths)])
        keys.append(np.round(np.interp(starts + length_s, edges, summed) - np.interp(starts, edges, summed), 6))
    return float(starts[np.lexsort((starts, *reversed(keys)))[0]])
