"""The decision: a pure function of a situation. Same situation, same decision, always."""

from datetime import datetime, timedelta

from scheduler.core.alerts import AHEAD, alerts, tolerance_kwh
from scheduler.core.battery import Charge, estimate_soc
from scheduler.core.command import Why
from scheduler.core.delay import delay, turn
from scheduler.core.desire import Want, latest_start, want
from scheduler.core.dispatch import Dispatch, dispatch
from scheduler.core.energy import FULL_PCT, charge_curve, usable_capacity_kwh
from scheduler.core.gate import NOT_THERE, REFRESH_MIN, gate, is_away, settled_at
from scheduler.core.model import Decision, Desired, Mode, Place, Plan, Quality, Reason, Situation, Verdict
from scheduler.core.needs import longest_delay, missing_kwh
from scheduler.core.planner import plan as make_plan
from scheduler.core.tracking import next_look

RESTING = timedelta(minutes=60)
"""L12: with nothing to do at most one call an hour may wake the car."""

PRESSING = timedelta(minutes=5)
"""With a command waiting for evidence, a refresh may be asked for this often."""

LOOK_AGAIN, LOOK_AGAIN_IDLE = timedelta(minutes=15), timedelta(hours=1)
"""A plugged-in car is decided on at least this often, news or not: while it charges or a policy is set aside; else."""

STALE = frozenset(
    {
        "stale",
        "age-unknown",
        "location-before-plug",
        "pair-not-recognised",
        "not-at-charger",
        "place-unknown",
        "plug-unknown",
    }
)
"""What a refresh may mend."""

PAST = timedelta(seconds=1)
"""So long after an instant what holds from then on is plain."""

UNHEARD = frozenset({"unheard", "not-seen"})
"""What reading the vehicle again mends."""


def decide(now: Situation) -> Decision:
    """Return what should be done now and why. No network, no database, no clock, no log."""
    if Mode.OFF in (now.home.mode, now.vehicle.mode):
        reason = Reason(code="off", text="kwhen is switched off for this car.")
        due = _watch(now, None)
        return Decision(verdict=gate(now), desired=Desired.LEAVE, plan=Plan(), reasons=(reason,), next_due_at=due)
    charge, verdict = estimate_soc(now), gate(now)
    if now.observation.charge.plugged is False or now.session is None:
        return _not_ours(now, charge, verdict, code=verdict.why)
    if is_away(verdict.place, now.session, now.observation):
        return _not_ours(now, charge, verdict, code="away")
    plan = make_plan(now)
    wanted = want(now, plan, charge)
    turned = turn(now, wanted.desired)
    put_off = delay(now, plan, wanted, turned)
    done = dispatch(now, plan, charge, wanted, put_off)
    refresh = _refresh(now, wanted, done)
    return Decision(
        verdict=done.verdict,
        desired=wanted.desired,
        plan=plan,
        reasons=(wanted.reason, *done.reasons, *_broken(plan)),
        command=done.command,
        recall=_recall(now, done.verdict),
        look=done.verdict.why in UNHEARD or done.blocked_by == "clock",
        refresh=refresh,
        alerts=tuple(alerts(now, plan, charge, wanted, done)),
        next_due_at=_earlier(
            _next_due(now, plan, wanted, done, refreshing=refresh),
            _filled_at(now, plan, charge),
            _short_at(now, plan, charge),
        ),
        soc_pct=charge.low_pct,
        soc_quality=charge.quality,
        turned=turned,
        delay=put_off,
        longest_delay=longest_delay(now),
    )


def _not_ours(now: Situation, charge: Charge, verdict: Verdict, *, code: str) -> Decision:
    """Decide on a car that is not plugged in at home, or not known to be: nothing is planned for it."""
    wanted = Want(desired=Desired.LEAVE, why=Why.PLAN, reason=Reason(code=code, text=verdict.text))
    told = alerts(now, Plan(), charge, wanted, Dispatch(command=None, verdict=verdict))
    return Decision(
        verdict=verdict,
        desired=Desired.LEAVE,
        plan=Plan(),
        reasons=(wanted.reason,),
        recall=_recall(now, verdict),
        refresh=verdict.place is Place.UNPROVEN and not now.observation.resting and _may_refresh(now, RESTING),
        alerts=tuple(told),
        next_due_at=_watch(now, None),
        soc_pct=charge.low_pct,
        soc_quality=charge.quality,
        turned=now.turned,
    )


def _broken(plan: Plan) -> tuple[Reason, ...]:
    return tuple(
        Reason(code="gave-way", text=f"{b.policy} ({b.what}) gave way to {b.for_policy}.") for b in plan.broken
    )


def _recall(now: Situation, verdict: Verdict) -> bool:
    """S26: the car left, or may have, while a command is pending."""
    if now.command is None or now.command.recall_at is not None or now.command.action_id is None:
        return False
    return verdict.place in (Place.UNPLUGGED, Place.AWAY) or verdict.why in NOT_THERE


def _may_refresh(now: Situation, pause: timedelta) -> bool:
    return now.refreshed_at is None or now.at - now.refreshed_at >= pause


def _refresh(now: Situation, wanted: Want, done: Dispatch) -> bool:
    """A car that rests is left asleep (L12), unless a person wants it to charge: it may not be full any more."""
    if done.verdict.why not in STALE:
        return False
    if now.observation.resting and not (wanted.why is Why.USER and wanted.desired is Desired.CHARGE):
        return False
    moving = now.observation.charge.charging
    differs = (wanted.desired is Desired.CHARGE) != (moving is True) and wanted.desired is not Desired.LEAVE
    return _may_refresh(now, PRESSING if differs else RESTING)


def _next_due(now: Situation, plan: Plan, wanted: Want, done: Dispatch, *, refreshing: bool) -> datetime | None:
    """Return when the decision changes by itself; after a refresh, when a car that stays asleep may be started.

    A car that charges has no latest start to wait for: it would be met again and again, a second later each time.
    """
    slot = plan.slot_at(now.at)
    asked = now.at if refreshing else now.refreshed_at
    charging = now.observation.charge.charging is True
    lst = None if charging else latest_start(plan)
    due = [
        now.at + (LOOK_AGAIN if charging or now.set_aside else LOOK_AGAIN_IDLE),
        slot.end if slot is not None else None,
        plan.next_start(now.at),
        lst,
        lst - AHEAD if lst is not None else None,
        settled_at(now),
        asked + REFRESH_MIN if asked is not None else None,
        done.wait_until,
        wanted.resume_at,
        now.override.until if now.override is not None else None,
        *(n.by for n in plan.needs),
    ]
    return _watch(now, min((d for d in due if d is not None and d > now.at), default=None))


def _filled_at(now: Situation, plan: Plan, charge: Charge) -> datetime | None:
    """Return when a charging car whose readings stand still may be at its target, by the highest power seen (P20)."""
    capacity, session = usable_capacity_kwh(now), now.session
    targets = [n.soc_pct for n in plan.needs if n.soc_pct is not None]
    if now.observation.charge.charging is not True or charge.quality is not Quality.ESTIMATED or not targets:
        return None
    if capacity is None or session is None or session.max_kw <= 0 or charge.high_pct is None:
        return None
    goal_pct = min(FULL_PCT, max(targets) + now.limits.eps_soc / 2)
    left_kwh = missing_kwh(charge.high_pct, goal_pct, capacity)
    return now.at + max(timedelta(hours=left_kwh / session.max_kw), now.limits.t_tick)


def _short_at(now: Situation, plan: Plan, charge: Charge) -> datetime | None:
    """Return when a charging car whose readings stand still will be short of a need by more than is tolerated.

    It is told of then (L5): until the departure nothing else may call for another look.
    """
    taking = charge_curve(now, low_pct=charge.low_pct) if now.observation.charge.charging is True else None
    if taking is None:
        return None
    spare_kwh = tolerance_kwh(now)
    needs = [(need.by, need.energy_kwh - spare_kwh) for need in plan.needs if need.by is not None]
    due = [by - timedelta(seconds=taking.seconds(kwh)) + PAST for by, kwh in needs if kwh > 0]
    return min((at for at in due if at > now.at), default=None)


def _earlier(*instants: datetime | None) -> datetime | None:
    return min((at for at in instants if at is not None), default=None)


def _watch(now: Situation, due: datetime | None) -> datetime | None:
    """Bring the next look at a command in flight, or the end of an unplug's probation, into the due time."""
    extra = [due]
    if now.command is not None:
        extra.append(max(next_look(now.command, now.limits), now.at + timedelta(seconds=1)))
    if now.session is not None and now.session.unplugged_since is not None:
        due_at = now.session.unplugged_since + now.limits.t_unplug
        extra.append(due_at if due_at > now.at else now.at + timedelta(minutes=1))
    return min((d for d in extra if d is not None), default=None)
