"""Rules on what comes in: of known origin (S15), source times only forward (S16), every event once (S17)."""

# ruff: noqa: ARG002 - all rules have the same hooks, whether or not one reads the record

from __future__ import annotations

from collections.abc import Iterator

from scheduler.checker.record import Event, Record
from scheduler.checker.rule import Rule, Violation, kinds

HANDS = frozenset({"dashboard", "api", "cli", "car", "unknown"})
"""Who may have a wish, as `OVR` names them."""


class TimeForward(Rule):
    """The accepted source time of a facet never decreases."""

    code = "S16"
    judges = kinds("OBS")

    def __init__(self) -> None:
        self._latest: dict[tuple[str, str], int] = {}

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield each facet of an accepted observation that went back."""
        if event["k"] != "OBS" or not event["ok"]:
            return
        for facet, src in event["ts"].items():
            if src is None:
                continue
            latest = self._latest.get((event["v"], facet), src)
            if src < latest:
                yield self.broken(event, f"{facet} went back by {(latest - src) / 1e9:g} s")
            self._latest[event["v"], facet] = max(src, latest)


class Once(Rule):
    """An event, told by the digest of its content, is applied at most once. Polls repeat themselves and may."""

    code = "S17"
    judges = kinds("OBS")

    def __init__(self) -> None:
        self._applied: set[tuple[str, str]] = set()

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield a webhook event that was applied before."""
        if event["k"] != "OBS" or not event["ok"] or event["src"] != "webhook" or event.get("dig") is None:
            return
        key = event["v"], event["dig"]
        if key in self._applied:
            yield self.broken(event, "the same event was applied before")
        self._applied.add(key)


class Authentic(Rule):
    """What is told from outside bears a signature or comes from the API; a wish comes by a door that asks who is there.

    A journal shows no more of S15 than that: requests that were refused leave no line.
    """

    code = "S15"
    judges = kinds("OBS OVR")

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield news and wishes of unknown origin."""
        if event["k"] == "OBS" and event["ok"]:
            proof = "signature" if event["src"] == "webhook" else "api"
            if event.get("auth") != proof:
                yield self.broken(event, f"news by {event['src']} without {proof}")
        elif event["k"] == "OVR" and event.get("from") not in HANDS:
            yield self.broken(event, f"a wish from {event.get('from')}")
