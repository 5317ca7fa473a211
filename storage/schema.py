"""What `kwhen db` does: tell the version of a database, bring it to this program's, copy it."""

from dataclasses import dataclass

from scheduler.core.errors import StoreError
from scheduler.ports import Clock
from storage.database import Holder
from storage.migrate import MIGRATIONS
from storage.opening import database_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What a database is. `revision` is None where there is none yet; `warning` is empty or says what to do."""

    name: str
    revision: str | None
    head: str
    engine: str
    warning: str = ""

    @property
    def current(self) -> bool:
        """Tell whether this program can run on it as it is."""
        return self.revision == self.head


def describe(url: str) -> Description:
    """Return what the database is; changes nothing, and may be asked while a daemon runs.

    Raises:
        StoreNewer: it is damaged.
        StoreError: it cannot be read, or is none of ours.
    """
    database = database_of(url)
    engine, warning = database.engine_version()
    return Description(
        name=database.name, revision=database.revision(), head=MIGRATIONS.head, engine=engine, warning=warning
    )


def upgrade(url: str, *, clock: Clock, node: str, pid: int) -> Description:
    """Create the database or bring it to this program's schema, whole or not at all, after a copy (SQLite).

    Raises:
        StoreLocked: a daemon runs on it.
        StoreNewer: its schema is newer, or it is damaged; untouched.
        StoreError: the upgrade failed; nothing was changed.
    """
    database = database_of(url)
    try:
        database.lock(Holder(node=node, pid=pid, started_at=clock.now()))
        database.prepare(exclusive=True)
    finally:
        database.unlock()
    return describe(url)


def backup(url: str, path: str) -> None:
    """Copy the database to a new file, consistent, also while a daemon runs.

    Raises:
        StoreError: there is no database, something is at the path already, or the engine has its own tools for it.
    """
    database = database_of(url)
    if database.revision() is None:
        raise StoreError(f"{database.name} does not exist yet: there is nothing to copy")
    database.backup(path)
