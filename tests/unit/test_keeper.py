"""When the store's file is copied, what ends a run, and what a person is told."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from scheduler.core.errors import StoreDamaged, StoreError
from scheduler.keeper import Keeper
from storage.copies import copies
from storage.database import Holder
from storage.opening import open_store
from storage.safekeeping import Safekeeping

START = datetime(2026, 1, 12, 16, 0, tzinfo=UTC)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def monotonic_ns(self) -> int:
        return 0


class Here:
    """A keeper over a database on disk."""

    def __init__(self, path, *, keep=2) -> None:
        self.path, self.clock = path, Clock()
        self.settings = SimpleNamespace(storage_url=f"sqlite:///{path}", storage_copies=keep)
        self.store = open_store(self.settings.storage_url, clock=self.clock)
        self.keeper = Keeper(self.store, settings=lambda: self.settings, clock=self.clock)

    async def copied(self, **passed: float) -> int:
        """Let so much time pass, see whether a copy is due, and return how many copies there are."""
        self.clock.at += timedelta(**passed)
        await self.keeper.copy()
        return len(copies(self.path))


@pytest.fixture
async def here(tmp_path):
    one = Here(tmp_path / "kwhen.db")
    await one.keeper.open(node="n")
    yield one
    await one.store.close()


async def test_a_copy_is_made_once_a_day(here):
    assert [await here.copied(), await here.copied(hours=23), await here.copied(hours=1)] == [1, 1, 2]
    assert await here.copied(days=1) == 2, "the oldest went"
    assert copies(here.path)[0].name == "kwhen.db.copy-20260114T160000Z"


async def test_a_copy_waits_for_a_moment_without_work_but_not_for_ever(here, monkeypatch):
    await here.copied()

    async def busy() -> set[int]:
        return {1}

    monkeypatch.setattr(here.store, "shards_with_work", busy)
    assert [await here.copied(hours=35), await here.copied(hours=1)] == [1, 2]


async def test_a_copy_dated_by_a_clock_that_ran_ahead_does_not_put_off_the_next(here):
    await here.copied(days=4000)
    assert await here.copied(days=-3999) == 2


async def test_none_is_made_where_none_is_wanted(here):
    here.settings.storage_copies = 0
    assert await here.copied() == 0


async def test_a_disk_without_room_is_told_and_nothing_else(here, monkeypatch):
    def no_room(*_, **__):
        raise StoreError("0 MB are free")

    monkeypatch.setattr("scheduler.keeper.take_copy", no_room)
    assert await here.copied() == 0
    await here.keeper.look()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(here.keeper.watch(), 0.01)


async def test_a_copy_that_finds_damage_ends_the_run(here, monkeypatch):
    def damaged(*_, **__):
        raise StoreDamaged("a page is damaged")

    monkeypatch.setattr("scheduler.keeper.take_copy", damaged)
    await here.copied()
    with pytest.raises(StoreDamaged, match="a page is damaged"):
        await here.keeper.watch()


async def test_what_showed_is_looked_at_by_the_next_start_and_told(here):
    ended_with = here.keeper.suspected(StoreDamaged("a page is damaged"))
    assert not isinstance(ended_with, StoreDamaged), "exit status 65 would keep it down"
    await here.store.close()
    assert list(here.keeper.alerts()) == []
    await here.keeper.open(node="n")
    ((code, text),) = here.keeper.alerts()
    assert code == "STORE_RECOVERED"
    assert "could not be read (a page is damaged)" in text
    assert here.keeper.careful
    here.clock.at += timedelta(days=1, seconds=1)
    assert not here.keeper.careful
    assert list(here.keeper.alerts()) == []


async def test_a_recovery_is_known_after_a_restart(here):
    await here.store.close()
    holder = Holder(node="n", pid=1, started_at=START)
    Safekeeping(here.path).recover("rubbish", at=START, holder=holder)
    again = Here(here.path)
    await again.keeper.open(node="n")
    ((_, text),) = again.keeper.alerts()
    await again.store.close()
    assert f"put aside as {here.path}.damaged-20260112T160000Z" in text
    assert "begun afresh" in text


async def test_a_strange_file_is_left_alone(tmp_path):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(b"\xff\xd8\xff" * 100)
    with pytest.raises(StoreDamaged, match="not an SQLite database"):
        await Here(path).keeper.open(node="n")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["holiday.jpg", "holiday.jpg.lock"]
