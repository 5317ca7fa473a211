"""Rules on the latest start (L2, L3), and on charging that is under way at a deadline (L9), by the journal alone.

What the vehicle has in truth at its deadline, `deadline` judges (L1).
"""

# ruff: noqa: ARG002 - all rules have the same hooks, whether or not one reads the record

from __future__ import annotations

from collections.abc import Iterator

from scheduler.checker.gate import why_not_home
from scheduler.checker.lasting import Lasting
from scheduler.checker.record import FAILED, MINUTE, Event, Record, Vehicle, elapsed
from scheduler.checker.rule import Rule, Violation, kinds
from scheduler.checker.stops import PAUSES

PRICED = frozenset({"full", "partial", "fresh"})
"""Qualities of prices that are published."""

GRACE = 3 * MINUTE
"""From the latest start to the command: a tick, a reading that has to be fetched first, and a plug that has to last."""

AWAKE = 5 * MINUTE
RETRIED_WITHIN = 36 * MINUTE
"""After a failed command the next one may wait so long (L4)."""

HINDRANCES = frozenset({
    "INCAPABLE", "CREDENTIALS_LOST", "CHARGER_LOST", "FOREIGN_CONTROLLER", "STORE_TROUBLE", "GONE", "PROVIDER_DOWN",
    "STOPPED_BY_ANOTHER", "CLAIMED_TWICE", "UNLISTED_CHARGER", "STARTED_NO_POWER", "COMPLETE_BELOW_TARGET", "SETUP",
})  # fmt: skip
"""Alerts that say why a vehicle cannot be started."""

AT_RISK = frozenset({"DEADLINE_AT_RISK"})
ENOUGH_KWH = 0.05


class LatestStart(Rule):
    """Without published prices (L2), or a state of charge (L3), charging begins no later than the latest start."""

    code = "L2"
    judges = kinds("TICK")

    def __init__(self) -> None:
        self._lasting = Lasting()

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield at a tick every vehicle that waits beyond its latest start, and nothing says why."""
        if event["k"] != "TICK":
            return
        for vehicle in record.vehicles.values():
            waits = _waits(vehicle, record, event) and record.present.awake(event) >= AWAKE
            if self._lasting.lasted(vehicle.id, event, holds=waits) >= GRACE:
                self._lasting.tell(vehicle.id)
                code = "L3" if vehicle.needs("soc_q") == "unknown" else "L2"
                text = f"not started {(event['t'] - vehicle.needs('lst')) / MINUTE:.0f} min after the latest start"
                yield Violation(rule=code, seq=int(event["seq"]), vehicle=vehicle.id, text=text)


def _waits(vehicle: Vehicle, record: Record, event: Event) -> bool:
    """Return whether the vehicle is due by a need of poor quality, could be started, and is not."""
    at, lst = event["t"], vehicle.needs("lst")
    if lst is None or at <= lst:
        return False
    poor = vehicle.needs("soc_q") == "unknown" or vehicle.needs("price_q") not in PRICED
    if not poor or (vehicle.needs("kwh") or 0.0) <= ENOUGH_KWH:
        return False
    slots = record.present.plans.get(vehicle.id, {}).get("slots", ())
    planned = any(start <= at < end for start, end in slots)
    if not planned and record.present.alerted(vehicle.id, AT_RISK):
        return False  # a block of higher precedence stands in the way, and it was told
    return _startable(vehicle, record, event) and record.present.alerted(vehicle.id, HINDRANCES) is None


def _startable(vehicle: Vehicle, record: Record, event: Event) -> bool:
    """Return whether the evidence carries a START now, and no command, wish or failure stands against it."""
    observed = vehicle.observed
    if observed is None or observed.get("plugged") is not True or observed.get("charging") is not False:
        return False
    if "COMPLETE" in str(observed.get("state")) or observed.get("run") != event.get("run"):
        return False
    charge_at = observed["ts"].get("charge")
    fresh = charge_at is not None and 0 <= event["t"] - charge_at <= record.params["X_src"]
    if not fresh or elapsed(observed, event) > record.params["X_rx"] or vehicle.open:
        return False
    ended = [one.result for one in vehicle.session.ended if one.result] if vehicle.session is not None else []
    if ended and ended[-1]["out"] in FAILED and elapsed(ended[-1], event) < RETRIED_WITHIN:
        return False
    will = vehicle.will(event["t"])
    free = will not in {"hold", "hands_off"} and record.why_no_command(vehicle) is None
    return free and why_not_home(vehicle, record) is None


class PastDeadline(Rule):
    """Charging under way at a deadline, with the target unmet, is not paused by the deadline."""

    code = "L9"
    judges = kinds("OBS SEND NEED SIT INTENT RESULT")
    learns = kinds("CONF OVR PLUG NEED")

    def __init__(self) -> None:
        self._needs: dict[str, Event] = {}
        self._unmet: dict[str, float] = {}

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Note deadlines that pass while a vehicle charges; yield a pause before its target is met."""
        vehicle_id = event.get("v")
        if vehicle_id is None:
            return
        vehicle, need = record.vehicle(vehicle_id), self._needs.get(vehicle_id)
        if need is not None and event["k"] != "TRUTH" and event["t"] >= need["deadline"]:
            del self._needs[vehicle_id]
            if _charges_below(vehicle, need["target"] - record.params["eps_soc"]):
                self._unmet[vehicle_id] = need["target"]
        target = self._unmet.get(vehicle_id)
        if target is None or event["k"] != "SEND" or event["act"] != "STOP":
            return
        command = vehicle.commands.get(event["cmd"])
        if command is not None and command.why in PAUSES and _charges_below(vehicle, target - record.params["eps_soc"]):
            yield self.broken(event, f"STOP ({command.why}) of charging that goes on past its deadline")

    def learn(self, event: Event, record: Record) -> None:
        """Follow the deadline in force; the owner's will and the end of the session lift it."""
        vehicle_id = event.get("v")
        if event["k"] == "CONF":
            self._needs.clear()
            self._unmet.clear()
        elif vehicle_id is not None and event["k"] in {"OVR", "PLUG"}:
            self._needs.pop(vehicle_id, None)
            self._unmet.pop(vehicle_id, None)
        elif event["k"] == "NEED":
            self._follow(event)

    def _follow(self, need: Event) -> None:
        if need.get("deadline") is not None and need.get("target") is not None and need["deadline"] > need["t"]:
            self._needs[need["v"]] = need
        elif need.get("deadline") is None:
            self._needs.pop(need["v"], None)


def _charges_below(vehicle: Vehicle, soc: float) -> bool:
    """Return whether the latest reading shows the vehicle charging, and below a state of charge."""
    observed = vehicle.observed
    if observed is None or observed.get("plugged") is not True or observed.get("charging") is not True:
        return False
    return observed.get("soc") is not None and observed["soc"] < soc
