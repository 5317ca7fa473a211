"""Rules on plans: validated before they are used (S22), and kept once they have begun (S13)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from scheduler.checker.record import MINUTE, Event, Record
from scheduler.checker.rule import Rule, Violation, kinds

SAME_NEED = ("target", "deadline", "min_soc", "price_q", "soc_q")
CAUSES = frozenset({"PRICE", "OVR", "RESULT"})
"""Lines of a vehicle, or of its home, that give its plan a reason to change."""

EVERYWHERE = frozenset({"CONF", "CLOCK", "LIFE"})
"""Lines that give every plan one."""

CHANGES = CAUSES | EVERYWHERE | {"PLUG"}


class Proposed(Rule):
    """A plan's slots are whole instants, ordered and disjoint, not in the past, and inside the horizon."""

    code = "S22"
    judges = kinds("PLAN")

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield the first flaw of a plan."""
        if event["k"] == "PLAN":
            flaw = _flaw(event, horizon_ns=record.params["horizon"])
            if flaw is not None:
                yield self.broken(event, flaw)


def _flaw(plan: Event, *, horizon_ns: float) -> str | None:
    slots = plan["slots"]
    if any(type(at) is not int for slot in slots for at in slot):
        return "a slot is not of whole instants"
    if any(start >= end for start, end in slots):
        return "a slot ends before it begins"
    if any(later[0] < earlier[1] for earlier, later in pairwise(slots)):
        return "slots overlap, or are not in order"
    if slots and slots[0][0] < plan["t"]:
        return "a slot begins in the past"
    if slots and slots[-1][1] > plan["t"] + horizon_ns:
        return "a slot ends beyond the horizon"
    return None


@dataclass(kw_only=True)
class Course:
    """The plan that a vehicle follows, what it was made for, and how far noise has moved its next start.

    `changed` tells that something but an estimate changed since.
    """

    plan: Event
    need: Event
    charging: bool | None
    drift_ns: int = 0
    changed: bool = False


def _course(event: Event, record: Record) -> Course | None:
    """Return the plan of a vehicle whose need is known, with what it was made for."""
    if event["k"] != "PLAN":
        return None
    vehicle = record.vehicle(event["v"])
    if vehicle.need is None:
        return None
    charging = None if vehicle.observed is None else vehicle.observed.get("charging")
    return Course(plan=event, need=vehicle.need, charging=charging)


def _after(before: Course | None, course: Course, *, later_ns: int = 0) -> Course:
    """Return a course that takes over how far noise has moved the start in its session so far."""
    course.drift_ns = later_ns + (0 if before is None else before.drift_ns)
    return course


def _note(courses: dict[str, Course], event: Event, record: Record) -> None:
    """Note what gives plans a reason to change."""
    if event["k"] == "PLUG":
        courses.pop(event["v"], None)
    elif event["k"] in EVERYWHERE:
        for course in courses.values():
            course.changed = True
    elif event["k"] in CAUSES:
        for vehicle_id, course in courses.items():
            home = record.home(vehicle_id)
            course.changed |= event.get("v") == vehicle_id or (home is not None and event.get("home") == home["id"])


class Begun(Rule):
    """A slot in which the vehicle charges is not withdrawn, unless something but an estimate changed.

    Time that passes in a slot in vain is a loss, not an estimate: such a slot may be withdrawn.
    """

    code = "S13"
    judges = kinds("PLAN")
    learns = CHANGES

    def __init__(self) -> None:
        self._last: dict[str, Course] = {}

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield a slot that is gone, although the vehicle charges in it."""
        course = _course(event, record)
        if course is None:
            return
        before, self._last[event["v"]] = self._last.get(event["v"]), course
        if before is None or before.changed or course.charging is not True or not _only_noise(before, course, record):
            return
        at = event["t"]
        begun, now = _slot_end(before.plan, at), _slot_end(course.plan, at)
        if begun is not None and now is None and begun - at > record.params["T_tick"]:
            yield self.broken(event, f"a slot that had begun was withdrawn {_minutes(begun - at)} early")

    def learn(self, event: Event, record: Record) -> None:
        """Note what may change a plan; a session begins afresh."""
        _note(self._last, event, record)


class Steady(Rule):
    """Estimates alone move the next start later by one tick at most, all in all, in a session.

    Each plan is compared with the one that set the present start: noise there and back adds up to nothing, and a need
    that has changed little by little has changed. While a vehicle charges, what is left to start moves as it is met.
    """

    code = "S13"
    judges = kinds("PLAN")
    learns = CHANGES

    def __init__(self) -> None:
        self._set: dict[str, Course] = {}

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield a start that has drifted."""
        course = _course(event, record)
        if course is None:
            return
        before = self._set.get(event["v"])
        if before is None or before.changed or not _only_noise(before, course, record):
            self._set[event["v"]] = _after(before, course)
            return
        at = event["t"]
        then, later = _next_start(before.plan, at), _next_start(course.plan, at)
        idle = course.charging is not True and _slot_end(before.plan, at) is None and _slot_end(course.plan, at) is None
        if then is None or later is None or not idle:
            self._set[event["v"]] = _after(before, course)
        elif later != then:
            self._set[event["v"]] = _after(before, course, later_ns=max(0, later - then))
            drift_ns = self._set[event["v"]].drift_ns
            if drift_ns > record.params["T_tick"]:
                self._set[event["v"]].drift_ns = 0
                yield self.broken(event, f"the next start drifted {_minutes(drift_ns)} later")

    def learn(self, event: Event, record: Record) -> None:
        """Note what may change a plan; a session begins afresh."""
        _note(self._set, event, record)


def _only_noise(before: Course, course: Course, record: Record) -> bool:
    """Return whether the two plans are for the same need, but for an estimate that is a little off.

    A vehicle that had to charge at once, and does not have to for longer than that explains, has what was due.
    """
    if before.charging is not course.charging or any(before.need.get(n) != course.need.get(n) for n in SAME_NEED):
        return False
    at = course.plan["t"]
    planned_ns, tolerance_ns = _planned(course.plan, at), record.params["T_tick"]
    target, soc = course.need.get("target"), course.need.get("soc")
    if target is not None and soc is not None and target > soc:
        tolerance_ns = max(tolerance_ns, planned_ns * record.params["eps_soc"] / (target - soc))
    lst = course.need.get("lst")
    if _is_due(before.need) and lst is not None and lst - at > tolerance_ns:
        return False
    return abs(planned_ns - _planned(before.plan, at)) <= tolerance_ns


def _is_due(need: Event) -> bool:
    """Return whether charging was to begin at once when the need was told."""
    lst = need.get("lst")
    return lst is not None and bool(lst <= need["t"])


def _planned(plan: Event, at: int) -> int:
    """Return how much charging is planned from an instant on [ns]."""
    return sum(max(0, end - max(start, at)) for start, end in plan["slots"])


def _slot_end(plan: Event, at: int) -> int | None:
    return next((end for start, end in plan["slots"] if start <= at < end), None)


def _next_start(plan: Event, at: int) -> int | None:
    return next((start for start, _ in plan["slots"] if start > at), None)


def _minutes(span_ns: float) -> str:
    return f"{span_ns / MINUTE:.1f} min"
