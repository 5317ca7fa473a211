"""The schema's revisions and how a database is brought to the newest: whole or not at all, after a copy.

A revision is a file `NNNN_name.py`; the numbers are the order. Alembic is loaded only when there is something to do.
"""

import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, NullPool, create_engine, event

from scheduler.core.errors import StoreError, StoreNewer
from storage.database import Cursor

VERSION_TABLE = "alembic_version"

_FILE = re.compile(r"(\d{4})_\w+\.py")


class Migrations:
    """Numbered revisions.

    Args:
        directories: hold the revision files; together they make one unbroken line.

    Attributes:
        revisions: their numbers, oldest first.
    """

    def __init__(self, *directories: Path) -> None:
        self.directories = directories
        names = (_FILE.fullmatch(file.name) for directory in directories for file in directory.iterdir())
        self.revisions = tuple(sorted(match.group(1) for match in names if match))

    @property
    def head(self) -> str:
        """The newest revision."""
        return self.revisions[-1]

    def read_revision(self, cursor: Cursor, tables: str, name: str) -> str | None:
        """Return the database's revision, None when it has no tables.

        Args:
            cursor: on the database.
            tables: the statement that lists its tables.
            name: of the database, for the error.

        Raises:
            StoreError: it has tables, but they are not ours.
        """
        cursor.execute(tables)
        names = {row[0] for row in cursor.fetchall()}
        if not names:
            return None
        if VERSION_TABLE in names:
            cursor.execute(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608 - a constant
            rows = cursor.fetchall()
            if len(rows) == 1:
                return str(rows[0][0])
        raise StoreError(f"{name} is no database of kwhen: it holds {', '.join(sorted(names)[:5])}")

    def require_known(self, name: str, revision: str | None) -> None:
        """Refuse a schema that this program does not know.

        Raises:
            StoreNewer: a newer program wrote it.
        """
        if revision is not None and revision not in self.revisions:
            raise StoreNewer(
                f"{name} has schema {revision}, this program knows schemas up to {self.head}: "
                f"run the newer kwhen, or restore the backup that was made before its upgrade"
            )

    def require_current(self, name: str, revision: str | None) -> None:
        """Refuse a schema that is not the newest, where nothing may be changed.

        Raises:
            StoreNewer: it is newer.
            StoreError: it is older, or not there.
        """
        self.require_known(name, revision)
        if revision is None:
            raise StoreError(f"{name} does not exist yet: kwhen run makes it")
        if revision != self.head:
            raise StoreError(f"{name} has schema {revision}, this program needs {self.head}: kwhen db upgrade")

    def run(self, connect: Callable[[], Any], *, dialect: str) -> None:
        """Upgrade to the newest revision in one transaction.

        Args:
            connect: opens a driver's connection.
            dialect: `sqlite` or `postgresql+psycopg`.

        Raises:
            StoreError: a migration failed; nothing was changed.
        """
        from alembic import command  # noqa: PLC0415 - half a second that an ordinary start does not need
        from alembic.config import Config  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", _escaped(_HOME))
        config.set_main_option("path_separator", "newline")
        config.set_main_option("version_locations", "\n".join(_escaped(d) for d in self.directories))
        engine = create_engine(f"{dialect}://", creator=connect, poolclass=NullPool)
        if dialect == "sqlite":
            _begin_for_ourselves(engine)
        try:
            with engine.begin() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except StoreError:
            raise
        except Exception as error:
            raise StoreError(f"the upgrade to schema {self.head} failed, nothing was changed: {error}") from error
        finally:
            engine.dispose()


def _begin_for_ourselves(engine: Engine) -> None:
    """Have SQLite begin a transaction where SQLAlchemy thinks that the driver did, so that DDL is rolled back too."""

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")


_HOME = Path(str(files("storage.migrations")))

MIGRATIONS = Migrations(_HOME / "versions")
"""The schema of this program."""
