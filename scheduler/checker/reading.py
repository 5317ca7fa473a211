"""Reading a journal: every event is judged by every rule, then taken into the record."""

from __future__ import annotations

from collections.abc import Iterable

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

RULES: tuple[type[Rule], ...] = (
    Evidence, Place, Plugged, Mode, OneAtATime, WriteFirst, OneEffect, Quota, Dwell, UserWins, Reserve,
    PricesNeverStrand, PauseOnlyResumable, TargetCap, TargetReached, Begun, Fence, Authentic, TimeForward, Once,
    Clock, Secrets, Whole, Proposed, Waiting, LostCredentials, QuietRestart, Recall,
    Deadline, LatestStart, Verified, BackOff, ToldInTime, Missed, Convergence, Progress, Inbound,
    PastDeadline, Recovery, StoreLost, Rest, LeftAsleep, Bill, Unwanted, RandomDelay,
)  # fmt: skip
"""Every rule that a journal is judged by."""

PACE: tuple[type[Rule], ...] = (BackOff, Progress, Recovery)
"""Rules that take the daemon's own time to the minute: they cannot judge a run on a clock that is hurried."""

NOT_YET: tuple[type[Rule], ...] = (Repeated, Steady)
"""Rules that the daemon is known to break, and that judge no journal until it keeps them.

`Repeated` (L5): where a vendor's clock runs ahead (T04), the state of charge is known and unknown by turns, and
`DEADLINE_AT_RISK` comes and goes with it.
`Steady` (S13): readings a point off move the start of a vehicle that waits by minutes, later and back (T10); and with
the same need it creeps earlier by seconds as the planner's grid moves with the clock, and then jumps minutes later.
"""


class Checker:
    """Feed it the events of a journal in their order; `violations` grows as they break rules."""

    def __init__(self, rules: Iterable[type[Rule]] = RULES) -> None:
        self.violations: list[Violation] = []
        self._record = Record()
        self._rules = [rule() for rule in rules]

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


def check(events: Iterable[Event], *, rules: Iterable[type[Rule]] = RULES) -> list[Violation]:
    """Return every violation in the events of a journal, which come in their order."""
    checker = Checker(rules)
    for event in events:
        checker.feed(event)
    return checker.finish()
