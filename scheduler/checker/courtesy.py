"""Courtesy to the grid (U1): what begins or ends by the plan is put off by the random delay that was drawn for it."""

# ruff: noqa: ARG002 - all rules have the same hooks, whether or not one reads the record

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from scheduler.checker.record import SECOND, Event, Record
from scheduler.checker.rule import Send, SendRule, Violation, kinds

AUTOMATIC = frozenset({"plan", "cap", "deadline", "reconcile"})
MOVING = frozenset({"OVR", "PLUG"})
"""After these a command follows a person's hand and not an edge of the plan."""


@dataclass(kw_only=True)
class Edges:
    """What is known of one vehicle's plan: where it begins and ends to charge, and the delays drawn so far by edge."""

    coming: dict[str, list[int]] = field(default_factory=dict)
    passed: dict[str, int | None] = field(default_factory=dict)
    drawn: dict[int, int] = field(default_factory=dict)

    def follow(self, plan: Event) -> None:
        """Take the edges of a new plan; the last one that has passed stays."""
        now = int(plan["t"])
        self.passed = {act: self.last(act, now) for act in ("START", "STOP")}
        starts, ends = _runs(plan["slots"])
        self.coming = {"START": [at for at in starts if at > now], "STOP": [at for at in ends if at > now]}

    def last(self, act: str, at: int) -> int | None:
        """Return the last edge at or before an instant at which the plan meant to send such a command."""
        known = (edge for edge in self.coming.get(act, ()) if edge <= at)
        return max(known, default=self.passed.get(act))

    def forget(self) -> None:
        """Let go of what the plan meant; what was drawn stays drawn."""
        self.coming, self.passed = {}, {}


class RandomDelay(SendRule):
    """An automatic command leaves no sooner than its edge and the delay drawn for it, once for each edge."""

    code = "U1"
    learns = kinds("PLAN OVR PLUG CONF")

    def __init__(self) -> None:
        self._edges: dict[str, Edges] = {}

    def learn(self, event: Event, record: Record) -> None:
        """Follow the plan of each vehicle."""
        if event["k"] == "PLAN":
            self._of(event["v"]).follow(event)
        elif event["k"] in MOVING:
            self._of(event["v"]).forget()
        elif event["k"] == "CONF":
            for edges in self._edges.values():
                edges.drawn.clear()  # another longest delay, another draw

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield what the command does not wait for, and what is wrong with its delay."""
        longest_s = send.vehicle.needs("longest_s") or 0
        intent = send.command.intent
        if intent is None or not longest_s or send.why not in AUTOMATIC:
            return
        edges, edge, delay_s = self._of(send.vehicle.id), intent.get("edge"), intent.get("delay_s")
        if edge is None or delay_s is None:
            meant = edges.last(str(send.command.act), send.at)
            if meant is not None and send.at - meant < longest_s * SECOND:
                yield self.broken(send.event, f"{send.command.act} at an edge of the plan without a random delay")
            return
        if not 0 <= delay_s <= longest_s:
            yield self.broken(send.event, f"a delay of {delay_s} s, not within 0 and {longest_s:g} s")
        if edges.drawn.setdefault(edge, delay_s) != delay_s:
            yield self.broken(send.event, f"a second delay was drawn for one edge: {edges.drawn[edge]} s, {delay_s} s")
        early = edge + delay_s * SECOND - send.at
        if early > 0 and not _may_be_cut(send, intent):
            yield self.broken(send.event, f"{send.command.act} {early / SECOND:.0f} s before its random delay was over")

    def _of(self, vehicle_id: str) -> Edges:
        return self._edges.setdefault(vehicle_id, Edges())


def _may_be_cut(send: Send, intent: Event) -> bool:
    """Return whether the delay may end early: a START at its latest start has to leave."""
    lst = send.vehicle.needs("lst")
    return bool(intent.get("cut")) and send.is_start and send.why == "deadline" and lst is not None and send.at >= lst


def _runs(slots: Sequence[Any]) -> tuple[list[int], list[int]]:
    """Return where charging begins and where it ends, slots that touch being one run."""
    runs: list[list[int]] = []
    for start, end in slots:
        if runs and start - runs[-1][1] <= SECOND:
            runs[-1][1] = end
        else:
            runs.append([start, end])
    return [start for start, _ in runs], [end for _, end in runs]
