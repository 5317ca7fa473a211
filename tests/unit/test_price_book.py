"""What the prices known are made of: what was fetched last, and what was known of the days before it."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from scheduler.core.errors import PricesUnavailable
from scheduler.core.model import PriceSeries
from scheduler.core.timeline import Interval
from scheduler.loop.price_book import BACK, PriceBook
from storage.memory import MemoryStore
from tests.fakes_daemon import StillClock
from tests.unit.policies.builders import market

MIDNIGHT = datetime(2026, 1, 5, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class TwoDays:
    """A source that tells of today and tomorrow alone."""

    zone: str = ""
    failing: bool = False

    async def fetch(self, span: Interval, *, at: datetime) -> PriceSeries:
        del span
        if self.failing:
            raise PricesUnavailable("no network")
        return replace(market(*[float(at.day)] * 48, start=at), name="market", zone=self.zone)


@dataclass
class Shelf:
    """A price book with what it told."""

    clock: StillClock = field(default_factory=lambda: StillClock(MIDNIGHT))
    source: TwoDays = field(default_factory=TwoDays)
    told: list[tuple[PriceSeries, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock)

    def book(self) -> PriceBook:
        return PriceBook(store=self.store, clock=self.clock, sources={"market": self.source}, on_news=self.told.append)

    async def live(self, book: PriceBook, days: int) -> None:
        for _ in range(days):
            await book.fetch()
            self.clock.at += DAY

    @property
    def starts(self) -> Iterator[datetime]:
        (series,) = self.told[-1]
        return (slot.start for slot in series.slots)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_days_that_a_source_no_longer_tells_of_are_kept_for_two_weeks(shelf):
    asyncio.run(shelf.live(shelf.book(), days=20))
    starts = list(shelf.starts)
    last = shelf.clock.at - DAY
    assert starts == sorted(set(starts))
    assert starts[0] == last - BACK
    assert starts[-1] == last + 2 * DAY - timedelta(hours=1)


def test_they_are_there_again_after_a_restart(shelf):
    async def restarted() -> None:
        await shelf.store.open(node="test")
        await shelf.live(shelf.book(), days=3)
        await shelf.book().load()

    asyncio.run(restarted())
    assert next(shelf.starts) == MIDNIGHT


def test_what_was_fetched_last_holds_where_both_speak(shelf):
    asyncio.run(shelf.live(shelf.book(), days=2))
    (series,) = shelf.told[-1]
    assert [slot.per_kwh for slot in series.slots] == [5.0] * 24 + [6.0] * 48


def test_another_zone_begins_anew(shelf):
    async def moved() -> None:
        book = shelf.book()
        await shelf.live(book, days=2)
        shelf.source.zone = "NO2"
        await shelf.live(book, days=1)

    asyncio.run(moved())
    assert next(shelf.starts) == MIDNIGHT + 2 * DAY


def test_a_source_that_fails_leaves_what_was_known(shelf):
    async def failing() -> None:
        book = shelf.book()
        await shelf.live(book, days=2)
        shelf.source.failing = True
        await shelf.live(book, days=1)
        assert book.trouble == {"market": "no network"}

    asyncio.run(failing())
    assert len(shelf.told) == 2
