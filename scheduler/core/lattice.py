"""The amounts of charging that an optimal plan can have reached at an edge of time.

Between edges every second of a step costs alike. So of two part steps one can always be lengthened at the expense of
the other without a loss, until an edge, a need or a kink of the charge curve is met: an optimal plan is at every edge
at a sum of whole steps, or so many whole steps away from such a mark. These amounts, and no others, are the states of
the optimisation, which is what makes it exact for needs that are no whole number of slots.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np

from scheduler.core.charging import Floats

DIGITS = 6
"""Microseconds: amounts that differ by less are one."""

LEAST_STEP_S = 60
OFTEN = 3
MOST_SUMS = 32
"""Cuts on whole minutes leave 15 sums in a quarter of an hour, and an odd first piece doubles them."""

MOST_STATES = 3000


@dataclass(frozen=True, kw_only=True)
class Lattice:
    """The amounts in [0, cap], rising, the marks among them [s]; `whole` when no sum of steps was left out."""

    amounts_s: Floats
    whole: bool


def lattice(
    durations_s: Sequence[float],
    *,
    marks_s: Iterable[float],
    cap_s: float,
    stride_s: float = 0.0,
    sure_s: Iterable[float] = (),
) -> Lattice:
    """Return the amounts for steps of such durations.

    `marks_s` come in the order of their weight: when there would be more than `MOST_STATES` amounts, the later ones are
    only points, and a plan may be off its optimum by what a part of a step costs. Where anything is left out, `sure_s`
    are amounts too: those of the plans that there must be a way to. `stride_s` is a divisor of the regular steps, 0 to
    find it.
    """
    stride = stride_s or _stride(durations_s)
    sums, whole = _sums(durations_s, stride)
    offsets: set[float] = set(sums)
    points, seen, left_out = {0.0, cap_s}, set[float](), not whole
    for mark_s in (cap_s, *marks_s):
        if not 0 < mark_s <= cap_s:
            continue
        points.add(mark_s)
        kind = round(mark_s % stride, DIGITS) % stride
        if kind in seen:
            continue
        seen.add(kind)
        more = {round((mark_s + sign * part) % stride, DIGITS) % stride for part in sums for sign in (1, -1)}
        if len(offsets | more) * (cap_s / stride + 1) <= MOST_STATES:
            offsets |= more
        else:
            left_out = True
    if left_out:
        points.update(amount_s for amount_s in sure_s if 0 <= amount_s <= cap_s)
    cells = np.arange(0.0, cap_s + stride, stride)
    found = (cells[:, None] + np.array(sorted(offsets))[None, :]).ravel()
    made = np.concatenate([found[found <= cap_s], np.array(sorted(points))])
    made.sort()
    kept = np.concatenate([[True], np.diff(made) > 10**-DIGITS])
    return Lattice(amounts_s=_with_marks(made[kept], points), whole=whole)


def _with_marks(amounts: Floats, points: Iterable[float]) -> Floats:
    """Return the amounts with the marks in place of what equals them but for rounding."""
    for point in points:
        amounts[np.abs(amounts - point).argmin()] = point
    return amounts


def _stride(durations_s: Sequence[float]) -> float:
    """Return the step that the usual durations are multiples of."""
    counts = Counter(round(duration, DIGITS) for duration in durations_s)
    usual = [d for d, count in counts.items() if count >= OFTEN and d.is_integer()]
    common = gcd(*map(int, usual)) if usual else 0
    if common >= LEAST_STEP_S:
        return float(common)
    return max(float(LEAST_STEP_S), max(counts, key=lambda d: counts[d] * d, default=900.0))


def _sums(durations_s: Sequence[float], stride: float) -> tuple[list[float], bool]:
    """Return what sums of odd durations leave beyond whole strides, and whether those are all of them."""
    sums = {0.0}
    for duration in durations_s:
        rest = round(duration % stride, DIGITS)
        if rest in (0.0, stride):
            continue
        more = sums | {round((one + rest) % stride, DIGITS) % stride for one in sums}
        if len(more) > MOST_SUMS:
            return sorted(sums), False
        sums = more
    return sorted(sums), True
