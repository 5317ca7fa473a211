"""Stores on the two engines, and the operator's way around them."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scheduler.core.model import shard_of
from storage import open_store
from storage.sqlite import driver
from storage.store import SqlStore
from tests.contract.conftest import ON_POSTGRES, FixedClock

BOTH = pytest.mark.parametrize("database_url", ["sqlite", ON_POSTGRES], indirect=True)
POSTGRES = pytest.mark.parametrize("database_url", [ON_POSTGRES], indirect=True)
SHARD = shard_of("user")


def store_on(url: str) -> SqlStore:
    store = open_store(url, clock=FixedClock())
    assert isinstance(store, SqlStore)
    return store


@contextlib.asynccontextmanager
async def running(store: SqlStore) -> AsyncIterator[SqlStore]:
    await store.open(node="first")
    try:
        yield store
    finally:
        await store.close()


def execute(url: str, sql: str) -> list[Any]:
    """Execute a statement beside the store, as an operator with a database tool would."""
    connect: Callable[[], Any] = (
        (lambda: driver.connect(url.removeprefix("sqlite:///"), isolation_level=None))
        if url.startswith("sqlite")
        else (lambda: psycopg.connect(url, autocommit=True))
    )
    with contextlib.closing(connect()) as connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))
