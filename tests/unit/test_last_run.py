"""What is told of a run that did not stop in order."""

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.core.errors import StoreError
from scheduler.loop.last_run import CODE, LastRun
from storage.memory import MemoryStore

START = datetime(2026, 1, 12, 16, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def monotonic_ns(self) -> int:
        return 0


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def store(clock):
    one = MemoryStore(clock)
    await one.open(node="n")
    return one


async def run_of(store, clock) -> LastRun:
    one = LastRun(store=store, clock=clock)
    await one.begin()
    return one


async def test_one_that_stopped_in_order_is_not_told_of(store, clock):
    await (await run_of(store, clock)).end()
    assert list((await run_of(store, clock)).alerts()) == []


async def test_one_that_did_not_is_told_of_for_a_day(store, clock):
    await run_of(store, clock)
    clock.at += timedelta(hours=3)
    second = await run_of(store, clock)
    ((code, text),) = second.alerts()
    assert code == CODE
    assert "ran since 2026-01-12T16:00+00:00 did not stop in order" in text
    clock.at += timedelta(days=1)
    assert list(second.alerts()) == []
    await second.end()
    assert list((await run_of(store, clock)).alerts()) == []


async def test_a_store_that_takes_nothing_does_not_hold_up_the_end(store, clock, monkeypatch):
    one = await run_of(store, clock)

    async def full(*_):
        raise StoreError("the disk is full")

    monkeypatch.setattr(store, "spend", full)
    await one.end()
