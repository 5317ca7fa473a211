"""What makes a decision the same: keys over its inputs and its content, times left out."""

from datetime import datetime
from hashlib import blake2s

from scheduler.core.battery import estimate_soc
from scheduler.core.gate import gate
from scheduler.core.model import Decision, Desired, Situation

PROVEN = frozenset({"charger", "location", "trusted-charger", "unheard"})
"""The car was proven to be at home when it was last heard of; that grows old, and is read again when it counts."""


def hashed(content: object) -> str:
    """Return a short name for what a `repr` says: equal content, equal name, in every run."""
    return blake2s(repr(content).encode(), digest_size=8).hexdigest()


def need_key(decision: Decision, at: datetime) -> str:
    """Return what NEED and PLAN say, in a few letters."""
    plan = decision.plan
    slots = [(max(s.start, at) if s.start > at else None, s.end.replace(second=0, microsecond=0)) for s in plan.slots]
    needs = [
        (n.policy, n.soc_pct, round(n.energy_kwh, 1), n.by, n.lst_at and n.lst_at.replace(second=0, microsecond=0))
        for n in plan.needs
    ]
    put_off = None if decision.delay is None else decision.delay.until
    return hashed((slots, needs, round(decision.soc_pct or -1), decision.longest_delay, put_off))


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
        tuple((p.fetched_at, p.product, p.stand_ins) for p in now.prices), now.departures, now.home, now.vehicle,
        now.limits, now.claimed_elsewhere, now.credentials_valid, now.clock_trusted, now.store_durable, now.learned,
        now.client_refused, now.run, now.gone,
    )  # fmt: skip


def stands(now: Situation, before: Situation, decision: Decision) -> bool:
    """Tell whether a decision still holds: nothing but time has changed, and nothing of it was due by now.

    The planner runs only when this is not so.
    """
    idle = decision.command is None and not decision.recall and now.command is None
    due = decision.next_due_at
    if not idle or (due is not None and due <= now.at) or now.at < before.at:
        return False
    if input_key(now) != input_key(before):
        return False
    verdict = gate(now)
    return verdict == decision.verdict or (_calm(now, decision) and not {verdict.why, decision.verdict.why} - PROVEN)


def _calm(now: Situation, decision: Decision) -> bool:
    """Tell whether the car does what it should, so that nothing is sent until something is due."""
    charging = now.observation.charge.charging
    return (decision.desired, charging) in ((Desired.HOLD, False), (Desired.CHARGE, True))


def decision_key(now: Situation, decision: Decision) -> str:
    """Return what makes a decision worth storing: its content and the content of its inputs, times left out."""
    charge = now.observation.charge
    inputs = (
        charge.plugged, charge.charging, charge.delivery, charge.charger_id, now.observation.place.location_id,
        round(now.observation.battery.soc_pct or -1), now.override, now.command and (now.command.id, now.command.state),
        now.session and now.session.id, tuple(p.fetched_at for p in now.prices), now.set_aside, now.credentials_valid,
        now.client_refused,
    )  # fmt: skip
    outputs = (
        decision.verdict.place, decision.verdict.why, decision.desired, decision.command, decision.recall,
        tuple(r.code for r in decision.reasons), tuple(a.code for a in decision.alerts), need_key(decision, now.at),
    )  # fmt: skip
    return hashed((inputs, outputs))
