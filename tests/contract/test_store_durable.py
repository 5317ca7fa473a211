"""What a store on a database does beyond the port: one run at a time, schemas, damaged files."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, make_url

from scheduler.core.errors import StoreDamaged, StoreError, StoreLocked, StoreNewer
from scheduler.ports import Batch, SessionTotal
from storage import open_store, rows, schema
from storage.database import Database
from storage.migrate import MIGRATIONS, Migrations
from storage.opening import database_of
from storage.postgres import PostgresDatabase
from storage.sqlite import SqliteDatabase, driver
from storage.statements import Statements
from storage.tables import Row
from tests.conftest import CHECKOUT
from tests.contract.conftest import FixedClock
from tests.contract.store_engines import BOTH, SHARD, execute, file_of, running, store_on
from tests.contract.store_values import event, everything, first, inbound, session

# --- one run at a time


@BOTH
async def test_a_second_run_is_refused_and_told_who_runs(database_url):
    second = store_on(database_url)
    async with running(store_on(database_url)) as store:
        with pytest.raises(StoreLocked, match=f"process {os.getpid()} on node first, started 2026-03-29 00:30:00 UTC"):
            await second.open(node="second")
        await store.ping()
    async with running(second):
        await second.ping()


@BOTH
async def test_reading_beside_a_daemon_writes_nothing(database_url):
    async with running(store_on(database_url)) as store:
        await store.commit(everything())
        beside = store_on(database_url)
        assert await beside.open(node="beside", exclusive=False) == 1
        assert len(await beside.journal()) == 2
        with pytest.raises(StoreError, match="not open for writing"):
            await beside.commit(Batch())
        await beside.close()
        await store.ping()  # its run is still the newest


@BOTH
async def test_reading_what_is_not_there_makes_nothing(database_url):
    store = store_on(database_url)
    with pytest.raises(StoreError, match="does not exist yet"):
        await store.open(node="beside", exclusive=False)
    assert database_of(database_url).revision() is None


@BOTH
async def test_a_run_that_was_followed_by_another_writes_nothing_more(database_url):
    async with running(store_on(database_url)) as store:
        await store.put([inbound(payload=b"before")])
        execute(database_url, "UPDATE meta SET epoch = epoch + 1")
        results = await asyncio.gather(
            store.put([inbound()]), store.commit(Batch(states=[first()])), store.ping(), return_exceptions=True
        )
        assert all(isinstance(result, StoreError) and "a later run than 1" in str(result) for result in results)
        assert await store.states() == []
        assert [row.work.payload for row in await store.take(SHARD)] == [b"before"]


@BOTH
async def test_opening_twice_is_refused(database_url):
    async with running(store_on(database_url)) as store:
        with pytest.raises(StoreError, match="open already"):
            await store.open(node="again")
        await store.ping()


# --- schemas


@BOTH
async def test_the_migrations_make_what_the_tables_say(database_url):
    async with running(store_on(database_url)):
        pass
    url = (
        database_url
        if database_url.startswith("sqlite")
        else make_url(database_url).set(drivername="postgresql+psycopg")
    )
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Row.metadata) == []
    engine.dispose()


@BOTH
async def test_a_newer_schema_is_refused_and_untouched(database_url):
    async with running(store_on(database_url)) as store:
        await store.commit(everything())
    execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    before = contents(database_url)
    for exclusive in (True, False):
        with pytest.raises(StoreNewer, match="9999"):
            await store_on(database_url).open(node="old", exclusive=exclusive)
    assert contents(database_url) == before


def contents(url: str) -> object:
    if url.startswith("sqlite"):
        return file_of(url).read_bytes()
    return [execute(url, f"SELECT * FROM {table.name}") for table in Row.metadata.sorted_tables]


def with_migration(directory: Path, body: str) -> Migrations:
    """Return the program's migrations and one more."""
    directory.mkdir()
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    head = 'import sqlalchemy as sa\nfrom alembic import op\nrevision = "9000"\n'
    text = f'{head}down_revision = "{MIGRATIONS.head}"\ndef upgrade() -> None:\n{lines}\n'
    (directory / "9000_planted.py").write_text(text)
    return Migrations(*MIGRATIONS.directories, directory)


def database_with(url: str, migrations: Migrations) -> Database:
    if url.startswith("sqlite"):
        return SqliteDatabase(file_of(url), migrations=migrations)
    return PostgresDatabase(url, migrations=migrations)


@BOTH
async def test_an_upgrade_keeps_every_row(database_url, tmp_path):
    async with running(store_on(database_url)) as store:
        await store.commit(everything())
        await store.put([inbound(key="k")])
    planted = with_migration(
        tmp_path / "planted",
        'with op.batch_alter_table("vehicle") as batch:\n'
        '    batch.add_column(sa.Column("colour", sa.String(), nullable=False, server_default="red"))\n'
        '    batch.alter_column("home_id", new_column_name="house_id")',
    )
    database = database_with(database_url, planted)
    database.prepare(exclusive=True)
    assert database.revision() == "9000"
    assert execute(database_url, "SELECT id, house_id, colour, version FROM vehicle") == [("v1", "h1", "red", 1)]
    assert execute(database_url, "SELECT count(*) FROM journal") == [(2,)]
    if database_url.startswith("sqlite"):
        copy = f"{database_url}.{MIGRATIONS.head}-before-9000"
        async with running(store_on(copy)) as store:
            assert [read.version for read in await store.states()] == [1]


@BOTH
async def test_sessions_from_before_they_were_summed_are_summed_too(database_url, tmp_path):
    older = tmp_path / "older"
    older.mkdir()
    (home,) = MIGRATIONS.directories
    for file in home.glob("000[12]_*.py"):
        shutil.copy(file, older)
    database_with(database_url, Migrations(older)).prepare(exclusive=True)
    unpriced = replace(session("s2"), cost=None, currency="DKK")
    for one in (session("s1"), unpriced):
        row = rows.session_row(one)
        body = {name: value for name, value in json.loads(row["body"]).items() if name != "flows"}
        values = f"'{one.id}', 'v1', {row['plugged_at']}, NULL, '{json.dumps(body)}'"
        execute(database_url, f"INSERT INTO session (id, vehicle_id, plugged_at, unplugged_at, body) VALUES ({values})")
    async with running(store_on(database_url)) as store:
        assert await store.sessions() == [unpriced, session("s1")]
        dkk, eur = await store.session_totals()
        assert dkk == SessionTotal(currency="DKK", sessions=1, energy_kwh=12.25, cost=0.0, saved=0.0, unpriced=1)
        assert eur == SessionTotal(currency="EUR", sessions=1, energy_kwh=12.25, cost=1.5, saved=1.25, unpriced=0)


async def test_sessions_are_summed_from_the_index_alone(database_url):
    query = Statements(database_of(database_url).dialect).session_sums(one_vehicle=False)
    async with running(store_on(database_url)):
        ((*_, plan),) = execute(database_url, f"EXPLAIN QUERY PLAN {query.sql}")
    assert plan == "SCAN session USING COVERING INDEX ix_session_sums"


@BOTH
async def test_an_upgrade_that_fails_leaves_nothing_of_it(database_url, tmp_path):
    async with running(store_on(database_url)) as store:
        await store.commit(everything())
    broken = with_migration(
        tmp_path / "planted",
        'op.create_table("half", sa.Column("id", sa.Integer(), primary_key=True))\n'
        'op.execute("DELETE FROM journal")\n'
        'op.execute("SELECT nonsense FROM nowhere")',
    )
    for _ in range(2):  # a second attempt meets the copy of the first
        with pytest.raises(StoreError, match="nothing was changed"):
            database_with(database_url, broken).prepare(exclusive=True)
    async with running(store_on(database_url)) as store:
        assert len(await store.journal()) == 2
    with pytest.raises((driver.Error, psycopg.Error)):
        execute(database_url, "SELECT * FROM half")


async def test_b07_an_upgrade_that_is_killed_leaves_nothing_of_it(database_url, tmp_path):
    """In the middle of it, with everything changed and nothing committed; the next start does it again, and whole."""
    async with running(store_on(database_url)) as store:
        await store.commit(everything())
    body = (
        'op.create_table("half", sa.Column("id", sa.Integer(), primary_key=True))\n'
        'op.execute("DELETE FROM journal")\n'
        "import os, signal\n"
        'os.environ.get("KILLED") and os.kill(os.getpid(), signal.SIGKILL)'
    )
    planted = with_migration(tmp_path / "planted", body)
    child = (
        "import sys; from pathlib import Path; from storage.migrate import Migrations; from storage.sqlite import *\n"
        "at, *homes = map(Path, sys.argv[1:])\n"
        "SqliteDatabase(at, migrations=Migrations(*homes)).prepare(exclusive=True)"
    )
    command = [sys.executable, "-c", child, str(file_of(database_url)), *map(str, planted.directories)]
    there = {**os.environ, "KILLED": "1"}
    killed = await asyncio.to_thread(subprocess.run, command, cwd=CHECKOUT, env=there, check=False)
    assert killed.returncode == -signal.SIGKILL
    async with running(store_on(database_url)) as store:
        assert len(await store.journal()) == 2
    with pytest.raises(driver.Error):
        execute(database_url, "SELECT * FROM half")
    database_with(database_url, planted).prepare(exclusive=True)
    assert execute(database_url, "SELECT (SELECT count(*) FROM half), (SELECT count(*) FROM journal)") == [(0, 0)]


@BOTH
async def test_a_first_schema_that_fails_leaves_an_empty_database(database_url, tmp_path):
    broken = with_migration(tmp_path / "planted", 'op.execute("SELECT nonsense FROM nowhere")')
    with pytest.raises(StoreError, match="nothing was changed"):
        database_with(database_url, broken).prepare(exclusive=True)
    assert database_of(database_url).revision() is None
    async with running(store_on(database_url)) as store:
        await store.ping()


@BOTH
def test_the_schema_is_described_made_and_copied(database_url, tmp_path):
    assert schema.describe(database_url).revision is None
    made = schema.upgrade(database_url, clock=FixedClock(), node="n", pid=1)
    assert made.current
    assert made.engine.startswith(("SQLite 3.", "PostgreSQL 1"))
    if database_url.startswith("sqlite"):
        schema.backup(database_url, f"{tmp_path}/copy.db")
        assert schema.describe(f"sqlite:///{tmp_path}/copy.db").current
        with pytest.raises(StoreError, match="exists already"):
            schema.backup(database_url, f"{tmp_path}/copy.db")
    else:
        with pytest.raises(StoreError, match="pg_dump"):
            schema.backup(database_url, f"{tmp_path}/copy.db")


async def test_an_upgrade_beside_a_daemon_is_refused(database_url):
    async with running(store_on(database_url)):
        with pytest.raises(StoreLocked):
            await asyncio.to_thread(schema.upgrade, database_url, clock=FixedClock(), node="n", pid=1)


# --- damage


@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param(b"not a database at all" * 100, StoreDamaged, id="another-kind-of-file"),
        pytest.param(b"SQLite format 3\x00" + b"\xff" * 5000, StoreDamaged, id="a-header-and-rubbish"),
    ],
)
async def test_what_is_no_database_is_refused_and_untouched(database_url, content, error):
    file_of(database_url).write_bytes(content)
    with pytest.raises(error):
        await store_on(database_url).open(node="n")
    assert file_of(database_url).read_bytes() == content


async def test_a_damaged_page_is_found_at_start(database_url):
    async with running(store_on(database_url)) as store:
        await store.commit(Batch(events=[event(i, text="x" * 900) for i in range(1, 200)]))
    damaged = bytearray(file_of(database_url).read_bytes())
    damaged[len(damaged) // 2 : len(damaged) // 2 + 9000] = b"\xa5" * 9000
    file_of(database_url).write_bytes(damaged)
    with pytest.raises(StoreDamaged, match="damaged"):
        await store_on(database_url).open(node="n")
    assert file_of(database_url).read_bytes() == damaged


async def test_someone_elses_database_is_refused(database_url):
    execute(database_url, "CREATE TABLE recipes (name TEXT)")
    with pytest.raises(StoreError, match="no database of kwhen: it holds recipes"):
        await store_on(database_url).open(node="n")


async def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(StoreError, match="nowhere"):
        await store_on(f"sqlite:///{tmp_path}/nowhere/kwhen.db").open(node="n")


def test_a_url_of_another_kind_is_refused_without_telling_its_password():
    with pytest.raises(StoreError, match="mysql:") as caught:
        open_store("mysql://user:secret@host/name", clock=FixedClock())
    assert "secret" not in str(caught.value)
