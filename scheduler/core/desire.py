"""From a plan to what should be at this instant, and on what that rests: charge, hold, or leave alone."""

from dataclasses import dataclass
from datetime import datetime

from scheduler.core.battery import Charge
from scheduler.core.command import Why
from scheduler.core.model import Desired, Need, Plan, Quality, Reason, Situation, Will
from scheduler.core.needs import OVERDUE
from scheduler.core.planner import UNKNOWN_CAPACITY, UNKNOWN_POWER
from scheduler.core.problem import running
from scheduler.core.terms import Block, Target, of_type

ENOUGH_KWH = 0.05
"""A need below this is met."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Want:
    """What should be, and on what it rests: "price", "window", "target" or "user". `resume_at`: when a hold ends."""

    desired: Desired
    why: Why
    reason: Reason
    rests_on: str = ""
    resume_at: datetime | None = None


def want(now: Situation, plan: Plan, charge: Charge) -> Want:
    """Say what should be at this instant, and on what it rests."""
    person = _wish(now)
    if person is not None:
        return person
    if not plan.asks:
        return _left_alone(now, Reason(code="nothing-asked", text="Nothing asks for energy: the car is left alone."))
    if set_aside(plan):
        return _left_alone(now, Reason(code="set-aside", text=f"Nothing can be planned: {plan.shortfall_why}."))
    slot = plan.slot_at(now.at)
    if slot is not None and not _at_ceiling(now, plan, charge):
        why = charge_why(plan, now.at)
        return Want(desired=Desired.CHARGE, why=why, reason=Reason(code=f"charge-{why}", text=slot.why))
    if slot is not None or _reached(now, plan):
        text = "The target is reached."
        return Want(desired=Desired.HOLD, why=Why.TARGET, reason=Reason(code="reached", text=text), rests_on="target")
    return _waiting(now, plan)


def _wish(now: Situation) -> Want | None:
    override = now.override
    if override is None:
        return None
    match override.will:
        case Will.CHARGE:
            reason = Reason(code="override", text=f"Asked to charge ({override.by}).")
            return Want(desired=Desired.CHARGE, why=Why.USER, reason=reason, rests_on="user")
        case Will.HOLD:
            reason = Reason(code="override", text=f"Asked to hold ({override.by}).")
            return Want(desired=Desired.HOLD, why=Why.USER, reason=reason, rests_on="user")
        case Will.HANDS_OFF:
            reason = Reason(code="hands-off", text="Hands off: somebody else controls the car.")
            return Want(desired=Desired.LEAVE, why=Why.USER, reason=reason)
        case _:
            return None


def _left_alone(now: Situation, reason: Reason) -> Want:
    """Leave the car alone; what we stopped ourselves is let go first, so that no pause of ours outlives its reason."""
    if now.session is None or now.session.held_since is None:
        return Want(desired=Desired.LEAVE, why=Why.PLAN, reason=reason)
    text = f"What we stopped is started. {reason.text}"
    return Want(desired=Desired.CHARGE, why=Why.PLAN, reason=Reason(code="let-go", text=text))


def _waiting(now: Situation, plan: Plan) -> Want:
    resume_at = plan.next_start(now.at)
    if resume_at is not None:
        text = f"A better time comes at {resume_at:%Y-%m-%dT%H:%MZ}."
    elif plan.needs:
        text = f"No time is left to charge in: {plan.shortfall_why or 'everything is blocked'}."
    else:
        text = "Nothing is cheap enough in sight."
    return Want(
        desired=Desired.HOLD,
        why=Why.PLAN if plan.needs else Why.CAP,
        reason=Reason(code="wait", text=text),
        rests_on="window" if any(b.interval.covers(now.at) for b in of_type(now.terms, Block)) else "price",
        resume_at=resume_at,
    )


def charge_why(plan: Plan, at: datetime) -> Why:
    """Say why charging now cannot wait, or that it merely is the best time.

    A departure whose latest start has come goes before the minimum: no limit on commands may refuse it (S7).
    """
    pressing = [n for n in _open(plan) if n.by is None or (n.lst_at is not None and n.lst_at <= at)]
    if any(n.by is not None or n.policy == OVERDUE for n in pressing):
        return Why.DEADLINE
    return Why.MIN_SOC if pressing else Why.PLAN


def latest_start(plan: Plan) -> datetime | None:
    """Return the earliest latest-start of all needs."""
    return min((n.lst_at for n in _open(plan) if n.lst_at is not None), default=None)


def set_aside(plan: Plan) -> bool:
    """Tell whether nothing could be planned, because capacity or charge power is unknown."""
    return not plan.slots and plan.shortfall_why in (UNKNOWN_POWER, UNKNOWN_CAPACITY)


def minimum_soc(now: Situation) -> float | None:
    """Return the floor below which the vehicle charges at once, as the policies state it."""
    floors = [s.term.soc_pct for s in now.terms if isinstance(s.term, Target) and s.term.by is None]
    return max((f for f in floors if f is not None), default=None)


def ceiling(now: Situation, plan: Plan) -> float | None:
    """Return the state of charge at which no START is due any more (S12), None when nothing sets one.

    That is the highest target with a departure, met or not: it caps a window to run in, too. A minimum SoC is a floor,
    and caps only where nothing else asks for energy. An amount of energy has no ceiling.
    """
    aims = [n for n in plan.needs if n.by is not None or n.policy == OVERDUE]
    if not aims:
        aims = [] if running(now) else list(plan.needs)
    if any(n.soc_pct is None for n in aims):
        return None
    return max((n.soc_pct for n in aims if n.soc_pct is not None), default=None)


def _at_ceiling(now: Situation, plan: Plan, charge: Charge) -> bool:
    """Tell whether a window runs on beyond the target. What the planner buys for less than nothing may go beyond."""
    highest, soc_pct = ceiling(now, plan), now.observation.battery.soc_pct
    if highest is None or soc_pct is None or _open(plan) or not running(now):
        return False
    return charge.quality is Quality.FRESH and soc_pct >= highest


def _open(plan: Plan) -> list[Need]:
    return [n for n in plan.needs if n.energy_kwh > ENOUGH_KWH]


def _reached(now: Situation, plan: Plan) -> bool:
    """Tell whether all that is asked for is met. A floor is not: a window to run in still asks for more."""
    if not plan.needs or _open(plan):
        return False
    return not running(now) or any(n.by is not None or n.policy == OVERDUE for n in plan.needs)
