"""What the checker costs for each line of a journal, beside reading that line as JSON.

Usage: `bench/checker.py [JOURNAL.jsonl]`; without a journal it lives through two days of the demonstration. Both are
measured in the same run, so that the ratio says more than the machine. The exit status is 1 above the limit.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from scheduler.checker import Checker
from scheduler.cli import demo_report
from scheduler.cli.demo import FastRun

ROUNDS = 5
MOST = 6.0
"""The checker may cost so many times what reading the line costs."""

HEARD: list[dict[str, Any]] = []


class Listening(Checker):
    """A checker that keeps what it was fed."""

    def feed(self, event: Any) -> None:
        """Keep one event."""
        HEARD.append(dict(event))


def lived() -> list[str]:
    """Return the journal, with the truth, of two days of the demonstration."""
    demo_report.Checker = Listening  # type: ignore[misc]
    FastRun(days=2, seed=1).report()
    return [json.dumps(event) for event in HEARD]


def best_s(work: Callable[[], object]) -> float:
    """Return the least time of some rounds, in seconds of this process's own work."""
    return min(_timed_s(work) for _ in range(ROUNDS))


def _timed_s(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def judge(events: Iterable[dict[str, Any]]) -> None:
    """Have a new checker judge a journal."""
    checker = Checker()
    for event in events:
        checker.feed(event)


def main() -> int:
    """Measure, print, and return the exit status."""
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines() if len(sys.argv) > 1 else lived()
    events = [json.loads(line) for line in lines]
    reading_us = best_s(lambda: [json.loads(line) for line in lines]) / len(lines) * 1e6
    judging_us = best_s(lambda: judge(events)) / len(lines) * 1e6
    ratio = judging_us / reading_us
    print(f"{len(lines)} lines: reading {reading_us:.1f} us, judging {judging_us:.1f} us a line")
    print(f"ratio {ratio:.1f}, limit {MOST:g}")
    return int(ratio > MOST)


if __name__ == "__main__":
    sys.exit(main())
