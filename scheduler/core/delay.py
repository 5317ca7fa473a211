"""Courtesy to the grid (U1): what begins or ends by the plan is put off at random, so that cars do not move as one.

The delay of an edge is drawn by a function of home, vehicle and edge alone: planning again changes nothing in it. What
a person asks for, a minimum, a target that is reached, and the first word after a plug-in are not put off.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import blake2b

from scheduler.core.command import Why
from scheduler.core.desire import Want
from scheduler.core.model import Delay, Desired, Home, Plan, Reason, Situation, Turn
from scheduler.core.needs import longest_delay
from scheduler.core.timeline import EPOCH, merge

AUTOMATIC = frozenset({Why.PLAN, Why.CAP, Why.DEADLINE, Why.RECONCILE})
"""What the plan alone asks for. A person, a minimum and a reached target do not wait."""

SECOND = timedelta(seconds=1)


def drawn_s(home: Home, vehicle_id: str, edge_at: datetime, longest: timedelta) -> int:
    """Return the delay of an edge: whole seconds, each from none to the longest as likely as the other."""
    salt = f"{home.user_id}\n{home.id}".encode()
    drawn = blake2b(f"{vehicle_id}\n{(edge_at - EPOCH) // SECOND}".encode(), key=blake2b(salt).digest(), digest_size=8)
    return (int.from_bytes(drawn.digest()) * (longest // SECOND + 1)) >> (8 * drawn.digest_size)


def turn(now: Situation, desired: Desired) -> Turn | None:
    """Return since which edge what is desired now has been desired; None without a session or without the policy."""
    if now.session is None or longest_delay(now) < SECOND:
        return None
    before, wish_at = now.turned, None if now.override is None else now.override.set_at
    if before is None or before.wish_at != wish_at:
        return Turn(desired=desired, wish_at=wish_at)
    return before if before.desired is desired else replace(before, desired=desired, edge_at=_edge(now, desired))


def delay(now: Situation, plan: Plan, wanted: Want, turned: Turn | None) -> Delay | None:
    """Return the random delay of what is wanted, over or not; None where nothing is to be put off."""
    if turned is None or turned.edge_at is None or wanted.why not in AUTOMATIC or wanted.desired is Desired.LEAVE:
        return None
    seconds = drawn_s(now.home, now.vehicle.id, turned.edge_at, longest_delay(now))
    until = turned.edge_at + seconds * SECOND
    if wanted.desired is Desired.CHARGE and plan.start_by is not None and plan.start_by < until:
        return Delay(edge_at=turned.edge_at, drawn_s=seconds, until=plan.start_by, cut=True)
    return Delay(edge_at=turned.edge_at, drawn_s=seconds, until=until)


def told(one: Delay, desired: Desired) -> Reason:
    """Say what is put off and for how long."""
    what, edge = "Starting" if desired is Desired.CHARGE else "Stopping", f"{one.edge_at:%H:%M}Z"
    length = f"{one.drawn_s // 60} min {one.drawn_s % 60} s"
    text = f"{what} at {edge} plus {length}: random delay, a courtesy to the grid."
    if one.cut:
        text = f"{what} for {edge}: its random delay of {length} is cut short by the latest start."
    return Reason(code="random-delay", text=text)


def _edge(now: Situation, desired: Desired) -> datetime:
    """Return the edge of the last plan that lies between it and now; now itself where it has none."""
    runs = merge(now.committed)
    if desired is Desired.CHARGE:
        passed = [run.start for run in runs if run.covers(now.at)]
    else:
        passed = [run.end for run in runs if run.end <= now.at]
    return EPOCH + round((max(passed, default=now.at) - EPOCH) / SECOND) * SECOND
