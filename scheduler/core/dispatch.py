"""From plan and observed state to the command for this instant, or to why there is none.

STOP is the dangerous command: a car left alone charges. So a STOP passes every rule S9 to S11, a START few.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler.core.battery import Charge
from scheduler.core.command import Action, Command, CommandState, Why
from scheduler.core.delay import told
from scheduler.core.desire import Want, charge_why, latest_start, minimum_soc
from scheduler.core.gate import gate
from scheduler.core.model import (
    Delay,
    Desired,
    HoldMode,
    Mode,
    Place,
    Plan,
    Proposal,
    Quality,
    Reason,
    Situation,
    Verdict,
)
from scheduler.core.needs import claims, ended
from scheduler.core.observation import Delivery
from scheduler.core.terms import decisive

PATH_MEMORY = timedelta(minutes=30)
"""S11: a failed or ambiguous call so recently makes the path too doubtful for a price-driven STOP."""

HANDS_ON = (Why.USER, Why.DEADLINE, Why.TARGET)
"""S4: only these may supersede the opposite command in flight."""

UNANSWERED = (CommandState.SENT, CommandState.AMBIGUOUS)
"""Nothing may overtake a command in these states: which of the two came last would be the network's choice."""

FRUITLESS = (CommandState.FAILED, CommandState.UNVERIFIED)
"""Ends of a command that say it had no effect."""

PRESSING = (Why.DEADLINE, Why.MIN_SOC)
"""L11: only these may START a car when the intent cannot be kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dispatch:
    """The command, if any, and each rule that spoke against one. `wait_until`: when the objection ends by itself."""

    command: Proposal | None
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    wait_until: datetime | None = None
    blocked_by: str = ""


def published_now(now: Situation) -> bool:
    """Tell whether a published price covers this instant in every price that makes the bill (S10)."""
    prices = decisive(now.terms)
    covered = [any(s.published and s.start <= now.at < s.end for s in p.slots) for p in prices]
    return bool(prices) and all(covered)


def dispatch(now: Situation, plan: Plan, charge: Charge, wanted: Want, delay: Delay | None = None) -> Dispatch:
    """Return the command that closes the gap between desired and observed, or what stands against it.

    A random delay, where there is one, speaks last of all rules: what would not be sent anyway waits for nothing.
    """
    verdict = gate(now, for_user=wanted.why is Why.USER)
    charging = now.observation.charge.charging
    if wanted.desired is Desired.LEAVE or now.observation.charge.plugged is not True:
        return Dispatch(command=None, verdict=verdict)
    if wanted.desired is Desired.CHARGE:
        if charging is True:
            return Dispatch(command=None, verdict=verdict, reasons=(_said("charging", "The car is charging."),))
        action = Action.START
    else:
        if charging is not True:
            return Dispatch(command=None, verdict=verdict)
        action = Action.STOP
    objection = (
        _not_home(verdict, action)
        or _not_ours(now, action)
        or _in_flight(now, action, wanted)
        or _unkept(now, action, wanted)
        or (_start_refused(now, wanted) if action is Action.START else _stop_refused(now, plan, charge, wanted))
        or _restraint(now, plan, action, wanted)
        or _put_off(now, wanted, delay)
        or _observing(now, action)
    )
    if objection is not None:
        return Dispatch(
            command=None,
            verdict=verdict,
            reasons=(objection.reason,),
            wait_until=objection.until,
            blocked_by=objection.reason.code,
        )
    proposal = Proposal(action=action, why=wanted.why, resume_at=wanted.resume_at, rests_on=wanted.rests_on)
    drawn = () if delay is None else (told(delay, wanted.desired),)
    return Dispatch(command=proposal, verdict=verdict, reasons=drawn)


@dataclass(frozen=True, kw_only=True, slots=True)
class Objection:
    """A rule that speaks against a command now; `until` when it will stop doing so by itself."""

    reason: Reason
    until: datetime | None = None


def _said(code: str, text: str) -> Reason:
    return Reason(code=code, text=text)


def _against(code: str, text: str, *, until: datetime | None = None) -> Objection:
    return Objection(reason=_said(code, text), until=until)


def _not_home(verdict: Verdict, action: Action) -> Objection | None:
    if verdict.place is not Place.HOME:
        return _against("not-home", verdict.text)
    if verdict.parked and action is Action.STOP:
        return _against("parked", "The evidence is old: good enough for a START, not for a STOP.")
    return None


def _not_ours(now: Situation, action: Action) -> Objection | None:
    """S3, S18, S24: switched off, gone, uncontrollable, held by another, credentials or clock lost."""
    able = now.observation.capabilities.start if action is Action.START else now.observation.capabilities.stop
    objections = (
        (Mode.OFF in (now.home.mode, now.vehicle.mode), "off", "kwhen is switched off for this car."),
        (now.gone, "gone", "The provider no longer knows the car: link it again, and configure its new id."),
        (not now.credentials_valid, "credentials", "The account link is lost: link it again."),
        (now.client_refused, "credentials", "The provider refuses our own credentials: see the alerts."),
        (not now.clock_trusted, "clock", "The clock stepped or is not synchronised: waiting for a new reading."),
        (now.observation.smart_charging, "foreign", "Enode's own Smart Charging controls the car: switch it off."),
        (able is False, "incapable", f"The car cannot be asked to {action} now: see its interventions."),
    )
    return next((_against(code, text) for holds, code, text in objections if holds), None)


def _put_off(now: Situation, wanted: Want, delay: Delay | None) -> Objection | None:
    """U1: an edge of the plan is acted on after its random delay."""
    if delay is None or now.at >= delay.until:
        return None
    return Objection(reason=told(delay, wanted.desired), until=delay.until)


def _observing(now: Situation, action: Action) -> Objection | None:
    """S3, asked last: what an observer is told would be sent passed every other rule."""
    if Mode.OBSERVE in (now.home.mode, now.vehicle.mode):
        return _against("observe-only", f"Observing only: would send {action} now.")
    return None


def _unkept(now: Situation, action: Action, wanted: Want) -> Objection | None:
    """L11: what cannot be kept is not sent, not even for a person; only a START that cannot wait."""
    if now.store_durable or (action is Action.START and wanted.why in PRESSING):
        return None
    return _against("store", f"The store cannot keep the intent: no {action} (L11).")


def _in_flight(now: Situation, action: Action, wanted: Want) -> Objection | None:
    """S4: one command at a time."""
    command = now.command
    if command is None:
        return None
    if command.action is action:
        return _against("in-flight", f"{action} was sent at {command.sent_at:%H:%MZ} and is not finished.")
    if wanted.why in HANDS_ON and command.state not in UNANSWERED:
        return None
    return _against("in-flight", f"{command.action} is not finished; {action} has to wait for it.")


def _start_refused(now: Situation, wanted: Want) -> Objection | None:
    """L12, S8: a car that is full, about to charge, or stopped by another hand.

    A wish clears the stop that came before it, so a stop that still stands came after: it holds back a person's START
    as well, until the one correction.
    """
    charge, session = now.observation.charge, now.session
    if ended(now):
        return _against("complete", "The car says that it is full or at its own limit.")
    if charge.delivery is Delivery.INITIALIZING and wanted.why not in (Why.USER, Why.DEADLINE):
        return _against("initializing", "The car is about to charge.")
    if session is None or session.stopped_at is None:
        return None
    if session.corrections >= 1:
        return _against("corrected", "Charging was stopped again by another hand.")
    due = session.stopped_at + now.limits.t_dwell
    if now.at < due:
        return _against("dwell", "Stopped by another hand: waiting before one correction.", until=due)
    return None


def _stop_refused(now: Situation, plan: Plan, charge: Charge, wanted: Want) -> Objection | None:
    """S9, S10, S11 and the owner's hold mode."""
    if wanted.why is Why.USER:
        return None
    if now.home.hold_mode is HoldMode.NEVER_STOP:
        return _against("never-stop", "This home is set to hold_mode = never-stop.")
    if any(claim.energy_kwh is None for claim in claims(now, charge)):
        return _against("set-aside", "A target cannot be sized: a running charge is not stopped.")
    if wanted.why is Why.TARGET:
        blind = any(n.quality is Quality.UNKNOWN and n.soc_pct is not None for n in plan.needs)
        return _soc_unknown() if blind else None
    return _below_reserve(now, charge) or _unpriced(now, wanted) or _unresumable(now, plan, wanted)


def _below_reserve(now: Situation, charge: Charge) -> Objection | None:
    """S9, by the reading itself where the estimate is higher. The configured energy of a session stands for a SoC."""
    soc_pct, minimum = now.observation.battery.soc_pct, minimum_soc(now)
    if charge.quality is Quality.UNKNOWN or soc_pct is None:
        return None if now.vehicle.energy_per_session_kwh is not None else _soc_unknown()
    if minimum is not None and soc_pct < minimum:
        return _against("reserve", f"Below the minimum of {minimum:g} %: a running charge is not stopped.")
    return None


def _soc_unknown() -> Objection:
    return _against("soc-unknown", "The state of charge is unknown: a running charge is not stopped.")


def _unpriced(now: Situation, wanted: Want) -> Objection | None:
    if wanted.rests_on == "price" and not published_now(now):
        return _against("unpublished", "No published price covers this instant: a running charge is not stopped.")
    return None


def _unresumable(now: Situation, plan: Plan, wanted: Want) -> Objection | None:
    """S11: pause only what can be resumed."""
    session = now.session
    if wanted.resume_at is not None and wanted.resume_at - now.at < now.limits.t_dwell:
        return _against("short-pause", "Pause not worth it: charging goes on before a START would be allowed.")
    if now.vehicle.no_pause or now.learned.no_pause or (session is not None and session.failed_resumes > 0):
        return _against("no-pause", "Pause not allowed: this car does not resume reliably.")
    told = [c.state for c in now.recent if c.state in (*FRUITLESS, CommandState.VERIFIED)]
    if any(_doubtful(c, now) for c in now.recent) or (told and told[-1] in FRUITLESS):
        until = max(c.ended_at or c.sent_at for c in now.recent) + PATH_MEMORY
        return _against("path", "Pause not allowed: a command failed or was lost just now.", until=until)
    lst = latest_start(plan)
    if lst is None:
        return None
    if wanted.resume_at is None or lst - wanted.resume_at < now.limits.r_stop:
        return _against("no-slack", f"Pause not allowed: too little slack before the latest start at {lst:%H:%MZ}.")
    return None


def _doubtful(command: Command, now: Situation) -> bool:
    ended = command.ended_at or command.sent_at
    bad = command.ambiguous_at is not None or command.state in FRUITLESS
    return bad and now.at - ended < PATH_MEMORY


def _restraint(now: Situation, plan: Plan, action: Action, wanted: Want) -> Objection | None:
    """S7 and the back-off of L4. A START at or after the latest start is never refused by the limits of S7."""
    retry_at = None if now.session is None else now.session.retry_at
    if retry_at is not None and now.at < retry_at and wanted.why is not Why.USER:
        return _against("back-off", "The last command failed: waiting before the next try.", until=retry_at)
    if action is Action.START and Why.DEADLINE in (wanted.why, charge_why(plan, now.at)):
        return None
    sent = [*now.recent, *((now.command,) if now.command else ())]
    return _too_soon(now, action, wanted, sent) or _too_many(now, sent)


def _since(now: Situation, command: Command) -> timedelta:
    return command.age(at=now.at, mono_ns=now.mono_ns, run=now.run)


def _too_soon(now: Situation, action: Action, wanted: Want, sent: Sequence[Command]) -> Objection | None:
    since = min((_since(now, c) for c in sent if c.action is not action), default=None)
    if since is None or wanted.why is Why.USER or since >= now.limits.t_dwell:
        return None
    return _against("dwell", "Too soon after the opposite command.", until=now.at + now.limits.t_dwell - since)


def _too_many(now: Situation, sent: Sequence[Command]) -> Objection | None:
    for most, span in ((now.limits.n_hour, timedelta(hours=1)), (now.limits.n_day, timedelta(days=1))):
        inside = sorted(since for c in sent if (since := _since(now, c)) < span)
        if len(inside) >= most:
            return _against("limit", f"{most} commands in {span} are enough.", until=now.at + span - inside[most - 1])
    return None
