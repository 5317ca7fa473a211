"""Which secrets a delivery may be signed with, and until when."""

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.loop.signing import KEY, OVERLAP, SPACE, Signing
from storage.memory import MemoryStore

START = datetime(2026, 1, 12, 16, 0, tzinfo=UTC)
OLD, NEW, NEWER = "the old secret, long enough", "the new secret, long enough", "a newer secret, long enough"


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


async def signing_of(store, clock, secret=NEW, previous=OLD) -> Signing:
    one = Signing(store=store, clock=clock)
    one.use(await one.read(secret, previous))
    return one


async def test_one_secret_alone_counts(store, clock):
    one = await signing_of(store, clock, previous="")
    await one.taken()
    assert one.in_force() == [NEW.encode()]
    assert await store.kept(SPACE, KEY) is None


async def test_the_day_begins_when_the_provider_has_taken_the_new_one(store, clock):
    one = await signing_of(store, clock)
    clock.at += timedelta(days=3)
    assert one.in_force() == [NEW.encode(), OLD.encode()]
    await one.taken()
    clock.at += OVERLAP - timedelta(seconds=1)
    await one.taken()  # as the first check of a later run hears it again
    assert one.in_force() == [NEW.encode(), OLD.encode()]
    clock.at += timedelta(seconds=1)
    assert one.in_force() == [NEW.encode()]


async def test_a_restart_begins_no_other_day_and_another_exchange_does(store, clock):
    await (await signing_of(store, clock)).taken()
    clock.at += OVERLAP
    again = await signing_of(store, clock)
    await again.taken()
    assert again.in_force() == [NEW.encode()]
    other = await signing_of(store, clock, secret=NEWER, previous=NEW)
    assert other.in_force() == [NEWER.encode(), NEW.encode()]


async def test_the_store_holds_neither_secret(store, clock):
    await (await signing_of(store, clock)).taken()
    kept = await store.kept(SPACE, KEY)
    for secret in (OLD, NEW):
        assert secret.encode() not in kept
        assert secret.encode().hex().encode() not in kept


async def test_what_cannot_be_read_is_as_nothing(store, clock):
    await store.keep(SPACE, KEY, b"rubbish")
    assert (await signing_of(store, clock)).in_force() == [NEW.encode(), OLD.encode()]
