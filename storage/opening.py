"""Which store a URL stands for."""

from pathlib import Path

from scheduler.core.errors import StoreError
from scheduler.ports import Clock, Store
from storage.database import Database
from storage.memory import MemoryStore
from storage.store import SqlStore

SQLITE, MEMORY = "sqlite:///", "memory://"
POSTGRES = ("postgresql://", "postgres://")


def database_of(url: str, *, durable: bool = True) -> Database:
    """Return the engine that a URL stands for; nothing is opened yet.

    Raises:
        StoreError: the URL is of no known kind.
    """
    if url.startswith(SQLITE):
        from storage.sqlite import SqliteDatabase  # noqa: PLC0415 - each driver only where it is used

        return SqliteDatabase(Path(url.removeprefix(SQLITE)), durable=durable)
    if url.startswith(POSTGRES):
        from storage.postgres import PostgresDatabase  # noqa: PLC0415

        return PostgresDatabase(url)
    scheme = url.split(":", 1)[0]  # the rest may hold a password
    raise StoreError(f"storage.url must begin with {SQLITE} or {POSTGRES[0]}, not {scheme}:")


def sqlite_file(url: str) -> Path | None:
    """Return the file of an SQLite database; None for a URL of another kind."""
    return Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None


def open_store(url: str, *, clock: Clock, durable: bool = True) -> Store:
    """Return the store that a URL stands for, to be opened with `open`.

    `sqlite:///relative/file.db`, `sqlite:////absolute/file.db`, `postgresql://user@host/name`, or `memory://`, which
    keeps nothing beyond the process.

    Args:
        url: as above.
        clock: tells when a run began, and what has expired.
        durable: False spares SQLite the waiting for the disk, for a database that is thrown away afterwards.

    Raises:
        StoreError: the URL is of no known kind.
    """
    if url.startswith(MEMORY):
        return MemoryStore(clock)
    return SqlStore(database_of(url, durable=durable), clock=clock)
