"""The checker: reads the journal and names every rule that it breaks, with the event that broke it.

It stands outside the cycle and imports nothing of the daemon, so that the two cannot share a mistake. The rules are
those of the invariants (S1, S2, …, L1); each is one small class, judged event by event in the order of the journal.
"""

from scheduler.checker.reading import Checker, check
from scheduler.checker.rule import Violation

__all__ = ["Checker", "Violation", "check"]
