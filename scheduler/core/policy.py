"""The contract of a policy: what third parties implement, and what is asked of the terms they state."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import Field, fields
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

from scheduler.core.model import Situation
from scheduler.core.terms import TERM_TYPES, MinDwell, Price, PriceSlot, PriceState, RandomDelay, StartCost, Term
from scheduler.core.timeline import Interval

KWHEN_API = 1
"""The version of this contract. A policy may name the one it was written for: `kwhen_api: ClassVar[int] = 1`."""

MOST_TERMS = 10_000
"""More terms than this in one statement are refused, slots of prices counted apart."""

MOST_SLOTS = 100_000

"""A statement with more slots of prices than this is refused."""

OLDEST = timedelta(days=2)
"""A span that ended longer ago than this is nonsense: nothing can be planned in it any more."""

FARTHEST = timedelta(days=400)
"""No term reaches further into the future."""

LONGEST_DELAY = timedelta(minutes=30)
"""No random delay may be longer."""

_TERM_CLASSES = frozenset(TERM_TYPES.values())

_NUMBER = (int, float)

_KINDS: dict[str, Any] = {
    "start": datetime, "end": datetime, "by": datetime, "per_kwh": _NUMBER, "state": PriceState, "why": str,
    "soc_pct": _NUMBER, "energy_kwh": _NUMBER, "even_below_minimum": bool, "amount": _NUMBER, "duration": timedelta,
    "interval": Interval, "slots": tuple, "billed": bool, "longest": timedelta,
}  # fmt: skip
"""What the members of terms hold, by name."""


@runtime_checkable
class Policy(Protocol):
    """A rule of the owner's: a frozen dataclass whose fields are its settings, with one pure method.

    Same situation, same terms. It sees values only: no network, no clock, no file, no way to send a command.
    """

    def terms(self, now: Situation) -> Iterable[Term]:
        """State what matters, as terms. The planner picks the slots."""


def nonsense_in(terms: Sequence[Any], *, at: datetime) -> str:
    """Say what is wrong with the terms of one policy, stated at an instant; empty when nothing is."""
    if len(terms) > MOST_TERMS:
        return f"it states more than {MOST_TERMS} terms"
    if sum(len(term.slots) for term in terms if type(term) is Price and type(term.slots) is tuple) > MOST_SLOTS:
        return f"its prices have more than {MOST_SLOTS} slots"
    return next((fault for term in terms for fault in _faults_of_term(term, at)), "")


def _faults_of_term(term: Any, at: datetime) -> Iterator[str]:
    if type(term) not in _TERM_CLASSES:
        yield f"it states {_kind_of(term)}, which is no term"
        return
    yield from _faults(term, type(term).__name__, at)
    if isinstance(term, Price):
        late = next((b for a, b in pairwise(term.slots) if b.start < a.end), None)
        if late is not None:
            yield f"Price.slots overlap or are out of order at {late.start}"
    if isinstance(term, MinDwell) and term.duration < timedelta(0):
        yield "MinDwell.duration is negative"
    if isinstance(term, StartCost) and term.amount < 0:
        yield "StartCost.amount is negative"
    if isinstance(term, RandomDelay) and not timedelta(0) <= term.longest <= LONGEST_DELAY:
        yield f"RandomDelay.longest is {term.longest}, not within 0 and {LONGEST_DELAY}"


def _faults(owner: Any, name: str, at: datetime) -> Iterator[str]:
    for field in fields(owner):
        yield from _faults_of_member(getattr(owner, field.name), f"{name}.{field.name}", field, at)


def _faults_of_member(value: Any, name: str, field: "Field[Any]", at: datetime) -> Iterator[str]:
    kind = _KINDS[field.name]
    if value is None and "None" in str(field.type):
        return
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        yield f"{name} is {_kind_of(value)}, not what the contract says"
    elif isinstance(value, _NUMBER) and not math.isfinite(value):
        yield f"{name} is not finite"
    elif isinstance(value, datetime):
        yield from _faults_of_instant(value, name, field.name, at)
    elif isinstance(value, Interval):
        yield from _faults(value, name, at)
    elif isinstance(value, tuple) and not all(_is_sound(slot, at - OLDEST, at + FARTHEST) for slot in value):
        for slot in value:
            if type(slot) is PriceSlot:
                yield from _faults(slot, name, at)
            else:
                yield f"{name} holds {_kind_of(slot)}, which is no PriceSlot"


def _is_sound(slot: Any, oldest: datetime, farthest: datetime) -> bool:
    """Tell in one glance that nothing is wrong with a slot: there are hundreds in every price, and nearly all are."""
    return (
        type(slot) is PriceSlot
        and type(slot.start) is type(slot.end) is datetime
        and slot.start.tzinfo is slot.end.tzinfo is UTC
        and slot.start <= farthest
        and oldest <= slot.end <= farthest
        and type(slot.per_kwh) in _NUMBER
        and math.isfinite(slot.per_kwh)
        and type(slot.state) is PriceState
    )


def _faults_of_instant(value: datetime, name: str, member: str, at: datetime) -> Iterator[str]:
    if value.tzinfo is None or value.utcoffset() != timedelta(0):
        yield f"{name} is not an aware UTC instant: {value}"
    elif value > at + FARTHEST:
        yield f"{name} lies too far in the future: {value}"
    elif member != "start" and value < at - OLDEST:
        yield f"{name} lies too far in the past: {value}"


def _kind_of(value: Any) -> str:
    """Name a stranger's value by its type: its own `repr` may raise, hang or tell a secret."""
    return f"a {type(value).__name__}"
