"""The rule on clocks: a wall clock that stepped, or that nobody keeps, commands nothing (S18)."""

# ruff: noqa: ARG002 - all rules have the same hooks, whether or not one reads the record

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scheduler.checker.present import SIMULATED
from scheduler.checker.record import MINUTE, SECOND, Event, Record
from scheduler.checker.rule import Rule, Violation, kinds

STEP = 30 * SECOND
"""A wall clock that moved this far against the monotonic one has stepped."""

TOLD_WITHIN = 2 * MINUTE
"""`CLOCK` is written by the next beat: it then speaks of a step that the times of the lines showed already."""


class Clock(Rule):
    """Nothing is sent while the clock is not synchronised, nor after a step until the vehicle was read again."""

    code = "S18"
    learns = kinds("OBS CLOCK")

    def __init__(self) -> None:
        self._last: Event | None = None
        self._stepped: Event | None = None
        self._unsynced = False
        self._read: set[str] = set()

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield instants that are no whole numbers, and commands that rest on a clock which cannot be trusted."""
        for name in ("t", "m"):
            if type(event.get(name)) is not int:
                yield self.broken(event, f"{name} is not a whole number of nanoseconds")
                return
        if event["k"] in SIMULATED:
            return
        self._follow(event)
        if event["k"] != "SEND":
            return
        if self._unsynced:
            yield self.broken(event, "sent while the clock is not synchronised")
        if self._stepped is not None and event["v"] not in self._read:
            yield self.broken(event, "sent after the clock stepped, before the vehicle was read again")

    def learn(self, event: Event, record: Record) -> None:
        """Follow what the daemon itself says of its clock, and readings."""
        if event["k"] == "OBS":
            self._read.add(event["v"])
        elif event["k"] == "CLOCK":
            self._unsynced = event["st"] == "unsynced"
            known = self._stepped is not None and event["m"] - self._stepped["m"] <= TOLD_WITHIN
            if event["st"] in {"stepped", "resumed"} and not known:
                self._step(event)

    def _follow(self, event: Event) -> None:
        """Find a step in the times of the lines themselves. A run begins with a clock of its own."""
        last = self._last
        if last is None or last.get("run") != event.get("run"):
            self._last, self._stepped, self._unsynced = event, None, False
            self._read.clear()
        elif event["m"] >= last["m"]:  # a line that a failing store kept back tells of the past
            if abs(_origin(event) - _origin(last)) > STEP:
                self._step(event)
            self._last = event

    def _step(self, event: Event) -> None:
        self._stepped = event
        self._read.clear()


def _origin(event: Event) -> Any:
    """Return what the wall clock showed when the monotonic one began."""
    return event["t"] - event["m"]
