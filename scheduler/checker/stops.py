"""Rules on STOP, the dangerous command (S9, S10, S11), and on the target (S12)."""

# ruff: noqa: ARG002 - all rules have the same hooks, whether or not one reads the record

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from scheduler.checker.gate import why_not_home
from scheduler.checker.lasting import Lasting
from scheduler.checker.record import FAILED, FUTURE_LIMIT, MINUTE, Event, Record, Vehicle, elapsed
from scheduler.checker.rule import Rule, Send, SendRule, Violation, kinds

PAUSES = frozenset({"plan", "cap", "reconcile"})
HEALTHY_AFTER = 30 * MINUTE
STOP_WITHIN = 15 * MINUTE


class Reserve(SendRule):
    """No pause while the state of charge is below the minimum or unknown."""

    code = "S9"

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield a STOP below the reserve. A configured energy per session stands in for an unknown state of charge."""
        if not send.is_stop or send.why not in PAUSES:
            return
        vehicle, minimum = send.vehicle, send.vehicle.needs("min_soc")
        if not vehicle.soc_known or vehicle.soc is None:
            if send.record.setting(vehicle.id, "energy_per_session_kwh") is None:
                yield self.broken(send.event, "STOP while the state of charge is unknown")
        elif minimum is not None and vehicle.soc < minimum:
            yield self.broken(send.event, f"STOP at {vehicle.soc:g} %, below the minimum of {minimum:g} %")


class PricesNeverStrand(SendRule):
    """A STOP rests only on a published price that covers the present instant, unless a time window asks for it."""

    code = "S10"
    learns = kinds("PRICE")

    def __init__(self) -> None:
        self._spans: dict[Any, list[tuple[int, int]]] = {}

    def learn(self, event: Event, record: Record) -> None:
        """Remember the spans for which each home knows published prices."""
        if event["k"] == "PRICE":
            self._spans[event["home"]] = [(start, end) for start, end in event["spans"]]

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield a STOP for a price that is absent, over, or yet to come."""
        intent = send.command.intent
        if not send.is_stop or intent is None:
            return
        rests = intent.get("rests") or ("price" if send.why in {"plan", "cap"} else None)
        home = send.record.home(send.vehicle.id)
        spans = self._spans.get(None if home is None else home["id"], [])
        if rests == "price" and not any(start <= send.at < end for start, end in spans):
            yield self.broken(send.event, "STOP for a price, and no published price covers this instant")


class PauseOnlyResumable(SendRule):
    """Charging is paused only where it can be resumed in time."""

    code = "S11"
    learns = kinds("AMBIG RESULT PLUG")

    def __init__(self) -> None:
        self._trouble: dict[str, Event] = {}
        self._last: dict[str, str] = {}

    def learn(self, event: Event, record: Record) -> None:
        """Remember the last trouble on the way to each vehicle, and how its last command of this session ended."""
        if event["k"] == "PLUG":
            self._last.pop(event["v"], None)
        if event["k"] == "AMBIG" or (event["k"] == "RESULT" and event["out"] in FAILED):
            self._trouble[event["v"]] = event
        if event["k"] == "RESULT" and event["out"] in FAILED | {"verified"}:
            self._last[event["v"]] = event["out"]

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield every reason not to pause."""
        if not send.is_stop or send.why not in PAUSES:
            return
        vehicle = send.vehicle
        yield from self._slack(send)
        trouble = self._trouble.get(vehicle.id)
        if trouble is not None and elapsed(trouble, send.event) < HEALTHY_AFTER:
            yield self.broken(send.event, "STOP within 30 min of a failed or ambiguous command")
        elif self._last.get(vehicle.id) in FAILED:
            yield self.broken(send.event, "STOP although the last command failed")
        if vehicle.no_pause or send.record.setting(vehicle.id, "no_pause"):
            yield self.broken(send.event, "STOP for a vehicle that must not be paused")
        if _resume_failed(vehicle):
            yield self.broken(send.event, "STOP although a resume failed in this session")

    def _slack(self, send: Send) -> Iterator[Violation]:
        lst, intent = send.vehicle.needs("lst"), send.command.intent
        if lst is None or intent is None or send.vehicle.needs("kwh") == 0:
            return
        resume = intent.get("resume")
        if resume is None:
            yield self.broken(send.event, "STOP without a planned resume")
        elif lst - resume < send.record.params["R_stop"]:
            yield self.broken(send.event, f"only {(lst - resume) / MINUTE:.0f} min from the resume to the latest start")


def _resume_failed(vehicle: Vehicle) -> bool:
    """Return whether a START after a STOP of ours failed in this session; one that never left says nothing."""
    paused = False
    for command in vehicle.session.ended if vehicle.session is not None else ():
        out = None if command.result is None else command.result["out"]
        if command.act == "STOP" and out == "verified":
            paused = True
        elif command.act == "START" and paused and out in FAILED and (command.acked or command.ambiguous):
            return True
    return False


class TargetCap(SendRule):
    """No START while a fresh state of charge is at the target or above, unless the user asks."""

    code = "S12"

    def on_send(self, send: Send) -> Iterator[Violation]:
        """Yield a START of a vehicle that is done."""
        if send.is_start and send.why != "user" and _at_target(send.vehicle, send.record, at=send.at):
            yield self.broken(send.event, "START at or above the target")


class TargetReached(Rule):
    """A vehicle seen at its target while it charges at home is stopped within 15 min, or the reason not to is noted."""

    code = "S12"
    judges = kinds("TICK OBS SEND INTENT NOTE")
    learns = kinds("LIFE SEND INTENT NOTE OBS NEED OVR MODE")

    def __init__(self) -> None:
        self._lasting = Lasting()

    def judge(self, event: Event, record: Record) -> Iterable[Violation]:
        """Yield the readings that nothing followed in time."""
        return self._overdue(event) if self._lasting else ()

    def _overdue(self, event: Event) -> Iterator[Violation]:
        for vehicle_id, reading in self._lasting.longer(event, STOP_WITHIN):
            self._lasting.tell(vehicle_id)
            yield self.broken(reading, "at the target, and neither stopped nor excused within 15 min")

    def learn(self, event: Event, record: Record) -> None:
        """Start to wait at a reading; end with the command, the note, or when nothing is left to stop."""
        if event["k"] == "LIFE":
            self._lasting.restart()
        elif event.get("v") is not None:
            self._follow(event, record.vehicle(event["v"]), record)

    def _follow(self, event: Event, vehicle: Vehicle, record: Record) -> None:
        if _is_answer(event):
            self._lasting.tell(vehicle.id)
        elif event["k"] == "OBS" and event["ok"]:
            if _must_stop(event, vehicle, record):
                self._lasting.begin(vehicle.id, event)
            elif event.get("charging") is True and record.present.desired.get(vehicle.id) == "hold":
                self._lasting.excuse(vehicle.id)  # by the estimate it was there before; why it was not stopped holds
            else:
                self._lasting.end(vehicle.id)
        elif event["k"] in {"NEED", "OVR", "MODE"} and not _must_stop(event, vehicle, record):
            self._lasting.excuse(vehicle.id)


def _is_answer(event: Event) -> bool:
    """Return whether the event stops the vehicle, means to, or says why not."""
    match event["k"]:
        case "SEND":
            return bool(event["act"] == "STOP")
        case "INTENT":
            return bool(event.get("why") == "target")
        case "NOTE":
            return bool(event.get("code") == "no_stop")
    return False


def _must_stop(event: Event, vehicle: Vehicle, record: Record) -> bool:
    observed = vehicle.observed
    return (
        observed is not None
        and observed.get("plugged") is True
        and observed.get("charging") is True
        and _at_target(vehicle, record, at=event["t"])
        and vehicle.will(event["t"]) not in {"charge", "hands_off"}  # the user's own wish goes beyond the target
        and record.why_no_command(vehicle) is None
        and record.setting(vehicle.id, "hold_mode") != "never-stop"
        and why_not_home(vehicle, record) is None
        and not any(command.act == "STOP" for command in vehicle.open)
    )


def _at_target(vehicle: Vehicle, record: Record, *, at: int) -> bool:
    """Return whether the latest reading of the battery is fresh and at the target or above."""
    target, observed = vehicle.needs("target"), vehicle.observed
    if target is None or observed is None or observed.get("soc") is None:
        return False
    read_at = observed["ts"].get("battery")
    fresh = read_at is not None and -FUTURE_LIMIT <= at - read_at <= record.params["X_src"]
    return bool(fresh and observed["soc"] >= target)
