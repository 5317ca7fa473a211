"""From plan and observed state to the command for this instant, or to why there is none.

STOP is the dangerous command: a car left alone charges. So a STOP passes every rule S9 to S11, a START few.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler.core.battery import Charge
from scheduler.core.command import Action, Command, CommandState, Why
from scheduler.core.gate import gate
from scheduler.core.model import (
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
    Will,
)
from scheduler.core.observation import Delivery
from scheduler.core.terms import Block, Price, of_type

PATH_MEMORY = timedelta(minutes=30)
"""S11: a failed or ambiguous call so recently makes the path too doubtful for a price-driven STOP."""

HANDS_ON = (Why.USER, Why.DEADLINE, Why.TARGET)
"""S4: only these may supersede the opposite command in flight."""

ENOUGH_KWH = 0.05
"""A need below this is met."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Want:
    """What should be, and on what it rests. `until`: when that changes by itself."""

    desired: Desired
    why: Why
    reason: Reason
    rests_on: str = ""
    resume_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Dispatch:
    """The command, if any, and each rule that spoke against one. `wait_until`: when the objection ends by itself."""

    command: Proposal | None
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    wait_until: datetime | None = None
    blocked_by: str = ""


def want(now: Situation, plan: Plan, charge: Charge) -> Want:
    """Say what should be at this instant, and on what it rests."""
    person = _wish(now)
    if person is not None:
        return person
    if not plan.asks:
        return _nothing_asked(now)
    slot = plan.slot_at(now.at)
    if slot is not None:
        why = charge_why(plan, now.at)
        return Want(desired=Desired.CHARGE, why=why, reason=Reason(code=f"charge-{why}", text=slot.why))
    if _reached(plan, charge):
        text = "The target is reached."
        return Want(desired=Desired.HOLD, why=Why.TARGET, reason=Reason(code="reached", text=text), rests_on="target")
    resume_at = plan.next_start(now.at)
    why = Why.PLAN if plan.needs else Why.CAP
    if resume_at is None and not plan.needs:
        text = "Nothing is cheap enough in sight."
    elif resume_at is None:
        text = f"No time is left to charge in: {plan.shortfall_why or 'everything is blocked'}."
    else:
        text = f"A better time comes at {resume_at:%Y-%m-%dT%H:%MZ}."
    rests_on = "window" if _in_block(now) else "price"
    return Want(
        desired=Desired.HOLD, why=why, reason=Reason(code="wait", text=text), rests_on=rests_on, resume_at=resume_at
    )


def _wish(now: Situation) -> Want | None:
    override = now.override
    if override is None:
        return None
    match override.will:
        case Will.CHARGE:
            text = f"Asked to charge ({override.by})."
            return Want(
                desired=Desired.CHARGE, why=Why.USER, reason=Reason(code="override", text=text), rests_on="user"
            )
        case Will.HOLD:
            text = f"Asked to hold ({override.by})."
            return Want(desired=Desired.HOLD, why=Why.USER, reason=Reason(code="override", text=text), rests_on="user")
        case Will.HANDS_OFF:
            text = "Hands off: somebody else controls the car."
            return Want(desired=Desired.LEAVE, why=Why.USER, reason=Reason(code="hands-off", text=text))
        case _:
            return None


def _nothing_asked(now: Situation) -> Want:
    if now.session is not None and now.session.held_since is not None:
        text = "Nothing asks for a pause any more: what we stopped is started."
        return Want(desired=Desired.CHARGE, why=Why.RECONCILE, reason=Reason(code="let-go", text=text))
    text = "Nothing asks for energy: the car is left alone."
    return Want(desired=Desired.LEAVE, why=Why.PLAN, reason=Reason(code="nothing-asked", text=text))


def charge_why(plan: Plan, at: datetime) -> Why:
    """Say why charging now cannot wait, or that it merely is the best time."""
    urgent = [n for n in plan.needs if n.energy_kwh > ENOUGH_KWH and n.by is None]
    if any(n.policy != "overdue" for n in urgent):
        return Why.MIN_SOC
    late = [n for n in plan.needs if n.energy_kwh > ENOUGH_KWH and n.lst_at is not None and n.lst_at <= at]
    return Why.DEADLINE if urgent or late else Why.PLAN


def latest_start(plan: Plan) -> datetime | None:
    """Return the earliest latest-start of all needs."""
    return min((n.lst_at for n in plan.needs if n.lst_at is not None and n.energy_kwh > ENOUGH_KWH), default=None)


def _reached(plan: Plan, charge: Charge) -> bool:
    open_needs = [n for n in plan.needs if n.energy_kwh > ENOUGH_KWH]
    targets = [n.soc_pct for n in plan.needs if n.soc_pct is not None]
    if not plan.needs or charge.high_pct is None or not targets:
        return bool(plan.needs) and not open_needs
    return not open_needs or charge.high_pct >= max(targets)


def _in_block(now: Situation) -> bool:
    return any(b.interval.covers(now.at) for b in of_type(now.terms, Block))


def published_now(now: Situation) -> bool:
    """Tell whether a published price covers this instant in every price term there is (S10)."""
    prices = of_type(now.terms, Price)
    covered = [any(s.published and s.start <= now.at < s.end for s in p.slots) for p in prices]
    return bool(prices) and all(covered)


def dispatch(now: Situation, plan: Plan, charge: Charge, wanted: Want) -> Dispatch:
    """Return the command that closes the gap between desired and observed, or what stands against it."""
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
        or (_start_refused(now, wanted) if action is Action.START else _stop_refused(now, plan, charge, wanted))
        or _restraint(now, action, wanted)
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
    return Dispatch(command=proposal, verdict=verdict)


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
    """S3, S18, S24: disabled, uncontrollable, held by another, credentials or clock lost."""
    able = now.observation.capabilities.start if action is Action.START else now.observation.capabilities.stop
    objections = (
        (Mode.OFF in (now.home.mode, now.vehicle.mode), "off", "kwhen is switched off for this car."),
        (not now.credentials_valid, "credentials", "The account link is lost: link it again."),
        (not now.clock_trusted, "clock", "The clock stepped or is not synchronised: waiting for a new reading."),
        (now.observation.smart_charging, "foreign", "Enode's own Smart Charging controls the car: switch it off."),
        (able is False, "incapable", f"The car cannot be asked to {action} now: see its interventions."),
        (
            Mode.OBSERVE in (now.home.mode, now.vehicle.mode),
            "observe-only",
            f"Observing only: would send {action} now.",
        ),
    )
    return next((_against(code, text) for holds, code, text in objections if holds), None)


def _in_flight(now: Situation, action: Action, wanted: Want) -> Objection | None:
    """S4: one command at a time."""
    command = now.command
    if command is None:
        return None
    if command.action is action:
        return _against("in-flight", f"{action} was sent at {command.sent_at:%H:%M:%SZ} and is not finished.")
    if wanted.why in HANDS_ON and command.state is not CommandState.AMBIGUOUS:
        return None
    return _against("in-flight", f"{command.action} is not finished; {action} has to wait for it.")


def _start_refused(now: Situation, wanted: Want) -> Objection | None:
    charge, session = now.observation.charge, now.session
    if charge.delivery is Delivery.COMPLETE or charge.full is True:
        return _against("complete", "The car says that it is full or at its own limit.")
    if charge.delivery is Delivery.INITIALIZING:
        return _against("initializing", "The car is about to charge.")
    if session is None or wanted.why is Why.USER or session.stopped_at is None:
        return None
    if session.corrections >= 1:
        return _against("corrected", "Charging was stopped again by another hand.")
    due = session.stopped_at + now.limits.t_dwell
    return (
        _against("dwell", "Stopped by another hand: waiting before one correction.", until=due)
        if now.at < due
        else None
    )


def _stop_refused(now: Situation, plan: Plan, charge: Charge, wanted: Want) -> Objection | None:
    """S9, S10, S11 and the owner's hold mode."""
    if wanted.why is Why.USER:
        return None
    if now.home.hold_mode is HoldMode.NEVER_STOP:
        return _against("never-stop", "This home is set to hold_mode = never-stop.")
    if not now.store_durable:
        return _against("store", "The store cannot keep the intent: no STOP (L11).")
    if wanted.why is Why.TARGET:
        return None
    if charge.quality is Quality.UNKNOWN or charge.low_pct is None:
        return _against("soc-unknown", "The state of charge is unknown: a running charge is not stopped.")
    if wanted.rests_on == "price" and not published_now(now):
        return _against("unpublished", "No published price covers this instant: a running charge is not stopped.")
    return _unresumable(now, plan, wanted)


def _unresumable(now: Situation, plan: Plan, wanted: Want) -> Objection | None:
    """S11: pause only what can be resumed."""
    session = now.session
    if wanted.resume_at is not None and wanted.resume_at - now.at < now.limits.t_dwell:
        return _against("short-pause", "Pause not worth it: charging goes on before a START would be allowed.")
    if now.vehicle.no_pause or now.learned.no_pause or (session is not None and session.failed_resumes > 0):
        return _against("no-pause", "Pause not allowed: this car does not resume reliably.")
    if any(_doubtful(c, now) for c in now.recent) or (now.recent and now.recent[-1].state is CommandState.FAILED):
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
    bad = command.ambiguous_at is not None or command.state in (CommandState.FAILED, CommandState.UNVERIFIED)
    return bad and now.at - ended < PATH_MEMORY


def _restraint(now: Situation, action: Action, wanted: Want) -> Objection | None:
    """S7 and the back-off of L4. A START at or after the latest start is never refused by the limits."""
    session = now.session
    if (
        session is not None
        and session.retry_at is not None
        and now.at < session.retry_at
        and wanted.why is not Why.USER
    ):
        return _against("back-off", "The last command failed: waiting before the next try.", until=session.retry_at)
    late = action is Action.START and wanted.why in (Why.DEADLINE, Why.MIN_SOC)
    sent = [*now.recent, *((now.command,) if now.command else ())]
    opposite = [c.sent_at for c in sent if c.action is not action]
    dwell = max(now.limits.t_dwell, timedelta(0))
    if opposite and wanted.why is not Why.USER and not (late and wanted.why is Why.DEADLINE):
        due = max(opposite) + dwell
        if now.at < due:
            return _against("dwell", "Too soon after the opposite command.", until=due)
    for most, span in ((now.limits.n_hour, timedelta(hours=1)), (now.limits.n_day, timedelta(days=1))):
        inside = sorted(c.sent_at for c in sent if now.at - c.sent_at < span)
        if len(inside) >= most and not (action is Action.START and wanted.why is Why.DEADLINE):
            return _against("limit", f"{most} commands in {span} are enough.", until=inside[-most] + span)
    return None
