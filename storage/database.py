"""What differs between the engines: connecting, locking, migrating, and what an error means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from sqlalchemy.engine import Dialect

from storage.statements import Query

Values = Mapping[str, Any]


class Cursor(Protocol):
    """The part of a driver's cursor that the store uses."""

    @property
    def rowcount(self) -> int:
        """How many rows the last statement touched."""

    def execute(self, sql: Any, values: Any = ..., /) -> Any:
        """Execute one statement."""

    def executemany(self, sql: Any, values: Any, /) -> Any:
        """Execute one statement for each mapping of values."""

    def fetchall(self) -> Sequence[Sequence[Any]]:
        """Return all rows of the last query."""

    def close(self) -> None:
        """Let go."""


class Connection(Protocol):
    """The part of a driver's connection that the store uses. It never begins a transaction by itself."""

    def cursor(self) -> Any:
        """Return a cursor."""

    def close(self) -> None:
        """Let go."""


class Trouble(Enum):
    """What a driver's error asks of us."""

    BUSY = "busy"  # another holds what we need: say so, let the caller try again
    LOST = "lost"  # the connection is gone: connect again, then see what was written
    DAMAGED = "damaged"  # what is stored is not what was written: nothing more must be written over it
    FAULT = "fault"  # of this operation, or of the disk


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """Who runs on the database."""

    node: str
    pid: int
    started_at: datetime

    def __str__(self) -> str:
        """Name it for a person."""
        return f"process {self.pid} on node {self.node}, started {self.started_at:%Y-%m-%d %H:%M:%S} UTC"


class Database(Protocol):
    """One engine. Methods block and are called from threads of the store."""

    begin: str
    name: str

    @property
    def dialect(self) -> Dialect:
        """SQLAlchemy's, with named parameters."""

    def lock(self, holder: Holder) -> None:
        """Take the exclusive lock.

        Raises:
            StoreLocked: another holds it; the text names it.
        """

    def unlock(self) -> None:
        """Let the lock go."""

    def prepare(self, *, exclusive: bool) -> None:
        """Check the schema; when exclusive, create it or bring it up to date.

        Raises:
            StoreNewer: newer than this program, or damaged; untouched.
            StoreError: it cannot be opened.
        """

    def revision(self) -> str | None:
        """Return the revision of the schema, None when nothing is there. Changes nothing. Raises StoreError."""

    def engine_version(self) -> tuple[str, str]:
        """Return the engine's name and version, and a warning or an empty string."""

    def writer(self) -> Connection:
        """Connect to write. Raises the driver's errors, and StoreLocked when the lock was lost to another."""

    def reader(self) -> Connection:
        """Connect to read only."""

    def finish(self, connection: Connection) -> None:
        """Do what is due before the writer lets go of its connection."""

    def fold(self, connection: Connection) -> None:
        """Empty the log of what was written, as far as nobody needs it. On the writer's connection, between writes."""

    def backup(self, path: str) -> None:
        """Copy the database to a new file while it is in use. Raises StoreError."""

    def trouble(self, error: BaseException) -> Trouble:
        """Tell what an error means."""


def rows_of(cursor: Cursor, query: Query, values: Values | None = None) -> list[dict[str, Any]]:
    """Return the query's rows, each by its columns' names."""
    cursor.execute(query.sql, {**query.fixed, **(values or {})})
    return [dict(zip(query.columns, row, strict=True)) for row in cursor.fetchall()]
