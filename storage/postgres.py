"""PostgreSQL: the driver, the advisory lock, connections that may be lost.

The exclusive lock is an advisory lock of the writer's own session, so it ends with the connection. Whoever has taken
it again knows that the old session is over, and so whether its last transaction was committed.
"""

import contextlib
import time
from typing import Any, cast

import psycopg
from psycopg import conninfo, errors
from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect

from scheduler.core.errors import StoreError, StoreLocked
from scheduler.core.timeline import from_nanoseconds
from storage import statements
from storage.database import Connection, Holder, Trouble, rows_of
from storage.migrate import MIGRATIONS, Migrations

LOCK_KEY = int.from_bytes(b"kwhen", "big")
"""The advisory lock that a daemon holds; such locks are told apart by database."""

BUSY_S = 2.0
"""How long the writer waits for somebody else's lock, and for the lock of its own lost session to end."""

CONNECT_S = 5
"""How long connecting may take."""

_POLL_S = 0.05
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
_BUSY = (errors.LockNotAvailable, errors.QueryCanceled, errors.DeadlockDetected, errors.SerializationFailure)
_LOST_CLASSES = ("08", "57P")  # connection exception; shut down or terminated


class PostgresDatabase:
    """A database on a PostgreSQL server.

    Args:
        url: `postgresql://user:password@host:port/name`.
        busy_s: how long the writer waits for somebody else's lock [s].
        migrations: the schema.
    """

    begin = "BEGIN"

    def __init__(self, url: str, *, busy_s: float = BUSY_S, migrations: Migrations = MIGRATIONS) -> None:
        self._url = url
        self._busy_s = busy_s
        self._migrations = migrations
        self._session: psycopg.Connection[Any] | None = None  # holds the lock
        self.dialect: Dialect = cast("Any", psycopg_dialect).dialect()
        self.name = _name(url)

    def lock(self, holder: Holder) -> None:
        """Take the exclusive lock in a new session, which the writer then uses."""
        try:
            self._session = self._locked_session()
        except psycopg.Error as error:
            raise StoreError(f"{self.name} cannot be opened for {holder}: {error}") from error

    def unlock(self) -> None:
        """Let the lock go by ending the session that holds it."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def prepare(self, *, exclusive: bool) -> None:
        """Check the schema; when exclusive, create it or bring it up to date.

        There is no copy before an upgrade as with SQLite: it is one transaction, and copies are the server's business.
        """
        revision = self.revision()
        if not exclusive:
            self._migrations.require_current(self.name, revision)
            return
        self._migrations.require_known(self.name, revision)
        if revision != self._migrations.head:
            self._migrations.run(self._connect_for_alembic, dialect="postgresql+psycopg")

    def revision(self) -> str | None:
        """Return the revision of the schema, None when nothing is there. Changes nothing. Raises StoreError."""
        try:
            with contextlib.closing(self._connect()) as connection:
                return self._migrations.read_revision(connection.cursor(), _TABLES, self.name)
        except psycopg.Error as error:
            raise StoreError(f"{self.name} cannot be opened: {error}") from error

    def engine_version(self) -> tuple[str, str]:
        """Return the server's version; there is nothing to warn of. Raises StoreError."""
        try:
            with contextlib.closing(self._connect()) as connection:
                return f"PostgreSQL {connection.info.parameter_status('server_version')}", ""
        except psycopg.Error as error:
            raise StoreError(f"{self.name} cannot be opened: {error}") from error

    def writer(self) -> Connection:
        """Return the session that holds the lock; when it was lost, a new one that has taken the lock again."""
        if self._session is None or self._session.closed:
            self._session = self._locked_session()
        return cast("Connection", self._session)

    def reader(self) -> Connection:
        """Connect to read only."""
        connection = self._connect()
        connection.execute("SET default_transaction_read_only = on")
        return cast("Connection", connection)

    def finish(self, connection: Connection) -> None:
        """Give the lock back at once: the server may take a while to notice that the session has ended."""
        connection.cursor().execute("SELECT pg_advisory_unlock_all()")

    def fold(self, connection: Connection) -> None:
        """Do nothing: the server looks after its own log."""

    def backup(self, path: str) -> None:
        """Refuse: a server is backed up with its own tools."""
        raise StoreError(f"{self.name} is not copied to {path}: use pg_dump, which copies while kwhen runs")

    def trouble(self, error: BaseException) -> Trouble:
        """Tell what an error means."""
        if isinstance(error, _BUSY):
            return Trouble.BUSY
        if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return Trouble.FAULT
        # A full disk is an OperationalError too, but the server lived to say so.
        return Trouble.LOST if error.sqlstate is None or error.sqlstate.startswith(_LOST_CLASSES) else Trouble.FAULT

    def _locked_session(self) -> psycopg.Connection[Any]:
        """Connect and take the lock, waiting a little: the server may not have noticed yet that a holder is gone."""
        connection = self._connect()
        give_up_at = time.monotonic() + self._busy_s
        while not self._try_lock(connection):
            if time.monotonic() >= give_up_at:
                text = f"{self.name} is in use by {self._holder(connection)}"
                connection.close()
                raise StoreLocked(text)
            time.sleep(_POLL_S)  # in a thread of the store
        connection.execute(b"SELECT set_config('lock_timeout', %s, false)", [f"{round(self._busy_s * 1000)}ms"])
        return connection

    @staticmethod
    def _try_lock(connection: psycopg.Connection[Any]) -> bool:
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY]).fetchone()
        return bool(row and row[0])

    def _holder(self, connection: psycopg.Connection[Any]) -> str:
        """Return who runs on the database, as far as it says."""
        with contextlib.suppress(psycopg.Error):
            meta = rows_of(connection.cursor(), statements.Statements(self.dialect).meta)
            if meta:
                started_at = from_nanoseconds(meta[0]["started_at"])
                return str(Holder(node=meta[0]["node"], pid=meta[0]["pid"], started_at=started_at))
        return "another process"

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_S, application_name="kwhen")

    def _connect_for_alembic(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self._url, connect_timeout=CONNECT_S, application_name="kwhen db upgrade")


def _name(url: str) -> str:
    """Return the URL's host and database, without a password."""
    try:
        parts = conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        raise StoreError("storage.url is no PostgreSQL URL: postgresql://user@host/name") from None  # may hold a secret
    return f"PostgreSQL database {parts.get('dbname', '')} on {parts.get('host', 'localhost')}"
