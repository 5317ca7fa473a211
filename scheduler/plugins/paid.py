"""What a kWh costs a home: the prices that its policies state, taken apart into what they are made of."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import islice, pairwise

from scheduler.core.calendar import MIDNIGHT, ONE_DAY, local_instant, zone_named
from scheduler.core.carbon import CARBON, grams_by_slot
from scheduler.core.feeds import GRAMS, PriceSeries
from scheduler.core.model import Home, Limits, Situation, VehicleSpec
from scheduler.core.observation import Observation
from scheduler.core.policy import MOST_TERMS, Policy, nonsense_in
from scheduler.core.pricing import GridCarbon, HomePrices, PaidSlot, Part
from scheduler.core.terms import Price, PriceSlot, least_sure
from scheduler.core.timeline import Interval
from scheduler.plugins.policy_set import TIMEOUT_S, Speaker, for_strangers

NEARLY = 1e-9
"""Parts that come to the price but for so much are those of the price."""


@dataclass(frozen=True, kw_only=True)
class _Stated:
    """One billed price of a policy: slots that touch the span, and the parts of each by its start, if they are told."""

    label: str
    slots: tuple[PriceSlot, ...]
    parts: Mapping[datetime, tuple[Part, ...]]

    def at(self, at: datetime) -> PriceSlot | None:
        """Return the slot that covers an instant."""
        index = bisect_right(self.slots, at, key=lambda slot: slot.start) - 1
        return self.slots[index] if index >= 0 and at < self.slots[index].end else None

    def parts_of(self, slot: PriceSlot) -> tuple[Part, ...]:
        """Return what a slot's price is made of; where the policy does not tell it, the price under its name."""
        return self.parts.get(slot.start) or ((self.label, slot.per_kwh),)


def situation_of(home: Home, *, at: datetime, prices: tuple[PriceSeries, ...], limits: Limits) -> Situation:
    """Return a situation to ask a home's policies about prices in, where no vehicle matters."""
    vehicle = home.vehicles[0] if home.vehicles else VehicleSpec(id="")
    return Situation(
        at=at, mono_ns=0, run=0, home=home, vehicle=vehicle, observation=Observation(), limits=limits, prices=prices
    )


async def paid(
    speakers: Iterable[Speaker], now: Situation, span: Interval, *, timeout_s: float = TIMEOUT_S
) -> HomePrices:
    """Return what a home pays within a span of whole local days. Where any billed price is unknown, the sum is.

    Policies are asked as in every cycle, but of one that fails nothing is remembered here.

    Args:
        speakers: the home's policies.
        now: a situation at the span's start (`situation_of`).
        span: whole local days.
        timeout_s: how long a stranger's policy may think.
    """
    stated: list[_Stated] = []
    for speaker in speakers:
        shown = now if speaker.trusted else for_strangers(now)
        question = partial(_told, label=speaker.label, now=shown, span=span)
        stated += await speaker.asked(question, timeout_s=timeout_s) or []
    return HomePrices(span=span, slots=tuple(_added_up(stated, now, span)), carbon=tuple(_carbon(now, span)))


def _told(policy: Policy, label: str, now: Situation, span: Interval) -> list[_Stated]:
    """Ask one policy for its billed prices and their parts: all of it runs in the thread of a stranger."""
    terms = list(islice(policy.terms(now), MOST_TERMS + 1))
    if nonsense_in(terms, at=now.at):
        return []
    priced = [_touching(term.slots, span) for term in terms if isinstance(term, Price) and term.billed]
    parts = _parts(policy, priced[0], now) if len(priced) == 1 else {}
    return [_Stated(label=label, slots=slots, parts=parts) for slots in priced]


def _touching(slots: Sequence[PriceSlot], span: Interval) -> tuple[PriceSlot, ...]:
    """Return the parts of the slots within the span."""
    found = []
    for slot in slots:
        low, high = max(slot.start, span.start), min(slot.end, span.end)
        if low < high:
            found.append(slot if (low, high) == (slot.start, slot.end) else replace(slot, start=low, end=high))
    return tuple(found)


def _parts(policy: Policy, slots: Iterable[PriceSlot], now: Situation) -> dict[datetime, tuple[Part, ...]]:
    """Return the parts of each slot's price by its start, as far as the policy tells such that come to the price."""
    tell = getattr(policy, "parts_at", None)
    if not callable(tell):
        return {}
    series = {one.name: one for one in now.prices}
    found = {}
    for slot in slots:
        try:
            parts = tuple((str(name), float(per_kwh)) for name, per_kwh in tell(series, slot.start, now.home.timezone))
        except Exception:  # noqa: BLE001 - the price stands for itself
            break
        if math.isclose(_summed(parts), slot.per_kwh, rel_tol=NEARLY, abs_tol=NEARLY):
            found[slot.start] = parts
    return found


def _summed(parts: Iterable[Part]) -> float:
    """Return what parts come to, added one after the other as tariffs do it."""
    added = 0.0
    for _, per_kwh in parts:
        added += per_kwh
    return added


def _added_up(stated: Sequence[_Stated], now: Situation, span: Interval) -> Iterator[PaidSlot]:
    """Yield the sum of all billed prices wherever all are known, cut at their edges and at local midnights."""
    if not stated:
        return
    named = _names(stated)
    edges = {edge for one in stated for slot in one.slots for edge in (slot.start, slot.end)}
    for start, end in pairwise(sorted(edges | set(_midnights(span, now.home.timezone)))):
        slots = [one.at(start) for one in stated]
        covering = [slot for slot in slots if slot is not None]
        if len(covering) < len(stated):
            continue
        parts = tuple(
            (names.get(name, name), per_kwh)
            for one, slot, names in zip(stated, covering, named, strict=True)
            for name, per_kwh in one.parts_of(slot)
        )
        state = least_sure(slot.state for slot in covering)
        yield PaidSlot(start=start, end=end, per_kwh=_summed(parts), state=state, parts=parts)


def _names(stated: Sequence[_Stated]) -> list[dict[str, str]]:
    """Return other names for parts of one policy that are called as those of one before it."""
    taken: set[str] = set()
    found = []
    for one in stated:
        own = {name for slot in one.slots for name, _ in one.parts_of(slot)}
        found.append({name: f"{one.label} {name}" for name in own & taken})
        taken |= own
    return found


def _midnights(span: Interval, timezone: str) -> Iterator[datetime]:
    """Yield the local midnights within the span, its ends included where they are."""
    day = span.start.astimezone(zone_named(timezone)).date()
    while (at := local_instant(day, MIDNIGHT, timezone)) <= span.end:
        if at >= span.start:
            yield at
        day += ONE_DAY


def _carbon(now: Situation, span: Interval) -> Iterator[GridCarbon]:
    """Yield the grams of each policy `carbon` whose source tells them."""
    for spec in now.home.policies:
        named, per_tonne = spec.settings.get("source"), spec.settings.get("per_tonne")
        series = now.series(named) if spec.name == CARBON and isinstance(named, str) else None
        if series is not None and series.currency == GRAMS and isinstance(per_tonne, int | float):
            slots = _touching(grams_by_slot(series, now), span)
            yield GridCarbon(source=series.name, per_tonne=float(per_tonne), slots=slots)
