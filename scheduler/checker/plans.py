"""Rules on plans: validated before they are used (S22), and kept once they have begun (S13)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from scheduler.checker.record import MINUTE, Event, Record
from scheduler.checker.rule import Rule, Violation

SAME_NEED = ("target", "deadline", "min_soc", "price_q", "soc_q")
CAUSES = frozenset({"PRICE", "OVR", "RESULT"})
"""Lines of a vehicle, or of its home, that give its plan a reason to change."""


class Proposed(Rule):
    """A plan's slots are whole instants, ordered and disjoint, not in the past, and inside the horizon."""

    code = "S22"

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


class Courses(Rule):
    """Compares each plan of a vehicle with the one before it, where nothing but an estimate changed in between."""

    code = "S13"

    def __init__(self) -> None:
        self._courses: dict[str, Course] = {}

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield what a plan does to the one before it without a cause."""
        if event["k"] != "PLAN":
            return
        vehicle = record.vehicle(event["v"])
        if vehicle.need is None:
            return
        charging = None if vehicle.observed is None else vehicle.observed.get("charging")
        course, before = Course(plan=event, need=vehicle.need, charging=charging), self._courses.get(vehicle.id)
        self._courses[vehicle.id] = course
        if before is not None:
            course.drift_ns = before.drift_ns
            if not before.changed and _only_noise(before, course, record):
                yield from self.compared(before, course, tick_ns=record.params["T_tick"])

    def learn(self, event: Event, record: Record) -> None:
        """Note what may change a plan; a session begins afresh."""
        if event["k"] == "PLUG":
            self._courses.pop(event["v"], None)
        elif event["k"] in {"CONF", "CLOCK", "LIFE"}:
            for course in self._courses.values():
                course.changed = True
        elif event["k"] in CAUSES:
            for vehicle_id, course in self._courses.items():
                home = record.home(vehicle_id)
                course.changed |= event.get("v") == vehicle_id or (home is not None and event.get("home") == home["id"])

    def compared(self, before: Course, course: Course, *, tick_ns: float) -> Iterator[Violation]:
        """Yield what the later plan changes and should not."""
        raise NotImplementedError


class Begun(Courses):
    """A slot in which the vehicle charges is not withdrawn, unless something but an estimate changed.

    Time that passes in a slot in vain is a loss, not an estimate: such a slot may be withdrawn.
    """

    def compared(self, before: Course, course: Course, *, tick_ns: float) -> Iterator[Violation]:
        """Yield a slot that is gone, although the vehicle charges in it."""
        at = course.plan["t"]
        begun, now = _slot_end(before.plan, at), _slot_end(course.plan, at)
        if course.charging is True and begun is not None and now is None and begun - at > tick_ns:
            yield self.broken(course.plan, f"a slot that had begun was withdrawn {_minutes(begun - at)} early")


class Steady(Courses):
    """Estimates alone move the next start later by one tick at most, all in all, before the session's need changes."""

    def compared(self, before: Course, course: Course, *, tick_ns: float) -> Iterator[Violation]:
        """Yield a start that has drifted. While a vehicle charges, what is left to start moves as the need is met."""
        at = course.plan["t"]
        if course.charging is True or _slot_end(before.plan, at) is not None or _slot_end(course.plan, at) is not None:
            return
        then, later = _next_start(before.plan, at), _next_start(course.plan, at)
        if then is None or later is None:
            return
        course.drift_ns += later - then
        if course.drift_ns > tick_ns:
            yield self.broken(course.plan, f"the next start drifted {_minutes(course.drift_ns)} later")
            course.drift_ns = 0


def _only_noise(before: Course, course: Course, record: Record) -> bool:
    """Return whether the two plans are for the same need, but for an estimate that is a little off."""
    if before.charging is not course.charging or any(before.need.get(n) != course.need.get(n) for n in SAME_NEED):
        return False
    at = course.plan["t"]
    planned_ns, tolerance_ns = _planned(course.plan, at), record.params["T_tick"]
    target, soc = course.need.get("target"), course.need.get("soc")
    if target is not None and soc is not None and target > soc:
        tolerance_ns = max(tolerance_ns, planned_ns * record.params["eps_soc"] / (target - soc))
    return abs(planned_ns - _planned(before.plan, at)) <= tolerance_ns


def _planned(plan: Event, at: int) -> int:
    """Return how much charging is planned from an instant on [ns]."""
    return sum(max(0, end - max(start, at)) for start, end in plan["slots"])


def _slot_end(plan: Event, at: int) -> int | None:
    return next((end for start, end in plan["slots"] if start <= at < end), None)


def _next_start(plan: Event, at: int) -> int | None:
    return next((start for start, _ in plan["slots"] if start > at), None)


def _minutes(span_ns: float) -> str:
    return f"{span_ns / MINUTE:.1f} min"
