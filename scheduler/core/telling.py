"""The journal's lines of one turn: what was seen, and what is needed and planned, where it says something new."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from scheduler.core.desire import ceiling, minimum_soc
from scheduler.core.keys import hashed, need_key
from scheduler.core.model import (
    Decision,
    Desired,
    Situation,
    VehicleState,
)
from scheduler.core.observation import Observation, Reading
from scheduler.core.terms import Price, PriceSlot, decisive, of_type
from scheduler.core.timeline import Interval, nanoseconds, subtract

Event = dict[str, Any]


def observed_line(seen: Observation, reading: Reading, *, facets: tuple[str, ...], why: str) -> Event:
    """Return the journal's OBS line: the merged state after acceptance."""
    charge = seen.charge
    return {
        "k": "OBS",
        "src": reading.source,
        "ts": {
            "charge": ns(charge.at),
            "location": ns(seen.place.at),
            "battery": ns(seen.battery.at),
        },
        "plugged": charge.plugged,
        "charging": charge.charging,
        "state": charge.delivery,
        "kw": charge.power_kw,
        "soc": seen.battery.soc_pct,
        "loc": seen.place.location_id,
        "chg": charge.charger_id,
        "reach": seen.reachable,
        "seen": ns(seen.seen_at),
        "auth": "signature" if reading.source == "webhook" else "api",
        "dig": reading.digest,
        "ok": bool(facets),
        "facets": list(facets),
        "why": why,
    }


def ns(at: datetime | None) -> int | None:
    """Return nanoseconds since 1970 UTC, or None."""
    return None if at is None else nanoseconds(at)


def told(state: VehicleState, now: Situation, decision: Decision) -> tuple[VehicleState, list[Event]]:
    """Return PRICE, NEED and PLAN where they say something new."""
    events: list[Event] = []
    prices = of_type(now.terms, Price)
    price_key = hashed(([p.fetched_at for p in now.prices], [p.slots[-1].end.date() for p in prices if p.slots]))
    if price_key != state.price_key:
        spans = [[ns(s.start), ns(s.end)] for s in published_spans(now)]
        events.append({"k": "PRICE", "home": now.home.id, "spans": spans, "q": decision.plan.rung})
    events += _need_lines(state, now, decision)
    noted = _withheld(now, decision)
    if noted and noted != state.noted:
        events.append({"k": "NOTE", "code": "no_stop", "why": noted.rpartition(", ")[2]})
    last_need = need_key(decision, now.at) if decision.plan.asks else ""
    return replace(state, noted=noted, price_key=price_key, need_key=last_need), events


def _withheld(now: Situation, decision: Decision) -> str:
    """Return why a car should not charge and yet is not stopped; empty when it is, or does not charge (S12).

    The wish stands before the objection: that the target is reached is news also where the same rule has kept the car
    from being paused before.
    """
    if decision.desired is not Desired.HOLD or now.observation.charge.charging is not True or decision.command:
        return ""
    codes = [r.code for r in decision.reasons]
    return f"{codes[0]}, {codes[1] if len(codes) > 1 else 'unsaid'}"


def published_spans(now: Situation) -> tuple[Interval, ...]:
    """Return where every price that makes the bill is published from now on."""
    prices = decisive(now.terms)
    spans: tuple[Interval, ...] | None = None
    for price in prices:
        covered = _joined(s for s in price.slots if s.published and s.end > now.at)
        spans = covered if spans is None else subtract(spans, subtract(spans, covered))
    return spans or ()


def _joined(slots: Iterable[PriceSlot]) -> tuple[Interval, ...]:
    """Join ordered slots that touch."""
    spans: list[tuple[datetime, datetime]] = []
    for slot in slots:
        if spans and spans[-1][1] == slot.start:
            spans[-1] = (spans[-1][0], slot.end)
        else:
            spans.append((slot.start, slot.end))
    return tuple(Interval(start=start, end=end) for start, end in spans)


def _need_lines(state: VehicleState, now: Situation, decision: Decision) -> list[Event]:
    """Return NEED and PLAN when they say something new; once, too, when nothing asks for energy any more."""
    plan = decision.plan
    if state.need_key == (need_key(decision, now.at) if plan.asks else ""):
        return []
    needs = [n for n in plan.needs if n.lst_at is not None]
    first = min(needs, key=lambda n: n.lst_at or now.at, default=None)
    due = min((n.by for n in plan.needs if n.by is not None), default=None)
    need = {
        "k": "NEED",
        "target": ceiling(now, plan),
        "soc": decision.soc_pct,
        "soc_q": decision.soc_quality,
        "kwh": round(max((n.energy_kwh for n in plan.needs), default=0.0), 3),
        "deadline": ns(due),
        "lst": ns(first.lst_at) if first is not None else None,
        "price_q": plan.rung,
        "min_soc": minimum_soc(now),
    }
    if decision.longest_delay:
        need["longest_s"] = decision.longest_delay.total_seconds()
    spans = [*_outlasting(now, decision), *(s.interval for s in plan.slots)]
    slots = [[ns(s.start), ns(s.end)] for s in spans]
    return [need, {"k": "PLAN", "plan": hashed(slots), "slots": slots, "by": "built-in"}]


def _outlasting(now: Situation, decision: Decision) -> tuple[Interval, ...]:
    """Return how long a car goes on to charge because its STOP is put off at random: planned time, too (E3)."""
    delay = decision.delay
    if delay is None or decision.desired is not Desired.HOLD or now.observation.charge.charging is not True:
        return ()
    end = min([delay.until, *(slot.start for slot in decision.plan.slots)])
    return (Interval(start=now.at, end=end),) if end > now.at else ()
