"""Rules on commands: one at a time, written first, one effect, few, far apart, fenced, recalled (S4-S7, S14, S26)."""

# ruff: noqa: ARG002 - all rules have the same hooks, whether or not one reads the record

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from scheduler.checker.gate import why_not_home
from scheduler.checker.record import HOUR, MINUTE, SECOND, Event, Record, Vehicle, elapsed
from scheduler.checker.rule import Send, SendRule, Violation, kinds

SUPERSEDING = frozenset({"user", "deadline", "target"})
READ_BACK_AFTER = 2 * MINUTE
CANCEL_WITHIN = 60 * SECOND
DAY = 24 * HOUR


class OneAtATime(SendRule):
    """One command per vehicle without a result; only the opposite one, for a strong reason, may supersede it."""

    code = "S4"

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield each open command that forbids this one."""
        for other in send.vehicle.open:
            if other.cmd == send.command.cmd:
                if not other.is_lost(send.event):
                    yield self.broken(send.event, f"command {other.cmd} was sent again while pending")
            elif other.act == send.command.act:
                yield self.broken(send.event, f"{other.act} is already pending as command {other.cmd}")
            elif send.why not in SUPERSEDING:
                yield self.broken(send.event, f"command {other.cmd} is pending, and {send.why} may not supersede it")


class WriteFirst(SendRule):
    """A durable intent precedes every send; what an earlier run left open is read back first."""

    code = "S5"

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield a missing or mismatched intent, and every intent of an earlier run that is not resolved."""
        intent = send.command.intent
        if intent is None:
            yield self.broken(send.event, "there is no intent")
        elif intent["act"] != send.event["act"]:
            yield self.broken(send.event, f"the intent was {intent['act']}")
        elif not intent["durable"] and not _store_is_lost_and_it_presses(send):
            yield self.broken(send.event, "the intent was not durable")
        for other in send.vehicle.pending.values():
            unsent_itself = other.cmd == send.command.cmd and other.sent is None
            read_back = other.read_back is not None and other.read_back.get("run") != other.run
            if other.run != send.event.get("run") and not read_back and not unsent_itself:
                yield self.broken(send.event, f"command {other.cmd} of an earlier run was not read back")


def _store_is_lost_and_it_presses(send: Send) -> bool:
    """Return whether L11 lets a START go with an intent in memory only: at its latest start, or below the minimum."""
    lst, minimum, soc = send.vehicle.needs("lst"), send.vehicle.needs("min_soc"), send.vehicle.soc
    pressing = lst is not None and send.at >= lst
    return send.is_start and (pressing or (minimum is not None and soc is not None and soc < minimum))


class OneEffect(SendRule):
    """The provider accepts at most one action per command; an ambiguous one is read back before it is repeated."""

    code = "S6"
    judges = kinds("SEND ACK")

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield a second action of one command, or a repeat made blindly."""
        yield from super().judge(event, record)
        if event["k"] == "ACK":
            command = record.vehicle(event["v"]).commands.get(event["cmd"])
            if command is not None and command.pid is not None and event.get("pid") not in {None, command.pid}:
                yield self.broken(event, f"command {command.cmd} became a second action {event['pid']}")

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield why the command may not be sent again."""
        command = send.command
        if command.sent is None:
            return
        if command.result is not None:
            yield self.broken(send.event, "sent again after its result")
        elif command.is_lost(send.event):
            if command.read_back is None or command.read_back["found"] is not False:
                yield self.broken(send.event, "sent again without a read-back that found nothing")
            elif not command.read_since:
                yield self.broken(send.event, "sent again, and the vehicle was not read since the ambiguity")
            elif elapsed(command.ambiguous or command.sent, send.event) < READ_BACK_AFTER:
                yield self.broken(send.event, "sent again less than 2 min after the ambiguity")


def _at_latest_start(send: Send) -> bool:
    """Return whether it is a START at or after the latest start, which no restraint may refuse."""
    lst = send.vehicle.needs("lst")
    return send.is_start and (send.why == "deadline" or (lst is not None and send.at >= lst))


class Quota(SendRule):
    """At most `N_hour` commands in any hour and `N_day` in any day."""

    code = "S7"

    def __init__(self) -> None:
        self._sent: dict[str, deque[Event]] = {}

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield a command beyond a limit; one that is exempt counts for those that follow."""
        sent = self._sent.setdefault(send.vehicle.id, deque())
        while sent and elapsed(sent[0], send.event) >= DAY:
            sent.popleft()
        if not _at_latest_start(send):
            for name, span_ns in (("N_hour", HOUR), ("N_day", DAY)):
                count = 1 + sum(elapsed(past, send.event) < span_ns for past in sent)
                if count > send.record.params[name]:
                    yield self.broken(send.event, f"{count} commands within {span_ns // HOUR} h")
        sent.append(send.event)


class Dwell(SendRule):
    """Opposite commands are at least `T_dwell` apart, unless the user asks."""

    code = "S7"

    def __init__(self) -> None:
        self._last: dict[tuple[str, Any], Event] = {}

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield a command too soon after its opposite."""
        opposite = self._last.get((send.vehicle.id, "START" if send.is_stop else "STOP"))
        self._last[send.vehicle.id, send.command.act] = send.event
        if opposite is None or send.why == "user" or _at_latest_start(send):
            return
        apart = elapsed(opposite, send.event)
        if apart < send.record.params["T_dwell"]:
            yield self.broken(send.event, f"{send.command.act} {apart / MINUTE:.1f} min after its opposite")


class Fence(SendRule):
    """A command carries the epoch of an unexpired lease of its node; nobody has sent with a higher one."""

    code = "S14"
    learns = kinds("LEASE")

    def __init__(self) -> None:
        self._leases: dict[tuple[Any, Any], Event] = {}
        self._highest: dict[str, int] = {}

    def learn(self, event: Event, record: Record) -> None:
        """Remember the lease of each run of each node."""
        if event["k"] == "LEASE":
            key = event.get("node"), event.get("run")
            if event["op"] == "lost":
                self._leases.pop(key, None)
            else:
                self._leases[key] = event

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield a command that another node may have overtaken."""
        intent = send.command.intent
        epoch = send.event.get("epoch", None if intent is None else intent.get("epoch"))
        lease = self._leases.get((send.event.get("node"), send.event.get("run")))
        if lease is None:
            yield self.broken(send.event, "the node holds no lease")
        elif epoch is not None and epoch != lease["epoch"]:  # without an intent, S5 speaks
            yield self.broken(send.event, f"sent with epoch {epoch}, and the lease has {lease['epoch']}")
        elif lease["exp"] is not None and send.at >= lease["exp"]:
            yield self.broken(send.event, "the lease has expired")
        highest = self._highest.get(send.vehicle.id)
        if epoch is None:
            return
        if highest is not None and epoch < highest:
            yield self.broken(send.event, f"epoch {highest} has already sent to the vehicle")
        self._highest[send.vehicle.id] = max(epoch, highest or epoch)


class Recall(SendRule):
    """A pending command whose vehicle is unplugged, away or lost is cancelled within 60 s; nothing else is sent."""

    code = "S26"
    judges = kinds("SEND TICK CANCEL RESULT")
    learns = kinds("LIFE OBS")

    def __init__(self) -> None:
        self._recalled: dict[tuple[str, str], Event] = {}

    def judge(self, event: Event, record: Record) -> Iterable[Violation]:
        """Yield recalls that were not asked for in time. The minute begins when there is an action to cancel."""
        return self._overdue(event, record) if self._recalled or event["k"] == "SEND" else ()

    def _overdue(self, event: Event, record: Record) -> Iterator[Violation]:
        yield from super().judge(event, record)
        for (vehicle_id, cmd), seen in list(self._recalled.items()):
            command = record.vehicle(vehicle_id).commands[cmd]
            if command.result is not None or command.cancel is not None:
                del self._recalled[vehicle_id, cmd]
            elif command.pid is not None and command.acked is not None and seen.get("run") == event.get("run"):
                begun = max(seen, command.acked, key=lambda one: int(one["t"]))
                if elapsed(begun, event) > CANCEL_WITHIN:
                    del self._recalled[vehicle_id, cmd]
                    yield self.broken(seen, f"command {cmd} was not cancelled within 60 s")

    def learn(self, event: Event, record: Record) -> None:
        """Recall what is pending once the vehicle is seen where it must not be commanded."""
        if event["k"] == "LIFE":
            self._recalled.clear()  # a run that is gone cancels nothing; the next one's first reading recalls anew
        elif event["k"] == "OBS" and event["ok"]:
            vehicle = record.vehicle(event["v"])
            for command in vehicle.open if _is_gone(vehicle, record) else ():
                key = vehicle.id, command.cmd
                if command.cancel is None and self._recalled.get(key, {}).get("run") != event.get("run"):
                    self._recalled[key] = event

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield a command sent while another is to be recalled."""
        if send.vehicle.open and _is_gone(send.vehicle, send.record):
            yield self.broken(send.event, "sent while a pending command is to be recalled")


def _is_gone(vehicle: Vehicle, record: Record) -> bool:
    """Return whether the latest accepted observation shows the vehicle unplugged, away, or at an unknown place."""
    unplugged = vehicle.observed is not None and vehicle.observed.get("plugged") is False
    return unplugged or why_not_home(vehicle, record) is not None
