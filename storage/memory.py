"""The Store port in memory: the same behaviour, nothing kept beyond the process."""

import bisect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from scheduler.core.command import Command
from scheduler.core.errors import StoreError, StoreLocked, StoreStale
from scheduler.core.feeds import PriceSeries
from scheduler.core.timeline import nanoseconds
from scheduler.ports import (
    AlertChange,
    Batch,
    Clock,
    DecisionRecord,
    Event,
    Inbound,
    InboxRow,
    OverrideRecord,
    SessionRecord,
    SessionTotal,
    Versioned,
)
from storage import rows
from storage.mapping import situation_refs
from storage.mirror import Mirror
from storage.price_slots import newest_prices, price_rows, price_series


class MemoryStore:
    """The Store port. It outlives `close`, so that a test can open it again.

    Args:
        clock: tells what has expired.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[bytes, datetime | None]] = {}
        self._run = 0
        self._is_open = False
        self._exclusive = False
        self._last_id = 0
        self._last_row = 0
        self._mirror = Mirror()
        self._seen: dict[str, datetime] = {}
        self._vehicles: dict[str, Versioned] = {}
        self._commands: dict[str, Command] = {}
        self._decisions: list[DecisionRecord] = []
        self._blobs: dict[str, bytes] = {}
        self._sessions: dict[str, SessionRecord] = {}
        self._alerts: list[AlertChange] = []
        self._overrides: dict[tuple[str, datetime], OverrideRecord] = {}
        self._journal: list[Event] = []
        self._numbers: set[tuple[int, int]] = set()  # (run, seq) of the journal
        self._prices: dict[str, list[rows.Row]] = {}

    async def open(self, *, node: str, exclusive: bool = True) -> int:
        """Open and return the number of this run."""
        if exclusive and self._is_open:
            raise StoreLocked(f"the memory is in use; node {node} cannot open it again")
        self._is_open, self._exclusive = True, exclusive
        self._run += exclusive
        return self._run

    @property
    def damage(self) -> str:
        """Nothing: memory is not kept."""
        return ""

    async def close(self) -> None:
        """Let go."""
        self._is_open = False

    async def put(self, work: Sequence[Inbound]) -> int:
        """Store work; a row whose key was seen before is dropped. Returns how many were new."""
        self._require_writing()
        new: list[InboxRow] = []
        for one in work:
            if one.key is not None:
                if one.key in self._seen:
                    continue
                self._seen[one.key] = one.received.at
            self._last_id += 1
            new.append(InboxRow(id=self._last_id, work=one))
        self._mirror.add(new)
        return len(new)

    async def take(self, shard: int, *, limit: int = 200) -> list[InboxRow]:
        """Return the shard's oldest stored work, in order of arrival."""
        return self._mirror.oldest(shard, limit=limit)

    async def shards_with_work(self) -> set[int]:
        """Return the shards that have stored work."""
        return self._mirror.shards()

    async def commit(self, batch: Batch) -> None:
        """Write the batch: all or nothing. Raises StoreStale when a vehicle's version has moved on."""
        self._require_writing()
        for read in batch.states:
            self._require_version(read)
        numbers = self._new_numbers(batch.events)
        for read in batch.states:
            self._vehicles[read.state.vehicle_id] = Versioned(state=read.state, version=read.version + 1)
        self._mirror.remove(batch.done)
        self._numbers |= numbers
        for event in batch.events:
            self._last_row += 1
            self._journal.append({**event, "row": self._last_row})
        self._commands |= {command.id: command for command in batch.commands}
        self._decisions += batch.decisions
        self._blobs = {**batch.blobs, **self._blobs}
        self._sessions |= {record.id: record for record in batch.sessions}
        self._overrides |= {(record.vehicle_id, record.override.set_at): record for record in batch.overrides}
        for change in batch.alerts:
            self._change_alert(change)

    def _require_writing(self) -> None:
        if not (self._is_open and self._exclusive):
            raise StoreError("the store is not open for writing")

    def _require_version(self, read: Versioned) -> None:
        stored = self._vehicles.get(read.state.vehicle_id)
        if (stored.version if stored else 0) != read.version:
            raise StoreStale(f"the state of vehicle {read.state.vehicle_id} is no longer version {read.version}")

    def _new_numbers(self, events: Sequence[Event]) -> set[tuple[int, int]]:
        numbered = [rows.journal_row(event) for event in events]
        numbers = {(row["run"], row["seq"]) for row in numbered}
        if len(numbers) < len(numbered) or numbers & self._numbers:
            raise StoreError("an event's number is taken")
        return numbers

    def _change_alert(self, change: AlertChange) -> None:
        for index, alert in enumerate(self._alerts):
            if alert.cleared_at is None and (alert.code, alert.vehicle_id) == (change.code, change.vehicle_id):
                if change.cleared_at is None:
                    self._alerts[index] = replace(alert, text=change.text, severity=change.severity)
                else:
                    self._alerts[index] = replace(alert, cleared_at=change.cleared_at)
                return
        if change.cleared_at is None:
            self._alerts.append(change)

    async def states(self) -> list[Versioned]:
        """Return every vehicle's state."""
        return [self._vehicles[vehicle_id] for vehicle_id in sorted(self._vehicles)]

    async def put_prices(self, series: PriceSeries) -> None:
        """Store prices; the last ones stored win by interval."""
        self._require_writing()
        latest = nanoseconds(series.fetched_at)
        same = [
            row | {"fetched_at": min(row["fetched_at"], latest)}
            for row in self._prices.get(series.name, [])
            if (row["product"], row["zone"], row["currency"]) == (series.product, series.zone, series.currency)
        ]
        if series.slots:
            self._prices[series.name] = newest_prices(stored=same, fetched=price_rows(series))

    async def prices(self, *, since: datetime) -> list[PriceSeries]:
        """Return the stored prices from an instant on, one series a source."""
        start = nanoseconds(since)
        return price_series([row for name in sorted(self._prices) for row in self._prices[name] if row["end"] > start])

    async def commands(
        self, *, vehicle_id: str | None = None, since: datetime | None = None, limit: int = 100
    ) -> list[Command]:
        """Return commands, newest first."""
        found = [
            command
            for command in self._commands.values()
            if vehicle_id in {None, command.vehicle_id} and (since is None or command.sent_at >= since)
        ]
        return sorted(found, key=lambda command: (command.sent_at, command.id), reverse=True)[:limit]

    async def decision_at(self, vehicle_id: str, at: datetime) -> DecisionRecord | None:
        """Return the decision in force at an instant."""
        mine = sorted((d for d in self._decisions if d.vehicle_id == vehicle_id), key=lambda d: d.at)
        index = bisect.bisect_right(mine, at, key=lambda d: d.at)
        return mine[index - 1] if index else None

    async def decisions(self, *, vehicle_id: str | None = None, limit: int = 1000) -> AsyncIterator[DecisionRecord]:
        """Return an iterator over stored decisions, oldest first, at most so many."""

        async def each() -> AsyncIterator[DecisionRecord]:
            for record in [d for d in self._decisions if vehicle_id in {None, d.vehicle_id}][:limit]:
                yield record

        return each()

    async def blob(self, digest: str) -> bytes | None:
        """Return what was stored once by its hash."""
        return self._blobs.get(digest)

    async def sessions(
        self,
        *,
        vehicle_id: str | None = None,
        since: datetime | None = None,
        behind: SessionRecord | None = None,
        limit: int = 100,
    ) -> list[SessionRecord]:
        """Return sessions, newest first: those that had not ended by `since`, those that come after `behind`."""
        found = [
            record
            for record in self._sessions.values()
            if vehicle_id in {None, record.vehicle_id}
            and (since is None or record.unplugged_at is None or record.unplugged_at > since)
            and (behind is None or (record.plugged_at, record.id) < (behind.plugged_at, behind.id))
        ]
        return sorted(found, key=lambda record: (record.plugged_at, record.id), reverse=True)[:limit]

    async def session_totals(self, *, vehicle_id: str | None = None) -> list[SessionTotal]:
        """Return the sums over all sessions, one a currency, in the order of the currencies."""
        return rows.session_totals(
            {
                "currency": one.currency,
                "sessions": 1,
                "energy_kwh": one.energy_kwh,
                "cost": one.cost,
                "saved": _less(one.cost, one.baseline_cost),
                "priced": one.cost is not None,
                "grams": one.grams,
                "grams_saved": _less(one.grams, one.baseline_grams),
                "with_grams": one.grams is not None,
            }
            for one in self._sessions.values()
            if vehicle_id in {None, one.vehicle_id}
        )

    async def alerts(self, *, open_only: bool = True, limit: int = 100) -> list[AlertChange]:
        """Return alerts, newest first."""
        found = [alert for alert in reversed(self._alerts) if alert.cleared_at is None or not open_only]
        return sorted(found, key=lambda alert: alert.raised_at, reverse=True)[:limit]

    async def journal(
        self, *, after: int = 0, run: int | None = None, vehicle_id: str | None = None, limit: int = 1000
    ) -> list[Event]:
        """Return journal events in order of their row number (member `row`), those behind `after`."""
        found = [
            dict(event)
            for event in self._journal
            if event["row"] > after and run in {None, event["run"]} and vehicle_id in {None, event.get("v")}
        ]
        return found[:limit]

    async def overrides(self, *, vehicle_id: str | None = None, limit: int = 100) -> list[OverrideRecord]:
        """Return overrides, newest first."""
        found = [record for record in self._overrides.values() if vehicle_id in {None, record.vehicle_id}]
        found.sort(key=lambda record: record.vehicle_id)
        return sorted(found, key=lambda record: record.override.set_at, reverse=True)[:limit]

    async def keep(self, space: str, key: str, value: bytes, *, expires_at: datetime | None = None) -> None:
        """Keep a value under a name within a space, in place of what was there."""
        self._require_writing()
        self._kept[space, rows.plain_text(key)] = (value, expires_at)

    async def kept(self, space: str, key: str) -> bytes | None:
        """Return what is kept under a name; None where nothing is, or it has expired."""
        return (await self.all_kept(space)).get(rows.plain_text(key))

    async def all_kept(self, space: str) -> dict[str, bytes]:
        """Return all that a space keeps and that has not expired, by name, in the order of the names."""
        now = self._clock.now()
        found = [
            (key, value)
            for (of_space, key), (value, expires_at) in self._kept.items()
            if of_space == space and (expires_at is None or expires_at > now)
        ]
        return dict(sorted(found))

    async def spend(self, space: str, key: str) -> bytes | None:
        """Return what is kept under a name and delete it: one caller gets it, once; None where there is nothing."""
        self._require_writing()
        value = (await self.all_kept(space)).get(rows.plain_text(key))
        self._kept.pop((space, rows.plain_text(key)), None)
        return value

    async def prune(self, *, before: Mapping[str, datetime]) -> int:
        """Delete what is older than the instant given per table; return how many went. What is open is never old."""
        prunings: dict[str, Callable[[datetime], int]] = {
            "seen_event": self._prune_seen,
            "price": self._prune_prices,
            "decision": self._prune_decisions,
            "command": lambda at: _drop(self._commands, lambda c: c.sent_at < at),
            "override": lambda at: _drop(self._overrides, lambda o: _is_before(o.cleared_at, at)),
            "session": lambda at: _drop(self._sessions, lambda s: _is_before(s.unplugged_at, at)),
            "alert": lambda at: _drop_from(self._alerts, lambda a: _is_before(a.cleared_at, at)),
            "journal": lambda at: _drop_from(self._journal, lambda e: bool(e["t"] < nanoseconds(at))),
            "kept": lambda at: _drop(self._kept, lambda kept: _is_before(kept[1], at)),
        }
        self._require_writing()
        if unknown := before.keys() - prunings.keys():
            raise StoreError(f"nothing to prune is named {', '.join(sorted(unknown))}")
        return sum(prunings[name](at) for name, at in before.items())

    def _prune_seen(self, at: datetime) -> int:
        return _drop(self._seen, lambda seen_at: seen_at < at)

    def _prune_prices(self, at: datetime) -> int:
        end = nanoseconds(at)
        return sum(_drop_from(slots, lambda row: bool(row["end"] < end)) for slots in self._prices.values())

    def _prune_decisions(self, at: datetime) -> int:
        gone = _drop_from(self._decisions, lambda d: d.at < at)
        used = {digest for d in self._decisions for digest in situation_refs(d.situation)}
        unused = [digest for digest in self._blobs if digest not in used]
        for digest in unused:
            del self._blobs[digest]
        return gone + len(unused)

    async def backup(self, path: str) -> None:
        """Refuse: memory is not copied."""
        raise StoreError(f"a store in memory cannot be copied to {path}")

    async def fold(self) -> None:
        """Do nothing: memory has no log."""

    async def ping(self) -> None:
        """Prove that something can be written."""
        self._require_writing()


def _less(amount: float | None, baseline: float | None) -> float | None:
    return None if amount is None or baseline is None else baseline - amount


def _is_before(instant: datetime | None, at: datetime) -> bool:
    return instant is not None and instant < at


def _drop(found: dict[Any, Any], is_old: Callable[[Any], bool]) -> int:
    old = [key for key, value in found.items() if is_old(value)]
    for key in old:
        del found[key]
    return len(old)


def _drop_from(found: list[Any], is_old: Callable[[Any], bool]) -> int:
    kept = [value for value in found if not is_old(value)]
    gone = len(found) - len(kept)
    found[:] = kept
    return gone
