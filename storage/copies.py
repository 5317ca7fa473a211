"""Copies of an SQLite database that its daemon keeps beside it: taken while it is in use, and read back before trusted.

A copy is a file `NAME.copy-20261122T031500Z`. It is made of one snapshot (the writer goes on meanwhile), in a time that
is bounded, and counts only after every page of it was checked.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from scheduler.core.errors import StoreDamaged, StoreError
from storage.migrate import MIGRATIONS, Migrations
from storage.sqlite import DAMAGE_CODES, TABLES, driver, result_code

AT_ONCE = 256
"""Pages copied between two looks at the clock: a megabyte."""

WITHIN_S = 120.0
"""A copy that takes longer is given up: while it is made the write-ahead log only grows."""

ROOM = 1.2
"""A copy is begun where the disk has this many times its size left."""

RUNS_AHEAD = 10_000
"""By how much the number of the run is raised in a copy that is restored: more runs than it can have missed."""

_STAMP = "%Y%m%dT%H%M%SZ"


def stamped(path: Path, what: str, at: datetime) -> Path:
    """Return the place beside a database for something of an instant, such as a copy."""
    return path.with_name(f"{path.name}.{what}-{at.astimezone(UTC):{_STAMP}}")


def copies(path: Path) -> list[Path]:
    """Return the copies beside a database, the newest first."""
    return sorted((one for one in path.parent.glob(f"{path.name}.copy-*") if taken_at(one)), reverse=True)


def taken_at(copy: Path) -> datetime | None:
    """Return when a copy was taken, by its name; None where that is no copy's name."""
    with contextlib.suppress(ValueError):
        return datetime.strptime(copy.name.rpartition(".copy-")[2], _STAMP).replace(tzinfo=UTC)
    return None


def take_copy(path: Path, *, at: datetime, keep: int, within_s: float = WITHIN_S) -> Path:
    """Copy the database beside itself while it is in use, check the copy, and delete all but the newest ones.

    Args:
        path: of the database.
        at: now.
        keep: how many copies are kept, this one included.
        within_s: when to give up [s].

    Raises:
        StoreDamaged: what was copied is damaged, and so the database is too.
        StoreError: no room, too slow, or the disk's own trouble. Nothing is left of the copy.
    """
    copy = stamped(path, "copy", at)
    partial = path.with_name(f"{path.name}.copy.partial")
    try:
        _require_room(path)
        _discard(partial)
        _copy(path, partial, until=time.monotonic() + within_s)
        if problem := problem_of(partial):
            raise StoreDamaged(f"{path} is damaged: {problem}")
        settle(partial, copy)
    except (driver.Error, OSError) as error:
        raise StoreError(f"the copy {copy} could not be made: {error}") from error
    finally:
        _discard(partial)
    for old in copies(path)[keep:]:
        old.unlink(missing_ok=True)
    return copy


def problem_of(path: Path, *, whole: bool = False, migrations: Migrations = MIGRATIONS) -> str:
    """Return what is wrong with a database file that nobody has open; empty where every page of it can be used.

    Args:
        path: of the file. A log beside it is not read.
        whole: compare the indexes with their tables too, which takes several times as long.
        migrations: the schemas that this program knows.
    """
    address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    try:
        with contextlib.closing(driver.connect(address, uri=True)) as connection:
            if problem := checked(connection, whole=whole):
                return problem
            revision = migrations.read_revision(connection.cursor(), TABLES, path.name)
            migrations.require_known(path.name, revision)
            return "" if revision is not None else "it holds nothing"
    except (driver.Error, OSError, StoreError) as error:
        return str(error)


def checked(connection: Any, *, whole: bool) -> str:
    """Return the first thing that SQLite finds wrong; empty where there is nothing."""
    try:
        ((answer, *_), *_) = connection.execute(f"PRAGMA {'integrity' if whole else 'quick'}_check(1)").fetchall()
    except driver.DatabaseError as error:
        return str(error)
    return "" if answer == "ok" else str(answer)


def renew(copy: Path, partial: Path) -> None:
    """Make of a copy a database to go on with: under a run's number that no later run of the lost one had (S14)."""
    _discard(partial)
    shutil.copyfile(copy, partial)
    partial.chmod(0o600)
    with contextlib.closing(driver.connect(partial, isolation_level=None)) as connection:
        connection.execute("UPDATE meta SET epoch = epoch + ?", (RUNS_AHEAD,))


def settle(partial: Path, place: Path) -> None:
    """Put a finished file in its place, so that a loss of power leaves either all of it there or nothing."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.rename(place)
    directory = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _copy(path: Path, partial: Path, *, until: float) -> None:
    """Copy every page of one snapshot. The source reads only, and never folds in the log."""
    partial.touch(mode=0o600)
    source = driver.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, isolation_level=None)
    with contextlib.closing(source), contextlib.closing(driver.connect(partial, isolation_level=None)) as target:
        source.execute("PRAGMA wal_autocheckpoint=0")
        target.execute("PRAGMA synchronous=OFF")  # it is brought to the disk as a whole, afterwards
        source.execute("BEGIN")
        source.execute("SELECT 1 FROM sqlite_master").fetchall()  # from here on one snapshot, whoever writes
        try:
            source.backup(target, pages=AT_ONCE, progress=_within(until), sleep=0.0)
        except driver.DatabaseError as error:
            if result_code(error) in DAMAGE_CODES:
                raise StoreDamaged(f"{path} is damaged: {error}") from error
            raise


def _within(until: float) -> Callable[[int, int, int], None]:
    def look(_status: int, remaining: int, total: int) -> None:
        if remaining and time.monotonic() > until:
            raise TimeoutError(f"{remaining} of {total} pages were left when the time for it was over")

    return look


def _require_room(path: Path) -> None:
    size, free = path.stat().st_size, shutil.disk_usage(path.parent).free
    if free < ROOM * size:
        raise OSError(f"{free // 2**20} MB are free, the database has {size // 2**20} MB")


def _discard(partial: Path) -> None:
    for name in (partial.name, f"{partial.name}-wal", f"{partial.name}-shm", f"{partial.name}-journal"):
        with contextlib.suppress(OSError):
            partial.with_name(name).unlink(missing_ok=True)
