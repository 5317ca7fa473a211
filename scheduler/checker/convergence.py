"""The rule that the world becomes as it should be once faults are over (L6): judged by the truth of a simulated run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from scheduler.checker.record import Event, Record, Vehicle, elapsed
from scheduler.checker.rule import Rule, Violation, kinds
from scheduler.checker.urgency import HINDRANCES

MOST_SENDS = 2


@dataclass(kw_only=True)
class Calm:
    """The time since the last fault of a vehicle ended: what was desired in it, and what was sent."""

    since: Event
    desired: set[str] = field(default_factory=set)
    sends: int = 0


class Convergence(Rule):
    """`T_conv` after the last fault ended the vehicle does what is desired, and at most two commands were spent on it.

    Faults are the windows that `FAULT` lines of a simulated run tell, and the times when no command could reach the
    vehicle (`TRUTH.path`). Whatever else changes in the meantime begins the time anew.
    """

    code = "L6"
    judges = kinds("TICK")
    learns = kinds("FAULT CONF LIFE CLOCK TRUTH OVR PLUG SIT SEND")

    def __init__(self) -> None:
        self._calm: dict[str, Calm] = {}
        self._down: set[str] = set()
        self._faults: set[tuple[str | None, str]] = set()

    def judge(self, event: Event, record: Record) -> Iterable[Violation]:
        """Yield, at a tick, the vehicles whose time is over and that are not as they should be."""
        return self._ended(event, record) if self._calm else ()

    def _ended(self, event: Event, record: Record) -> Iterator[Violation]:
        for vehicle_id, calm in list(self._calm.items()):
            if event["t"] - calm.since["t"] <= record.params["T_conv"]:
                continue
            del self._calm[vehicle_id]
            if record.present.awake(event) < record.params["T_conv"] or len(calm.desired) > 1:
                continue
            why = _apart(record.vehicle(vehicle_id), record)
            if calm.sends > MOST_SENDS:
                why = why or f"{calm.sends} commands were spent"
            if why is not None:
                text = f"{elapsed(calm.since, event) / 6e10:.0f} min after the last fault: {why}"
                yield Violation(rule=self.code, seq=int(event["seq"]), vehicle=vehicle_id, text=text)

    def learn(self, event: Event, record: Record) -> None:
        """Follow faults; a change of what is wanted, by a person or a plan, is no matter of theirs."""
        kind, vehicle_id = event["k"], event.get("v")
        if kind == "FAULT":
            self._follow_fault(event, record)
        elif kind in {"CONF", "LIFE", "CLOCK"}:
            self._calm.clear()
        elif vehicle_id is None:
            return
        elif kind == "TRUTH":
            self._follow_path(event)
        elif kind in {"OVR", "PLUG"}:
            self._calm.pop(vehicle_id, None)
        elif vehicle_id in self._calm:
            calm = self._calm[vehicle_id]
            if kind == "SIT":
                calm.desired.add(str(event["desired"]))
            elif kind == "SEND" and record.vehicle(vehicle_id).commands[event["cmd"]].why != "user":
                calm.sends += 1

    def _follow_fault(self, event: Event, record: Record) -> None:
        key = event.get("v"), str(event["what"])
        if event["op"] == "begin":
            self._faults.add(key)
            self._calm.clear()
            return
        self._faults.discard(key)
        if not self._faults:
            for vehicle_id in record.configured() if event.get("v") is None else {event["v"]}:
                self._begin(vehicle_id, event)

    def _follow_path(self, truth: Event) -> None:
        if not truth["path"]:
            self._down.add(truth["v"])
            self._calm.pop(truth["v"], None)
        elif truth["v"] in self._down:
            self._down.discard(truth["v"])
            if truth.get("cause") == "path" and not self._faults:
                self._begin(truth["v"], truth)

    def _begin(self, vehicle_id: str, event: Event) -> None:
        if vehicle_id not in self._down:
            self._calm[vehicle_id] = Calm(since=event)


def _apart(vehicle: Vehicle, record: Record) -> str | None:
    """Return how a vehicle that may be commanded differs from what is desired; None if it does not, or may."""
    truth, desired = record.present.truths.get(vehicle.id), record.present.desired.get(vehicle.id)
    if truth is None or not (truth["plugged"] and truth["home"] and truth["path"]) or vehicle.open:
        return None
    if record.why_no_command(vehicle) is not None or record.present.alerted(vehicle.id, HINDRANCES) is not None:
        return None
    full = truth.get("limit") is not None and truth["soc"] >= truth["limit"] - record.params["eps_soc"]
    if desired == "charge" and not truth["charging"] and not full:
        return "it should charge, and does not"
    if desired == "hold" and truth["charging"] and vehicle.id not in record.present.notes:
        return "it should hold, and charges"
    return None
