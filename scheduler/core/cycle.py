"""One turn of the cycle for one vehicle, pure: observe the news, build the situation, settle the decision.

    observe → decide → act → record

The loop does the reading and writing around it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2s
from typing import Any

from scheduler.core.accept import accept
from scheduler.core.battery import estimate_soc
from scheduler.core.command import ActionReport, Command, CommandState, Failure
from scheduler.core.desire import ceiling, minimum_soc
from scheduler.core.gate import gate
from scheduler.core.model import (
    Decision,
    Desired,
    Home,
    Limits,
    Overdue,
    Override,
    PriceSeries,
    Session,
    Situation,
    VehicleSpec,
    VehicleState,
    Will,
)
from scheduler.core.observation import Delivery, Observation, Reading, Stamp
from scheduler.core.session import expire, follow
from scheduler.core.terms import Price, PriceSlot, Target, of_type
from scheduler.core.timeline import Interval, nanoseconds, subtract
from scheduler.core.tracking import next_look, track, track_report

Event = dict[str, Any]

MET_PCT = 0.5
"""A target within so many points is met: readings are whole points."""

COMMITTED = 2
"""How many coming spans of the plan are remembered for steadiness (S13)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lost:
    """The vendor account's credentials are lost."""

    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Regained:
    """The vendor account was linked again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gone:
    """The provider no longer knows the vehicle."""


CycleNews = Reading | ActionReport | Override | Lost | Regained | Gone


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """A vehicle's state after the news, the journal's lines, commands that changed, and the session that closed."""

    state: VehicleState
    events: tuple[Event, ...]
    commands: tuple[Command, ...]
    closed: Session | None = None


def observe(state: VehicleState, news: Iterable[CycleNews], *, home: Home, limits: Limits, now: Stamp) -> Observed:
    """Apply all news in order, then the clock. A reading is merged facet by facet; nothing is decided here.

    A session that ended while nobody looked, as over a restart, ends before the news.
    """
    events: list[Event] = []
    commands: dict[str, Command] = {}
    state, ended_before, lines = expire(state, home=home, limits=limits, at=now.at)
    events += lines
    for piece in news:
        state, lines, changed = _applied(state, piece, home=home, limits=limits)
        events += lines
        commands |= {c.id: c for c in changed}
    state, closed, ended = expire(state, home=home, limits=limits, at=now.at)
    tracked = track(state, run=now.run, limits=limits, at=now.at)
    commands |= {c.id: c for c in tracked.commands}
    return Observed(
        state=tracked.state,
        events=(*events, *ended, *tracked.events),
        commands=tuple(commands.values()),
        closed=ended_before or closed,
    )


def _applied(
    state: VehicleState, news: CycleNews, *, home: Home, limits: Limits
) -> tuple[VehicleState, list[Event], Sequence[Command]]:
    match news:
        case Reading():
            return _read(state, news, home=home, limits=limits)
        case ActionReport():
            tracked = track_report(state, news)
            return tracked.state, list(tracked.events), tracked.commands
        case Override():
            return (*_wished(state, news), ())
        case Lost():
            return replace(state, credentials_lost_at=news.at), [], ()
        case Regained():
            return replace(state, credentials_lost_at=None), [], ()
        case Gone():
            return replace(state, gone=True), [], ()


def _read(
    state: VehicleState, reading: Reading, *, home: Home, limits: Limits
) -> tuple[VehicleState, list[Event], Sequence[Command]]:
    before = state.observation
    taken = accept(before, reading)
    state = replace(state, observation=taken.observation, gone=False)
    lost = state.credentials_lost_at
    if lost is not None and reading.seen_at is not None and reading.seen_at > lost:
        state = replace(state, credentials_lost_at=None)
    line = observed_line(taken.observation, reading, facets=taken.facets, why=taken.why)
    if not taken.ok:
        return state, [line], ()
    state, lines = follow(state, before=before, home=home, limits=limits, at=reading.received.at)
    return state, [line, *lines], ()


def observed_line(seen: Observation, reading: Reading, *, facets: tuple[str, ...], why: str) -> Event:
    """Return the journal's OBS line: the merged state after acceptance."""
    charge = seen.charge
    return {
        "k": "OBS",
        "src": reading.source,
        "ts": {
            "charge": _ns(charge.at),
            "location": _ns(seen.place.at),
            "battery": _ns(seen.battery.at),
        },
        "plugged": charge.plugged,
        "charging": charge.charging,
        "state": charge.delivery,
        "kw": charge.power_kw,
        "soc": seen.battery.soc_pct,
        "loc": seen.place.location_id,
        "chg": charge.charger_id,
        "reach": seen.reachable,
        "seen": _ns(seen.seen_at),
        "auth": "signature" if reading.source == "webhook" else "api",
        "dig": reading.digest,
        "ok": bool(facets),
        "facets": list(facets),
        "why": why,
    }


def _ns(at: datetime | None) -> int | None:
    return None if at is None else nanoseconds(at)


def _wished(state: VehicleState, wish: Override) -> tuple[VehicleState, list[Event]]:
    line = {"k": "OVR", "op": "set", "will": wish.will, "from": wish.by, "until": _ns(wish.until)}
    session = state.session
    if session is not None:
        session = replace(session, stopped_at=None, stops=0, corrections=0, retry_at=None)
    state = replace(state, session=session, overdue=() if wish.will is Will.HOLD else state.overdue)
    if wish.will is Will.AUTO:
        previous = state.override
        cleared = line | {"op": "clear", "will": previous.will if previous else Will.AUTO}
        return replace(state, override=None), [cleared]
    return replace(state, override=wish), [line]


def situation_of(
    state: VehicleState,
    *,
    home: Home,
    vehicle: VehicleSpec,
    limits: Limits,
    prices: tuple[PriceSeries, ...],
    now: Stamp,
    claimed_elsewhere: bool = False,
    clock_trusted: bool = True,
    store_durable: bool = True,
) -> Situation:
    """Collect everything that one decision needs, except the terms, which the policies state upon seeing it."""
    situation = Situation(
        at=now.at,
        mono_ns=now.mono_ns,
        run=now.run,
        home=home,
        vehicle=vehicle,
        observation=state.observation,
        limits=limits,
        prices=prices,
        session=state.session,
        command=state.command,
        recent=state.recent,
        override=state.override,
        learned=state.learned,
        committed=state.committed,
        refreshed_at=state.refreshed_at,
        alerts=state.alerts,
        gone=state.gone,
        claimed_elsewhere=claimed_elsewhere,
        credentials_valid=state.credentials_lost_at is None,
        clock_trusted=clock_trusted,
        store_durable=store_durable,
    )
    return replace(situation, overdue=_overdue(state, situation))


def _overdue(state: VehicleState, now: Situation) -> tuple[Overdue, ...]:
    """Return the targets that came due unmet in this session and still are (L9)."""
    if state.session is None:
        return ()
    due = [*state.overdue, *(w for w in state.watched if w.due_at <= now.at)]
    charge = now.observation.charge
    if not due or charge.full is True or charge.delivery is Delivery.COMPLETE:
        return ()
    low = estimate_soc(now).low_pct
    return tuple(dict.fromkeys(d for d in due if not _met(d, low, state.session)))


def _met(target: Overdue, low_pct: float | None, session: Session) -> bool:
    if target.energy_kwh is not None:
        return session.energy_kwh >= target.energy_kwh
    return target.soc_pct is not None and low_pct is not None and low_pct >= target.soc_pct - MET_PCT


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """What one turn leaves behind: the new state, journal lines, and what is to be done outside."""

    state: VehicleState
    events: tuple[Event, ...]
    commands: tuple[Command, ...]
    intent: Command | None = None
    cancel: str | None = None  # action id to recall
    watch: str | None = None  # action id to look at
    look: bool = False
    refresh: bool = False
    raised: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()


def settle(state: VehicleState, now: Situation, decision: Decision, *, conf: str, new_id: Callable[[], str]) -> Settled:
    """Turn the decision into the state to keep and the things to do. An intent is durable before it is sent."""
    state = replace(state, overdue=now.overdue, watched=_watched(now), desired=decision.desired)
    state = replace(state, committed=_commitment(decision, now.at), next_due_at=decision.next_due_at)
    state, events = _told(state, now, decision)
    commands: list[Command] = []
    cancel = watch = None
    looks = decision.look
    intent = None
    in_flight = state.command
    if decision.recall and in_flight is not None and in_flight.action_id is not None:
        in_flight = replace(in_flight, recall_at=now.at)
        state, cancel = replace(state, command=in_flight), in_flight.action_id
        events.append({"k": "CANCEL", "cmd": in_flight.id, "pid": cancel})
        commands.append(in_flight)
    elif in_flight is not None and _looked_for(in_flight) and next_look(in_flight, now.limits) <= now.at:
        looks, in_flight = True, replace(in_flight, looked_at=now.at)
        state, watch = replace(state, command=in_flight), in_flight.action_id
    if decision.command is not None:
        state, intent, lines, changed = _intended(state, now, decision, conf=conf, new_id=new_id)
        events += lines
        commands += changed
    if decision.refresh:
        state = replace(state, refreshed_at=now.at)
        events.append({"k": "REFRESH"})
    codes = tuple(dict.fromkeys(a.code for a in decision.alerts))
    raised = tuple(c for c in codes if c not in state.alerts)
    cleared = tuple(c for c in state.alerts if c not in codes)
    events += [
        {"k": "ALERT", "code": a.code, "sev": a.severity, "op": "raised", "until": None}
        for a in decision.alerts
        if a.code in raised
    ]
    events += [{"k": "ALERT", "code": c, "sev": "info", "op": "cleared", "until": None} for c in cleared]
    return Settled(
        state=replace(state, alerts=codes),
        events=tuple(events),
        commands=tuple(commands),
        intent=intent,
        cancel=cancel,
        watch=watch,
        look=looks,
        refresh=decision.refresh,
        raised=raised,
        cleared=cleared,
    )


def _looked_for(command: Command) -> bool:
    """Tell whether looking can tell more: at the action, or, when the answer was lost, at the vehicle (S6)."""
    return command.action_id is not None or command.state is CommandState.AMBIGUOUS


def _watched(now: Situation) -> tuple[Overdue, ...]:
    """Remember the coming targets, so that one which comes due unmet is not forgotten by a policy that looks ahead."""
    if now.session is None or not now.session.at_home:
        return ()
    targets = [
        Overdue(policy=s.policy, soc_pct=s.term.soc_pct, energy_kwh=s.term.energy_kwh, due_at=s.term.by)
        for s in now.terms
        if isinstance(s.term, Target) and s.term.by is not None and s.term.by > now.at
    ]
    wish = now.override
    if wish is not None and wish.will is Will.READY_BY and wish.ready_at is not None and wish.ready_at > now.at:
        targets.append(Overdue(policy="override", soc_pct=wish.soc_pct, energy_kwh=None, due_at=wish.ready_at))
    return tuple(targets)


def _commitment(decision: Decision, at: datetime) -> tuple[Interval, ...]:
    return tuple(s.interval for s in decision.plan.slots if s.end > at)[:COMMITTED]


def _intended(
    state: VehicleState, now: Situation, decision: Decision, *, conf: str, new_id: Callable[[], str]
) -> tuple[VehicleState, Command, list[Event], list[Command]]:
    proposal = decision.command
    assert proposal is not None
    lines: list[Event] = []
    changed: list[Command] = []
    if state.command is not None:  # the opposite is in flight, and the person or the deadline cannot wait (S4)
        failure = Failure(type="SUPERSEDED", detail=f"replaced by {proposal.action}")
        old = replace(state.command, state=CommandState.CANCELLED, failure=failure, ended_at=now.at)
        state = replace(state, command=None, recent=(*state.recent, old))
        lines.append({"k": "RESULT", "cmd": old.id, "out": "superseded", "failure": None})
        changed.append(old)
    command = Command(
        id=new_id(),
        vehicle_id=state.vehicle_id,
        action=proposal.action,
        why=proposal.why,
        state=CommandState.SENT,
        sent_at=now.at,
        epoch=now.run,
        resume_at=proposal.resume_at,
    )
    intent = {
        "k": "INTENT",
        "cmd": command.id,
        "act": command.action,
        "why": command.why,
        "epoch": command.epoch,
        "durable": now.store_durable,
        "conf": conf,
        "resume": _ns(command.resume_at),
        "rests": proposal.rests_on,
    }
    send = {"k": "SEND", "cmd": command.id, "act": command.action}
    state = replace(state, command=command)
    return state, command, [*lines, intent, send], [*changed, command]


def _told(state: VehicleState, now: Situation, decision: Decision) -> tuple[VehicleState, list[Event]]:
    """Return PRICE, NEED and PLAN where they say something new."""
    events: list[Event] = []
    prices = of_type(now.terms, Price)
    price_key = _hash(([p.fetched_at for p in now.prices], [p.slots[-1].end.date() for p in prices if p.slots]))
    if price_key != state.price_key:
        spans = [[_ns(s.start), _ns(s.end)] for s in published_spans(now)]
        events.append({"k": "PRICE", "home": now.home.id, "spans": spans, "q": decision.plan.rung})
    events += _need_lines(state, now, decision)
    noted = _withheld(now, decision)
    if noted and noted != state.noted:
        events.append({"k": "NOTE", "code": "no_stop", "why": noted})
    need_key = _need_key(decision, now.at) if decision.plan.asks else ""
    return replace(state, noted=noted, price_key=price_key, need_key=need_key), events


def _withheld(now: Situation, decision: Decision) -> str:
    """Return why a car that charges and should not is not stopped; empty when it is, or does not (S12)."""
    if decision.desired is not Desired.HOLD or now.observation.charge.charging is not True or decision.command:
        return ""
    codes = [r.code for r in decision.reasons]
    return codes[1] if len(codes) > 1 else "unsaid"


def published_spans(now: Situation) -> tuple[Interval, ...]:
    """Return where every price term has a published price from now on."""
    prices = of_type(now.terms, Price)
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


def _hash(content: object) -> str:
    """Return a short name for what a `repr` says: equal content, equal name, in every run."""
    return blake2s(repr(content).encode(), digest_size=8).hexdigest()


def _need_key(decision: Decision, at: datetime) -> str:
    plan = decision.plan
    slots = [(max(s.start, at) if s.start > at else None, s.end.replace(second=0, microsecond=0)) for s in plan.slots]
    needs = [
        (n.policy, n.soc_pct, round(n.energy_kwh, 1), n.by, n.lst_at and n.lst_at.replace(second=0, microsecond=0))
        for n in plan.needs
    ]
    return _hash((slots, needs, round(decision.soc_pct or -1)))


def _need_lines(state: VehicleState, now: Situation, decision: Decision) -> list[Event]:
    """Return NEED and PLAN when they say something new; once, too, when nothing asks for energy any more."""
    plan = decision.plan
    if state.need_key == (_need_key(decision, now.at) if plan.asks else ""):
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
        "deadline": _ns(due),
        "lst": _ns(first.lst_at) if first is not None else None,
        "price_q": plan.rung,
        "min_soc": minimum_soc(now),
    }
    slots = [[_ns(s.start), _ns(s.end)] for s in plan.slots]
    return [need, {"k": "PLAN", "plan": _hash(slots), "slots": slots, "by": "built-in"}]


def input_key(now: Situation) -> tuple[object, ...]:
    """Return the content of a situation's inputs, times and terms left out: while it stands, so does the decision."""
    seen, command, session = now.observation, now.command, now.session
    return (
        seen.charge.plugged, seen.charge.charging, seen.charge.delivery, seen.charge.charger_id, seen.charge.full,
        seen.charge.limit_pct, seen.charge.power_kw, seen.place.location_id, seen.battery.soc_pct, seen.capabilities,
        seen.battery.capacity_kwh, estimate_soc(now).quality,
        seen.reachable, seen.smart_charging, now.override, now.overdue, command and (command.id, command.state),
        session and (session.id, session.unplugged_since, session.stopped_at, session.retry_at, session.at_home),
        session and (session.held_since, session.failed_resumes, session.corrections, session.strayed),
        tuple(p.fetched_at for p in now.prices), now.home, now.vehicle, now.limits, now.claimed_elsewhere,
        now.credentials_valid, now.clock_trusted, now.store_durable, now.learned, now.run, now.gone,
    )  # fmt: skip


def stands(now: Situation, before: Situation, decision: Decision) -> bool:
    """Tell whether a decision still holds: nothing but time has changed, and nothing of it was due by now.

    The planner runs only when this is not so.
    """
    idle = decision.command is None and not decision.recall and now.command is None
    due = decision.next_due_at
    if not idle or due is None or due <= now.at or now.at < before.at:
        return False
    if input_key(now) != input_key(before):
        return False
    return gate(now) == decision.verdict


def decision_key(now: Situation, decision: Decision) -> str:
    """Return what makes a decision worth storing: its content and the content of its inputs, times left out."""
    charge = now.observation.charge
    inputs = (
        charge.plugged, charge.charging, charge.delivery, charge.charger_id, now.observation.place.location_id,
        round(now.observation.battery.soc_pct or -1), now.override, now.command and (now.command.id, now.command.state),
        now.session and now.session.id, tuple(p.fetched_at for p in now.prices), now.set_aside, now.credentials_valid,
    )  # fmt: skip
    outputs = (
        decision.verdict.place, decision.verdict.why, decision.desired, decision.command, decision.recall,
        tuple(r.code for r in decision.reasons), tuple(a.code for a in decision.alerts), _need_key(decision, now.at),
    )  # fmt: skip
    return _hash((inputs, outputs))
