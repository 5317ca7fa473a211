"""The daemon's own alerts: when each is raised, and what a restart leaves of it."""

from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from scheduler.core.errors import ProviderUnauthorized, ProviderUnavailable, StoreError
from scheduler.core.model import Limits
from scheduler.core.observation import Stamp
from scheduler.core.timeline import nanoseconds
from scheduler.loop.acts import PROVIDER_PATIENCE, REFUSAL_PATIENCE, Health
from scheduler.loop.journal import Journal
from scheduler.loop.pulse import Pulse
from scheduler.ports import Batch
from storage.memory import MemoryStore
from tests.web_support import NOON, StepClock

MINUTE = timedelta(minutes=1)
REFUSED, DOWN = ProviderUnauthorized("Enode refuses the credentials"), ProviderUnavailable("no answer")


@dataclass
class Path:
    """A webhook path as the pulse sees it."""

    wanted: bool = True
    status: Any = None
    at: Any = None

    def heard_at(self) -> Any:
        return self.at

    def trouble(self) -> str:
        return "Deliveries come, and nobody can trust them."


@dataclass
class Beating:
    """The loop as the pulse sees it."""

    stamp: Any
    durable: bool = True
    unkept_since: Any = None
    world: Any = field(default_factory=lambda: SimpleNamespace(limits=Limits()))

    def check_clock(self) -> None:
        return None

    def unkept(self, _what: str, _error: StoreError) -> None:
        self.durable, self.unkept_since = False, self.unkept_since or self.stamp().at


@dataclass
class Heart:
    """A pulse with what it beats for."""

    clock: StepClock = field(default_factory=StepClock)
    health: Health = field(default_factory=Health)
    path: Path = field(default_factory=Path)
    feeds: dict[str, Any] = field(default_factory=lambda: {"PRICES_MISSING": lambda _told: ""})
    run: int = 1

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock)
        self.pulse = self.new()

    def new(self) -> Pulse:
        self.loop = Beating(stamp=self.stamp)
        return Pulse(
            store=self.store, journal=Journal(run=self.run, node="here"), loop=cast("Any", self.loop), health=self.health,
            inbound=cast("Any", self.path), on_step=lambda: None, feeds=self.feeds,
        )  # fmt: skip

    def stamp(self) -> Stamp:
        return Stamp(at=self.clock.now(), mono_ns=nanoseconds(self.clock.now()), run=1)

    async def restarted(self) -> None:
        self.health, self.run = Health(), self.run + 1
        self.path.status = self.path.at = None
        self.pulse = self.new()
        self.pulse.take_over(await self.open())

    async def live(self, minutes: int, error: Any = None) -> None:
        for _ in range(minutes):
            if error is not None:
                self.health.bad(self.stamp(), error)
            await self.pulse.beat()
            self.clock.at += MINUTE

    async def open(self) -> list[str]:
        return [one.code for one in await self.store.alerts(open_only=True)]

    async def ever(self) -> list[str]:
        return [one.code for one in await self.store.alerts(open_only=False)]


@pytest.fixture
async def heart():
    made = Heart()
    await made.store.open(node="here")
    return made


@pytest.mark.parametrize(
    ("error", "code", "within"),
    [(REFUSED, "CREDENTIALS_LOST", REFUSAL_PATIENCE), (DOWN, "PROVIDER_DOWN", PROVIDER_PATIENCE)],
)
async def test_lost_credentials_are_told_sooner_than_silence(heart, error, code, within):
    minutes = within // MINUTE
    await heart.live(minutes, error)
    assert await heart.open() == []
    await heart.live(1, error)
    assert await heart.open() == [code]
    assert (await heart.store.alerts(open_only=True))[0].raised_at - NOON <= timedelta(minutes=5)


async def test_credentials_once_refused_stay_lost_whatever_fails_next(heart):
    await heart.live(3, REFUSED)
    await heart.live(20, DOWN)
    await heart.live(3, REFUSED)
    assert await heart.ever() == ["CREDENTIALS_LOST"]
    heart.health.good(heart.stamp())
    await heart.live(1)
    assert await heart.open() == []


@pytest.mark.parametrize(("error", "code"), [(REFUSED, "CREDENTIALS_LOST"), (DOWN, "PROVIDER_DOWN")])
async def test_a_restart_neither_ends_what_goes_on_nor_tells_it_again(heart, error, code):
    await heart.live(7, error)
    await heart.restarted()
    assert heart.health.refused(heart.stamp()) == (error is REFUSED)  # nothing is sent before it is known better
    await heart.live(1)
    await heart.live(10, error)
    assert (await heart.open(), await heart.ever()) == ([code], [code])
    heart.health.good(heart.stamp())
    assert not heart.health.refused(heart.stamp())
    await heart.live(1)
    assert await heart.open() == []


async def test_a_silent_webhook_path_is_told_also_where_none_ever_came_and_over_a_restart(heart):
    heart.path.status = "active"
    await heart.live(60)
    assert await heart.open() == []
    await heart.live(2)
    [told] = await heart.store.alerts(open_only=True)
    assert (told.code, told.text[-43:]) == ("WEBHOOK_SILENT", heart.path.trouble())
    await heart.restarted()
    await heart.live(2)
    heart.path.status = "active"
    await heart.live(2)
    assert await heart.ever() == ["WEBHOOK_SILENT"]
    heart.path.at = heart.clock.now()
    await heart.live(1)
    assert await heart.open() == []


async def test_a_path_that_is_wanted_no_more_is_silent_no_more(heart):
    heart.path.status = "active"
    await heart.live(62)
    await heart.restarted()
    heart.path.wanted = False
    await heart.live(1)
    assert await heart.open() == []


async def test_a_feed_is_asked_with_whether_its_trouble_was_told(heart):
    heart.feeds["PRICES_MISSING"] = lambda told: "market: late" if told or heart.clock.at > NOON + 5 * MINUTE else ""
    await heart.live(8)
    [told] = await heart.store.alerts(open_only=True)
    assert (told.code, told.severity) == ("PRICES_MISSING", "warning")
    assert told.text == "Plans go on what prices usually are; departures hold. market: late."
    heart.clock.at = NOON
    await heart.restarted()
    await heart.live(2)
    assert await heart.ever() == ["PRICES_MISSING"]


class Full(MemoryStore):
    """A store that takes nothing while it is full."""

    full = False

    async def commit(self, batch: Batch) -> None:
        if self.full:
            raise StoreError("no space left")
        await super().commit(batch)


@pytest.fixture
async def cramped(heart):
    heart.store = Full(heart.clock)
    await heart.store.open(node="here")
    heart.pulse = heart.new()
    await heart.live(1)
    return heart


async def spans(heart: Heart) -> list[tuple[str, int, int | None]]:
    """Return the alerts with the minutes in which they began and ended."""
    return [
        (one.code, (one.raised_at - NOON) // MINUTE, one.cleared_at and (one.cleared_at - NOON) // MINUTE)
        for one in await heart.store.alerts(open_only=False)
    ]


async def test_trouble_of_the_store_that_ended_before_it_could_be_told_is_told_afterwards(cramped):
    cramped.store.full = True
    await cramped.live(5)
    cramped.store.full, cramped.loop.durable = False, True  # a vehicle's turn was kept before the next beat
    await cramped.live(1)
    assert await spans(cramped) == [("STORE_TROUBLE", 1, None)]
    await cramped.live(3)
    assert await spans(cramped) == [("STORE_TROUBLE", 1, 7)]


async def test_a_turn_that_was_not_kept_between_two_beats_is_told(cramped):
    cramped.loop.unkept("commit", StoreError("no space left"))
    cramped.loop.durable = True
    await cramped.live(3)
    assert await spans(cramped) == [("STORE_TROUBLE", 1, 2)]


async def test_a_line_that_comes_while_the_store_fails_is_kept_with_those_it_did_not_keep(heart, monkeypatch):
    commit = heart.store.commit

    async def failing(_batch):
        heart.pulse.remember({"k": "NOTE", "code": "later"})
        raise StoreError("full")

    heart.pulse.remember({"k": "NOTE", "code": "sooner"})
    monkeypatch.setattr(heart.store, "commit", failing)
    await heart.live(1)
    monkeypatch.setattr(heart.store, "commit", commit)
    await heart.live(1)
    noted = [line for line in await heart.store.journal(limit=9) if line["k"] == "NOTE"]
    assert [line["code"] for line in noted] == ["sooner", "later"]
