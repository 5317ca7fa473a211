"""The writing thread, on a database that does as it is told."""

import asyncio
import threading
from datetime import UTC, datetime

import pytest

from scheduler.core.errors import StoreBusy, StoreError
from scheduler.virtual_time import run_virtual
from storage import writer as writing
from storage.database import Trouble
from storage.sqlite import SqliteDatabase
from storage.statements import Statements
from storage.writer import Writer


class Recorder:
    """A connection and its cursor: notes what is executed, fails where it is told to."""

    rowcount = 1

    def __init__(self) -> None:
        self.executed: list[str] = []
        self.failures: dict[str, list[Exception | None]] = {}
        self.closed = False

    def cursor(self):
        return self

    def execute(self, sql, values=None):
        word = sql.split(" ")[0]
        self.executed.append(word)
        failure = self.failures[word].pop(0) if self.failures.get(word) else None
        if failure is not None:
            raise failure

    def close(self):
        self.closed = True


class RecordedDatabase(SqliteDatabase):
    def __init__(self, path) -> None:
        super().__init__(path)
        self.recorder = Recorder()

    def writer(self):
        return self.recorder

    def finish(self, connection):
        connection.execute("CHECKPOINT")

    def trouble(self, error):
        return Trouble.BUSY if isinstance(error, TimeoutError) else Trouble.FAULT


@pytest.fixture
async def writer(tmp_path):
    database = RecordedDatabase(tmp_path / "never made")
    made = Writer(database, Statements(database.dialect))
    made.recorder = database.recorder
    made.start()
    yield made
    await made.stop()


async def together(writer: Writer, *works, **options):
    """Submit several operations so that they become one group, the second of the writer's life."""
    gate, held = threading.Event(), threading.Event()
    holding = writer.submit(lambda _: (held.set(), gate.wait(30)))
    await asyncio.to_thread(held.wait, 30)
    futures = [writer.submit(work, **options) for work in works]
    gate.set()
    await holding
    return await asyncio.gather(*futures, return_exceptions=True)


def says(word):
    return lambda cursor: cursor.execute(word) or word


def raises(error):
    def work(cursor):
        raise error

    return work


async def test_what_queues_up_is_one_transaction(writer):
    assert await together(writer, says("A"), says("B")) == ["A", "B"]
    assert writer.recorder.executed[-5:] == ["BEGIN", "UPDATE", "A", "B", "COMMIT"]
    assert writer.groups == 2


async def test_a_failing_operation_takes_no_neighbour_with_it(writer):
    first, second, third = await together(writer, says("A"), raises(ValueError("bad")), says("C"))
    assert (first, third) == ("A", "C")
    assert isinstance(second, StoreError)
    assert isinstance(second.__cause__, ValueError)
    assert writer.recorder.executed.count("COMMIT") == 2


async def test_a_failing_commit_fails_all_and_is_not_repeated(writer):
    writer.recorder.failures["COMMIT"] = [None, OSError("disk")]
    results = await together(writer, says("A"), says("B"))
    assert [type(result) for result in results] == [StoreError, StoreError]
    assert writer.recorder.executed.count("A") == 1
    assert writer.unsure
    assert await writer.submit(says("C")) == "C"


async def test_busy_fails_the_group_without_trying_each(writer):
    writer.recorder.failures["BEGIN"] = [TimeoutError("locked")]
    with pytest.raises(StoreBusy):
        await writer.submit(says("A"))
    assert await writer.submit(says("B")) == "B"


async def test_a_queue_that_is_full_is_busy(writer, monkeypatch):
    monkeypatch.setattr(writing, "QUEUE_MAX", 3)
    gate, held = threading.Event(), threading.Event()
    holding = writer.submit(lambda _: (held.set(), gate.wait(30)))
    await asyncio.to_thread(held.wait, 30)
    waiting = [writer.submit(says("A")) for _ in range(3)]
    with pytest.raises(StoreBusy, match="3 operations wait"):
        writer.submit(says("B"))
    gate.set()
    assert await asyncio.gather(*waiting) == ["A"] * 3
    await holding


async def test_results_come_in_order_and_after_the_commit(writer):
    seen = []
    await together(writer, says("A"), says("B"), done=lambda word: seen.append((word, writer.recorder.executed[-1])))
    assert seen == [("A", "COMMIT"), ("B", "COMMIT")]


async def test_it_writes_what_has_queued_before_it_stops(writer):
    futures = [writer.submit(says("A")) for _ in range(5)]
    await writer.stop()
    assert await asyncio.gather(*futures) == ["A"] * 5
    assert writer.recorder.executed[-1] == "CHECKPOINT"
    assert writer.recorder.closed
    with pytest.raises(StoreError, match="not open"):
        writer.submit(says("B"))


def test_virtual_time_does_not_pass_while_something_is_written(tmp_path):
    database = RecordedDatabase(tmp_path / "never made")

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        writer = Writer(database, Statements(database.dialect))
        writer.start()
        asyncio.get_running_loop().call_later(3600, lambda: None)  # something to jump to
        started, gate = threading.Event(), threading.Event()
        threading.Timer(0.05, gate.set).start()
        before = loop.time()
        await writer.submit(lambda _: (started.set(), gate.wait(30)))
        during = loop.time() - before
        await writer.stop()
        await asyncio.sleep(7200)
        return [during, loop.time() - before]

    assert run_virtual(main, start_at=datetime(2026, 1, 1, tzinfo=UTC)) == [0.0, 7200.0]
