"""The promise that a deadline is met (L1), and that a miss is never our own doing (L1b): judged by the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from scheduler.checker.record import HOUR, MINUTE, Event, Record
from scheduler.checker.rule import Rule, Violation, kinds

HEALTHY_FOR = 45 * MINUTE
CONTRADICTING = frozenset({"hold", "hands_off"})
OTHER_HANDS = frozenset({"person", "car"})
"""What `TRUTH.cause` says where charging ended by another hand than ours."""


@dataclass(frozen=True, kw_only=True)
class Charging:
    """What the truth knows of a vehicle's charging. None: not told."""

    kwh_per_pct: float | None
    kw_max: float | None
    limit_pct: float | None

    @classmethod
    def of(cls, truths: Sequence[Event]) -> Charging:
        """Read each member from the last of the truths that tells it, under either of its names."""

        def last(name: str) -> Any:
            return next((truth[name] for truth in reversed(truths) if truth.get(name) is not None), None)

        kwh_per_pct, capacity_kwh, kw_max = last("kwh_per_pct"), last("capacity_kwh"), last("kw_max")
        return cls(
            kwh_per_pct=capacity_kwh / 100 if kwh_per_pct is None and capacity_kwh is not None else kwh_per_pct,
            kw_max=last("max_kw") if kw_max is None else kw_max,
            limit_pct=last("limit"),
        )

    def span(self, points: float) -> int | None:
        """Return how long so many points of charge take at full power [ns]; None if that is not told."""
        if self.kwh_per_pct is None or not self.kw_max:
            return None
        return round(max(points, 0.0) * self.kwh_per_pct / self.kw_max * HOUR)

    def points(self, span: int) -> float | None:
        """Return how many points of charge a span [ns] gives at full power, the most that it can; None if not told."""
        if not self.kwh_per_pct or self.kw_max is None:
            return None
        return span / HOUR * self.kw_max / self.kwh_per_pct


@dataclass(kw_only=True)
class TrueSession:
    """A true plug session at home: its `truths` in order, the first being the plug-in, and what was `sent` in it.

    Of a command sent the intent is kept, with the `t` of its sending. `next_start` is when the last plan told while the
    command path was up meant to charge.
    """

    truths: list[Event]
    excused: bool
    need: Event | None = None
    owner_acted: bool = False
    due: list[Event] = field(default_factory=list)
    sent: list[Event] = field(default_factory=list)
    alerts: list[int] = field(default_factory=list)
    next_start: int | None = None

    def soc_at(self, at: int) -> float:
        """Return the true state of charge at an instant [%], linear between truths, level outside them."""
        for earlier, later in pairwise(self.truths):
            if earlier["t"] <= at < later["t"]:
                share = (at - earlier["t"]) / (later["t"] - earlier["t"])
                return float(earlier["soc"] + share * (later["soc"] - earlier["soc"]))
        return float(self.truths[0 if at < self.truths[0]["t"] else -1]["soc"])

    def idle(self, *, until: int) -> int:
        """Return for how long until an instant the vehicle did not charge [ns]."""
        spans = ((one["t"], min(later["t"], until)) for one, later in pairwise(self.truths) if not one["charging"])
        return sum(end - start for start, end in spans if end > start)

    def limits_raised(self, *, until: int) -> list[tuple[int, float]]:
        """Return the last raise of the vehicle's own limit before an instant, none where there was none.

        A raise is told by when it could be used at the latest, and by what the limit was before [%].
        """
        told = [truth for truth in self.truths if truth["t"] < until and truth.get("limit") is not None]
        raises = [
            (later["t"] + HEALTHY_FOR, one["limit"]) for one, later in pairwise(told) if later["limit"] > one["limit"]
        ]
        return raises[-1:]

    def gained_last(self, span: int, *, until: int) -> float | None:
        """Return what the last span [ns] until an instant gave [points], where no later one could have given more.

        That is so where the vehicle charged on end once it had begun, and took less and less of a supply that stayed
        the same: begun by that span sooner, it would have gone through the same powers sooner, and on with what is left
        of the last. Else None.
        """
        truths = [truth for truth in self.truths if truth["t"] < until]
        while truths and not truths[0]["charging"]:
            truths.pop(0)
        powers: list[float] = [truth["kw"] for truth in truths if truth["charging"] and truth.get("kw") is not None]
        supplies = {truth.get("kw_max") for truth in truths}
        if not powers or len(powers) < len(truths) or len(supplies) > 1:
            return None
        falling = powers[-1] < powers[0] and all(later <= one for one, later in pairwise(powers))
        if not falling or span > until - truths[0]["t"]:
            return None
        return self.soc_at(until) - self.soc_at(until - span)

    def path_was_up(self, start: int, end: int) -> bool:
        """Return whether the command path was up at any moment from start to end."""
        return any(
            earlier["path"] and earlier["t"] <= end and later["t"] > start
            for earlier, later in pairwise([*self.truths, {"t": end + 1}])
        )


class Deadline(Rule):
    """At a deadline the vehicle has its target, if it was at home, not forbidden, and could be commanded in time."""

    code = "L1"
    judges = kinds("TRUTH")
    learns = kinds("CONF NEED PLAN OVR SEND ALERT MODE TRUTH PLUG")

    def __init__(self) -> None:
        self._sessions: dict[str, TrueSession] = {}

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Follow the true sessions, and judge every deadline that has been reached."""
        if event["k"] != "TRUTH":
            return
        session = self._sessions.get(event["v"])
        at_home = event["plugged"] is True and event["home"] is True
        if session is not None:
            session.truths.append(event)  # the one that ends the session, too: it tells the last state of charge
            yield from self._judge_due(session, event, record)
            if not at_home:
                del self._sessions[event["v"]]
        elif at_home:
            self._sessions[event["v"]] = TrueSession(
                truths=[event], excused=_is_excused(event["v"], event["t"], record)
            )

    def learn(self, event: Event, record: Record) -> None:
        """Follow the deadline in force, our own STOPs and alerts, and what excuses the session."""
        if event["k"] == "CONF":
            for vehicle_id, session in self._sessions.items():
                session.owner_acted = True
                session.excused |= _is_excused(vehicle_id, event["t"], record)
        followed = self._sessions.get(event.get("v") or "")
        if followed is None:
            return
        match event["k"]:
            case "NEED":
                _follow_need(followed, event)
            case "PLAN" if event["slots"] and followed.truths[-1]["path"]:
                followed.next_start = event["slots"][0][0]
            case "OVR":
                followed.owner_acted = True
            case "SEND":
                followed.sent.append({**(record.vehicle(event["v"]).commands[event["cmd"]].intent or {}), **event})
            case "ALERT" if event.get("op") != "cleared" and _names_the_deadline(event):
                followed.alerts.append(event["t"])
        followed.excused |= _is_excused(event["v"], event["t"], record)

    def _judge_due(self, session: TrueSession, event: Event, record: Record) -> Iterator[Violation]:
        if session.need is not None and session.need["deadline"] <= event["t"]:
            session.due.append(session.need)
            session.need = None
        session.excused |= record.home(event["v"]) is None
        reached = [need for need in session.due if need["deadline"] <= event["t"]]  # a clock that ran ahead told sooner
        for need in reached:
            verdict = _verdict(session, need, eps_pct=record.params["eps_soc"])
            if verdict is not None:
                code, text = verdict
                yield self.broken(event, text, code=code)
        session.due = [need for need in session.due if need not in reached]


def _is_excused(vehicle_id: str, at: int, record: Record) -> bool:
    """Return whether the user or the configuration forbids charging; a daemon yet to start excuses nothing."""
    vehicle = record.vehicle(vehicle_id)
    if record.home(vehicle_id) is None:
        return False
    return vehicle.will(at) in CONTRADICTING or record.why_no_command(vehicle) is not None


def _names_the_deadline(alert: Event) -> bool:
    return str(alert["code"]).upper().replace("-", "_") == "DEADLINE_AT_RISK"


def _follow_need(session: TrueSession, event: Event) -> None:
    """Take the deadline of a need. Only after the owner did something may it be withdrawn."""
    if session.need is not None and session.need["deadline"] <= event["t"]:
        session.due.append(session.need)
        session.need = None
    deadline = event.get("deadline")
    if deadline is not None and event.get("target") is not None:
        if deadline > event["t"]:
            session.need, session.owner_acted = _raised(session.need, event), False
    elif session.owner_acted:
        session.need = None


def _raised(before: Event | None, need: Event) -> Event:
    """Return the need with when its target was first told, and, where it is a raised one, what it was before."""
    if before is None or before["deadline"] != need["deadline"] or before["target"] > need["target"]:
        return {**need, "asked": need["t"]}
    if before["target"] == need["target"]:
        return {**need, "asked": before["asked"], "less": before.get("less")}
    return {**need, "asked": need["t"], "less": before["target"]}


def _owed(session: TrueSession, need: Event, charging: Charging, *, eps_pct: float) -> float:
    """Return what the vehicle must have at the deadline [%]: the target, or its own limit where that is less.

    Where either was raised too late to be met, what it was before is owed: a target that was raised, where the vehicle
    could not be commanded for long enough since; a limit, which has to be learned of first, where too little was left.
    """
    deadline, less = need["deadline"], need.get("less")
    target = need["target"] if charging.limit_pct is None else min(need["target"], charging.limit_pct)
    for usable_at, before in session.limits_raised(until=deadline):
        span = charging.span(target - eps_pct - session.soc_at(usable_at))
        if span is not None and usable_at + span > deadline:
            target = min(target, before)
    if less is not None and less < target and not _had_its_chance(session, need, charging, target, after=need["asked"]):
        target = less
    return float(target)


def _verdict(session: TrueSession, need: Event, *, eps_pct: float) -> tuple[str, str] | None:
    """Return the rule that a reached deadline broke and how; None if it was met or the miss is excused."""
    charging, deadline = Charging.of(session.truths), need["deadline"]
    target, soc = _owed(session, need, charging, eps_pct=eps_pct), session.soc_at(deadline)
    if soc >= target - eps_pct or session.excused:
        return None
    plugged_at = session.truths[0]["t"]
    shortest = charging.span(target - eps_pct - session.truths[0]["soc"])
    if shortest is not None and plugged_at + shortest > deadline:
        return None
    idle = session.idle(until=deadline)
    forgone, falling = charging.points(idle), session.gained_last(idle, until=deadline)
    forgone = forgone if forgone is None or falling is None else min(forgone, falling)
    if forgone is not None and soc + forgone < target - eps_pct:
        return None  # charging in every minute left out would not have sufficed: the car took less than its full power
    text = f"{soc:.1f} % at the deadline, target {target:g} %"
    stop = _own_stop(session, deadline)
    if stop is not None:
        return (
            None if _is_told_outage(session, stop, need, charging, target) else ("L1b", f"{text}, after our own STOP")
        )
    return ("L1", text) if _had_its_chance(session, need, charging, target) else None


def _true_lst(session: TrueSession, need: Event, charging: Charging, target: float, *, at: int) -> int:
    """Return the latest start as of an instant; the daemon's own where the truth does not tell the power."""
    span = charging.span(target - session.soc_at(at))
    if span is not None:
        return int(need["deadline"]) - span
    return int(need["deadline"] if need.get("lst") is None else need["lst"])


def _had_its_chance(session: TrueSession, need: Event, charging: Charging, target: float, *, after: int = 0) -> bool:
    """Return whether the path was up for 45 min on end from the plug-in, or an instant, to the true latest start."""
    since: int | None = None
    for earlier, later in pairwise(session.truths):
        if not earlier["path"]:
            since = None
            continue
        since = max(earlier["t"], after) if since is None else since
        long_enough_at = since + HEALTHY_FOR
        if earlier["t"] <= long_enough_at <= later["t"]:
            return long_enough_at <= _true_lst(session, need, charging, target, at=long_enough_at)
    return False


def _own_stop(session: TrueSession, deadline: int) -> Event | None:
    """Return the STOP of ours that was the last cause of not charging before the deadline; None if another was.

    It is the one that ended charging, or that was sent while the vehicle had not yet begun.
    """
    truths = [truth for truth in session.truths if truth["t"] < deadline]
    idle_until = deadline
    while truths and truths[-1]["charging"]:
        idle_until = truths.pop()["t"]
    while len(truths) > 1 and not truths[-2]["charging"]:
        truths.pop()
    if not truths or truths[-1].get("cause") in OTHER_HANDS:
        return None
    before = [sent for sent in session.sent if sent["t"] <= truths[-1]["t"]]
    if before and before[-1]["act"] == "STOP":
        return before[-1]
    stops = (sent for sent in session.sent if sent["act"] == "STOP" and truths[-1]["t"] < sent["t"] <= idle_until)
    return next(stops, None)


def _is_told_outage(session: TrueSession, stop: Event, need: Event, charging: Charging, target: float) -> bool:
    """Return whether the path was down from before the planned resume until after the latest start, and it was told.

    A STOP at the target plans no resume: where the target was raised since, the plan made for that does.
    """
    resume = stop.get("resume")
    if resume is None and need["asked"] > stop["t"]:
        resume = session.next_start
    if resume is None or not any(at < need["deadline"] for at in session.alerts):
        return False
    lst = _true_lst(session, need, charging, target, at=resume)
    return not session.path_was_up(resume, max(resume, lst))
