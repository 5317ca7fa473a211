"""Reading a journal: every event is judged by every rule, then taken into the record."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from scheduler.checker.alerts import Missed, Repeated, ToldInTime
from scheduler.checker.clock import Clock
from scheduler.checker.commands import Dwell, Fence, OneAtATime, OneEffect, Quota, Recall, WriteFirst
from scheduler.checker.configuration import Secrets, Whole
from scheduler.checker.convergence import Convergence
from scheduler.checker.courtesy import RandomDelay
from scheduler.checker.deadline import Deadline
from scheduler.checker.gate import Evidence, Mode, Place, Plugged, QuietRestart
from scheduler.checker.intake import Authentic, Once, TimeForward
from scheduler.checker.liveness import Inbound, Progress, Recovery
from scheduler.checker.money import Bill, Unwanted
from scheduler.checker.plans import Begun, Proposed, Steady
from scheduler.checker.record import Event, Record
from scheduler.checker.restraint import LeftAsleep, Rest, StoreLost
from scheduler.checker.rule import Rule, Violation
from scheduler.checker.stops import PauseOnlyResumable, PricesNeverStrand, Reserve, TargetCap, TargetReached
from scheduler.checker.urgency import LatestStart, PastDeadline
from scheduler.checker.user import UserWins
from scheduler.checker.verified import BackOff, Verified
from scheduler.checker.waiting import LostCredentials, Waiting

Judge = Callable[[Event, Record], Iterable[Violation]]
Learn = Callable[[Event, Record], None]

RULES: tuple[type[Rule], ...] = (
    Evidence, Place, Plugged, Mode, OneAtATime, WriteFirst, OneEffect, Quota, Dwell, UserWins, Reserve,
    PricesNeverStrand, PauseOnlyResumable, TargetCap, TargetReached, Begun, Steady, Fence, Authentic, TimeForward, Once,
    Clock, Secrets, Whole, Proposed, Waiting, LostCredentials, QuietRestart, Recall,
    Deadline, LatestStart, Verified, BackOff, ToldInTime, Missed, Repeated, Convergence, Progress, Inbound,
    PastDeadline, Recovery, StoreLost, Rest, LeftAsleep, Bill, Unwanted, RandomDelay,
)  # fmt: skip
"""Every rule that a journal is judged by."""

PACE: tuple[type[Rule], ...] = (BackOff, Progress, Recovery)
"""Rules that take the daemon's own time to the minute: they cannot judge a run on a clock that is hurried."""


class Checker:
    """Feed it the events of a journal in their order; `violations` grows as they break rules."""

    def __init__(self, rules: Iterable[type[Rule]] = RULES) -> None:
        self.violations: list[Violation] = []
        self._record = Record()
        self._rules = [rule() for rule in rules]
        self._hooks: dict[str, tuple[tuple[Judge, ...], tuple[Learn, ...]]] = {}

    def feed(self, event: Event) -> None:
        """Judge one event.

        Raises:
            KeyError: the event lacks a member that its kind must have.
        """
        hooks = self._hooks.get(event["k"])
        if hooks is None:
            hooks = self._hooks[event["k"]] = self._concerned(event["k"])
        record = self._record
        for judge in hooks[0]:
            if found := judge(event, record):
                self.violations += found
        record.apply(event)
        for learn in hooks[1]:
            learn(event, record)

    def _concerned(self, kind: str) -> tuple[tuple[Judge, ...], tuple[Learn, ...]]:
        """Return the hooks of the rules that name a kind of events."""
        judging = [rule for rule in self._rules if type(rule).judge is not Rule.judge]
        learning = [rule for rule in self._rules if type(rule).learn is not Rule.learn]
        return (
            tuple(rule.judge for rule in judging if rule.judges is None or kind in rule.judges),
            tuple(rule.learn for rule in learning if rule.learns is None or kind in rule.learns),
        )

    def finish(self) -> list[Violation]:
        """Return all violations in the order they were found. What is not yet due at the end breaks no rule."""
        return list(self.violations)


def check(events: Iterable[Event], *, rules: Iterable[type[Rule]] = RULES) -> list[Violation]:
    """Return every violation in the events of a journal, which come in their order."""
    checker = Checker(rules)
    for event in events:
        checker.feed(event)
    return checker.finish()
