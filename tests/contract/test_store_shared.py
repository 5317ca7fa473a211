"""Two versions of the daemon on one database, one after the other, while the schema's revision is the same (X09)."""

from dataclasses import replace

import pytest

from scheduler.ports import Batch, Versioned
from storage.tables import Row
from tests.contract.store_engines import BOTH, SHARD, execute, running, store_on
from tests.contract.store_values import event, everything, inbound

TABLES = [table.name for table in Row.metadata.sorted_tables]


@pytest.fixture
def newer(database_url):
    """What a newer version does that only adds: a column in each table, and members in what is kept as JSON."""

    def add() -> None:
        for name in TABLES:
            execute(database_url, f"ALTER TABLE {name} ADD COLUMN later TEXT DEFAULT 'unsaid'")
            execute(database_url, f"UPDATE {name} SET later = 'said'")

    return add


@BOTH
async def test_x09_what_a_newer_version_added_stays_beside_what_this_one_writes(database_url, newer):
    async with running(store_on(database_url)) as store:
        await store.commit(everything())
        await store.put([inbound(key="k")])
        await store.keep("space", "key", b"value")
    newer()
    async with running(store_on(database_url)) as store:
        (read,) = await store.states()
        changed = replace(read.state, next_due_at=None)
        await store.commit(replace(everything(), states=[Versioned(state=changed, version=read.version)], events=[event(3)],
                                   blobs={}, decisions=[]))  # fmt: skip
        (written,) = await store.states()
        assert (written.state, written.version) == (changed, read.version + 1)
        assert len(await store.take(SHARD)) == 1
        assert len(await store.journal()) == 3
        await store.keep("space", "key", b"another")
        await store.commit(Batch(done=[row.id for row in await store.take(SHARD)]))
    for name in ("vehicle", "command", "session", "override", "kept", "meta"):
        assert execute(database_url, f"SELECT DISTINCT later FROM {name}") == [("said",)], name
    assert execute(database_url, "SELECT later FROM journal ORDER BY row") == [("said",), ("said",), ("unsaid",)]


async def test_x09_members_that_a_newer_version_added_stop_nothing(database_url):
    """They are not carried on: what this version does not understand it cannot keep true (the newer takes its default)."""
    async with running(store_on(database_url)) as store:
        await store.commit(everything())
        before = await store.states(), await store.commands(), await store.sessions(), await store.overrides()
    for name in ("vehicle", "command", "session", "override", "decision"):
        ((columns,),) = execute(database_url, f"SELECT count(*) FROM pragma_table_info('{name}') WHERE name = 'body'")
        if columns:
            execute(database_url, f"UPDATE {name} SET body = json_insert(body, '$.later', json('[1]'))")
    async with running(store_on(database_url)) as store:
        assert (await store.states(), await store.commands(), await store.sessions(), await store.overrides()) == before
        (read,) = before[0]
        await store.commit(Batch(states=[read]))
        assert [one.version for one in await store.states()] == [read.version + 1]
