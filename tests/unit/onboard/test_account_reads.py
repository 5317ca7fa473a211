"""Reads of a user's account: however many ask at once, those who asked before a read began share what it came to."""

import asyncio
from datetime import UTC, datetime
from itertools import count
from typing import Any, cast

import pytest

from scheduler.core.errors import NotFound, ProviderError, ProviderUnavailable
from scheduler.core.observation import Stamp
from scheduler.onboard.account import Accounts

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Slow:
    """A provider that answers when it is let go: that nothing was ever linked, or with an error."""

    def __init__(self) -> None:
        self.let_go, self.reads, self.error = asyncio.Event(), 0, NotFound("nobody")
        ticks = count(1)
        self.accounts = Accounts(
            cast("Any", self), stamp=lambda: Stamp(at=NOON, mono_ns=next(ticks), run=1), homes=lambda: ()
        )

    async def user(self, _user_id: str) -> Any:
        self.reads += 1
        await self.let_go.wait()
        raise self.error

    def asked(self, *, fresh: bool = True) -> asyncio.Task[Any]:
        return asyncio.create_task(self.accounts.of("user", fresh=fresh))


async def begun(provider: Slow, asking: int) -> list[asyncio.Task[Any]]:
    """Return so many questions, the first of which is being read."""
    tasks = [provider.asked()]
    await asyncio.sleep(0)
    tasks += [provider.asked() for _ in range(asking - 1)]
    await asyncio.sleep(0)
    assert provider.reads == 1
    return tasks


async def test_any_number_of_questions_is_two_reads():
    provider = Slow()
    tasks = await begun(provider, 50)
    provider.let_go.set()
    found = await asyncio.gather(*tasks)
    assert provider.reads == 2  # the 49 asked after the first had begun: what it saw may be older than their question
    assert {one.user_id for one in found} == {"user"}
    await provider.asked()
    assert provider.reads == 3
    await provider.asked(fresh=False)
    assert provider.reads == 3


async def test_what_fails_for_one_fails_for_all_who_share_it():
    provider = Slow()
    provider.error = ProviderUnavailable("no answer")
    tasks = await begun(provider, 50)
    provider.let_go.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert provider.reads == 2
    assert all(isinstance(one, ProviderError) for one in found)


async def test_a_question_given_up_leaves_the_read_to_the_next():
    provider = Slow()
    first, *others = await begun(provider, 3)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    provider.let_go.set()
    await asyncio.gather(*others)
    assert provider.reads == 2
