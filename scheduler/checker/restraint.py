"""Rules on doing little: a store that is lost (L11), a vehicle that may rest (L12)."""

# ruff: noqa: ARG002 - all rules have the same hooks, whether or not one reads the record

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scheduler.checker.record import MINUTE, Event, Record, Vehicle, elapsed
from scheduler.checker.rule import Rule, Send, SendRule, Violation, kinds

TROUBLE = "STORE_TROUBLE"
TICKS_UNTIL_TOLD = 3
REST = 60 * MINUTE
ROUNDING = MINUTE


class StoreLost(SendRule):
    """An intent that could not be made durable is never a STOP, and the trouble is told."""

    code = "L11"
    judges = kinds("SEND TICK")
    learns = kinds("ALERT")

    def __init__(self) -> None:
        self._untold: dict[object, tuple[Event, int]] = {}

    def judge(self, event: Event, record: Record) -> Iterable[Violation]:
        """Yield a STOP from memory, and trouble of which the ticks that follow bring no alert."""
        return self._untold_or_stopped(event, record) if self._untold or event["k"] == "SEND" else ()

    def _untold_or_stopped(self, event: Event, record: Record) -> Iterator[Violation]:
        yield from super().judge(event, record)
        untold = self._untold.get(event.get("run"))
        if untold is not None and event["k"] == "TICK":
            sent, ticks = untold
            self._untold[event.get("run")] = sent, ticks + 1
            if ticks + 1 >= TICKS_UNTIL_TOLD:
                del self._untold[event.get("run")]
                yield self.broken(sent, "sent from memory, and no alert tells of the store")

    def learn(self, event: Event, record: Record) -> None:
        """Note the alert, before the command or after it."""
        if event["k"] == "ALERT" and event["code"] == TROUBLE and event.get("op") != "cleared":
            self._untold.pop(event.get("run"), None)

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield a STOP whose intent was not durable."""
        intent = send.command.intent
        if intent is None or intent["durable"]:
            return
        if send.is_stop:
            yield self.broken(send.event, "STOP with an intent that could not be kept")
        if send.record.present.alerted(None, {TROUBLE}) is None:
            self._untold.setdefault(send.event.get("run"), (send.event, 0))


class Rest(Rule):
    """With nothing to do a vehicle is woken once an hour at most, and an unplugged one not at all."""

    code = "L12"
    judges = kinds("REFRESH TICK OBS OVR PLUG RESULT INTENT")
    learns = kinds("LIFE CONF CLOCK OVR PLUG INTENT RESULT OBS SIT SEND")

    def __init__(self) -> None:
        self._asked: Event | None = None
        self._woken: dict[str, Event] = {}

    def judge(self, event: Event, record: Record) -> Iterable[Violation]:
        """Yield a refresh that wakes without need, once its turn is over: only then is told what should be done."""
        return self._woken_for_nothing(event, record) if self._asked is not None or event["k"] == "REFRESH" else ()

    def _woken_for_nothing(self, event: Event, record: Record) -> Iterator[Violation]:
        asked = self._asked
        if asked is not None and event.get("m") != asked.get("m"):
            self._asked = None
            if not _has_work(record, asked["v"]):
                yield from self._needless(asked, record)
            self._woken[asked["v"]] = asked
        if event["k"] == "REFRESH":
            self._asked = event

    def learn(self, event: Event, record: Record) -> None:
        """Forget the last refresh when there is something to do."""
        vehicle_id = event.get("v")
        if event["k"] in {"LIFE", "CONF", "CLOCK"}:
            self._woken.clear()
        elif event["k"] in {"OVR", "PLUG", "INTENT", "RESULT"} or (vehicle_id and _has_work(record, vehicle_id)):
            self._woken.pop(str(vehicle_id), None)

    def _needless(self, asked: Event, record: Record) -> Iterator[Violation]:
        before, observed = self._woken.get(asked["v"]), _seen_in_run(record.vehicle(asked["v"]), asked)
        if observed is not None and observed.get("plugged") is False and observed["t"] < asked["t"]:
            yield self.broken(asked, "a refresh of a vehicle that is not plugged in")
        elif before is not None and elapsed(before, asked) < REST - ROUNDING:
            yield self.broken(asked, f"woken again after {elapsed(before, asked) / MINUTE:.0f} min with nothing to do")


class LeftAsleep(Rule):
    """A full vehicle is left asleep, unless a person wants it to charge: it may not be full any more."""

    code = "L12"
    judges = kinds("REFRESH")

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield a refresh of a vehicle whose charging is complete."""
        if event["k"] == "REFRESH":
            vehicle = record.vehicle(event["v"])
            observed = _seen_in_run(vehicle, event)
            full = observed is not None and "COMPLETE" in str(observed.get("state"))
            if full and vehicle.will(event["t"]) != "charge":
                yield self.broken(event, "a refresh of a vehicle that is full")


def _has_work(record: Record, vehicle_id: str) -> bool:
    """Return whether what should be differs from what is seen, or is not told, or a command is on its way."""
    vehicle, desired = record.vehicle(vehicle_id), record.present.desired.get(vehicle_id)
    charging = None if vehicle.observed is None else vehicle.observed.get("charging")
    return bool(vehicle.open) or (desired != "leave" and (desired == "charge") is not charging) or desired is None


def _seen_in_run(vehicle: Vehicle, event: Event) -> Event | None:
    """Return the latest reading of the vehicle, if it is of the event's run and no command is on its way."""
    observed = vehicle.observed
    return None if observed is None or vehicle.open or observed.get("run") != event.get("run") else observed
