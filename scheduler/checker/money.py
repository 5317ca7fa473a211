"""Rules on money, judged by the truth of a simulated run: bills (E2), and charging that nothing asks for (E3)."""

# ruff: noqa: ARG002 - all rules have the same hooks, whether or not one reads the record

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from scheduler.checker.gate import why_not_home
from scheduler.checker.lasting import Lasting
from scheduler.checker.record import MINUTE, Event, Record
from scheduler.checker.rule import Rule, Violation, kinds

RESCUES = frozenset({"deadline", "min_soc"})
DEAREST = 1.05
CENT = 0.01

UNDER_WAY = "in-flight"
"""A note that a STOP is already on its way is no reason not to stop."""


class Bill(Rule):
    """A session costs at most 1.05 × what plain charging on arrival would have cost.

    `BILL` lines of a simulated run tell both. Sessions in which a deadline was rescued, or a person asked for charging,
    are a matter apart.
    """

    code = "E2"
    judges = kinds("BILL")
    learns = kinds("INTENT OVR")

    def __init__(self) -> None:
        self._apart: dict[str, deque[int]] = {}

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield a bill that is too high."""
        if event["k"] != "BILL" or any(event["from"] <= at <= event["to"] for at in self._apart.get(event["v"], ())):
            return
        cost, at_once = event["cost"], event["at_once"]
        if cost > at_once + (DEAREST - 1) * abs(at_once) + CENT:
            yield self.broken(event, f"{cost:.2f} for what would have cost {at_once:.2f} on arrival")

    def learn(self, event: Event, record: Record) -> None:
        """Note rescues and wishes."""
        rescue = event["k"] == "INTENT" and event.get("why") in RESCUES
        if rescue or (event["k"] == "OVR" and event["op"] == "set"):
            self._apart.setdefault(event["v"], deque(maxlen=10_000)).append(event["t"])


class Unwanted(Rule):
    """No vehicle charges for longer than `T_verify` while no plan, wish or rescue asks for it and it could be stopped.

    Charging that S9 to S11 forbid to interrupt is noted as such (`NOTE`), and counts as planned.
    """

    code = "E3"
    judges = kinds("TICK")

    def __init__(self) -> None:
        self._lasting = Lasting()

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield, at a tick, the vehicles that charge on."""
        if event["k"] != "TICK":
            return
        for vehicle_id in record.present.truths:
            awake = record.present.awake(event) > record.params["T_verify"]
            lasted_ns = self._lasting.lasted(vehicle_id, event, holds=awake and _unwanted(vehicle_id, record, event))
            if lasted_ns > record.params["T_verify"]:
                self._lasting.tell(vehicle_id)
                text = f"charges for {lasted_ns / MINUTE:.0f} min that nothing asks for"
                yield Violation(rule=self.code, seq=int(event["seq"]), vehicle=vehicle_id, text=text)


def _unwanted(vehicle_id: str, record: Record, event: Event) -> bool:
    """Return whether a vehicle charges at home, should hold by the daemon's own word, and nothing stands against it."""
    truth, present, vehicle = record.present.truths[vehicle_id], record.present, record.vehicle(vehicle_id)
    if not (truth["charging"] and truth["home"] and truth["path"]) or present.desired.get(vehicle_id) == "charge":
        return False
    slots = present.plans.get(vehicle_id, {}).get("slots", ())
    if any(start <= event["t"] < end for start, end in slots) or present.desired.get(vehicle_id) != "hold":
        return False
    noted = present.notes.get(vehicle_id, {}).get("why", UNDER_WAY)
    if noted != UNDER_WAY or vehicle.will(event["t"]) in {"charge", "hands_off"}:
        return False
    return record.why_no_command(vehicle) is None and why_not_home(vehicle, record) is None
