"""Events that wait have a bound; what a person wishes is taken beyond it (W07)."""

from dataclasses import replace

import pytest

from scheduler.core.errors import StoreBusy
from scheduler.core.model import shard_of
from scheduler.ports import Batch
from storage import open_store
from storage import store as stored
from tests.contract.store_values import inbound
from tests.web_support import StepClock


async def test_events_are_sent_away_while_too_many_wait_and_taken_again_when_they_are_done(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "EVENTS_MAX", 3)
    store = open_store(f"sqlite:///{tmp_path}/kwhen.db", clock=StepClock())
    await store.open(node="here")
    try:
        assert await store.put([inbound(key=str(n)) for n in range(3)]) == 3
        with pytest.raises(StoreBusy, match="3 events wait"):
            await store.put([inbound(key="one more")])
        assert await store.put([replace(inbound(key=None), kind="wish")]) == 1
        waiting = await store.take(shard_of("user"))
        assert [row.work.kind for row in waiting] == ["event"] * 3 + ["wish"]
        await store.commit(Batch(done=[row.id for row in waiting]))
        assert await store.put([inbound(key="one more")]) == 1
    finally:
        await store.close()
