"""SQLite: the driver, the lock file, the pragmas.

The writer's connection alone writes and checkpoints (other connections may not), in WAL mode with `synchronous=FULL`:
what is committed survives a loss of power. This also keeps clear of the bug in SQLite before 3.51.3 that can damage a
database whose WAL is reset by one connection while another writes.
"""

import contextlib
import fcntl
import json
import os
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from sqlalchemy.dialects import sqlite as sqlite_dialect

from scheduler.core.errors import StoreDamaged, StoreError, StoreLocked
from storage.database import Connection, Holder, Trouble
from storage.migrate import MIGRATIONS, Migrations
from storage.time_box import TimeBoxed

try:
    from pysqlite3 import dbapi2 as bundled
except ImportError:  # not packaged for this system: the standard library's own will do
    bundled = None

driver: Any = bundled or sqlite3

SAFE_VERSION = (3, 51, 3)
"""The first SQLite in which resetting the WAL cannot damage the database."""

BUSY_S = 2.0
"""How long the writer waits for a lock that someone else holds. Twice this stays inside a webhook sender's 5 s."""

CHECKED_MAX_BYTES = 64 * 2**20
"""Every page of a smaller file is checked at start (about 0.1 s); a larger one would delay the start too much."""

_HEADER = b"SQLite format 3\x00"
_BUSY_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
DAMAGE_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def sqlite_version() -> tuple[str, str]:
    """Return the version of the SQLite in use, and a warning or an empty string."""
    version: str = driver.sqlite_version
    if driver.sqlite_version_info >= SAFE_VERSION:
        return version, ""
    safe = ".".join(str(part) for part in SAFE_VERSION)
    return (
        version,
        f"SQLite {version} has a bug in its write-ahead log, mended in {safe}: install the package pysqlite3",
    )


def result_code(error: BaseException) -> int:
    """Return the primary result code of a driver's error; 0 when it has none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


class SqliteDatabase:
    """A database in one file.

    Args:
        path: of the file; its directory must exist.
        busy_s: how long the writer waits for somebody else's lock [s].
        durable: wait until the disk has what is committed. Without, a loss of power may damage the file: only for what
            is thrown away afterwards, as a simulated week is.
        migrations: the schema.
    """

    begin = "BEGIN IMMEDIATE"

    def __init__(
        self, path: Path, *, busy_s: float = BUSY_S, durable: bool = True, migrations: Migrations = MIGRATIONS
    ) -> None:
        self.path = path
        self.dialect = sqlite_dialect.dialect(paramstyle="named")
        self.name = str(path)
        self._busy_s = busy_s
        self._synchronous = "FULL" if durable else "OFF"
        self._migrations = migrations
        self._lock_file: int | None = None

    def lock(self, holder: Holder) -> None:
        """Take the exclusive lock: of the file beside the database, which names its holder."""
        place = self.path.with_name(f"{self.path.name}.lock")
        try:
            handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{place} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            text = f"{self.path} is in use by {_holder(handle)}"
            os.close(handle)
            raise StoreLocked(text) from error
        os.ftruncate(handle, 0)
        body = {"node": holder.node, "pid": holder.pid, "started_at": holder.started_at.isoformat()}
        os.pwrite(handle, json.dumps(body).encode(), 0)
        self._lock_file = handle

    def unlock(self) -> None:
        """Let the lock go. The file stays: removing it would let two others each lock a file of that name."""
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def prepare(self, *, exclusive: bool) -> None:
        """Check the file and its schema; when exclusive, create it or bring it up to date."""
        try:
            self._check_file()
            if exclusive:
                self._upgrade()
            else:
                self._migrations.require_current(self.name, self.revision())
        except (driver.Error, OSError) as error:
            raise self._opening_error(error) from error

    def revision(self) -> str | None:
        """Return the revision of the schema, None when nothing is there. Changes nothing.

        Raises:
            StoreDamaged: the file is damaged.
            StoreError: it is no database of kwhen, or cannot be read.
        """
        if not self.path.exists() or self.path.stat().st_size == 0:
            return None
        try:
            with contextlib.closing(self._connect(read_only=True)) as connection:
                return self._migrations.read_revision(connection.cursor(), TABLES, self.name)
        except (driver.Error, OSError) as error:
            raise self._opening_error(error) from error

    def engine_version(self) -> tuple[str, str]:
        """Return SQLite's version, and a warning when it has the bug."""
        version, warning = sqlite_version()
        return f"SQLite {version}", warning

    def _upgrade(self) -> None:
        revision = self.revision()
        if revision == self._migrations.head:
            return
        if revision is not None:
            copy = self.path.with_name(f"{self.path.name}.{revision}-before-{self._migrations.head}")
            copy.unlink(missing_ok=True)  # of an upgrade that failed
            copy_sqlite(self._connect, copy)
        self._migrations.run(self._connect, dialect="sqlite")

    def _check_file(self) -> None:
        if not self.path.parent.is_dir():
            raise StoreError(f"{self.path.parent} is no directory: make it, or change storage.url")
        if not self.path.exists() or self.path.stat().st_size == 0:
            return
        with self.path.open("rb") as file:
            if file.read(len(_HEADER)) != _HEADER:
                raise StoreDamaged(f"{self.path} is not an SQLite database, or is damaged")
        self._migrations.require_known(self.name, self.revision())
        if self.path.stat().st_size <= CHECKED_MAX_BYTES:
            with contextlib.closing(self._connect(read_only=True)) as connection:
                ((answer,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
            if answer != "ok":
                raise StoreDamaged(f"{self.path} is damaged: {answer}; restore a backup or move it away")

    def _opening_error(self, error: Exception) -> StoreError:
        if result_code(error) in DAMAGE_CODES:
            return StoreDamaged(f"{self.path} is damaged: {error}; restore a backup or move it away")
        return StoreError(f"{self.path} cannot be opened: {error}")

    def writer(self) -> Connection:
        """Connect to write."""
        connection = self._connect()
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={self._synchronous}")
        return cast("Connection", connection)

    def reader(self) -> Connection:
        """Connect to read only, never checkpoint, and stay with no query for long."""
        connection = self._connect()
        connection.execute("PRAGMA query_only=1")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        return TimeBoxed(connection)

    def finish(self, connection: Connection) -> None:
        """Bring the write-ahead log into the file, so that the file alone is the database."""
        cursor = connection.cursor()
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def fold(self, connection: Connection) -> None:
        """Bring the write-ahead log into the file and empty it, unless somebody reads: nobody waits for that."""
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=0")
        try:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            cursor.execute(f"PRAGMA busy_timeout={self._busy_s * 1000:.0f}")

    def backup(self, path: str) -> None:
        """Copy the database to a new file, consistent, while it is in use."""
        copy_sqlite(self._connect, Path(path))

    def trouble(self, error: BaseException) -> Trouble:
        """Tell what an error means. A file cannot be lost as a connection can."""
        code = result_code(error)
        if code in _BUSY_CODES:
            return Trouble.BUSY
        return Trouble.DAMAGED if code in DAMAGE_CODES else Trouble.FAULT

    def _connect(self, *, read_only: bool = False) -> Any:
        """Connect without the driver's own transactions, usable from any one thread at a time."""
        address = f"file:{quote(str(self.path.absolute()))}?mode={'ro' if read_only else 'rwc'}"
        return driver.connect(address, uri=True, timeout=self._busy_s, isolation_level=None, check_same_thread=False)


TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"


def _holder(handle: int) -> str:
    """Return who wrote the lock file, as far as it can be read."""
    try:
        body = json.loads(os.pread(handle, 4096, 0))
        return str(Holder(node=body["node"], pid=body["pid"], started_at=datetime.fromisoformat(body["started_at"])))
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def copy_sqlite(connect: Any, path: Path) -> None:
    """Write a consistent copy of the database that `connect` reaches to a path where nothing may be.

    Raises:
        StoreError: something is there already, or the copy could not be written; nothing is left half done.
    """
    if path.exists():
        raise StoreError(f"{path} exists already: a backup is never written over another")
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        with contextlib.closing(connect()) as connection:
            connection.execute("VACUUM INTO ?", (str(partial),))
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.rename(path)
    except (driver.Error, OSError) as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise StoreError(f"the copy {path} could not be written: {error}") from error
