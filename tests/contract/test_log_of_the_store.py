"""The write-ahead log: emptied between writes unless somebody reads, and no read of ours lasts for ever (B06)."""

import contextlib
import time

import pytest

from scheduler.ports import Batch
from storage.sqlite import SqliteDatabase, driver
from storage.time_box import TimeBoxed
from tests.contract.store_engines import BOTH, file_of, running, store_on
from tests.contract.store_values import event

FOREVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def size_of_log(url: str) -> int:
    path = file_of(url)
    return path.with_name(f"{path.name}-wal").stat().st_size


async def test_the_log_is_emptied_when_it_is_asked_for(database_url):
    async with running(store_on(database_url)) as store:
        await store.commit(Batch(events=[event(i) for i in range(1, 100)]))
        assert size_of_log(database_url) > 0
        await store.fold()
        await store.ping()  # behind the folding
        assert size_of_log(database_url) < 20_000, "that of the last write"
        assert len(await store.journal()) == 99


async def test_a_reader_holds_up_the_folding_and_no_writer(database_url):
    async with running(store_on(database_url)) as store:
        await store.commit(Batch(events=[event(1)]))
        with contextlib.closing(driver.connect(file_of(database_url), isolation_level=None)) as tool:
            tool.execute("BEGIN")
            tool.execute("SELECT * FROM journal").fetchall()
            await store.commit(Batch(events=[event(i, text="x" * 900) for i in range(2, 200)]))
            before = size_of_log(database_url)
            began = time.monotonic()
            await store.fold()
            await store.ping()
            assert time.monotonic() - began < 1, "nobody waits for a reader"
            assert size_of_log(database_url) >= before
        await store.fold()
        await store.ping()
        assert size_of_log(database_url) < 20_000


@BOTH
async def test_folding_is_asked_of_every_engine(database_url):
    async with running(store_on(database_url)) as store:
        await store.fold()
        await store.ping()


def test_b06_a_read_of_ours_that_takes_for_ever_is_broken_off(tmp_path):
    database = SqliteDatabase(tmp_path / "kwhen.db")
    reader = database.reader()
    assert isinstance(reader, TimeBoxed)
    reader._within_s = 0.1
    began = time.monotonic()
    with contextlib.closing(reader):
        with pytest.raises(driver.OperationalError, match="interrupted"):
            reader.cursor().execute(FOREVER).fetchall()
        assert time.monotonic() - began < 5
        assert reader.cursor().execute("SELECT 1").fetchall() == [(1,)], "the next has its own time"
