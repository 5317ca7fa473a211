"""Plug sessions: when one opens and closes, what flowed in it, and whose hand moved (DESIGN, commands)."""

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from scheduler.core.accept import DROP_PCT
from scheduler.core.altering import altered
from scheduler.core.battery import FROZEN_PCT, PLUG_IN_GRACE
from scheduler.core.command import Action
from scheduler.core.gate import is_away, place
from scheduler.core.learning import bands_seen, power_learned, taper_learned
from scheduler.core.model import (
    Desired,
    Flow,
    Hand,
    Home,
    Limits,
    Override,
    Place,
    Session,
    VehicleState,
    Will,
)
from scheduler.core.observation import ChargeFacet, Delivery, Observation
from scheduler.core.timeline import nanoseconds

UNMOVED_KWH = 0.5
"""So little energy since the plug-in does not move the state of charge."""

METER_GAP = timedelta(minutes=45)
"""Power is not carried over a longer silence than this."""

FLOWS_KEPT = 400
SESSIONS_KEPT = 100
LATENCIES_KEPT = 50

UNCONFIRMED = timedelta(minutes=30)
"""An unplug that no second reading has confirmed or denied is believed after this long."""

Event = dict[str, Any]


class HandSeen(StrEnum):
    """Who moved, as far as the observations tell."""

    NOBODY = "nobody"  # nothing moved
    OURS = "ours"
    CAR = "car"  # the car's own habit of starting when plugged in
    PERSON = "person"
    UNCLAIMED = "unclaimed"  # stopped in mid-charge, and nobody says why


def follow(
    state: VehicleState, *, before: Observation, home: Home, limits: Limits, at: datetime
) -> tuple[VehicleState, list[Event]]:
    """Carry the session over from the observation `before` to the one now in `state`."""
    seen = state.observation
    if state.session is None:
        if seen.charge.plugged is not True:
            return state, []
        return _open(state, home=home, at=at)
    state = _soc_kept(_metered(state, before), before.battery.soc_pct)
    state = _ended(_started(state, before.charge), before.charge)
    state, hands = _hands(state, before=before.charge, home=home, limits=limits, at=at)
    return _plug_kept(state, before.charge, home=home, at=at), hands


def expire(
    state: VehicleState, *, home: Home, limits: Limits, at: datetime
) -> tuple[VehicleState, Session | None, list[Event]]:
    """Close the session when the car has been unplugged for `T_unplug`, or is seen elsewhere. Clear what has ended."""
    events: list[Event] = []
    session, override = state.session, state.override
    if session is not None and session.unplugged_since is not None:
        elsewhere = state.observation.charge.plugged is not True and _moved(state.observation, home, session)
        since = at - session.unplugged_since
        if elsewhere or (since >= limits.t_unplug and (_confirmed(state, session) or since >= UNCONFIRMED)):
            events.append({"k": "PLUG", "op": "out"})
            if override is not None and _was_before(override, session.unplugged_since, at):
                events.append({"k": "OVR", "op": "clear", "will": override.will, "from": Hand.CAR, "until": None})
                state = replace(state, override=None)
            return _closed(state, session), session, events
    if override is not None and override.until is not None and override.until <= at:
        events.append({"k": "OVR", "op": "clear", "will": override.will, "from": override.by, "until": None})
        state = replace(state, override=None)
    return state, None, events


def _was_before(override: Override, unplugged_since: datetime, at: datetime) -> bool:
    """Tell whether a wish is of the time before the unplug. One of the future was made while the clock ran ahead."""
    return override.set_at <= unplugged_since or override.set_at > at


def _confirmed(state: VehicleState, session: Session) -> bool:
    """Tell whether anything was heard after the first reading without the plug: one reading closes no session (P14).

    A second one may have come together with it, as deliveries do that had to wait.
    """
    received, since = state.observation.received, session.unplugged_since
    return session.unplug_seen_again or (received is not None and since is not None and received.at > since)


def _moved(seen: Observation, home: Home, session: Session) -> bool:
    """Tell whether it was seen at another place since the plug-in. No place is no sign: some chargers have none."""
    return seen.place.at is not None and seen.place.at > session.plugged_at and _elsewhere(seen, home)


def _elsewhere(seen: Observation, home: Home) -> bool:
    charger, location = seen.charge.charger_id, seen.place.location_id
    other_charger = bool(home.charger_ids) and charger is not None and charger not in home.charger_ids
    return other_charger or (location is not None and location != home.location_id)


def _open(state: VehicleState, *, home: Home, at: datetime) -> tuple[VehicleState, list[Event]]:
    seen = state.observation
    plugged_at = min(seen.charge.at or at, at)
    session = Session(
        id=f"{state.vehicle_id}:{nanoseconds(plugged_at)}",
        plugged_at=plugged_at,
        opened_at=at,
        at_home=place(home, seen).place is Place.HOME,
        strayed=_elsewhere(seen, home),
        charging_when_opened=seen.charge.charging is True,
        soc_at_start_pct=_soc_since(seen, plugged_at),
        metered_at=plugged_at,
        started_since=plugged_at if seen.charge.charging else None,
        max_kw=seen.charge.power_kw or 0.0,
        ended_at_pct=seen.charge.limit_pct if seen.charge.complete else None,
    )
    state = replace(state, session=session, overdue=(), watched=(), committed=(), turned=None)
    return state, [{"k": "PLUG", "op": "in"}]


def _soc_since(seen: Observation, plugged_at: datetime) -> float | None:
    """Return the state of charge if it was read since the plug-in: providers also tell the one before the trip."""
    battery = seen.battery
    return battery.soc_pct if battery.at is not None and battery.at >= plugged_at - PLUG_IN_GRACE else None


def _soc_kept(state: VehicleState, before_pct: float | None) -> VehicleState:
    """Set what the session began with when it is first known, or when a fall shows that it was wrong (P20, P21).

    A car that took energy and tells less than before has told of the time before its trip until now.
    """
    session = state.session
    assert session is not None
    now_pct = _soc_since(state.observation, session.plugged_at)
    if now_pct is None:
        return state
    start_pct, charged = session.soc_at_start_pct, session.energy_kwh >= UNMOVED_KWH
    fell = before_pct is not None and before_pct - now_pct > DROP_PCT
    fell = fell or (charged and start_pct is not None and start_pct - now_pct > FROZEN_PCT)
    if not fell and start_pct is not None:
        return state
    start_pct = None if charged else now_pct
    return replace(state, session=replace(session, soc_at_start_pct=start_pct))


def _closed(state: VehicleState, session: Session) -> VehicleState:
    learned = state.learned
    if session.at_home and session.energy_kwh > 0:
        sessions = (*learned.session_energy_kwh, round(session.energy_kwh, 3))[-SESSIONS_KEPT:]
        learned = taper_learned(replace(learned, session_energy_kwh=sessions), session)
    return replace(
        state,
        session=None,
        overdue=(),
        watched=(),
        committed=(),
        turned=None,
        learned=learned,
        desired=None,
    )


def _plug_kept(state: VehicleState, before: ChargeFacet, *, home: Home, at: datetime) -> VehicleState:
    session = state.session
    assert session is not None
    session = altered(session, strayed=session.strayed or _elsewhere(state.observation, home))
    state = altered(state, session=session)
    seen, charge = state.observation, state.observation.charge
    if charge.plugged is False:
        newer = charge.at is not None and before.at is not None and charge.at > before.at
        again = session.unplug_seen_again or (session.unplugged_since is not None and newer)
        session = replace(session, unplugged_since=session.unplugged_since or at, unplug_seen_again=again)
        return replace(state, session=session)
    if charge.plugged is True:
        verdict = place(home, seen).place
        at_home = verdict is Place.HOME or (session.at_home and not is_away(verdict, session, seen))
        again_at = session.replugged_at if session.unplugged_since is None else charge.at or at
        session = altered(session, unplugged_since=None, unplug_seen_again=False, replugged_at=again_at)
        return altered(state, session=altered(session, at_home=at_home))
    return state


def _metered(state: VehicleState, before: Observation) -> VehicleState:
    """Add the energy that flowed between two readings, and note how much it was when the state of charge moved."""
    state = _with_energy(state, before)
    assert state.session is not None
    if state.observation.battery.soc_pct == before.battery.soc_pct:
        return state
    return replace(state, session=replace(state.session, energy_at_soc_kwh=state.session.energy_kwh))


def _with_energy(state: VehicleState, before: Observation) -> VehicleState:
    """Add the energy that flowed between two readings: the power of the earlier one, held (grid side)."""
    assert state.session is not None
    seen, after = state.observation, state.observation.charge
    session = altered(state.session, max_kw=max(state.session.max_kw, after.power_kw or 0.0))  # dated or not (S1a)
    if after.at is None or (session.metered_at is not None and after.at <= session.metered_at):
        return altered(state, session=session)
    state = altered(state, learned=power_learned(state.learned, session, seen))
    since = session.metered_at or after.at
    power = before.charge.power_kw if before.charge.charging and before.charge.power_kw else 0.0
    span = after.at - since
    if power <= 0 or span > METER_GAP:
        return replace(state, session=replace(session, metered_at=after.at))
    session = replace(
        session,
        energy_kwh=session.energy_kwh + power * (span / timedelta(hours=1)),
        flows=_joined(session.flows, Flow(start=since, end=after.at, kw=power)),
        metered_at=after.at,
        bands=bands_seen(session, before, seen, since=since),
    )
    return replace(state, session=session)


def _started(state: VehicleState, before: ChargeFacet) -> VehicleState:
    session, now = state.session, state.observation.charge
    assert session is not None
    if now.charging is None or now.charging == before.charging:
        return state
    return replace(state, session=replace(session, started_since=now.at if now.charging else None))


def _ended(state: VehicleState, before: ChargeFacet) -> VehicleState:
    session, now = state.session, state.observation.charge
    assert session is not None
    if not now.complete or (before.complete and session.ended_at_pct is not None):
        return state
    return replace(state, session=replace(session, ended_at_pct=now.limit_pct))


def _joined(flows: tuple[Flow, ...], new: Flow) -> tuple[Flow, ...]:
    if flows and flows[-1].end == new.start and abs(flows[-1].kw - new.kw) <= 0.02 * new.kw:
        return (*flows[:-1], replace(flows[-1], end=new.end))
    return (*flows, new)[-FLOWS_KEPT:]


def read_hand(state: VehicleState, *, before: ChargeFacet, limits: Limits) -> HandSeen:
    """Say whose hand moved between the facet `before` and the one now in `state` (DESIGN's table)."""
    after, session = state.observation.charge, state.session
    if session is None or after.charging is None or before.charging is None or before.charging == after.charging:
        return HandSeen.NOBODY
    if _ours(state, Action.START if after.charging else Action.STOP, limits):
        return HandSeen.OURS
    if after.charging:
        plugged_at = max(session.plugged_at, session.replugged_at or session.plugged_at)
        if before.plugged is False or (after.at or session.opened_at) - plugged_at <= limits.t_auto:
            return HandSeen.CAR
        return HandSeen.PERSON if state.desired is Desired.HOLD else HandSeen.NOBODY
    meant = after.delivery is Delivery.STOPPED and after.plugged is True and after.full is not True
    return HandSeen.UNCLAIMED if meant else HandSeen.NOBODY


def _ours(state: VehicleState, action: Action, limits: Limits) -> bool:
    """Tell whether a command of ours may have caused it: sent within `T_verify` before the source time of the move."""
    moved_at = state.observation.charge.at
    mine = [c for c in (*state.recent, state.command) if c is not None and c.action is action]
    return any(
        moved_at is None or c.sent_at - limits.future_max <= moved_at <= c.sent_at + limits.t_verify for c in mine
    )


def _hands(
    state: VehicleState, *, before: ChargeFacet, home: Home, limits: Limits, at: datetime
) -> tuple[VehicleState, list[Event]]:
    session = state.session
    assert session is not None
    if place(home, state.observation).place is not Place.HOME:
        return state, []
    will = None if state.override is None else state.override.will
    match read_hand(state, before=before, limits=limits):
        case HandSeen.PERSON if will in (None, Will.READY_BY, Will.HOLD):  # the last word counts
            state = replace(state, session=replace(session, stopped_at=None))
            return _overridden(state, Will.CHARGE, Hand.CAR, at)
        case HandSeen.UNCLAIMED if will in (None, Will.READY_BY, Will.CHARGE):
            stops = session.stops + 1
            state = replace(state, session=replace(session, stops=stops, stopped_at=at))
            if stops > 1:  # corrected once already: read as the person's wish
                return _overridden(state, Will.HOLD, Hand.UNKNOWN, at)
            return state, []
        case HandSeen.OURS if state.observation.charge.charging and session.stopped_at:
            session = replace(session, stopped_at=None, corrections=session.corrections + 1)
            return replace(state, session=session), []
        case HandSeen.CAR | HandSeen.NOBODY if state.observation.charge.charging and session.stopped_at:
            return replace(state, session=replace(session, stopped_at=None)), []
        case _:
            return state, []


def _overridden(state: VehicleState, will: Will, hand: Hand, at: datetime) -> tuple[VehicleState, list[Event]]:
    override = Override(will=will, by=hand, set_at=at)
    return replace(state, override=override), [{"k": "OVR", "op": "set", "will": will, "from": hand, "until": None}]
