"""The rule that the user wins (S8)."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.checker.gate import why_not_home
from scheduler.checker.record import Event, Record, Vehicle
from scheduler.checker.rule import Send, SendRule, Violation, kinds

NOBODY = frozenset({None, "unknown"})


class UserWins(SendRule):
    """No command contradicts an override in force, nobody but the user ends one, and a divergence is corrected once."""

    code = "S8"
    judges = kinds("SEND OVR")

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield a contradicting command, or an override that ended without cause."""
        yield from super().judge(event, record)
        if event["k"] == "OVR" and event["op"] == "clear" and event.get("from") in NOBODY:
            vehicle = record.vehicle(event["v"])
            if vehicle.will(event["t"]) is not None and _still_plugged(vehicle, record):
                yield self.broken(event, "an override in force was ended by nobody")

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield the contradiction, and a second correction of the same kind in one plug session."""
        will = send.vehicle.will(send.at)
        if _contradicts(send, will):
            yield self.broken(send.event, f"{send.command.act} ({send.why}) against the user's {will}")
        session = send.vehicle.session
        if send.why == "reconcile" and session is not None:
            done = [one for one in session.ended if one.why == "reconcile" and one.act == send.command.act]
            if any(one.result is not None and one.result["out"] == "verified" for one in done):
                yield self.broken(send.event, "a divergence was already corrected in this plug session")


def _contradicts(send: Send, will: str | None) -> bool:
    if will == "charge":
        return send.is_stop and send.why != "target"  # charging by hand ends at the target (P13)
    if will == "hold":
        return send.is_start
    return will == "hands_off" and send.why != "user"


def _still_plugged(vehicle: Vehicle, record: Record) -> bool:
    plugged = vehicle.observed is not None and vehicle.observed.get("plugged") is True
    return plugged and why_not_home(vehicle, record) is None
