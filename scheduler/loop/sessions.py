"""What a plug session cost, what charging at once would have cost, both in grams too, and when it was charging."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from scheduler.core.carbon import session_grams
from scheduler.core.flowing import come_to
from scheduler.core.model import Flow, Home, Session, Situation, VehicleState
from scheduler.core.terms import PriceSlot, Stated, Target, billed
from scheduler.ports import SessionRecord

QUARTER_S = 15 * 60


def session_record(
    session: Session,
    *,
    home: Home,
    state: VehicleState,
    terms: Sequence[Stated],
    soc_end_pct: float | None,
    now: Situation,
) -> SessionRecord:
    """Return the record of a session that closed, priced by what the policies say the person paid, with its grams."""
    slots, at_once = total_price(terms), _at_once(session)
    departure = next((s.term for s in terms if isinstance(s.term, Target) and s.term.by is not None), None)
    target_pct = departure.soc_pct if departure is not None else None
    unplugged_at = session.unplugged_since or now.at
    kept = departure is not None and departure.by is not None and departure.by <= unplugged_at
    met = None if target_pct is None or soc_end_pct is None else soc_end_pct >= target_pct - now.limits.eps_soc
    return SessionRecord(
        id=session.id,
        vehicle_id=state.vehicle_id,
        home_id=home.id,
        plugged_at=session.plugged_at,
        unplugged_at=unplugged_at,
        energy_kwh=round(session.energy_kwh, 3),
        cost=_rounded(come_to(session.flows, slots), 4),
        baseline_cost=_rounded(come_to(at_once, slots), 4),
        currency=home.currency,
        soc_start_pct=session.soc_at_start_pct,
        soc_end_pct=soc_end_pct,
        target_soc_pct=target_pct,
        departure_at=departure.by if departure is not None else None,
        met=met if kept else None,
        flows=by_quarter(session.flows),
        grams=_rounded(session_grams(session.flows, now), 1),
        baseline_grams=_rounded(session_grams(at_once, now), 1),
    )


def by_quarter(flows: Iterable[Flow]) -> tuple[Flow, ...]:
    """Join flows that follow one another within a quarter of an hour, at their mean power: so fine is a record."""
    joined: list[Flow] = []
    for flow in flows:
        last = joined[-1] if joined else None
        if last is not None and last.end == flow.start and _quarter(last) == _quarter(flow):
            energy = last.kw * (last.end - last.start) + flow.kw * (flow.end - flow.start)
            joined[-1] = Flow(start=last.start, end=flow.end, kw=round(energy / (flow.end - last.start), 3))
        else:
            joined.append(flow)
    return tuple(joined)


def _quarter(flow: Flow) -> float:
    return flow.start.timestamp() // QUARTER_S


def _at_once(session: Session) -> tuple[Flow, ...]:
    """Return the same energy taken at the highest power seen, from the plug-in on."""
    if session.max_kw <= 0 or session.energy_kwh <= 0:
        return ()
    end = session.plugged_at + timedelta(hours=session.energy_kwh / session.max_kw)
    return (Flow(start=session.plugged_at, end=end, kw=session.max_kw),)


def _rounded(amount: float | None, digits: int) -> float | None:
    return None if amount is None else round(amount, digits)


def total_price(terms: Iterable[Stated]) -> tuple[PriceSlot, ...]:
    """Add up all billed prices where every one of them has a published slot: what is expected was never paid."""
    prices = [tuple(slot for slot in price.slots if slot.published) for price in billed(terms)]
    if not prices:
        return ()
    total = prices[0]
    for slots in prices[1:]:
        total = _added(total, slots)
    return total


def _added(first: Sequence[PriceSlot], second: Sequence[PriceSlot]) -> tuple[PriceSlot, ...]:
    """Walk two ordered series side by side."""
    total: list[PriceSlot] = []
    i = j = 0
    while i < len(first) and j < len(second):
        both = _both(first[i], second[j])
        if both is not None:
            total.append(both)
        if first[i].end <= second[j].end:
            i += 1
        else:
            j += 1
    return tuple(total)


def _both(one: PriceSlot, other: PriceSlot) -> PriceSlot | None:
    start, end = max(one.start, other.start), min(one.end, other.end)
    if start >= end:
        return None
    return PriceSlot(start=start, end=end, per_kwh=one.per_kwh + other.per_kwh)
