"""Rules on what a person is told (L5): a deadline at risk in time, every miss on record, nothing twice."""

# ruff: noqa: ARG002 - all rules have the same hooks, whether or not one reads the record

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scheduler.checker.gate import why_not_home
from scheduler.checker.lasting import Lasting
from scheduler.checker.record import FUTURE_LIMIT, HOUR, MINUTE, Event, Record, Vehicle, elapsed
from scheduler.checker.rule import Rule, Violation, kinds

QUIET_FOR = 6 * HOUR
AWAKE = 10 * MINUTE
ON_RECORD = frozenset({"DEADLINE_AT_RISK", "COMPLETE_BELOW_TARGET"})
"""Alerts that record a miss."""

EXPLAINED = ON_RECORD | {"SOC_FROZEN"}
"""Alerts that record a miss, or say why the readings show one where there may be none."""


class ToldInTime(Rule):
    """A vehicle that stands still although it cannot meet its deadline any more is told of within `T_alert`."""

    code = "L5"
    judges = kinds("TICK")

    def __init__(self) -> None:
        self._lasting = Lasting()

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield, at a tick, vehicles whose miss was plain for too long."""
        if event["k"] != "TICK":
            return
        for vehicle in record.vehicles.values():
            plain = _misses(vehicle, record, event["t"]) and record.present.awake(event) > AWAKE
            untold = plain and record.present.alerted(vehicle.id, ON_RECORD) is None
            lasted_ns = self._lasting.lasted(vehicle.id, event, holds=untold)
            if lasted_ns > record.params["T_alert"]:
                self._lasting.tell(vehicle.id)
                text = f"its deadline cannot be met for {lasted_ns / MINUTE:.0f} min, and nobody is told"
                yield Violation(rule=self.code, seq=int(event["seq"]), vehicle=vehicle.id, text=text)


def _misses(vehicle: Vehicle, record: Record, at: int) -> bool:
    """Return whether a vehicle at home stands still beyond its last chance, by what the daemon itself reckoned.

    Its latest start keeps a reserve before the deadline, and a tolerance counts as met: only what is beyond both is a
    miss that it knows of.
    """
    need, observed = vehicle.need, vehicle.observed
    if need is None or observed is None or observed.get("plugged") is not True or observed.get("charging") is not False:
        return False
    lst, deadline, target, soc = (need.get(name) for name in ("lst", "deadline", "target", "soc"))
    if lst is None or deadline is None or target is None or soc is None or target - soc <= record.params["eps_soc"]:
        return False
    reserve_ns = record.slack(vehicle.id)
    takes_ns = max(0, deadline - reserve_ns - lst)
    spared_ns = takes_ns * record.params["eps_soc"] / (target - soc)
    if not lst + reserve_ns + spared_ns < at < deadline:
        return False
    ours = record.why_no_command(vehicle) is None and vehicle.will(at) != "hands_off"
    return ours and why_not_home(vehicle, record) is None


class Missed(Rule):
    """A miss that the readings show is on record by `T_alert` after they do."""

    code = "L5"
    judges = kinds("OBS TICK")
    learns = kinds("CONF LIFE PLUG OVR ALERT NEED")

    def __init__(self) -> None:
        self._needs: dict[str, Event] = {}
        self._missed: dict[str, Event] = {}
        self._records: dict[str, set[str]] = {}

    def judge(self, event: Event, record: Record) -> Iterable[Violation]:
        """Find misses in the readings that follow a deadline; return at a tick those that nobody was told of."""
        if event["k"] == "TICK":
            return self._untold(event, record) if self._missed else ()
        if event["k"] == "OBS" and event["ok"]:
            self._read(event, record)
        return ()

    def _untold(self, event: Event, record: Record) -> Iterator[Violation]:
        for vehicle_id, reading in list(self._missed.items()):
            if elapsed(reading, event) > record.params["T_alert"] and record.present.awake(event) > AWAKE:
                del self._missed[vehicle_id]
                yield self.broken(reading, f"{reading['soc']:g} % after the deadline, and no alert says so")

    def learn(self, event: Event, record: Record) -> None:
        """Follow the deadline in force, alerts, and what ends the matter."""
        vehicle_id = event.get("v")
        if event["k"] in {"CONF", "LIFE"}:
            self._needs.clear()
        elif vehicle_id is None:
            return
        elif event["k"] in {"PLUG", "OVR"}:
            for kept in (self._needs, self._missed, self._records):
                kept.pop(vehicle_id, None)
        elif event["k"] == "ALERT" and event["code"] in EXPLAINED:
            self._follow_record(event)
        elif event["k"] == "NEED" and event.get("target") is not None:
            deadline = event.get("deadline")
            passed = self._needs.get(vehicle_id)
            if deadline is not None and (passed is None or event["t"] < passed["deadline"]):
                self._needs[vehicle_id] = event

    def _follow_record(self, alert: Event) -> None:
        """Take an alert: the record of a miss stays when it is cleared, an explanation ends with it."""
        codes = self._records.setdefault(alert["v"], set())
        if alert.get("op") != "cleared":
            codes.add(alert["code"])
            self._missed.pop(alert["v"], None)
        elif alert["code"] not in ON_RECORD:
            codes.discard(alert["code"])

    def _read(self, reading: Event, record: Record) -> None:
        need, soc = self._needs.get(reading["v"]), reading.get("soc")
        read_at = reading["ts"].get("battery")
        if need is None or soc is None or read_at is None or reading.get("plugged") is not True:
            return
        if read_at < need["deadline"] or reading["t"] < need["deadline"]:
            return
        del self._needs[reading["v"]]
        vehicle = record.vehicle(reading["v"])
        ours = record.why_no_command(vehicle) is None and vehicle.will(reading["t"]) in (None, "ready-by")
        ours = ours and why_not_home(vehicle, record) is None
        told = bool(self._records.get(reading["v"])) or record.present.alerted(reading["v"], EXPLAINED) is not None
        late = read_at - need["deadline"] > FUTURE_LIMIT + 30 * MINUTE
        if ours and not told and not late and soc < need["target"] - record.params["eps_soc"]:
            self._missed[reading["v"]] = reading


class Repeated(Rule):
    """A vehicle's alert that ended is not told again within 6 h, unless its cause, the session or a wish is another."""

    code = "L5"
    judges = kinds("ALERT")
    learns = kinds("PLUG OVR CONF")

    def __init__(self) -> None:
        self._raised: dict[tuple[str, str], Event] = {}

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield an alert that repeats one. One that is reopened is not told."""
        if event["k"] != "ALERT" or event.get("op") in {"cleared", "reopened"} or event.get("v") is None:
            return
        key = event["v"], str(event["code"])
        before = self._raised.get(key)
        self._raised[key] = event
        same = before is not None and before.get("cause") == event.get("cause")
        if before is not None and same and elapsed(before, event) < QUIET_FOR:
            yield self.broken(event, f"{event['code']} again after {elapsed(before, event) / MINUTE:.0f} min")

    def learn(self, event: Event, record: Record) -> None:
        """Forget what was told of a session or under a wish that is over."""
        if event["k"] in {"PLUG", "OVR"}:
            self._raised = {key: told for key, told in self._raised.items() if key[0] != event["v"]}
        elif event["k"] == "CONF":
            self._raised.clear()
