"""Core values as JSON-able dicts: the one form that the API, the command line and the status page share.

Pure. Instants are RFC 3339 in UTC, units end the names, unknown is null.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from enum import Enum
from itertools import pairwise
from typing import Any

from scheduler.core.command import Command
from scheduler.core.feeds import PriceSeries
from scheduler.core.model import (
    Decision,
    Home,
    Mode,
    Override,
    Plan,
    PlannedSlot,
    Quality,
    Session,
    Situation,
    VehicleState,
    Verdict,
)
from scheduler.core.observation import Delivery
from scheduler.core.terms import PriceSlot, billed, least_sure
from scheduler.http import sentences
from scheduler.http.daemon import Known
from scheduler.http.wording import rfc3339
from scheduler.ports import AlertChange, DecisionRecord, OverrideRecord, SessionRecord, SessionTotal

View = dict[str, Any]


def plain(value: Any) -> Any:  # noqa: PLR0911 - one line a kind of value
    """Return any of our values in terms of JSON: instants as RFC 3339, durations in seconds, bytes as text."""
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return rfc3339(value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value.decode(errors="replace")
        case Mapping():
            return {str(key): plain(member) for key, member in value.items()}
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {member.name: plain(getattr(value, member.name)) for member in dataclasses.fields(value)}
        case Iterable():
            return [plain(member) for member in value]
        case _:
            return str(value)


def mode_of(known: Known) -> Mode:
    """Return the stricter of the home's mode and the vehicle's."""
    order = (Mode.CONTROL, Mode.OBSERVE, Mode.OFF)
    return max(known.home.mode, known.spec.mode, key=order.index)


def home_view(home: Home) -> View:
    """Return a home without its vehicles' states."""
    return {
        "id": home.id,
        "user_id": home.user_id,
        "timezone": home.timezone,
        "location_id": home.location_id,
        "charger_ids": list(home.charger_ids),
        "trust_charger": home.trust_charger,
        "currency": home.currency,
        "mode": home.mode.value,
        "hold_mode": home.hold_mode.value,
        "max_kw": home.max_kw,
        "vehicles": [spec.id for spec in home.vehicles],
        "policies": [spec.name for spec in home.policies],
    }


def vehicle_view(known: Known, state: VehicleState | None, last: tuple[Situation, Decision] | None) -> View:
    """Return the summary of a vehicle: what is seen, what is wanted, and why."""
    view: View = {"id": known.spec.id, "name": known.name, "home": known.home.id, "timezone": known.home.timezone}
    view |= {"mode": mode_of(known).value} | _observed(state)
    view |= decision_view(None if last is None else last[1], None if last is None else last[0], known.home.timezone)
    if last is None:
        view["why"] = "Not seen yet."
    if view["soc_pct"] is None and state is not None and state.observation.battery.soc_pct is not None:
        view["soc_pct"] = state.observation.battery.soc_pct
    return view


def _observed(state: VehicleState | None) -> View:
    seen = state.observation if state else None
    charge = seen.charge if seen else None
    return {
        "plugged": charge.plugged if charge else None,
        "charging": charge.charging if charge else None,
        "delivery": (charge.delivery if charge else Delivery.UNKNOWN).value,
        "power_kw": charge.power_kw if charge else None,
        "charge_limit_pct": charge.limit_pct if charge else None,
        "observed_at": rfc3339(charge.at) if charge else None,
        "soc_at": rfc3339(seen.battery.at) if seen else None,
        "reachable": seen.reachable if seen else None,
        "seen_at": rfc3339(seen.seen_at) if seen else None,
        "gone": state.gone if state else False,
        "credentials_lost_at": rfc3339(state.credentials_lost_at) if state else None,
        "session": session_view(state.session) if state and state.session else None,
        "command": command_view(state.command) if state and state.command else None,
        "override": override_view(state.override) if state and state.override else None,
        "alerts": list(state.alerts) if state else [],
    }


def decision_view(decision: Decision | None, now: Situation | None, timezone: str, at: datetime | None = None) -> View:
    """Return what was decided. Without the situation (an older decision), `at` is its instant."""
    if decision is None:
        return {
            "decided_at": None, "verdict": None, "desired": None, "soc_pct": None, "soc_quality": Quality.UNKNOWN.value,
            "target": None, "next_start_at": None, "next_due_at": None, "proposal": None, "delay": None, "reasons": [],
            "why": "",
        }  # fmt: skip
    at = now.at if now is not None else at
    assert at is not None
    charging = now.observation.charge.charging if now is not None else None
    return {
        "decided_at": rfc3339(at),
        "verdict": verdict_view(decision.verdict),
        "desired": decision.desired.value,
        "soc_pct": decision.soc_pct,
        "soc_quality": decision.soc_quality.value,
        "target": _target(decision.plan, at),
        "next_start_at": rfc3339(decision.plan.next_start(at)),
        "next_due_at": rfc3339(decision.next_due_at),
        "proposal": plain(decision.command),
        "delay": plain(decision.delay),
        "reasons": [
            {"code": reason.code, "text": sentences.localised(reason.text, at=at, timezone=timezone)}
            for reason in decision.reasons
        ],
        "why": sentences.why(decision, at=at, timezone=timezone, charging=charging),
    }


def _target(plan: Plan, at: datetime) -> View | None:
    need = sentences.next_due(plan, at=at) or next(iter(plan.needs), None)
    if need is None:
        return None
    return {"policy": need.policy, "soc_pct": need.soc_pct, "energy_kwh": need.energy_kwh, "by": rfc3339(need.by)}


def verdict_view(verdict: Verdict) -> View:
    """Return the home gate's verdict."""
    return {"place": verdict.place.value, "why": verdict.why, "text": verdict.text, "parked": verdict.parked}


def session_view(session: Session) -> View:
    """Return the open plug session."""
    return {
        "id": session.id,
        "plugged_at": rfc3339(session.plugged_at),
        "at_home": session.at_home,
        "energy_kwh": round(session.energy_kwh, 3),
        "soc_start_pct": session.soc_at_start_pct,
        "held_since": rfc3339(session.held_since),
        "failures": session.failures,
        "retry_at": rfc3339(session.retry_at),
    }


def override_view(override: Override) -> View:
    """Return what a person wants."""
    return {
        "will": override.will.value,
        "by": override.by.value,
        "set_at": rfc3339(override.set_at),
        "until": rfc3339(override.until),
        "soc_pct": override.soc_pct,
        "ready_at": rfc3339(override.ready_at),
    }


def override_record_view(record: OverrideRecord, names: Mapping[str, str]) -> View:
    """Return an override that is kept, with its end once it has one."""
    return {
        "vehicle": record.vehicle_id,
        "name": names.get(record.vehicle_id, record.vehicle_id),
        **override_view(record.override),
        "cleared_at": rfc3339(record.cleared_at),
        "cleared_by": record.cleared_by,
    }


def command_view(command: Command, names: Mapping[str, str] | None = None) -> View:
    """Return a command with what became of it. `names` gives the vehicles' names by id."""
    return {
        "id": command.id,
        "vehicle": command.vehicle_id,
        "name": (names or {}).get(command.vehicle_id, command.vehicle_id),
        "kind": command.action.value,
        "why": command.why.value,
        "state": command.state.value,
        "action_id": command.action_id,
        "failure": {"type": command.failure.type, "detail": command.failure.detail} if command.failure else None,
        "sent_at": rfc3339(command.sent_at),
        "confirmed_at": rfc3339(command.confirmed_at),
        "recall_at": rfc3339(command.recall_at),
        "ended_at": rfc3339(command.ended_at),
        "verified": command.verified,
    }


def plan_view(plan: Plan, *, prices: Sequence[PriceSlot] = (), grams: Sequence[float | None] = ()) -> View:
    """Return the plan with the prices that the person pays, and the grams of CO2 to expect of each slot."""
    expected = [None if one is None else round(one, 1) for one in grams or [None] * len(plan.slots)]
    known = [one for one in expected if one is not None]
    return {
        "slots": [_slot_view(slot) | {"grams": one} for slot, one in zip(plan.slots, expected, strict=True)],
        "needs": [
            {
                "policy": need.policy,
                "energy_kwh": need.energy_kwh,
                "soc_pct": need.soc_pct,
                "by": rfc3339(need.by),
                "latest_start_at": rfc3339(need.lst_at),
                "quality": need.quality.value,
                "why": need.why,
            }
            for need in plan.needs
        ],
        "shortfall_kwh": plan.shortfall_kwh,
        "shortfall_why": plan.shortfall_why,
        "broken": [plain(broken) for broken in plan.broken],
        "rung": plan.rung.value,
        "cost": plan.cost,
        "grams": sum(known) if known and len(known) == len(expected) else None,
        "asks": plan.asks,
        "prices": [price_view(slot) for slot in prices],
    }


def _slot_view(slot: PlannedSlot) -> View:
    return {
        "start": rfc3339(slot.start),
        "end": rfc3339(slot.end),
        "energy_kwh": slot.energy_kwh,
        "price_per_kwh": slot.per_kwh,
        "published": slot.published,
        "why": slot.why,
    }


def price_view(slot: PriceSlot) -> View:
    """Return a price with its span."""
    return {
        "start": rfc3339(slot.start),
        "end": rfc3339(slot.end),
        "price_per_kwh": slot.per_kwh,
        "published": slot.published,
        "state": slot.state.value,
    }


def price_curve(now: Situation) -> tuple[PriceSlot, ...]:
    """Return what a kWh costs the person: the sum of all billed prices, where all of them have a slot."""
    prices = billed(now.terms)
    if len(prices) <= 1:
        return prices[0].slots if prices else ()
    edges = sorted({edge for price in prices for slot in price.slots for edge in (slot.start, slot.end)})
    found: list[PriceSlot] = []
    cursors = [0] * len(prices)
    for start, end in pairwise(edges):
        parts = [_slot_over(price.slots, cursors, index, start) for index, price in enumerate(prices)]
        covering = [part for part in parts if part is not None]
        if len(covering) == len(prices):
            per_kwh = sum(part.per_kwh for part in covering)
            state = least_sure(part.state for part in covering)
            found.append(PriceSlot(start=start, end=end, per_kwh=per_kwh, state=state))
    return tuple(found)


def _slot_over(slots: Sequence[PriceSlot], cursors: list[int], index: int, at: datetime) -> PriceSlot | None:
    """Return the slot that covers the instant, moving the cursor of this series on; instants only grow."""
    while cursors[index] < len(slots) and slots[cursors[index]].end <= at:
        cursors[index] += 1
    slot = slots[cursors[index]] if cursors[index] < len(slots) else None
    return slot if slot is not None and slot.start <= at else None


def series_view(series: PriceSeries) -> View:
    """Return the published prices of a source."""
    return {
        "name": series.name,
        "zone": series.zone,
        "currency": series.currency,
        "state": least_sure(slot.state for slot in series.slots).value if series.slots else None,
        "fetched_at": rfc3339(series.fetched_at),
        "slots": [price_view(slot) for slot in series.slots],
    }


def session_record_view(record: SessionRecord, names: Mapping[str, str]) -> View:
    """Return a plug session that is kept. When it was charging is told by the chart alone."""
    view: View = plain(dataclasses.replace(record, flows=()))
    del view["flows"]
    return view | {"name": names.get(record.vehicle_id, record.vehicle_id)}


def session_total_view(total: SessionTotal) -> View:
    """Return what all sessions of one currency come to; no grams where those of none are known."""
    grams = (total.grams, total.grams_saved) if total.with_grams else (None, None)
    view: View = plain(total)
    return view | {"grams": grams[0], "grams_saved": grams[1]}


def alert_view(alert: AlertChange, names: Mapping[str, str], timezone: str) -> View:
    """Return an alert; `name` is null for one of no vehicle and no charger, `told` the text in local time."""
    name = None if alert.vehicle_id is None else names.get(alert.vehicle_id, alert.vehicle_id)
    told = sentences.localised(alert.text, at=alert.raised_at, timezone=timezone)
    view: View = plain(alert)
    return view | {"name": name, "timezone": timezone, "told": told}


def record_view(record: DecisionRecord, names: Mapping[str, str], *, full: bool = False) -> View:
    """Return a kept decision; `full` adds the situation and the decision as they are stored (JSON in text)."""
    view: View = {
        "vehicle": record.vehicle_id,
        "name": names.get(record.vehicle_id, record.vehicle_id),
        "home": record.home_id,
        "at": rfc3339(record.at),
        "key": record.key,
        "summary": record.summary,
        "command": record.command_id,
    }
    if full:
        view |= {"situation": record.situation.decode(), "decision": record.decision.decode()}
    return view
