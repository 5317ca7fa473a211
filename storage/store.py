"""The Store port on a database: one writing thread, one reading connection, and the undone work in memory.

`take` never reads the database: work is mirrored from the moment it is durable until a batch has marked it done.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

from scheduler.core.command import Command
from scheduler.core.errors import StoreBusy, StoreDamaged, StoreError
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
from storage import batches, mapping, price_slots, rows
from storage.database import Connection, Cursor, Database, Holder, Trouble, rows_of
from storage.mirror import Mirror
from storage.statements import PRUNE_AT_ONCE, Query, Statements
from storage.writer import Writer

R = TypeVar("R")

EVENTS_MAX = 50_000
"""Events that may wait for their drain, about 2 KB each in memory. Who sends more is told to send them again."""

PAGE = 200
"""Decisions read at once."""


def first_inbox_id(epoch: int) -> int:
    """Return where a run starts to number its work: behind all that earlier runs can have numbered."""
    return epoch << 32


class SqlStore:
    """The Store port.

    Args:
        database: the engine.
        clock: tells when this run began.

    Attributes:
        writer: what all writing goes through.
    """

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._statements = Statements(database.dialect)
        self.writer = Writer(database, self._statements)
        self._reader: Connection | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._mirror = Mirror()
        self._next_id = 0

    async def open(self, *, node: str, exclusive: bool = True) -> int:
        """Open, check the schema, take the exclusive lock and return the number of this run.

        Without `exclusive` only reading is possible, beside a daemon that may run; the number is then the last run's.
        """
        if self._pool is not None:
            raise StoreError("the store is open already")
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-reader")
        try:
            if exclusive:
                return await self._open_to_write(node)
            await self._in_thread(lambda: self._database.prepare(exclusive=False))
            meta = await self._read(self._statements.meta)
            return int(meta[0]["epoch"]) if meta else 0
        except BaseException:
            await self.close()
            raise

    async def _open_to_write(self, node: str) -> int:
        holder = Holder(node=node, pid=os.getpid(), started_at=self._clock.now())
        await self._in_thread(lambda: self._database.lock(holder))
        await self._in_thread(lambda: self._database.prepare(exclusive=True))
        self.writer.start()
        epoch = await self.writer.submit(
            lambda cursor: batches.begin_run(cursor, self._statements, holder), fenced=False
        )
        self.writer.epoch = epoch
        self._next_id = first_inbox_id(epoch)
        await self._load_mirror()
        return epoch

    async def close(self) -> None:
        """Write what has queued, checkpoint and let go."""
        await self.writer.stop()
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.get_running_loop().run_in_executor(pool, self._let_go)
            pool.shutdown(wait=False)

    def _let_go(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
        self._database.unlock()

    # --- work

    async def put(self, work: Sequence[Inbound]) -> int:
        """Store work durably; a row whose key was seen before is dropped. Returns how many were new.

        Raises:
            StoreBusy: too many events wait to be done. What we found or a person wishes is always taken.
        """
        if len(self._mirror) + len(work) > EVENTS_MAX and all(one.kind == "event" for one in work):
            raise StoreBusy(f"{EVENTS_MAX} events wait to be looked at")
        ids = range(self._next_id, self._next_id + len(work))
        self._next_id += len(work)
        stored = [InboxRow(id=row_id, work=one) for row_id, one in zip(ids, work, strict=True)]
        new = await self.writer.submit(
            lambda cursor: batches.put(cursor, self._statements, stored), done=self._mirror.add
        )
        return len(new)

    async def take(self, shard: int, *, limit: int = 200) -> list[InboxRow]:
        """Return the shard's oldest stored work, in order of arrival. It stays until a batch marks it done."""
        await self._make_sure()
        return self._mirror.oldest(shard, limit=limit)

    async def shards_with_work(self) -> set[int]:
        """Return the shards that have stored work."""
        await self._make_sure()
        return self._mirror.shards()

    async def commit(self, batch: Batch) -> None:
        """Write the batch in one transaction. Raises StoreStale, with nothing written, when a version has moved on."""
        written = batches.prepare(batch, used_at=nanoseconds(self._clock.now()))
        await self.writer.submit(
            lambda cursor: batches.write(cursor, self._statements, written),
            done=lambda _: self._mirror.remove(batch.done),
        )

    async def _make_sure(self) -> None:
        """Read the undone work again when the mirror may lack some."""
        if self.writer.unsure:
            self.writer.unsure = False
            try:
                await self._load_mirror()
            except StoreError:
                self.writer.unsure = True
                raise

    async def _load_mirror(self) -> None:
        """Read the undone work in the writer's own order, so that nothing comes or goes in between."""
        await self.writer.submit(
            lambda cursor: [rows.inbox_work(row) for row in rows_of(cursor, self._statements.inbox)],
            done=self._mirror.replace,
        )

    # --- prices

    async def put_prices(self, series: PriceSeries) -> None:
        """Store prices; the last ones stored win by interval. Prices of another product, zone or currency go."""
        fetched = price_slots.price_rows(series)
        await self.writer.submit(lambda cursor: batches.put_prices(cursor, self._statements, fetched))

    async def prices(self, *, since: datetime) -> list[PriceSeries]:
        """Return the stored prices from an instant on, one series a source."""
        return price_slots.price_series(await self._read(self._statements.prices, {"since": nanoseconds(since)}))

    # --- pages

    async def states(self) -> list[Versioned]:
        """Return every vehicle's state."""
        found = await self._read(self._statements.vehicles)
        try:
            return [rows.vehicle_state(row) for row in found]
        except StoreError as error:  # no page says so, yet it is not what was written
            raise self._damaged(error) from error

    async def commands(
        self, *, vehicle_id: str | None = None, since: datetime | None = None, limit: int = 100
    ) -> list[Command]:
        """Return commands, newest first."""
        query = self._statements.commands(one_vehicle=vehicle_id is not None, since=since is not None)
        values = {"vehicle_id": vehicle_id, "since": rows.instant(since), "up_to": limit}
        return [mapping.decode_command(row["body"]) for row in await self._read(query, values)]

    async def decision_at(self, vehicle_id: str, at: datetime) -> DecisionRecord | None:
        """Return the decision in force at an instant."""
        found = await self._read(self._statements.decision_at, {"vehicle_id": vehicle_id, "at": nanoseconds(at)})
        return rows.decision_record(found[0]) if found else None

    async def decisions(self, *, vehicle_id: str | None = None, limit: int = 1000) -> AsyncIterator[DecisionRecord]:
        """Return an iterator over stored decisions, oldest first, at most so many."""
        return self._each_decision(vehicle_id, limit)

    async def _each_decision(self, vehicle_id: str | None, limit: int) -> AsyncIterator[DecisionRecord]:
        query = self._statements.decisions(one_vehicle=vehicle_id is not None)
        after = 0
        while limit > 0:
            values = {"vehicle_id": vehicle_id, "after": after, "up_to": min(limit, PAGE)}
            page = await self._read(query, values)
            for row in page:
                yield rows.decision_record(row)
            if len(page) < PAGE:
                return
            after, limit = page[-1]["row"], limit - len(page)

    async def blob(self, digest: str) -> bytes | None:
        """Return what was stored once by its hash."""
        found = await self._read(self._statements.blob, {"digest": digest})
        return rows.unpacked(found[0]["body"]) if found else None

    async def sessions(
        self,
        *,
        vehicle_id: str | None = None,
        since: datetime | None = None,
        behind: SessionRecord | None = None,
        limit: int = 100,
    ) -> list[SessionRecord]:
        """Return sessions, newest first: those that had not ended by `since`, those that come after `behind`."""
        query = self._statements.sessions(
            one_vehicle=vehicle_id is not None, since=since is not None, behind=behind is not None
        )
        values = {"vehicle_id": vehicle_id, "since": rows.instant(since), "up_to": limit}
        if behind is not None:
            values |= {"last_at": nanoseconds(behind.plugged_at), "last_id": behind.id}
        return [rows.session_record(row) for row in await self._read(query, values)]

    async def session_totals(self, *, vehicle_id: str | None = None) -> list[SessionTotal]:
        """Return the sums over all sessions, one a currency, in the order of the currencies."""
        query = self._statements.session_sums(one_vehicle=vehicle_id is not None)
        return rows.session_totals(await self._read(query, {"vehicle_id": vehicle_id}))

    async def alerts(self, *, open_only: bool = True, limit: int = 100) -> list[AlertChange]:
        """Return alerts, newest first."""
        found = await self._read(self._statements.alerts(open_only=open_only), {"up_to": limit})
        return [rows.alert_change(row) for row in found]

    async def journal(
        self, *, after: int = 0, run: int | None = None, vehicle_id: str | None = None, limit: int = 1000
    ) -> list[Event]:
        """Return journal events in order of their row number (member `row`), those behind `after`."""
        query = self._statements.journal(one_run=run is not None, one_vehicle=vehicle_id is not None)
        values = {"after": after, "run": run, "vehicle_id": vehicle_id, "up_to": limit}
        return [rows.journal_event(row) for row in await self._read(query, values)]

    async def overrides(self, *, vehicle_id: str | None = None, limit: int = 100) -> list[OverrideRecord]:
        """Return overrides, newest first."""
        query = self._statements.overrides(one_vehicle=vehicle_id is not None)
        found = await self._read(query, {"vehicle_id": vehicle_id, "up_to": limit})
        return [rows.override_record(row) for row in found]

    # --- small values

    async def keep(self, space: str, key: str, value: bytes, *, expires_at: datetime | None = None) -> None:
        """Keep a value under a name within a space, in place of what was there."""
        row = rows.kept_row(space, key, value, expires_at)
        await self.writer.submit(lambda cursor: cursor.execute(self._statements.keep, row))

    async def kept(self, space: str, key: str) -> bytes | None:
        """Return what is kept under a name; None where nothing is, or it has expired."""
        found = await self._read(self._statements.kept, self._kept_one(space, key))
        return bytes(found[0]["value"]) if found else None

    async def all_kept(self, space: str) -> dict[str, bytes]:
        """Return all that a space keeps and that has not expired, by name, in the order of the names."""
        values = {"of_space": space, "now": nanoseconds(self._clock.now())}
        found = {row["key"]: bytes(row["value"]) for row in await self._read(self._statements.all_kept, values)}
        return dict(sorted(found.items()))  # a server may have its own idea of an order

    async def spend(self, space: str, key: str) -> bytes | None:
        """Return what is kept under a name and delete it: one caller gets it, once; None where there is nothing."""
        one = self._kept_one(space, key)
        return await self.writer.submit(lambda cursor: batches.spend(cursor, self._statements, one))

    def _kept_one(self, space: str, key: str) -> rows.Row:
        return {"of_space": space, "of_key": rows.plain_text(key), "now": nanoseconds(self._clock.now())}

    # --- upkeep

    async def prune(self, *, before: Mapping[str, datetime]) -> int:
        """Delete rows older than the instant given per table; return how many went.

        What is open (an alert, an override, a session) is never old. What decisions share goes with the last decision
        that used it.

        Raises:
            StoreError: there is no such table to prune.
        """
        due = {name: nanoseconds(at) for name, at in before.items()}
        if unknown := due.keys() - self._statements.prune.keys():
            raise StoreError(f"nothing to prune is named {', '.join(sorted(unknown))}")
        if "decision" in due:
            due["blob"] = due["decision"] - batches.TOUCH_NS
        gone = 0
        for name, instant in due.items():
            query = self._statements.prune[name]
            values = {**query.fixed, "before": instant, "up_to": PRUNE_AT_ONCE}
            while (went := await self.writer.submit(_counted(query.sql, values))) > 0:
                gone += went
        return gone

    async def backup(self, path: str) -> None:
        """Copy the database while running."""
        await self._in_thread(lambda: self._database.backup(path))

    async def fold(self) -> None:
        """Have the log of what was written emptied, as far as nobody reads it."""
        self.writer.folding = True
        await self.ping()

    async def ping(self) -> None:
        """Prove that a write can be made durable."""
        await self.writer.submit(lambda _: None)

    async def _read(self, query: Query, values: Mapping[str, Any] | None = None) -> list[rows.Row]:
        return await self._in_thread(lambda: self._read_now(query, values))

    def _read_now(self, query: Query, values: Mapping[str, Any] | None) -> list[rows.Row]:
        try:
            return self._query(query, values)
        except Exception as error:
            if self._database.trouble(error) is not Trouble.LOST:
                raise
            self._reader = None
            return self._query(query, values)

    def _query(self, query: Query, values: Mapping[str, Any] | None) -> list[rows.Row]:
        if self._reader is None:
            self._reader = self._database.reader()
        cursor = self._reader.cursor()
        try:
            return rows_of(cursor, query, values)
        finally:
            cursor.close()

    @property
    def damage(self) -> str:
        """What was found damaged since it was opened; empty where nothing was."""
        return self.writer.damage

    def _damaged(self, error: Exception) -> StoreDamaged:
        """Let nothing be written any more; return what to raise."""
        self.writer.damage = self.writer.damage or str(error)
        return StoreDamaged(f"{self._database.name} is damaged: {error}")

    async def _in_thread(self, job: Callable[[], R]) -> R:
        """Run a job in the reading thread; what the driver raises becomes a StoreError."""
        if self._pool is None:
            raise StoreError("the store is not open")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, job)
        except StoreError:
            raise
        except Exception as error:
            if self._database.trouble(error) is Trouble.DAMAGED:
                raise self._damaged(error) from error
            raise StoreError(f"{self._database.name} could not be read: {error}") from error


def _counted(sql: str, values: Mapping[str, Any]) -> Callable[[Cursor], int]:
    def work(cursor: Cursor) -> int:
        cursor.execute(sql, values)
        return cursor.rowcount

    return work
