"""Rules on the daemon's own life: it goes on (L7), hears (L8), and is back soon (L10)."""

# ruff: noqa: ARG002 - all rules have the same hooks, whether or not one reads the record

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scheduler.checker.present import SIMULATED
from scheduler.checker.record import MINUTE, SECOND, Event, Record, elapsed
from scheduler.checker.rule import Rule, Violation, kinds

DOWN = frozenset({"PROVIDER_DOWN", "CREDENTIALS_LOST"})
TOLD_DOWN = 8 * MINUTE
"""By then an alert says that the provider is down, if it is."""

BACK_WITHIN = 2 * MINUTE
SLACK = 5 * SECOND
FULL_POLLING = 20 * MINUTE
"""The longest wait between two readings of a vehicle of which no webhook tells anything."""

STORED_LATE = 6 * 60 * MINUTE
"""A store that fails now and then may take everything but ticks: the next that it takes counts them all."""

JOINTLY = frozenset({"HELD_WHILE_STOPPING", "CHARGER_LOST", "PLUGIN_SET_ASIDE"})
"""Alerts of which several may be raised side by side under one code and no vehicle."""


class Progress(Rule):
    """Ticks of a run come at most twice `T_tick` apart. Ticks that a failing store did not take are counted in `n`.

    A line that was written late proves nothing: the run may have ended between it and the tick that counts the others.
    """

    code = "L7"
    judges = kinds("TICK OBS SIT SEND")

    def __init__(self) -> None:
        self._tick: Event | None = None
        self._missing: Event | None = None
        self._ended: Event | None = None

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield a gap between ticks, and ticks that ended while the run went on."""
        if event["k"] in SIMULATED or event.get("late"):
            return
        if self._tick is None or event.get("run") != self._tick.get("run"):
            if self._ended:
                yield self.broken(self._ended, "the ticks have ended, and the run goes on")
            self._tick = self._missing = self._ended = None
        most = 2 * record.params["T_tick"]
        if event["k"] == "TICK":
            if self._tick is not None:
                beats = max(1, event.get("n", 0) - self._tick.get("n", 0))
                gap = elapsed(self._tick, event)
                if gap > most * beats:
                    yield self.broken(event, f"{gap / beats / SECOND:.0f} s from tick to tick")
            self._tick, self._missing, self._ended = event, None, None
        elif self._tick is not None and elapsed(self._tick, event) > most:
            self._missing = self._missing or event
            if elapsed(self._missing, event) > most:
                self._ended = self._missing
            if self._ended and elapsed(self._missing, event) > STORED_LATE:
                yield self.broken(self._ended, "the ticks have ended, and the run goes on")
                self._tick = self._ended = None


class Inbound(Rule):
    """Once no webhook arrives, every vehicle is read by polling, and that is told once.

    Where the provider does not answer, which the truth tells, or else an alert in time, it begins anew.
    """

    code = "L8"
    judges = kinds("TICK")
    learns = kinds("ALERT LIFE OBS")

    def __init__(self) -> None:
        self._silent: Event | None = None
        self._read: dict[str, Event] = {}

    def judge(self, event: Event, record: Record) -> Iterable[Violation]:
        """Yield vehicles that were not read in time, at a tick."""
        return self._unread_in_time(event, record) if self._silent is not None else ()

    def _unread_in_time(self, event: Event, record: Record) -> Iterator[Violation]:
        if self._silent is None or not record.present.told_in_full(event):
            return
        if record.present.alerted(None, DOWN) is not None or record.present.awake(event) < FULL_POLLING:
            self._read.clear()  # the provider, or the daemon, was not there: it begins anew
            self._silent = event
            return
        for vehicle_id in sorted(record.configured()):
            truth = record.present.truths.get(vehicle_id)
            if truth is not None and not truth["path"]:
                self._read[vehicle_id] = event
                continue
            last, late = self._read.get(vehicle_id, self._silent), TOLD_DOWN if truth is None else BACK_WITHIN
            gone = record.present.alerted(vehicle_id, {"GONE"}) is not None
            free = record.present.free_to_read(event) > BACK_WITHIN
            if free and not gone and elapsed(last, event) > FULL_POLLING + late:
                self._read[vehicle_id] = event
                text = f"not read for {elapsed(last, event) / MINUTE:.0f} min, and no webhook arrives"
                yield Violation(rule=self.code, seq=int(event["seq"]), vehicle=vehicle_id, text=text)

    def learn(self, event: Event, record: Record) -> None:
        """Follow the silence of webhooks, and readings."""
        if event["k"] == "ALERT" and event["code"] == "WEBHOOK_SILENT":
            self._silent = None if event.get("op") == "cleared" else event
            self._read.clear()
        elif event["k"] == "LIFE":
            self._silent = None
        elif event["k"] == "OBS" and event["src"] != "webhook":
            self._read[event["v"]] = event


class Recovery(Rule):
    """Every vehicle is read within 2 min of a start, or of the provider's return; alerts outlast a restart.

    That the provider answered, the truth tells. Without it a start is late only when no alert says that it did not.
    """

    code = "L10"
    judges = kinds("ALERT TICK")
    learns = kinds("LIFE CONF OBS TRUTH")

    def __init__(self) -> None:
        self._unread: dict[str, Event] = {}
        self._polled: dict[str, Event] = {}
        self._down: dict[str, Event] = {}

    def judge(self, event: Event, record: Record) -> Iterable[Violation]:
        """Yield vehicles not read in time, and alerts that a new run raises a second time."""
        return self._late_or_again(event, record) if self._unread or event["k"] == "ALERT" else ()

    def _late_or_again(self, event: Event, record: Record) -> Iterator[Violation]:
        if event["k"] == "ALERT":
            yield from self._raised_again(event, record)
        elif record.present.told_in_full(event):
            down = record.present.alerted(None, DOWN) is not None
            for vehicle_id, since in list(self._unread.items()):
                truth = record.present.truths.get(vehicle_id)
                waited, most = elapsed(since, event), TOLD_DOWN if truth is None else BACK_WITHIN + SLACK
                if min(waited, record.present.free_to_read(event)) <= most:
                    continue
                del self._unread[vehicle_id]
                if truth is not None or not down:
                    text = f"not read within 2 min of the {'return' if since['k'] == 'TRUTH' else 'start'}"
                    yield Violation(rule=self.code, seq=int(event["seq"]), vehicle=vehicle_id, text=text)

    def learn(self, event: Event, record: Record) -> None:
        """Begin with a start, or when the way to a vehicle is open again; a reading settles it."""
        if event["k"] == "LIFE" and event["op"] != "ready":
            started = record.configured() - self._down.keys() if event["op"] == "start" else set()
            self._unread = dict.fromkeys(sorted(started), event)
        elif event["k"] == "CONF":
            self._unread = {v: since for v, since in self._unread.items() if v in record.configured()}
        elif event["k"] == "OBS":
            self._settle(event)
        elif event["k"] == "TRUTH":
            self._follow_path(event, record)

    def _settle(self, reading: Event) -> None:
        """Take a reading. After a start only a poll will do: events may have been lost before it."""
        since = self._unread.get(reading["v"])
        if reading["src"] != "webhook":
            self._polled[reading["v"]] = reading
        elif since is not None and since["k"] == "LIFE":
            return
        self._unread.pop(reading["v"], None)

    def _follow_path(self, truth: Event, record: Record) -> None:
        if not truth["path"]:
            self._down.setdefault(truth["v"], truth)
            self._unread.pop(truth["v"], None)
            return
        closed = self._down.pop(truth["v"], None)
        told = record.present.alerted(None, DOWN)
        if closed is None or told is None or truth.get("cause") != "path" or told["t"] < closed["t"]:
            return  # an alert from before has another cause, which may go on
        polled = self._polled.get(truth["v"])
        back = polled is not None and polled["t"] > told["t"]  # the truth may be told late
        if not back and truth["v"] in record.configured():
            self._unread[truth["v"]] = truth

    def _raised_again(self, event: Event, record: Record) -> Iterator[Violation]:
        if event.get("op") == "cleared" or event["code"] in JOINTLY:
            return
        before = record.present.alerts.get((event.get("v"), str(event["code"])))
        if before is not None and before.get("run") != event.get("run"):
            yield self.broken(event, f"{event['code']} was raised by an earlier run and never cleared")
