"""A departure that was missed: by how much, and what kept the car from charging last. Pure.

A miss after a pause of our own (L1b) has an alert of its own; every miss has one line in the journal, which names the
cause. That a car stopped at its own limit is no miss, and has an alert too.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from scheduler.core.battery import estimate_soc
from scheduler.core.command import Action, Command, Why
from scheduler.core.energy import usable_capacity_kwh
from scheduler.core.model import AlertWish, Decision, Overdue, Place, Session, Situation, Will
from scheduler.core.observation import Delivery
from scheduler.core.telling import ns

CODE = "MISSED_AFTER_PAUSE"

PAUSES = frozenset({Why.PLAN, Why.CAP, Why.RECONCILE})
"""Reasons of a STOP that is a pause: charging was to go on."""

OWN_PAUSE = "own-pause"

USUAL_KWH = 50.0
"""A battery's capacity, where nobody knows it."""


def missed(now: Situation, targets: Iterable[Overdue]) -> tuple[Overdue, ...]:
    """Return the targets that are known to have been missed by more than the tolerance, while plugged in at home."""
    session = now.session
    if session is None or not session.at_home:
        return ()
    return tuple(one for one in targets if _falls_short(one, now, session))


def _falls_short(target: Overdue, now: Situation, session: Session) -> bool:
    eps_pct, low_pct = now.limits.eps_soc, estimate_soc(now).low_pct
    if target.energy_kwh is not None:
        return session.energy_kwh < target.energy_kwh - eps_pct / 100 * (usable_capacity_kwh(now) or USUAL_KWH)
    return target.soc_pct is not None and low_pct is not None and low_pct < target.soc_pct - eps_pct


def own_pause(now: Situation) -> Command | None:
    """Return our STOP, if it is the last cause of not charging; a car that was started again may still be late."""
    session = now.session
    if session is None or session.stops or (now.override is not None and now.override.will is not Will.READY_BY):
        return None
    stops = [c for c in now.recent if c.action is Action.STOP and c.verified and c.sent_at >= session.plugged_at]
    if not stops or stops[-1].why not in PAUSES:
        return None
    resumed = now.observation.charge.charging is True
    return stops[-1] if resumed or session.held_since is not None else None


def missed_after_pause(now: Situation) -> Iterator[AlertWish]:
    """Yield the alert of a departure that was missed after a pause of ours, until it is made up for."""
    late, stop = missed(now, now.overdue), own_pause(now)
    if CODE in now.alerts and now.overdue:
        yield AlertWish(code=CODE, text="A departure was missed after a pause of ours.", severity="critical")
    elif late and stop is not None:
        text = f"{_amounts(late[0], now)}, for charging was paused at {stop.sent_at:%Y-%m-%dT%H:%MZ} to go on in time."
        yield AlertWish(code=CODE, text=text, severity="critical", cause=f"{late[0].due_at:%Y-%m-%dT%H:%MZ}")


def _amounts(target: Overdue, now: Situation) -> str:
    due = f"{target.due_at:%Y-%m-%dT%H:%MZ}"
    if target.energy_kwh is not None and now.session is not None:
        return f"At {due} {now.session.energy_kwh:.1f} of {target.energy_kwh:g} kWh were charged"
    return f"At {due} the car had {estimate_soc(now).low_pct or 0.0:.0f} %, not {target.soc_pct:g} %"


def miss_lines(before: Iterable[Overdue], now: Situation, decision: Decision) -> list[dict[str, Any]]:
    """Return the journal's MISS line for each target that has come due since `before`, and was missed."""
    known = set(before)
    low_pct = estimate_soc(now).low_pct
    return [
        {
            "k": "MISS",
            "deadline": ns(one.due_at),
            "target": one.soc_pct,
            "kwh": one.energy_kwh,
            "soc": low_pct,
            "cause": cause(now, decision),
        }
        for one in missed(now, now.overdue)
        if one not in known
    ]


def cause(now: Situation, decision: Decision) -> str:
    """Say in a word what kept a car from charging last. A person's wish goes before our pause, and that before all."""
    seen, session, will = now.observation.charge, now.session, now.override and now.override.will
    causes = (
        ("held", will is Will.HOLD),
        ("hands-off", will is Will.HANDS_OFF),
        (OWN_PAUSE, own_pause(now) is not None),
        ("late", seen.charging is True),
        ("gone", now.gone),
        ("credentials", now.client_refused or not now.credentials_valid),
        ("no-power", seen.delivery in (Delivery.NO_POWER, Delivery.FAULT)),
        ("stopped-by-another", session is not None and session.stops > 0),
        (decision.verdict.why, decision.verdict.place is not Place.HOME),
        ("commands-fail", session is not None and session.failures > 0),
        (decision.reasons[0].code if decision.reasons else "", bool(decision.reasons)),
    )
    return next((word for word, holds in causes if holds), "unknown")
