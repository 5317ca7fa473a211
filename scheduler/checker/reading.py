"""Reading a journal: every event is judged by every rule, then taken into the record."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.checker.commands import Dwell, Fence, OneAtATime, OneEffect, Quota, Recall, WriteFirst
from scheduler.checker.courtesy import RandomDelay
from scheduler.checker.deadline import Deadline
from scheduler.checker.gate import Evidence, Mode, Place, Plugged, QuietRestart
from scheduler.checker.intake import Once, TimeForward
from scheduler.checker.record import Event, Record
from scheduler.checker.rule import Rule, Violation
from scheduler.checker.stops import PauseOnlyResumable, PricesNeverStrand, Reserve, TargetCap, TargetReached
from scheduler.checker.user import UserWins

RULES: tuple[type[Rule], ...] = (
    Evidence, Place, Plugged, Mode, OneAtATime, WriteFirst, OneEffect, Quota, Dwell, UserWins, Reserve,
    PricesNeverStrand, PauseOnlyResumable, TargetCap, TargetReached, Fence, TimeForward, Once, QuietRestart, Recall,
    RandomDelay, Deadline,
)  # fmt: skip


class Checker:
    """Feed it the events of a journal in their order; `violations` grows as they break rules."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self._record = Record()
        self._rules = [rule() for rule in RULES]

    def feed(self, event: Event) -> None:
        """Judge one event.

        Raises:
            KeyError: the event lacks a member that its kind must have.
        """
        for rule in self._rules:
            self.violations.extend(rule.judge(event, self._record))
        self._record.apply(event)
        for rule in self._rules:
            rule.learn(event, self._record)

    def finish(self) -> list[Violation]:
        """Return all violations in the order they were found. What is not yet due at the end breaks no rule."""
        return list(self.violations)


def check(events: Iterable[Event]) -> list[Violation]:
    """Return every violation in the events of a journal, which come in their order."""
    checker = Checker()
    for event in events:
        checker.feed(event)
    return checker.finish()
