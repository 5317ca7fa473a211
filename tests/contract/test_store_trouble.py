"""What a store on a database survives: locks, full disks, kill -9, lost connections."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scheduler.core.errors import StoreBusy, StoreError, StoreLocked
from scheduler.ports import Batch, Versioned
from storage.postgres import PostgresDatabase
from storage.sqlite import SqliteDatabase, driver
from storage.store import SqlStore
from tests.contract.conftest import FixedClock
from tests.contract.store_engines import BOTH, POSTGRES, SHARD, execute, file_of, running, store_on
from tests.contract.store_values import event, first, inbound, state


async def test_a_lock_held_by_another_is_busy_and_the_loop_goes_on(database_url):
    store = SqlStore(SqliteDatabase(file_of(database_url), busy_s=0.2), clock=FixedClock())
    async with running(store):
        with contextlib.closing(driver.connect(file_of(database_url), isolation_level=None)) as tool:
            tool.execute("BEGIN IMMEDIATE")
            writing = asyncio.create_task(store.put([inbound(key="a")]))
            turns = 0
            while not writing.done():
                await asyncio.sleep(0)
                turns += 1
            with pytest.raises(StoreBusy, match="locked"):
                await writing
            assert turns > 20
            tool.execute("ROLLBACK")
        assert await store.put([inbound(key="a")]) == 1  # nothing of the first attempt was kept


async def test_a_lock_given_back_in_time_goes_unnoticed(database_url):
    store = SqlStore(SqliteDatabase(file_of(database_url), busy_s=30.0), clock=FixedClock())
    async with running(store):
        with contextlib.closing(driver.connect(file_of(database_url), isolation_level=None)) as tool:
            tool.execute("BEGIN IMMEDIATE")
            writing = asyncio.gather(*(store.put([inbound(key=str(i))]) for i in range(5)))
            await asyncio.sleep(0)
            tool.execute("COMMIT")
            assert await writing == [1] * 5


async def test_a_full_disk_is_an_error_that_passes(database_url):
    async with running(store_on(database_url)) as store:
        (pages,) = await store.writer.submit(lambda cursor: one(cursor, "PRAGMA page_count"))
        await store.writer.submit(lambda cursor: cursor.execute(f"PRAGMA max_page_count={pages + 2}"))
        with pytest.raises(StoreError, match="full"):
            await store.commit(Batch(states=[first()], events=[event(1, text="x" * 100_000)]))
        assert await store.states() == []
        await store.writer.submit(lambda cursor: cursor.execute("PRAGMA max_page_count=1000000"))
        await store.commit(Batch(states=[first()], events=[event(1, text="x" * 100_000)]))
        assert await store.states() == [Versioned(state=state(), version=1)]


async def test_a_small_write_beside_one_that_fills_the_disk_may_succeed(database_url):
    async with running(store_on(database_url)) as store:
        await store.put([inbound(key="before")])
        (pages,) = await store.writer.submit(lambda cursor: one(cursor, "PRAGMA page_count"))
        await store.writer.submit(lambda cursor: cursor.execute(f"PRAGMA max_page_count={pages + 1}"))
        large, small = await asyncio.gather(
            store.commit(Batch(events=[event(1, text="x" * 100_000)])),
            store.put([inbound(key="small")]),
            return_exceptions=True,
        )
        assert isinstance(large, StoreError)
        if isinstance(small, StoreError):  # SQLite may have given up the whole transaction; then nothing is claimed
            assert await store.put([inbound(key="small")]) == 1
        else:
            assert small == 1
        assert [row.work.key for row in await store.take(SHARD)] == ["before", "small"]


async def test_a_read_only_database_is_an_error(database_url):
    async with running(store_on(database_url)) as store:
        await store.writer.submit(lambda cursor: cursor.execute("PRAGMA query_only=1"))
        with pytest.raises(StoreError, match="readonly"):
            await store.ping()
        assert await store.states() == []


def one(cursor: Any, sql: str) -> Any:
    cursor.execute(sql)
    return cursor.fetchall()[0]


# --- many at once, and killed


@BOTH
async def test_many_producers_share_few_transactions(database_url):
    async with running(store_on(database_url)) as store:
        hold = threading.Event()
        holding = store.writer.submit(lambda _: hold.wait(30))
        before = store.writer.groups

        async def produce(producer: int) -> None:
            for i in range(20):
                await store.put([inbound(key=f"{producer}-{i}", payload=f"{i}".encode())])

        producers = [asyncio.create_task(produce(p)) for p in range(64)]
        await asyncio.sleep(0)
        hold.set()
        await asyncio.gather(holding, *producers)
        assert store.writer.groups - before < 64 * 20 / 4
        taken = await store.take(SHARD, limit=5000)
        assert len(taken) == 64 * 20
        for producer in range(64):
            mine = [int(row.work.payload) for row in taken if (row.work.key or "").startswith(f"{producer}-")]
            assert mine == list(range(20))
    async with running(store_on(database_url)) as store:
        assert await store.take(SHARD, limit=5000) == taken


def write_until_killed(url: str) -> list[str]:
    """Run a process that writes, kill it in the middle, and return the keys of what it was told is stored."""
    script = Path(__file__).with_name("store_until_killed.py")
    with subprocess.Popen([sys.executable, str(script), url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline() for _ in range(300)]
        process.send_signal(signal.SIGKILL)
        acknowledged += process.stdout
    return [line.strip() for line in acknowledged if line.endswith("\n")]  # the last may be cut short


@BOTH
async def test_nothing_acknowledged_is_lost_when_the_process_is_killed(database_url):
    acknowledged = write_until_killed(database_url)
    assert len(acknowledged) >= 300
    async with running(store_on(database_url)) as store:
        taken = await store.take(SHARD, limit=1_000_000)
        assert set(acknowledged) <= {row.work.key for row in taken}
        journal = await store.journal(limit=1_000_000)
        numbers = [e["seq"] for e in journal]
        assert numbers == list(range(1, len(numbers) + 1))
        (read,) = await store.states()
        assert read.version == len(numbers)  # each batch wrote one event and one version


# --- a connection that is lost


@POSTGRES
async def test_a_terminated_session_is_taken_up_again(database_url):
    async with running(store_on(database_url)) as store:
        await store.put([inbound(key="before")])
        terminate_all(database_url)
        assert await store.put([inbound(key="after")]) == 1
        assert await store.states() == []
        with pytest.raises(StoreLocked):  # the new session holds the lock again
            await SqlStore(PostgresDatabase(database_url, busy_s=0.1), clock=FixedClock()).open(node="second")


def terminate_all(url: str) -> None:
    execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


class CutAtCommit:
    """A cursor whose connection breaks at a COMMIT: before the server has seen it, or after it has done it."""

    def __init__(self, cursor: psycopg.Cursor[Any], cuts: list[str]) -> None:
        self._cursor = cursor
        self._cuts = cuts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, sql: Any, values: Any = None) -> None:
        cut = self._cuts.pop(0) if self._cuts and sql == "COMMIT" else ""
        if cut != "before":
            self._cursor.execute(sql, values)
        if cut:
            self._cursor.connection.close()
            raise psycopg.OperationalError("the connection was cut")


class CutConnection:
    def __init__(self, connection: Any, cuts: list[str]) -> None:
        self._connection = connection
        self._cuts = cuts

    def cursor(self) -> Any:
        return CutAtCommit(self._connection.cursor(), self._cuts)

    def close(self) -> None:
        self._connection.close()


class CutDatabase(PostgresDatabase):
    """A database whose writer's connections break at the next COMMITs, in the manner of `cuts`."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.cuts: list[str] = []

    def writer(self) -> Any:
        return CutConnection(super().writer(), self.cuts)

    def finish(self, connection: Any) -> None:
        """Nothing: closing gives the lock back too."""


@POSTGRES
@pytest.mark.parametrize("cut", ["before", "after"])
async def test_a_commit_without_an_answer_is_read_back_and_not_repeated(database_url, cut):
    database = CutDatabase(database_url)
    async with running(SqlStore(database, clock=FixedClock())) as store:
        await store.commit(Batch(states=[first()]))
        database.cuts.append(cut)
        await store.commit(Batch(states=[Versioned(state=state(name="two"), version=1)], events=[event(1)]))
        assert database.cuts == []
        assert await store.states() == [Versioned(state=state(name="two"), version=2)]
        assert [e["seq"] for e in await store.journal()] == [1]


@POSTGRES
@pytest.mark.parametrize("last_cut", ["before", "after"])
async def test_work_that_was_stored_after_all_is_found(database_url, last_cut):
    database = CutDatabase(database_url)
    async with running(SqlStore(database, clock=FixedClock())) as store:
        database.cuts += ["before", last_cut]
        with pytest.raises(StoreError, match="cut"):
            await store.put([inbound(key="k")])
        assert await store.put([inbound(key="k")]) == (0 if last_cut == "after" else 1)  # the sender tries again
        assert [row.work.key for row in await store.take(SHARD)] == ["k"]
