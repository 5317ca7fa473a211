"""Runs and pauses too short to be worth a command are mended after the choice, for as little money as it takes.

This is a repair, not part of the optimum: each step looks at one flaw alone. A choice without flaws stays untouched.
"""

from collections.abc import Iterator, Sequence
from operator import itemgetter

from scheduler.core.placement import INSTANT_S, Laid, Piece, lay

SLACK_S = 1e-3
"""Rounding allowed when a promise is checked."""

Promise = tuple[float, float]
"""An edge [s from now] and how much must be charged before it [s]."""

Run = list[Laid]
Changes = dict[int, float]
"""What is chosen of a piece [s], by its index."""


def settled(pieces: Sequence[Piece], *, least_s: float, promised: Sequence[Promise], running: bool) -> list[Laid]:
    """Lay the choices and mend what is too short, unless that would break a promise or enter blocked time.

    A pause is closed, and the run after it ends so much earlier; that only brings energy forward. A short run is joined
    to another, or lengthened at the cost of another, whichever is cheaper. With `running`, the run that begins now may
    have begun long ago and is long enough.
    """
    laid = lay(pieces)
    index = 0
    while index + 1 < len(laid):
        pause_s = laid[index + 1].start_s - laid[index].end_s
        if INSTANT_S < pause_s < least_s and _close(pieces, laid, index):
            laid = lay(pieces)
        else:
            index += 1
    for _ in range(len(laid)):
        better = _mended(pieces, _runs(laid), least_s=least_s, promised=promised, running=running)
        if better is None:
            break
        laid = better
    return laid


def _runs(laid: Sequence[Laid]) -> list[Run]:
    runs: list[Run] = []
    for one in laid:
        if runs and one.start_s - runs[-1][-1].end_s <= INSTANT_S:
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


def _length(run: Run) -> float:
    return run[-1].end_s - run[0].start_s


def _close(pieces: Sequence[Piece], laid: Sequence[Laid], index: int) -> bool:
    before, after = laid[index], laid[index + 1]
    first = before.piece.index + (before.piece.end_s - before.end_s <= INSTANT_S)
    last = after.piece.index - (after.start_s - after.piece.start_s <= INSTANT_S)
    between = pieces[first : last + 1]
    spare = [one.piece for one in reversed(_runs(laid[index + 1 :])[0]) if not first <= one.piece.index <= last]
    missing_s = sum(piece.free_s for piece in between)
    if any(map(_closed, between)) or sum(piece.taken_s for piece in spare) < missing_s:
        return False
    for piece in between:
        piece.why = piece.why or before.piece.why
        piece.taken_s = piece.end_s - piece.start_s
    for piece in spare:
        back = min(piece.taken_s, missing_s)
        piece.taken_s -= back
        missing_s -= back
    return True


def _closed(piece: Piece) -> bool:
    """Tell whether a repair must stay out of it: blocked, or of unknown price."""
    return bool(piece.walls) or piece.per_kwh is None


def _short(runs: Sequence[Run], least_s: float, *, running: bool) -> list[Run]:
    return [
        run
        for run in runs
        if _length(run) < least_s - SLACK_S
        and not any(one.piece.pinned for one in run)
        and not (running and run[0].start_s <= INSTANT_S)
    ]


def _mended(
    pieces: Sequence[Piece], runs: list[Run], *, least_s: float, promised: Sequence[Promise], running: bool
) -> list[Laid] | None:
    """Return the choices with one short run less, the cheapest way; None when there is no way."""
    short = _short(runs, least_s, running=running)
    for run in short:
        ways = [way for other in runs if other is not run for way in _ways(pieces, run, other, least_s)]
        for _, way in sorted(((_cost(pieces, way), way) for way in ways), key=itemgetter(0)):
            before = {index: pieces[index].taken_s for index in way}
            _apply(pieces, way, run[0].piece.why)
            laid = lay(pieces)
            kept = all(_before(pieces, edge_s) >= need_s - SLACK_S for edge_s, need_s in promised)
            if kept and len(_short(_runs(laid), least_s, running=running)) < len(short):
                return laid
            _apply(pieces, before, "")
    return None


def _ways(pieces: Sequence[Piece], run: Run, other: Run, least_s: float) -> Iterator[Changes]:
    """Yield what could be done: join the short run to either end of another, or lengthen it at either's cost."""
    length_s = _length(run)
    gone: Changes = {one.piece.index: 0.0 for one in run}
    lacking_s = least_s - length_s
    for late in (True, False):
        if (joined := _attached(pieces, other, length_s, late=late)) is not None:
            yield {**gone, **joined}
        longer = _attached(pieces, run, lacking_s, late=late)
        for tail in (True, False):
            shorter = _shortened(other, lacking_s, tail=tail)
            if longer is not None and shorter is not None and not longer.keys() & shorter.keys():
                yield {**longer, **shorter}


def _attached(pieces: Sequence[Piece], run: Run, seconds: float, *, late: bool) -> Changes | None:
    """Return what lengthens a run after its end (`late`) or before its start; None when something is in the way."""
    edge = run[-1] if late else run[0]
    whole = edge.piece.whole
    if not whole and (edge.start_s == edge.piece.start_s) != late:
        return None
    index = edge.piece.index + (0 if not whole else 1 if late else -1)
    changes: Changes = {}
    left = seconds
    while left > INSTANT_S:
        if not 0 <= index < len(pieces) or _closed(pieces[index]):
            return None
        piece = pieces[index]
        if piece is not edge.piece and piece.taken_s > INSTANT_S:
            return None
        more = min(piece.free_s, left)
        changes[index] = piece.taken_s + more
        left -= more
        index += 1 if late else -1
    return changes


def _shortened(run: Run, seconds: float, *, tail: bool) -> Changes | None:
    """Return what takes time off the end or the start of a run; None when it may not be touched."""
    changes: Changes = {}
    left = seconds
    for one in reversed(run) if tail else run:
        if one.piece.pinned:
            return None
        back = min(one.piece.taken_s, left)
        changes[one.piece.index] = one.piece.taken_s - back
        left -= back
        if left <= INSTANT_S:
            return changes
    return None


def _cost(pieces: Sequence[Piece], way: Changes) -> float:
    """Return what a way costs more, in price times seconds; unknown prices count as the dearest known."""
    dearest = max((piece.per_kwh for piece in pieces if piece.per_kwh is not None), default=0.0)
    prices = ((index, pieces[index].per_kwh) for index in way)
    return sum(
        (way[index] - pieces[index].taken_s) * (dearest if per_kwh is None else per_kwh) for index, per_kwh in prices
    )


def _apply(pieces: Sequence[Piece], way: Changes, why: str) -> None:
    for index, taken_s in way.items():
        pieces[index].taken_s = taken_s
        pieces[index].why = pieces[index].why or why


def _before(pieces: Sequence[Piece], edge_s: float) -> float:
    return sum(piece.taken_s for piece in pieces if piece.end_s <= edge_s + INSTANT_S)
