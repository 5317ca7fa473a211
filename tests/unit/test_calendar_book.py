"""The departures known from calendars: when they are asked for, what is kept, and what a person is told."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from scheduler.core.errors import CalendarUnread
from scheduler.core.feeds import CalendarDeparture
from scheduler.core.model import Home, PolicySpec
from scheduler.core.timeline import Interval
from scheduler.loop.calendar_book import AHEAD, BACK, PATIENCE, SPACE, CalendarBook
from scheduler.ports import CalendarRead
from storage.memory import MemoryStore
from tests.fakes_daemon import StillClock

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
WEEK = timedelta(days=8)


def flight(at: datetime, title: str = "Airport", calendar: str = "family") -> CalendarDeparture:
    return CalendarDeparture(calendar=calendar, at=at, title=title)


def home(*calendars: str, timezone: str = "Europe/Oslo") -> Home:
    policies = tuple(PolicySpec(name="ready-by", settings={"calendar": name}) for name in calendars)
    return Home(id=timezone, user_id="u", timezone=timezone, policies=policies)


@dataclass
class Source:
    """A calendar that holds what it is told to, or fails."""

    name: str = "family"
    product: str = "p"
    every: timedelta = 15 * MINUTE
    holds: tuple[CalendarDeparture, ...] = (flight(START + DAY),)
    left_out: str = ""
    fails: CalendarUnread | None = None
    unchanged: bool = False
    asked: list[tuple[datetime, Interval, bool]] = field(default_factory=list)

    async def fetch(self, span, *, timezones, anew=False):
        self.asked.append((span.start + BACK, span, anew))
        if self.fails is not None:
            raise self.fails
        if self.unchanged and not anew:
            return None
        return CalendarRead(departures=dict.fromkeys(timezones, self.holds), left_out=self.left_out)


class Shelf:
    """A book with what it told."""

    def __init__(self, *sources: Source) -> None:
        self.clock = StillClock(START)
        self.store = MemoryStore(self.clock)
        self.sources = sources or (Source(),)
        self.homes = [home("family")]
        self.told = 0
        self.book = self.new_book()

    def new_book(self) -> CalendarBook:
        return CalendarBook(
            store=self.store,
            clock=self.clock,
            sources={one.name: one for one in self.sources},
            homes=lambda: self.homes,
            on_news=self.hear,
            rng=random.Random(1),
        )

    def hear(self) -> None:
        self.told += 1

    async def live(self, span: timedelta, *, step: timedelta = MINUTE) -> None:
        for _ in range(round(span / step)):
            await self.book.fetch()
            self.clock.at += step

    def known(self, one: Home | None = None) -> list[str]:
        return [d.title for d in self.book.of(one or self.homes[0], self.clock.at, horizon=WEEK)]


@pytest.fixture
async def shelf() -> Shelf:
    one = Shelf()
    await one.store.open(node="test")
    return one


async def test_a_calendar_is_asked_every_quarter_of_an_hour(shelf):
    await shelf.live(3 * HOUR)
    gaps = {b[0] - a[0] for a, b in pairwise(shelf.sources[0].asked)}
    assert 11 <= len(shelf.sources[0].asked) <= 12
    assert gaps <= {15 * MINUTE, 16 * MINUTE, 17 * MINUTE}
    assert shelf.sources[0].asked[0][1] == Interval(start=START - BACK, end=START + AHEAD)
    assert shelf.told == 1, "what stays as it was is no news"
    assert shelf.known() == ["Airport"]


async def test_what_nobody_reads_is_not_asked_for(shelf):
    shelf.homes = [home("work")]
    await shelf.live(HOUR)
    assert shelf.sources[0].asked == []
    assert shelf.known() == []


async def test_a_change_is_news_and_holds_at_once(shelf):
    await shelf.live(HOUR)
    shelf.sources[0].holds = (flight(START + 2 * DAY, "Later"),)
    await shelf.live(HOUR)
    assert (shelf.told, shelf.known()) == (2, ["Later"])


async def test_an_event_that_is_gone_is_none(shelf):
    await shelf.live(HOUR)
    shelf.sources[0].holds = ()
    await shelf.live(HOUR)
    assert shelf.known() == []


async def test_what_was_read_last_holds_while_it_cannot_be_read(shelf):
    await shelf.live(HOUR)
    shelf.sources[0].fails = CalendarUnread("the server answered 500")
    await shelf.live(10 * HOUR)
    assert shelf.known() == ["Airport"]
    assert shelf.book.trouble == {"family": "the server answered 500 (last read 2026-01-05 12:48 UTC)"}
    shelf.sources[0].fails = None
    await shelf.live(HOUR)
    assert (shelf.book.trouble, shelf.book.missing()) == ({}, "")


async def test_failures_are_followed_by_longer_pauses(shelf):
    shelf.sources[0].fails = CalendarUnread("no connection")
    await shelf.live(6 * HOUR)
    at = [one[0] for one in shelf.sources[0].asked]
    gaps = [b - a for a, b in pairwise(at)]
    assert gaps[0] <= 2 * MINUTE
    assert gaps == sorted(gaps)
    assert 30 * MINUTE <= gaps[-1] <= HOUR


@pytest.mark.parametrize(
    ("error", "pause"),
    [(CalendarUnread("404", refused=True), HOUR), (CalendarUnread("busy", retry_after_s=7200), 2 * HOUR)],
)
async def test_it_waits_as_long_as_it_must(shelf, error, pause):
    shelf.sources[0].fails = error
    await shelf.live(4 * HOUR)
    first, second = shelf.sources[0].asked[:2]
    assert pause <= second[0] - first[0] <= 2 * pause


async def test_it_is_there_after_a_restart_with_a_dead_network(shelf):
    await shelf.live(HOUR)
    shelf.sources[0].fails = CalendarUnread("no network")
    shelf.book = shelf.new_book()
    await shelf.book.load()
    await shelf.book.fetch()
    assert shelf.known() == ["Airport"]
    assert shelf.book.trouble == {"family": "no network (last read 2026-01-05 12:48 UTC)"}


async def test_after_a_restart_nothing_is_known_of_another_place(shelf):
    await shelf.live(HOUR)
    shelf.sources[0].product = "elsewhere"
    shelf.book = shelf.new_book()
    await shelf.book.load()
    assert shelf.known() == []
    assert await shelf.store.all_kept(SPACE) == {}


@pytest.mark.parametrize("stored", [b"", b"{", b"[]", b'{"product": "p"}'])
async def test_what_cannot_be_read_back_is_forgotten(shelf, stored):
    await shelf.store.keep(SPACE, "family", stored)
    await shelf.book.load()
    assert shelf.known() == []
    assert await shelf.store.all_kept(SPACE) == {}


async def test_what_a_wrong_clock_read_is_not_believed(shelf):
    await shelf.live(MINUTE)
    shelf.clock.at -= 30 * DAY
    shelf.book = shelf.new_book()
    await shelf.book.load()
    assert shelf.known() == []


async def test_a_person_is_told_soon_of_a_calendar_never_read_and_later_of_one_that_fell_silent(shelf):
    shelf.sources[0].fails = CalendarUnread("no connection")
    await shelf.live(4 * MINUTE)
    assert shelf.book.missing() == ""
    await shelf.live(3 * MINUTE)
    assert shelf.book.missing() == "family: no connection (never read)"
    shelf.sources[0].fails = None
    await shelf.live(HOUR)
    shelf.sources[0].fails = CalendarUnread("no connection")
    await shelf.live(PATIENCE)
    assert shelf.book.missing() == ""
    await shelf.live(HOUR)
    assert shelf.book.missing().startswith("family: no connection (last read")
    shelf.homes = []
    assert shelf.book.missing() == "", "nobody wants it any more"


async def test_a_calendar_that_does_not_change_is_read_anew_once_a_day(shelf):
    shelf.sources[0].unchanged = True
    await shelf.live(3 * DAY, step=5 * MINUTE)
    anew = [at for at, _, fresh in shelf.sources[0].asked if fresh]
    assert len(anew) == 3
    assert anew[0] == START


async def test_what_is_left_out_is_told_until_it_is_mended(shelf):
    shelf.sources[0].left_out = "1 of its events cannot be read"
    shelf.sources[0].unchanged = True
    await shelf.live(HOUR)
    assert shelf.book.trouble == {"family": "1 of its events cannot be read"}
    assert shelf.book.missing() == ""
    shelf.sources[0].left_out, shelf.sources[0].unchanged = "", False
    await shelf.live(HOUR)
    assert shelf.book.trouble == {}


async def test_a_home_in_another_zone_is_read_for_at_once(shelf):
    await shelf.live(MINUTE)
    tokyo = home("family", timezone="Asia/Tokyo")
    shelf.homes.append(tokyo)
    assert shelf.known(tokyo) == []
    await shelf.live(MINUTE)
    assert shelf.known(tokyo) == ["Airport"]
    assert shelf.sources[0].asked[-1][2], "it was asked anew"


async def test_yesterday_and_the_days_of_the_horizon_are_given_and_stay_the_same_all_day():
    hours = (-37.5, -36.5, 24, 8 * 24 + 10, 8 * 24 + 11.5)
    shelf = Shelf(Source(holds=tuple(flight(START + h * HOUR, f"{h}") for h in hours)))
    await shelf.live(MINUTE)
    morning, evening = (shelf.book.of(shelf.homes[0], START + n * HOUR, horizon=WEEK) for n in (-12, 10))
    assert morning is evening
    assert [one.title for one in morning] == ["-36.5", "24", "202"]
    assert shelf.book.of(shelf.homes[0], START + 12 * HOUR, horizon=WEEK) is not morning


async def test_the_calendars_of_a_home_are_told_in_one_order():
    work = Source(name="work", holds=(flight(START + HOUR, "Work", "work"), flight(START + 3 * HOUR, "Out", "work")))
    shelf = Shelf(Source(holds=(flight(START + 2 * HOUR),)), work)
    shelf.homes = [home("family", "work"), home("work", timezone="UTC")]
    await shelf.live(MINUTE)
    assert shelf.known() == ["Work", "Airport", "Out"]
    assert shelf.known(shelf.homes[1]) == ["Work", "Out"]


async def test_on_reload_what_stayed_the_same_stays_known(shelf):
    await shelf.live(HOUR)
    shelf.book.replace_sources({"family": Source(fails=CalendarUnread("no"))})
    assert shelf.known() == ["Airport"]
    shelf.book.replace_sources({"family": Source(product="other")})
    assert shelf.known() == []
