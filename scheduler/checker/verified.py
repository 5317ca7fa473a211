"""Rules on the end of a command (L4): verified by a newer reading or failed, in time, and tried again with patience."""

# ruff: noqa: ARG002 - all rules have the same hooks, whether or not one reads the record

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scheduler.checker.record import FAILED, MINUTE, Command, Event, Record, elapsed
from scheduler.checker.rule import Rule, Send, SendRule, Violation, kinds

FLOWING_KW = 0.1
"""Power above this is charging."""

AWAKE = 5 * MINUTE
"""A daemon that has just begun, or whose host has just woken, gets so long to catch up."""

BACK_OFF = (5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE)
"""The least wait after one, two, three and more failed commands in a row."""

LINE_AFTER = MINUTE
"""A failure may be known so long before its line is written: the wait begins when it is known."""

OWN_WAIT = frozenset({"HTTP_429", "THROTTLED"})
"""Failures after which the provider says itself how long to wait."""


class Verified(Rule):
    """Every command sent ends within `T_verify`; `verified` rests on a reading, newer than the send, that agrees."""

    code = "L4"
    judges = kinds("TICK RESULT")
    learns = kinds("OBS LIFE")

    def __init__(self) -> None:
        self._seen: dict[tuple[Any, int], Event] = {}
        self._late: set[str] = set()

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield commands that took too long, and results that nothing shows."""
        if event["k"] == "TICK" and record.present.awake(event) > AWAKE:
            for vehicle in record.vehicles.values():
                for command in vehicle.open if vehicle.pending else ():
                    yield from self._overdue(command, event, record)
        elif event["k"] == "RESULT" and event["out"] == "verified":
            sent = record.vehicle(event["v"]).commands.get(event["cmd"])
            basis = [self._seen.get((event.get("run"), seq)) for seq in event["basis"]]
            if sent is None or sent.sent is None:
                yield self.broken(event, "verified, and never sent")
            elif not any(seen is not None and _shows(seen, sent) for seen in basis):
                yield self.broken(event, "verified, and no newer reading shows it")

    def learn(self, event: Event, record: Record) -> None:
        """Remember the readings of this run by their number."""
        if event["k"] == "OBS" and event["ok"]:
            self._seen[event.get("run"), event["seq"]] = event
        elif event["k"] == "LIFE" and event["op"] == "start":
            self._seen.clear()

    def _overdue(self, command: Command, event: Event, record: Record) -> Iterator[Violation]:
        if command.sent is None or command.cmd in self._late:
            return
        if elapsed(command.sent, event) > record.params["T_verify"]:
            self._late.add(command.cmd)
            yield self.broken(command.sent, f"command {command.cmd} has no result within the time")


def _shows(seen: Event, command: Command) -> bool:
    at, kw = seen["ts"].get("charge"), seen.get("kw") or 0.0
    if command.sent is None or at is None:
        return False
    now_and_then = seen["t"] - elapsed(command.sent, seen), command.sent["t"]
    if at <= min(now_and_then):  # the clock may have been set back since: it was never sent that late
        return False
    if command.act == "START":
        return seen.get("charging") is True or kw > FLOWING_KW
    return seen.get("charging") is False and kw <= FLOWING_KW


class BackOff(SendRule):
    """After failed commands in a row the next one waits 5, 10, 20, then 30 min, unless the user asks."""

    code = "L4"
    learns = kinds("OVR PLUG RESULT")

    def __init__(self) -> None:
        self._failed: dict[str, list[Event]] = {}

    def learn(self, event: Event, record: Record) -> None:
        """Count the failures of each vehicle; a wish, a success and another session begin anew."""
        vehicle_id = event.get("v")
        if vehicle_id is None:
            return
        if event["k"] in {"OVR", "PLUG"} or (event["k"] == "RESULT" and event["out"] == "verified"):
            self._failed.pop(vehicle_id, None)
        elif event["k"] == "RESULT" and event["out"] in FAILED:
            self._failed.setdefault(vehicle_id, []).append(event)

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield a command that came too soon after failures."""
        failed = self._failed.get(send.vehicle.id)
        if not failed or send.why == "user" or _kind(failed[-1]) in OWN_WAIT:
            return
        wait = BACK_OFF[min(len(failed), len(BACK_OFF)) - 1]
        since = elapsed(failed[-1], send.event)
        if since < wait - LINE_AFTER:
            text = f"sent {since / MINUTE:.1f} min after failure {len(failed)} in a row"
            yield self.broken(send.event, text)


def _kind(result: Event) -> str:
    return str((result.get("failure") or {}).get("type", ""))
