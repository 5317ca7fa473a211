"""Rules on doors that are shut: calls held back as asked for (S23), and lost credentials (S24)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scheduler.checker.present import READS
from scheduler.checker.record import SECOND, Event, Record, elapsed
from scheduler.checker.rule import Rule, Violation, kinds

UNDER_WAY = 60 * SECOND
"""A call that left before the bucket was held may be answered this much later."""

LOST = "CREDENTIALS_LOST"


class Waiting(Rule):
    """No request is made in a bucket before the end of its hold.

    A journal shows requests by their answers: an action that was begun, a reading that came. A `SEND` alone is no
    request: a hold is also kept by a client that lets nothing out.
    """

    code = "S23"
    judges = kinds("ACK OBS")

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield an answer to a request that should have waited."""
        if event["k"] == "ACK":
            sent = record.vehicle(event["v"]).commands[event["cmd"]].sent
            hold = record.present.hold(event, "enode:command", f"enode:command:{event['v']}")
            if hold is not None and sent is not None and _precedes(hold, sent):
                yield self.broken(event, f"a command left while {hold['bucket']} was held")
        elif event["k"] == "OBS" and event["src"] != "webhook":
            hold = record.present.hold(event, READS)  # a bucket of one vehicle does not hold the list of all
            if hold is not None and elapsed(hold, event) > UNDER_WAY:
                yield self.broken(event, f"the vehicle was read while {hold['bucket']} was held")


def _precedes(hold: Event, sent: Event) -> bool:
    return hold.get("run") == sent.get("run") and int(hold["m"]) < int(sent["m"])


class LostCredentials(Rule):
    """Once an account is known to be lost, nothing is sent to its vehicles until it is back."""

    code = "S24"
    judges = kinds("SEND ALERT TICK OBS ACK RESULT")

    def __init__(self) -> None:
        self._sent: list[Event] = []

    def judge(self, event: Event, record: Record) -> Iterable[Violation]:
        """Yield commands sent in between. A turn ends the alert after it sent, so it is judged when it is over."""
        return self._sent_while_lost(event, record) if self._sent or event["k"] == "SEND" else ()

    def _sent_while_lost(self, event: Event, record: Record) -> Iterator[Violation]:
        if self._sent and event.get("m") != self._sent[0].get("m"):
            for sent in self._sent:
                yield self.broken(sent, "sent although the account link was lost")
            self._sent.clear()
        if event["k"] == "SEND" and self._is_lost(event, record):
            self._sent.append(event)
        elif event["k"] == "ALERT" and event["code"] == LOST and event.get("op") == "cleared":
            self._sent = [sent for sent in self._sent if event.get("v") not in (None, sent["v"])]

    def _is_lost(self, sent: Event, record: Record) -> bool:
        """Return whether the account was known to be lost, and nothing was heard from the vehicle's vendor since."""
        lost = record.present.alerted(sent["v"], {LOST})
        if lost is None:
            return False
        observed = record.vehicle(sent["v"]).observed
        if observed is None:
            return True
        heard = observed.get("seen") if lost.get("v") is not None else observed["t"]
        return heard is None or bool(heard <= lost["t"])
