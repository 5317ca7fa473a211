"""What stands at a moment of the journal: alerts, plans, what should be, the truth, and whether the daemon is awake."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

SIMULATED = frozenset({"TRUTH", "FAULT", "BILL"})
"""Kinds that only a simulated run tells; they are of no run of the daemon."""

ASLEEP_AFTER = 300_000_000_000
"""A journal that says nothing for so long [ns] was not being written: the daemon was down, or its host slept."""

EVERYTHING, READS = "enode", "enode:read"
"""Buckets: of all requests, and of those that read the lists of vehicles."""

FOREVER = 1 << 62

Line = Mapping[str, Any]


class Present:
    """What stands now. Each line is the latest of its kind for its vehicle."""

    def __init__(self) -> None:
        self.alerts: dict[tuple[str | None, str], Line] = {}
        self.plans: dict[str, Line] = {}
        self.desired: dict[str, str] = {}
        self.notes: dict[str, Line] = {}
        self.truths: dict[str, Line] = {}
        self._holds: dict[str, Line] = {}
        self._awake_since: Line | None = None
        self._last: Line | None = None
        self._beat: Line | None = None
        self._awake_at: Line | None = None
        self._awake_ns = 0

    def apply(self, event: Line) -> None:
        """Take an event in."""
        if event["k"] not in SIMULATED:
            self._stay_awake(event)
        if event["k"] == "TICK":
            self._beat = event
        elif event["k"] == "ALERT":
            self._alert(event)
        elif event["k"] == "LIMIT":
            self._holds[event["bucket"]] = event
        elif event.get("v") is not None:
            self._vehicle(event, str(event["v"]))

    def _vehicle(self, event: Line, vehicle_id: str) -> None:
        match event["k"]:
            case "PLAN":
                self.plans[vehicle_id] = event
            case "SIT":
                self._settle(event)
            case "NOTE":
                self.notes[vehicle_id] = event
            case "TRUTH":
                self.truths[vehicle_id] = event
            case "SEND":
                self.notes.pop(vehicle_id, None)
            case "PLUG":
                for kept in (self.plans, self.desired, self.notes):
                    kept.pop(vehicle_id, None)

    def alerted(self, vehicle_id: str | None, codes: Collection[str]) -> Line | None:
        """Return an alert in force of one of the codes, of the vehicle or of the daemon itself."""
        for (whose, code), event in self.alerts.items():
            if code in codes and whose in (vehicle_id, None):
                return event
        return None

    def free_to_read(self, event: Line) -> int:
        """Return for how long the provider has not asked to read nothing, up to an event [ns]; 0 while it does."""
        ends = [hold["until"] for hold in self._held(event, READS)]
        return max(0, int(event["t"] - max(ends))) if ends else FOREVER

    def hold(self, event: Line, *buckets: str) -> Line | None:
        """Return the hold of one of the buckets, or of everything, that lasts at an event."""
        return next((hold for hold in self._held(event, *buckets) if event["t"] < hold["until"]), None)

    def _held(self, event: Line, *buckets: str) -> Iterator[Line]:
        """Yield the last hold of each bucket; a run that begins knows of none."""
        found = (self._holds.get(bucket) for bucket in (EVERYTHING, *buckets))
        return (hold for hold in found if hold is not None and hold.get("run") == event.get("run"))

    def awake(self, event: Line) -> int:
        """Return for how long the journal has been written without a break up to an event [ns]."""
        if self._awake_at is not event:  # many rules ask of one event
            since, last = self._awake_since, self._last
            asleep = since is None or last is None or _asleep(last, event)
            self._awake_at, self._awake_ns = event, 0 if asleep or since is None else max(0, _elapsed(since, event))
        return self._awake_ns

    def told_in_full(self, tick: Line) -> bool:
        """Tell whether all that was before a tick stands before it.

        When the store took nothing for some beats, what they owe it may be written behind the tick that counts them.
        """
        last = self._beat
        return last is None or last.get("run") != tick.get("run") or tick.get("n", 0) - last.get("n", 0) <= 1

    def _stay_awake(self, event: Line) -> None:
        last = self._last
        gap = None if last is None or last.get("run") != event.get("run") else event["m"] - last["m"]
        if gap is None or gap > ASLEEP_AFTER:
            self._awake_since = self._last = event
        elif gap > 0:  # a line that a failing store kept back tells of the past
            self._last = event

    def _alert(self, event: Line) -> None:
        key = event.get("v"), str(event["code"])
        if event.get("op") == "cleared":
            self.alerts.pop(key, None)
        else:
            self.alerts[key] = event

    def _settle(self, event: Line) -> None:
        desired = str(event.get("desired"))
        if desired != "hold":
            self.notes.pop(str(event["v"]), None)
        self.desired[str(event["v"])] = desired


def _elapsed(earlier: Line, later: Line) -> int:
    clock = "m" if earlier.get("run") == later.get("run") else "t"
    return int(later[clock]) - int(earlier[clock])


def _asleep(last: Line, event: Line) -> bool:
    return last.get("run") != event.get("run") or _elapsed(last, event) > ASLEEP_AFTER
