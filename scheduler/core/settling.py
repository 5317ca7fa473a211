"""The end of a turn: the decision becomes the state to keep, journal lines, and things to do outside. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from scheduler.core.command import Command, CommandState, Failure
from scheduler.core.commitment import promised, purpose
from scheduler.core.gate import is_away
from scheduler.core.misses import miss_lines
from scheduler.core.model import (
    Decision,
    Overdue,
    Situation,
    VehicleState,
    Will,
)
from scheduler.core.telling import ns, told
from scheduler.core.terms import Target
from scheduler.core.tracking import next_look
from scheduler.core.voicing import speak

Event = dict[str, Any]


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
    misses = miss_lines(state.overdue, now, decision)
    state = replace(
        state, overdue=now.overdue, watched=_watched(state.watched, now, decision), desired=decision.desired
    )
    state = replace(state, committed=promised(decision.plan, now.at), committed_to=purpose(now, decision.plan.needs))
    state = replace(state, turned=decision.turned)
    state = replace(state, next_due_at=decision.next_due_at)
    state, events = told(state, now, decision)
    events += misses
    commands: list[Command] = []
    cancel = watch = None
    looks = decision.look
    intent = None
    looks = looks or _just_failed(state, now.at)
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
    refresh = decision.refresh or (_unprepared(state, now.at) and not state.observation.resting)
    if refresh:
        state = replace(state, refreshed_at=now.at)
        events.append({"k": "REFRESH"})
    spoken = speak(state, now, decision.alerts)
    return Settled(
        state=spoken.state,
        events=(*events, *spoken.events),
        commands=tuple(commands),
        intent=intent,
        cancel=cancel,
        watch=watch,
        look=looks,
        refresh=refresh,
        raised=spoken.raised,
        cleared=spoken.cleared,
    )


def _just_failed(state: VehicleState, at: datetime) -> bool:
    """Tell whether a command ended in this turn without its effect: one look then decides."""
    last = state.recent[-1] if state.recent else None
    return last is not None and last.ended_at == at and not last.verified


def _unprepared(state: VehicleState, at: datetime) -> bool:
    """Tell whether a command ended in this turn because the car was not as we thought: it is asked anew (P09)."""
    last = state.recent[-1] if state.recent else None
    failure = last.failure if last is not None and last.ended_at == at else None
    return failure is not None and failure.type == "FAILED_PRECONDITION"


def _looked_for(command: Command) -> bool:
    """Tell whether looking can tell more: at the action, or, when the answer was lost, at the vehicle (S6)."""
    return command.action_id is not None or command.state is CommandState.AMBIGUOUS


def _watched(before: Iterable[Overdue], now: Situation, decision: Decision) -> tuple[Overdue, ...]:
    """Remember the coming targets, so that one which comes due unmet is not forgotten by a policy that looks ahead.

    Those that come due before the car is known to be at home wait for that: it may have been plugged in there (T09).
    """
    if now.session is None or is_away(decision.verdict.place, now.session, now.observation):
        return ()
    targets = [] if now.session.at_home else [one for one in before if one.due_at <= now.at]
    targets += [
        Overdue(policy=s.policy, soc_pct=s.term.soc_pct, energy_kwh=s.term.energy_kwh, due_at=s.term.by)
        for s in now.terms
        if isinstance(s.term, Target) and s.term.by is not None and s.term.by > now.at
    ]
    wish = now.override
    if wish is not None and wish.will is Will.READY_BY and wish.ready_at is not None and wish.ready_at > now.at:
        targets.append(Overdue(policy="override", soc_pct=wish.soc_pct, energy_kwh=None, due_at=wish.ready_at))
    return tuple(targets)


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
        sent_ns=now.mono_ns,
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
        "resume": ns(command.resume_at),
        "rests": proposal.rests_on,
    }
    if decision.delay is not None:
        drawn = decision.delay
        intent |= {"edge": ns(drawn.edge_at), "delay_s": drawn.drawn_s, "cut": drawn.cut}
    send = {"k": "SEND", "cmd": command.id, "act": command.action}
    state = replace(state, command=command)
    return state, command, [*lines, intent, send], [*changed, command]
