"""Following a command to its end: answers, looks, observations and time (DESIGN, commands; rules L4, S6)."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from scheduler.core.altering import altered
from scheduler.core.command import Action, ActionReport, Command, CommandState, Failure, Outcome
from scheduler.core.model import Hand, Limits, Override, Session, VehicleState, Will
from scheduler.core.session import LATENCIES_KEPT

Event = dict[str, Any]

BACK_OFF = (timedelta(minutes=5), timedelta(minutes=10), timedelta(minutes=20), timedelta(minutes=30))
"""Waits after one, two, three and more failed commands in a row (L4)."""

READBACK_WAIT = timedelta(minutes=2)
"""S6: a lost answer is waited for at least this long before the command may be called lost."""

READBACK_STALE = timedelta(minutes=10)
"""After so long a cached answer counts as a read-back even when its source time did not move."""

ANSWER_WAIT = timedelta(seconds=60)
"""A command that has no answer after this long is ambiguous: the call's own time-out is shorter."""

VERDICT_BEFORE = timedelta(minutes=1)
"""L4: the verdict on a command is given so long before `T_verify` is over."""

LOOK_ONCE = frozenset({"UNNECESSARY", "HTTP_400", "CONFLICT"})
"""Refusals that say nothing against the path: the car was so already, or someone newer acted. One look decides."""

RESUMES_FORGIVEN = 2
"""After so many failed resumes in a session the car is marked as one that must not be paused (P26)."""

RECENT_FOR = timedelta(hours=24)

FLOWING_KW = 0.1
"""Power above this is charging."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tracked:
    """What came of looking: the state, the journal's lines, commands to store."""

    state: VehicleState
    events: tuple[Event, ...] = ()
    commands: tuple[Command, ...] = ()


def track_report(state: VehicleState, report: ActionReport) -> Tracked:
    """Apply news of an action to the command it belongs to. News of foreign or finished actions changes nothing."""
    command = state.command
    if command is None or not _belongs(command, report):
        return Tracked(state=state)
    at = report.received_at
    events: list[Event] = []
    if report.action_id is not None and command.action_id is None:
        events.append({"k": "ACK", "cmd": command.id, "pid": report.action_id, "state": report.outcome})
        if command.state is CommandState.AMBIGUOUS:
            events.append({"k": "READBACK", "cmd": command.id, "found": True})
            command = replace(command, found=True)
    command = replace(
        command,
        action_id=command.action_id or report.action_id,
        answered_at=command.answered_at or at,
        looked_at=at,
        failure=report.failure or command.failure,
    )
    match report.outcome:
        case Outcome.AMBIGUOUS:
            return _ambiguous(state, command, at)
        case Outcome.PENDING:
            follow = replace(command, state=CommandState.PENDING)
        case Outcome.CONFIRMED:
            follow = replace(command, state=CommandState.CONFIRMED, confirmed_at=command.confirmed_at or at)
        case Outcome.CANCELLED:
            return finish(state, command, CommandState.CANCELLED, at, events)
        case Outcome.REJECTED if command.failure is not None and command.failure.type in LOOK_ONCE:
            return finish(state, command, CommandState.CANCELLED, at, events)
        case Outcome.FAILED | Outcome.REJECTED | Outcome.NOT_SENT:
            return finish(state, command, CommandState.FAILED, at, events, retry_after_s=report.retry_after_s)
    return Tracked(state=replace(state, command=follow), events=tuple(events), commands=(follow,))


def _belongs(command: Command, report: ActionReport) -> bool:
    if report.command_id is not None:
        return report.command_id == command.id
    if command.action_id is not None:
        return report.action_id == command.action_id
    return report.kind is command.action and command.state in (CommandState.AMBIGUOUS, CommandState.SENT)


def _ambiguous(state: VehicleState, command: Command, at: datetime) -> Tracked:
    if command.state is not CommandState.SENT:
        return Tracked(state=state)
    command = replace(command, state=CommandState.AMBIGUOUS, ambiguous_at=at)
    event = {"k": "AMBIG", "cmd": command.id, "why": "the answer was lost"}
    return Tracked(state=replace(state, command=command), events=(event,), commands=(command,))


def track(state: VehicleState, *, run: int, limits: Limits, at: datetime) -> Tracked:
    """Apply the present observation and the clock to the command in flight."""
    command = state.command
    if command is None:
        return Tracked(state=altered(state, recent=_kept(state.recent, at)))
    unanswered = command.state is CommandState.SENT
    if unanswered and command.epoch == run and at - command.sent_at <= ANSWER_WAIT:
        return Tracked(state=altered(state, recent=_kept(state.recent, at)))
    if _shows(state, command):
        events: list[Event] = []
        if unanswered or command.state is CommandState.AMBIGUOUS:
            events.append({"k": "READBACK", "cmd": command.id, "found": True})
        return finish(state, replace(command, verified=True), CommandState.VERIFIED, at, events)
    if unanswered:
        return _ambiguous(state, command, at)
    if command.state is CommandState.AMBIGUOUS and _read_back(state, command, at):
        lost = Failure(type="LOST", detail="No answer came, and the car's state does not show the command.")
        event = {"k": "READBACK", "cmd": command.id, "found": False}
        return finish(state, replace(command, failure=lost, found=False), CommandState.FAILED, at, [event])
    if command.state is CommandState.CONFIRMED and _denied(state, command, limits):
        return finish(state, command, CommandState.UNVERIFIED, at, [])
    if at - command.sent_at >= limits.t_verify - VERDICT_BEFORE:
        final = CommandState.UNVERIFIED if command.state is CommandState.CONFIRMED else CommandState.FAILED
        silent = command.failure or Failure(type="NOT_SEEN", detail="Nothing showed the command within the time.")
        return finish(state, replace(command, failure=silent), final, at, [])
    return Tracked(state=altered(state, recent=_kept(state.recent, at)))


def _shows(state: VehicleState, command: Command) -> bool:
    """Tell whether an observation newer than the send shows the command's effect. Confirmed is not charging."""
    charge = state.observation.charge
    if charge.at is None or charge.at <= command.sent_at:
        return False
    if command.action is Action.START:
        return charge.charging is True or (charge.power_kw or 0.0) > FLOWING_KW
    return charge.charging is False and (charge.power_kw or 0.0) <= FLOWING_KW


def _read_back(state: VehicleState, command: Command, at: datetime) -> bool:
    since, seen = command.ambiguous_at, state.observation
    if since is None or at - since < READBACK_WAIT or seen.received is None or seen.received.at <= since:
        return False
    return (seen.charge.at is not None and seen.charge.at > since) or at - since >= READBACK_STALE


def _denied(state: VehicleState, command: Command, limits: Limits) -> bool:
    """A reading well after the confirmation still shows the old state: acknowledged, but not acted on (P08)."""
    charge = state.observation.charge
    if charge.at is None or command.confirmed_at is None:
        return False
    return charge.at >= command.confirmed_at + limits.t_probe_again


def finish(
    state: VehicleState,
    command: Command,
    final: CommandState,
    at: datetime,
    events: list[Event],
    *,
    retry_after_s: float | None = None,
) -> Tracked:
    """End the command: RESULT in the journal, back-off or success in the session, foreign control read."""
    command = replace(command, state=final, ended_at=at)
    out = "superseded" if command.failure and command.failure.type == "SUPERSEDED" else str(final)
    failure = None if command.failure is None else {"type": command.failure.type, "detail": command.failure.detail}
    lines = [*events, {"k": "RESULT", "cmd": command.id, "out": out, "failure": failure}]
    state = replace(state, command=None, recent=(*_kept(state.recent, at), command))
    if final is CommandState.VERIFIED:
        return Tracked(state=_succeeded(state, command, at), events=tuple(lines), commands=(command,))
    state, more = _failed(state, command, at, retry_after_s)
    return Tracked(state=state, events=(*lines, *more), commands=(command,))


def _succeeded(state: VehicleState, command: Command, at: datetime) -> VehicleState:
    session = state.session
    if session is None:
        return state
    charge_at = state.observation.charge.at or at
    if command.action is Action.STOP:
        return replace(state, session=replace(session, failures=0, retry_at=None, held_since=charge_at))
    learned = state.learned
    seconds = max((charge_at - command.sent_at).total_seconds(), 0.0)
    latencies = (*learned.latencies_s, seconds)[-LATENCIES_KEPT:]
    learned = replace(learned, latencies_s=latencies, start_latency_s=percentile_95(latencies))
    corrected = session.corrections + (session.stopped_at is not None)
    session = replace(session, failures=0, retry_at=None, held_since=None, stopped_at=None, corrections=corrected)
    return replace(state, session=session, learned=learned)


def percentile_95(values: tuple[float, ...]) -> float:
    """Return the smallest value that at least 95 % of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, -(-95 * len(ordered) // 100) - 1)]


def _failed(
    state: VehicleState, command: Command, at: datetime, retry_after_s: float | None
) -> tuple[VehicleState, list[Event]]:
    kind = command.failure.type if command.failure else ""
    session = state.session
    if kind in ("HTTP_404", "NOT_FOUND"):  # the next reading may say that it is known: not asked again at once even so
        session = None if session is None else replace(session, retry_at=at + BACK_OFF[0])
        return replace(state, gone=True, session=session), []
    if session is None or kind == "SUPERSEDED":
        return state, []
    if kind == "REQUESTED_CANCELLATION" and command.recall_at:  # no failure; yet a plug that flaps gets no storm (P14)
        return replace(state, session=replace(session, retry_at=at + BACK_OFF[0])), []
    if kind == "HTTP_422":
        event = {"k": "OVR", "op": "set", "will": Will.HANDS_OFF, "from": Hand.UNKNOWN, "until": None}
        return replace(state, override=Override(will=Will.HANDS_OFF, by=Hand.UNKNOWN, set_at=at)), [event]
    if kind in LOOK_ONCE:
        charge = state.observation.charge
        ended_at_pct = charge.limit_pct if charge.complete else session.ended_at_pct
        return replace(state, session=replace(session, retry_at=at + BACK_OFF[0], ended_at_pct=ended_at_pct)), []
    session = _backed_off(session, command, at, retry_after_s)
    if session.failed_resumes >= RESUMES_FORGIVEN:
        state = replace(state, learned=replace(state.learned, no_pause=True))
    return replace(state, session=session), []


def _backed_off(session: Session, command: Command, at: datetime, retry_after_s: float | None) -> Session:
    failures = session.failures + 1
    wait = BACK_OFF[min(failures, len(BACK_OFF)) - 1]
    if retry_after_s is not None:
        wait = max(timedelta(seconds=retry_after_s), timedelta(seconds=30))
    left = command.action_id is not None or command.ambiguous_at is not None  # else it says nothing of the car
    resumes = session.failed_resumes + (left and command.action is Action.START and session.held_since is not None)
    return replace(session, failures=failures, retry_at=at + wait, failed_resumes=resumes)


def _kept(recent: tuple[Command, ...], at: datetime) -> tuple[Command, ...]:
    return tuple(c for c in recent if at - c.sent_at < RECENT_FOR)


def next_look(command: Command, limits: Limits) -> datetime:
    """Return when the command in flight should be looked at again, at the latest when its time is over (L4)."""
    return min(_next_look(command, limits), command.sent_at + limits.t_verify - VERDICT_BEFORE)


def _next_look(command: Command, limits: Limits) -> datetime:
    if command.state is CommandState.SENT:
        return command.sent_at + ANSWER_WAIT + timedelta(seconds=1)
    if command.state is CommandState.AMBIGUOUS and command.ambiguous_at is not None:
        return (command.looked_at or command.ambiguous_at) + READBACK_WAIT
    last = command.looked_at or command.answered_at or command.sent_at
    first = last <= (command.answered_at or command.sent_at)
    return last + (limits.t_probe if first else limits.t_probe_again)
