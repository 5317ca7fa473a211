"""What a loss of power may cost a store on SQLite: never what a commit has acknowledged (B05)."""

import shutil

import pytest

from scheduler.ports import Batch
from tests.contract.store_engines import file_of, running, store_on
from tests.contract.store_values import event, first


@pytest.mark.parametrize("torn", [0, 1, 2000])
async def test_b05_power_is_lost_with_a_write_under_way(database_url, tmp_path, torn):
    """The disk has the log up to the commit that was answered, and `torn` bytes of what came after it."""
    async with running(store_on(database_url)) as store:
        await store.commit(Batch(states=[first()], events=[event(1)]))
        log = file_of(f"{database_url}-wal")
        answered = log.stat().st_size
        await store.commit(Batch(events=[event(2, text="x" * 5000)]))
        assert log.stat().st_size > answered + torn
        disk = tmp_path / "disk" / "kwhen.db"
        disk.parent.mkdir()
        shutil.copy(file_of(database_url), disk)
        (disk.parent / "kwhen.db-wal").write_bytes(log.read_bytes()[: answered + torn])
    async with running(store_on(f"sqlite:///{disk}")) as store:
        assert [one.state for one in await store.states()] == [first().state]
        assert [one["seq"] for one in await store.journal()] == [1]
        await store.commit(Batch(events=[event(2)]))
