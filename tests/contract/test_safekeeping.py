"""A database whose pages were damaged: put aside, replaced by the newest good copy, and never in a circle (B04)."""

import asyncio
import contextlib
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scheduler.core.errors import StoreDamaged, StoreError, StoreLocked
from scheduler.ports import Batch
from storage import copies as copying
from storage.copies import copies, problem_of, take_copy
from storage.database import Holder
from storage.safekeeping import MOST, Safekeeping
from storage.sqlite import driver
from tests.contract.store_engines import execute, file_of, running, store_on
from tests.contract.store_values import event

AT = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOLDER = Holder(node="n", pid=1, started_at=AT)


async def filled(url: str, *, lines: int = 200) -> Path:
    """Make a database with a journal of so many lines, closed, and return its file."""
    async with running(store_on(url)) as store:
        await store.commit(Batch(events=[event(i, text="x" * 900) for i in range(1, lines + 1)]))
    return file_of(url)


def damage(path: Path) -> None:
    """Flip bytes in every page of the file's second half."""
    held = bytearray(path.read_bytes())
    page = 4096
    for start in range(len(held) // 2 // page * page, len(held), page):
        for at in range(start, min(start + 64, len(held))):
            held[at] ^= 0xFF
    path.write_bytes(held)


def held(name: str) -> bytes:
    return Path(name).read_bytes()


def aside(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.damaged-*Z"))


def recover(path: Path, *, at: datetime = AT):
    return Safekeeping(path).recover("malformed", at=at, holder=HOLDER)


async def lines_of(url: str) -> int:
    async with running(store_on(url)) as store:
        return len(await store.journal())


# --- copies


async def test_a_copy_is_made_of_one_moment_while_others_write(database_url):
    async with running(store_on(database_url)) as store:
        await store.commit(Batch(events=[event(1)]))
        copy = take_copy(file_of(database_url), at=AT, keep=2)
        await store.commit(Batch(events=[event(2)]))
    assert problem_of(copy) == ""
    assert copy.name == "kwhen.db.copy-20260329T003000Z"
    assert copy.stat().st_mode & 0o777 == 0o600
    shutil.copy(copy, file_of(database_url))
    assert await lines_of(database_url) == 1


async def test_only_the_newest_copies_stay(database_url):
    path = await filled(database_url)
    made = [take_copy(path, at=AT + n * HOUR, keep=2) for n in range(4)]
    assert copies(path) == [made[3], made[2]]
    assert not list(path.parent.glob("*.partial*"))


async def test_a_copy_of_damaged_pages_is_none(database_url):
    path = await filled(database_url)
    good = take_copy(path, at=AT, keep=1)
    damage(path)
    with pytest.raises(StoreDamaged):
        take_copy(path, at=AT + HOUR, keep=1)
    assert copies(path) == [good]


async def test_a_copy_is_given_up_when_it_takes_too_long_or_there_is_no_room(database_url, monkeypatch):
    path = await filled(database_url, lines=2000)
    monkeypatch.setattr(copying, "AT_ONCE", 1)
    with pytest.raises(StoreError, match="time for it was over"):
        take_copy(path, at=AT, keep=1, within_s=0.0)
    usage = shutil.disk_usage(path.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(StoreError, match="0 MB are free"):
        take_copy(path, at=AT, keep=1)
    assert [one.name for one in path.parent.iterdir() if "copy" in one.name] == []


# --- recovery


async def test_the_newest_good_copy_takes_the_place_of_what_is_damaged(database_url):
    path = await filled(database_url)
    take_copy(path, at=AT - 2 * HOUR, keep=3)
    damage(take_copy(path, at=AT - HOUR, keep=3))
    damage(path)
    before = path.read_bytes()
    done = recover(path)
    assert done.copied_at == AT - 2 * HOUR
    assert held(done.aside) == before, "put aside as it was"
    assert await lines_of(database_url) == 200
    ((epoch,),) = execute(database_url, "SELECT epoch FROM meta")
    assert epoch > 10_000, "no run of the lost database had a higher number (S14)"


async def test_without_a_good_copy_it_begins_afresh(database_url):
    path = await filled(database_url)
    damage(take_copy(path, at=AT - HOUR, keep=1))
    damage(path)
    done = recover(path)
    assert (done.copy, done.copied_at) == ("", None)
    assert [one.name for one in aside(path)] == ["kwhen.db.damaged-20260329T003000Z"]
    assert await lines_of(database_url) == 0


async def test_the_log_of_what_is_damaged_goes_with_it(database_url, tmp_path):
    """Left behind, it would be folded into the copy."""
    path = await filled(database_url)
    take_copy(path, at=AT - HOUR, keep=1)
    async with running(store_on(database_url)) as store:
        await store.commit(Batch(events=[event(500)]))
        crashed = tmp_path / "crashed"
        crashed.mkdir()
        for one in path.parent.glob("kwhen.db*"):
            if one.is_file():
                shutil.copy(one, crashed)
    assert (crashed / "kwhen.db-wal").stat().st_size > 0
    damage(crashed / "kwhen.db")
    done = recover(crashed / "kwhen.db")
    assert held(f"{done.aside}-wal")
    assert await lines_of(f"sqlite:///{crashed}/kwhen.db") == 200


async def test_no_copy_is_restored_twice_within_an_hour_and_then_nothing_more_is_tried(database_url):
    path = await filled(database_url)
    for n in (3, 2):
        take_copy(path, at=AT - n * HOUR, keep=2)
    taken = [recover(path, at=AT + n * timedelta(minutes=5)).copied_at for n in range(MOST)]
    assert taken == [AT - 2 * HOUR, AT - 3 * HOUR, None]
    await filled(database_url)
    there = path.read_bytes()
    with pytest.raises(StoreError, match="look at the disk"):
        recover(path, at=AT + timedelta(minutes=40))
    assert path.read_bytes() == there
    assert recover(path, at=AT + 2 * HOUR).copied_at == AT - 2 * HOUR, "another damage"
    assert len(aside(path)) == MOST + 1, "nothing is deleted"


async def test_a_recovery_that_was_broken_off_is_finished(database_url, monkeypatch):
    """Power is lost when the damaged file has gone and its copy is not there yet."""
    path = await filled(database_url)
    take_copy(path, at=AT - HOUR, keep=1)
    damage(path)
    with monkeypatch.context() as broken:
        broken.setattr(Safekeeping, "_clear_the_way", _cut_off(Safekeeping._clear_the_way))
        with pytest.raises(KeyboardInterrupt):
            recover(path)
    assert not path.exists()
    assert Safekeeping(path).look(at=AT) is None
    assert await lines_of(database_url) == 200
    assert len(aside(path)) == 1


def _cut_off(job):
    def done(*arguments):
        job(*arguments)
        raise KeyboardInterrupt

    return done


async def test_nothing_is_put_aside_while_somebody_runs_on_it(database_url):
    async with running(store_on(database_url)) as store:
        with pytest.raises(StoreLocked):
            await asyncio.to_thread(recover, file_of(database_url))
        await store.ping()
    assert aside(file_of(database_url)) == []


# --- suspicion


async def test_what_was_suspected_is_looked_at_whole(database_url):
    """An index that lacks a row passes the quick check of every start."""
    path = await filled(database_url)
    with contextlib.closing(driver.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema=1")
        connection.execute("UPDATE sqlite_master SET sql = 'CREATE INDEX ix_journal_t ON journal (seq)' "
                           "WHERE name = 'ix_journal_t'")  # fmt: skip
    keeping = Safekeeping(path)
    assert problem_of(path) == ""
    assert keeping.look(at=AT) is None, "nothing is suspected"
    keeping.suspect("malformed")
    with pytest.raises(StoreDamaged):
        keeping.look(at=AT)


async def test_what_is_sound_after_all_stays_in_use_once(database_url):
    path = await filled(database_url)
    keeping = Safekeeping(path)
    keeping.suspect("malformed")
    done = keeping.look(at=AT)
    assert done is not None
    assert (done.found, done.aside, done.copy) == ("malformed", "", "")
    assert keeping.look(at=AT) is None
    keeping.suspect("malformed")
    with pytest.raises(StoreDamaged, match="malformed"):
        keeping.look(at=AT + HOUR / 2)
    assert keeping.look(at=AT + 2 * HOUR) is not None


async def test_a_file_that_became_empty_is_damaged(database_url):
    path = await filled(database_url)
    Safekeeping(path).remember()
    os.truncate(path, 0)
    with pytest.raises(StoreDamaged, match="is empty, and was not"):
        Safekeeping(path).look(at=AT)


def test_a_record_that_cannot_be_read_stops_nothing(tmp_path):
    path = tmp_path / "kwhen.db"
    (tmp_path / "kwhen.db.safekeeping").write_bytes(b"\xa5" * 40)
    assert Safekeeping(path).recoveries() == ()
    assert Safekeeping(path).look(at=AT) is None


def test_a_strange_file_is_not_ours(tmp_path):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(b"\xff\xd8\xff" * 100)
    assert not Safekeeping(path).known()
