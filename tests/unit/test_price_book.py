"""What the prices known are made of: what was fetched last, what was known before it, and who stands in."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from scheduler.core.errors import PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.core.feeds import PriceSeries, StandIn
from scheduler.core.model import Home, PolicySpec
from scheduler.core.publication import DayAhead, Rhythm, Rolling
from scheduler.core.terms import PriceState
from scheduler.core.timeline import Interval, nanoseconds
from scheduler.loop.price_book import BACK, PATIENCE, PriceBook
from scheduler.loop.price_timing import LONGEST_PAUSE, PAST_TRIES, REFUSED, SPREAD
from storage.memory import MemoryStore
from tests.fakes_daemon import StillClock
from tests.unit.policies.builders import market

MIDNIGHT = datetime(2026, 1, 5, 0, 0, tzinfo=UTC)
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
ASKED_FROM = MIDNIGHT + timedelta(hours=11, minutes=45)  # 12:45 in Brussels
LATE_FROM = MIDNIGHT + timedelta(hours=13, minutes=30)
LOCAL_MIDNIGHT = MIDNIGHT - HOUR

Answer = Callable[[Interval, datetime], PriceSeries]


def hours(start: datetime, *prices: float, **changes: object) -> PriceSeries:
    return replace(market(*prices, start=start), **{"name": "market", "zone": "NO1", "product": "p", **changes})


def two_days(span: Interval, at: datetime) -> PriceSeries:
    """Tell of today and tomorrow alone, priced by the day of the month."""
    del span
    return hours(at, *[float(at.day)] * 48)


@dataclass
class Source:
    """A source that answers as it is told to."""

    name: str = "market"
    kind: str = "file"
    product: str = "p"
    stand_in: str = ""
    rhythm: Rhythm = field(default_factory=lambda: Rolling(every=DAY))
    answer: Answer = two_days
    asked: list[tuple[datetime, Interval]] = field(default_factory=list)

    async def fetch(self, span: Interval, *, at: datetime) -> PriceSeries:
        self.asked.append((at, span))
        return replace(self.answer(span, at), name=self.name, product=self.product)


def failing(error: Exception) -> Answer:
    def answer(span: Interval, at: datetime) -> PriceSeries:
        del span, at
        raise error

    return answer


class SteppingClock(StillClock):
    """A clock that stands; `step` moves its wall time alone, as one that was wrong is set right."""

    stepped = timedelta(0)

    def monotonic_ns(self) -> int:
        return nanoseconds(self.at - self.stepped)

    def step(self, by: timedelta) -> None:
        self.at += by
        self.stepped += by


@dataclass
class SlowSource(Source):
    """A source whose answer comes when it is let go."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def fetch(self, span: Interval, *, at: datetime) -> PriceSeries:
        self.begun.set()
        await self.let_go.wait()
        return await super().fetch(span, at=at)


def home_reading(*sources: str) -> Home:
    """Return a home whose policies read these sources."""
    policies = tuple(PolicySpec(name="spot", settings={"source": source}) for source in sources)
    return Home(
        id="home", user_id="user", timezone="Europe/Oslo", currency="EUR", location_id="here", policies=policies
    )


@dataclass
class Shelf:
    """A price book with what it told."""

    clock: SteppingClock = field(default_factory=lambda: SteppingClock(MIDNIGHT))
    source: Source = field(default_factory=Source)
    others: list[Source] = field(default_factory=list)
    told: list[tuple[PriceSeries, ...]] = field(default_factory=list)
    read: tuple[str, ...] = ("market",)

    def __post_init__(self) -> None:
        self.store = MemoryStore(self.clock)

    def book(self) -> PriceBook:
        sources = {one.name: one for one in (self.source, *self.others)}
        return PriceBook(
            store=self.store,
            clock=self.clock,
            sources=sources,
            on_news=self.told.append,
            homes=lambda: [home_reading(*self.read)],
            rng=random.Random(1),
        )

    async def live(self, book: PriceBook, days: int, *, step: timedelta = DAY) -> None:
        for _ in range(round(days * DAY / step)):
            await book.fetch()
            self.clock.at += step

    def prices(self, name: str = "market") -> list[float]:
        return [slot.per_kwh for slot in self.series(name).slots]

    def series(self, name: str = "market") -> PriceSeries:
        return next(one for one in self.told[-1] if one.name == name)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_days_that_a_source_no_longer_tells_of_are_kept_for_two_weeks(shelf):
    asyncio.run(shelf.live(shelf.book(), days=20))
    starts = [slot.start for slot in shelf.series().slots]
    last = shelf.clock.at - DAY
    assert starts == sorted(set(starts))
    assert starts[0] == last - BACK
    assert starts[-1] == last + 2 * DAY - HOUR


def test_they_are_there_again_after_a_restart_with_a_dead_network(shelf):
    async def restarted() -> None:
        await shelf.store.open(node="test")
        await shelf.live(shelf.book(), days=3)
        shelf.source.answer = failing(PricesUnavailable("no network"))
        book = shelf.book()
        await book.load()
        await book.fetch()
        assert book.trouble == {"market": "no network"}

    asyncio.run(restarted())
    assert shelf.series().slots[0].start == MIDNIGHT


def test_the_newest_fetch_holds_wherever_it_speaks(shelf):
    asyncio.run(shelf.live(shelf.book(), days=2))
    assert shelf.prices() == [5.0] * 24 + [6.0] * 48


def test_a_fetch_that_covers_less_takes_nothing_away(shelf):
    async def partial() -> None:
        book = shelf.book()
        await shelf.live(book, days=1)
        shelf.source.answer = lambda _, at: hours(at + 3 * HOUR, 9.0)
        await book.fetch()

    asyncio.run(partial())
    assert shelf.prices() == [5.0] * 27 + [9.0] + [5.0] * 20


def test_quarters_replace_the_hours_that_they_lie_in(shelf):
    async def finer() -> None:
        book = shelf.book()
        await shelf.live(book, days=1)
        half = shelf.clock.at + HOUR / 2
        shelf.source.answer = lambda _, at: replace(
            hours(at), slots=(replace(hours(half, 1.0).slots[0], end=half + HOUR / 4),)
        )
        await book.fetch()

    asyncio.run(finer())
    day_later = MIDNIGHT + DAY
    slots = [(s.start - day_later, s.end - day_later, s.per_kwh) for s in shelf.series().slots[24:27]]
    assert slots == [
        (0 * HOUR, HOUR / 2, 5.0),
        (HOUR / 2, HOUR * 3 / 4, 1.0),
        (HOUR * 3 / 4, HOUR, 5.0),
    ]


@pytest.mark.parametrize("change", [{"zone": "NO2"}, {"currency": "SEK"}])
def test_another_zone_or_currency_begins_anew(shelf, change):
    async def moved() -> None:
        book = shelf.book()
        await shelf.live(book, days=2)
        shelf.source.answer = lambda _, at: replace(two_days(_, at), **change)
        await shelf.live(book, days=1)

    asyncio.run(moved())
    assert shelf.series().slots[0].start == MIDNIGHT + 2 * DAY


def test_what_was_kept_of_another_product_is_not_taken(shelf):
    async def changed() -> None:
        await shelf.store.open(node="test")
        await shelf.live(shelf.book(), days=1)
        shelf.source.product = "in hours"
        await shelf.book().load()

    asyncio.run(changed())
    assert shelf.told[-1] == ()


def test_what_a_wrong_clock_fetched_in_the_future_is_not_believed(shelf):
    async def stepped() -> None:
        await shelf.store.open(node="test")
        shelf.clock.at += 30 * DAY
        await shelf.live(shelf.book(), days=1)
        shelf.clock.at = MIDNIGHT
        await shelf.book().load()

    asyncio.run(stepped())
    assert shelf.told[-1] == ()


def test_what_it_fetched_is_believed_once_the_right_clock_has_seen_it_too(shelf):
    async def stepped() -> None:
        await shelf.store.open(node="test")
        shelf.source.answer = lambda _, at: hours(MIDNIGHT, *[5.0] * 48, fetched_at=at)
        book = shelf.book()
        shelf.clock.step(30 * DAY)
        await book.fetch()
        shelf.clock.step(-30 * DAY)
        await book.fetch()
        await shelf.book().load()

    asyncio.run(stepped())
    assert shelf.prices() == [5.0] * 48


def test_a_reload_asks_a_source_in_trouble_again_at_once(shelf):
    async def reloaded() -> None:
        shelf.source.answer = failing(PricesRefused("a wrong token"))
        book = shelf.book()
        await book.fetch()
        book.replace_sources({"market": replace(shelf.source, answer=two_days)})
        await book.fetch()
        assert len(shelf.source.asked) == 2
        assert book.trouble == {}

    asyncio.run(reloaded())


def test_how_each_source_is_can_be_asked(shelf):
    async def looked() -> None:
        shelf.source.answer = failing(PricesUnavailable("answered 503"))
        shelf.source.stand_in = "backup"
        shelf.others = [Source(name="backup", kind="fixed")]
        book = shelf.book()
        before, _ = book.sources()
        assert (before.series, before.fetched_at, before.next_fetch_at, before.trouble) == (None, None, None, "")
        await book.fetch()
        market, backup = book.sources()
        assert (market.name, market.kind, market.stand_in, market.trouble) == (
            "market",
            "file",
            "backup",
            "answered 503",
        )
        assert market.late
        assert market.fetched_at is None, "what stands in was not fetched from it"
        assert [one.name for one in market.series.stand_ins] == ["backup"]
        assert MIDNIGHT < market.next_fetch_at <= MIDNIGHT + 2 * MINUTE
        assert (backup.kind, backup.late, backup.trouble, backup.fetched_at) == ("fixed", False, "", MIDNIGHT)
        assert backup.next_fetch_at > MIDNIGHT + HOUR

    asyncio.run(looked())


def test_a_reload_forgets_nothing_of_a_source_that_stayed_as_it_was(shelf):
    async def reloaded() -> None:
        book = shelf.book()
        await book.fetch()
        book.replace_sources({"market": replace(shelf.source)})
        await book.fetch()
        assert len(shelf.source.asked) == 1, "it is not asked again before its time"
        book.replace_sources({"market": replace(shelf.source, product="other")})
        await book.fetch()
        assert len(shelf.source.asked) == 2

    asyncio.run(reloaded())


async def reload_in_flight(shelf: Shelf, new: Source) -> PriceBook:
    """Let a source answer after another one has taken its place."""
    old = shelf.source = SlowSource(answer=shelf.source.answer)
    book = shelf.book()
    asking = asyncio.create_task(book.fetch())
    await old.begun.wait()
    book.replace_sources({"market": new})
    await book.fetch()
    old.let_go.set()
    await asking
    shelf.clock.at += MINUTE
    await book.fetch()
    return book


def test_what_a_source_told_that_was_replaced_meanwhile_is_not_taken(shelf):
    new = Source(product="in hours", answer=lambda _, at: hours(at, *[9.0] * 12))
    asyncio.run(reload_in_flight(shelf, new))
    assert shelf.prices() == [9.0] * 12, "and nothing of the other product around them"


def test_a_refusal_of_a_source_that_was_replaced_meanwhile_does_not_put_off_the_new_one(shelf):
    shelf.source.answer = failing(PricesRefused("a wrong token"))
    new = Source()
    book = asyncio.run(reload_in_flight(shelf, new))
    assert len(new.asked) == 1
    assert book.trouble == {}


def test_prices_of_what_a_reload_changed_are_in_force_no_longer_though_the_new_source_fails(shelf):
    async def reloaded() -> None:
        book = shelf.book()
        await book.fetch()
        book.replace_sources({"market": Source(product="other", answer=failing(PricesUnavailable("no network")))})
        await book.fetch()

    asyncio.run(reloaded())
    assert shelf.told[-1] == ()


def test_a_reload_that_takes_the_stand_in_away_takes_its_prices_too(shelf):
    async def reloaded() -> None:
        book = shelf.book()
        await book.fetch()
        book.replace_sources({"market": replace(shelf.source, stand_in=""), "other": shelf.others[0]})
        await book.fetch()

    with_stand_in(shelf)
    asyncio.run(reloaded())
    assert shelf.prices() == [1.0] * 12


def test_a_slow_source_does_not_hold_back_what_another_told(shelf):
    async def asked() -> None:
        slow = SlowSource(name="slow")
        shelf.others.append(slow)
        book = shelf.book()
        asking = asyncio.create_task(book.fetch())
        await slow.begun.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        assert [one.name for one in shelf.told[-1]] == ["market"]
        slow.let_go.set()
        await asking
        assert [one.name for one in shelf.told[-1]] == ["market", "slow"]

    asyncio.run(asked())


# when a source is asked


def day_ahead(shelf: Shelf, *, published_at: datetime = ASKED_FROM + 20 * MINUTE) -> None:
    """Let the source tell of whole local days: today, and tomorrow once it is published."""

    def answer(span: Interval, at: datetime) -> PriceSeries:
        end = LOCAL_MIDNIGHT + (2 if at >= published_at else 1) * DAY
        start = max(span.start, LOCAL_MIDNIGHT - BACK)
        return hours(start, *[1.0] * round((end - start) / HOUR))

    shelf.source.rhythm = DayAhead()
    shelf.source.answer = answer


def test_a_day_takes_few_calls(shelf):
    day_ahead(shelf)
    asyncio.run(shelf.live(shelf.book(), days=1, step=MINUTE))
    times = [at for at, _ in shelf.source.asked]
    assert times[0] == MIDNIGHT
    awaited = [at for at in times if ASKED_FROM <= at <= ASKED_FROM + 30 * MINUTE]
    assert ASKED_FROM <= awaited[0] <= ASKED_FROM + SPREAD + MINUTE
    assert len(awaited) <= 5
    assert len(times) <= 10
    assert shelf.series().slots[-1].end == LOCAL_MIDNIGHT + 2 * DAY


def test_the_past_is_asked_for_once_and_then_only_what_is_missing(shelf):
    day_ahead(shelf)
    asyncio.run(shelf.live(shelf.book(), days=1, step=MINUTE))
    (_, first), *later = shelf.source.asked
    assert first == Interval(start=LOCAL_MIDNIGHT - BACK, end=LOCAL_MIDNIGHT + DAY)
    today, both = Interval(start=LOCAL_MIDNIGHT, end=LOCAL_MIDNIGHT + DAY), LOCAL_MIDNIGHT + 2 * DAY
    awaited = [span for at, span in later if ASKED_FROM <= at <= ASKED_FROM + 30 * MINUTE]
    assert set(awaited) == {Interval(start=today.end, end=both)}
    looked_again = {span for at, span in later if not ASKED_FROM <= at <= ASKED_FROM + 30 * MINUTE}
    assert looked_again == {today, Interval(start=today.start, end=both)}


def test_preliminary_prices_are_asked_for_until_they_are_final(shelf):
    def answer(span: Interval, at: datetime) -> PriceSeries:
        found = two_days(span, MIDNIGHT - HOUR)
        state = PriceState.FINAL if at > ASKED_FROM + HOUR else PriceState.PRELIMINARY
        return replace(found, slots=tuple(replace(slot, state=state) for slot in found.slots))

    shelf.source.rhythm, shelf.source.answer = DayAhead(back=timedelta(0)), answer
    shelf.clock.at = ASKED_FROM
    asyncio.run(shelf.live(shelf.book(), days=1, step=MINUTE))
    times = [at for at, _ in shelf.source.asked]
    assert len([at for at in times if at <= ASKED_FROM + HOUR]) >= 9
    assert len([at for at in times if at > ASKED_FROM + HOUR + 10 * MINUTE]) <= 4
    assert {slot.state for slot in shelf.series().slots} == {PriceState.FINAL}


def test_not_published_yet_is_no_trouble_before_it_is_late(shelf):
    published_at = MIDNIGHT + 20 * HOUR

    async def waited() -> None:
        day_ahead(shelf, published_at=published_at)
        book = shelf.book()
        while shelf.clock.at < MIDNIGHT + DAY:
            await book.fetch()
            if LATE_FROM <= shelf.clock.at < published_at:
                assert book.trouble == {"market": "its prices are late: they should be known by now"}
                assert bool(book.missing()) is (shelf.clock.at >= LATE_FROM + PATIENCE)
            elif shelf.clock.at < LATE_FROM or shelf.clock.at > published_at + HOUR / 2:
                assert (book.trouble, book.missing()) == ({}, "")
            shelf.clock.at += MINUTE

    asyncio.run(waited())


def test_failures_are_asked_again_ever_later(shelf):
    day_ahead(shelf)
    shelf.source.answer = failing(PricesUnavailable("no network"))
    asyncio.run(shelf.live(shelf.book(), days=1, step=MINUTE))
    times = [at for at, _ in shelf.source.asked]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses[:5] == sorted(pauses[:5])
    assert pauses[0] <= 3 * MINUTE
    assert LONGEST_PAUSE <= max(pauses) <= 2 * LONGEST_PAUSE + MINUTE


@pytest.mark.parametrize(
    ("error", "least"),
    [
        (PricesUnavailable("busy", retry_after_s=7200), timedelta(hours=2)),
        (PricesRefused("a wrong token"), REFUSED),
        (PricesNotPublished("nothing"), 5 * MINUTE),
    ],
)
def test_an_answer_says_how_long_to_wait(shelf, error, least):
    day_ahead(shelf)
    shelf.clock.at = ASKED_FROM
    shelf.source.answer = failing(error)
    asyncio.run(shelf.live(shelf.book(), days=1, step=MINUTE))
    first, second, *_ = [at for at, _ in shelf.source.asked]
    assert least <= second - first <= 2 * least + MINUTE


def test_a_source_that_takes_long_is_not_asked_twice_at_once(shelf):
    async def slow() -> None:
        begun, answered, book = asyncio.Event(), asyncio.Event(), shelf.book()
        quick = shelf.source.fetch

        async def fetch(span: Interval, *, at: datetime) -> PriceSeries:
            found = await quick(span, at=at)
            begun.set()
            await answered.wait()
            return found

        shelf.source.fetch = fetch
        first = asyncio.create_task(book.fetch())
        await begun.wait()
        await book.fetch()
        assert len(shelf.source.asked) == 1
        answered.set()
        await first

    asyncio.run(slow())
    assert len(shelf.told) == 1


def test_a_clock_that_was_set_back_does_not_silence_a_source(shelf):
    async def stepped() -> None:
        book = shelf.book()
        shelf.clock.at += 30 * DAY
        await book.fetch()
        shelf.clock.at = MIDNIGHT
        await book.fetch()

    asyncio.run(stepped())
    assert len(shelf.source.asked) == 2


def test_a_clock_that_was_set_back_by_less_than_a_day_does_not_silence_a_source_either(shelf):
    async def stepped() -> None:
        book = shelf.book()
        shelf.clock.step(10 * HOUR)
        await book.fetch()
        shelf.clock.step(-10 * HOUR)
        shelf.clock.at += MINUTE
        await book.fetch()

    asyncio.run(stepped())
    assert len(shelf.source.asked) == 2


def test_one_that_tells_anew_every_few_days_is_not_asked_every_minute(shelf):
    shelf.source.rhythm = Rolling(every=3 * DAY)
    shelf.source.answer = failing(PricesNotPublished("nothing"))
    asyncio.run(shelf.live(shelf.book(), days=1, step=MINUTE))
    assert len(shelf.source.asked) == 1


def test_one_that_asks_for_a_year_of_silence_is_asked_again_the_next_day(shelf):
    shelf.source.answer = failing(PricesUnavailable("busy", retry_after_s=1e15))
    asyncio.run(shelf.live(shelf.book(), days=2, step=HOUR))
    assert len(shelf.source.asked) == 2


def test_one_that_cannot_tell_of_the_past_is_heard_of_the_present(shelf):
    def answer(span: Interval, at: datetime) -> PriceSeries:
        if span.start < at - DAY:
            raise PricesUnavailable("no answer within 120 s")
        return two_days(span, at)

    shelf.source.rhythm, shelf.source.answer = DayAhead(), answer
    asyncio.run(shelf.live(shelf.book(), days=2, step=MINUTE))
    assert shelf.prices()
    reaching_back = [at for at, span in shelf.source.asked if span.start < at - 2 * DAY]
    assert len(reaching_back) == PAST_TRIES


def test_the_past_is_still_asked_for_after_a_night_without_a_network(shelf):
    async def mended() -> None:
        book = shelf.book()
        shelf.source.answer = failing(PricesUnavailable("no network"))
        await shelf.live(book, days=1, step=MINUTE)
        shelf.source.answer, shelf.source.asked = two_days, []
        await shelf.live(book, days=1, step=MINUTE)
        assert len([at for at, span in shelf.source.asked if span.start < at - 2 * DAY]) == 1

    asyncio.run(mended())


# who is told


def late_since(shelf: Shelf, *, step: timedelta) -> list[str]:
    """Return what is told as missing, hour by hour, by a source that is silent and a clock that is stepped at once."""

    async def waited() -> list[str]:
        book, told = shelf.book(), []
        for hour in range(5):
            await book.fetch()
            told.append(book.missing())
            if not hour:
                shelf.clock.step(step)
            shelf.clock.at += HOUR
        return told

    shelf.source.answer = failing(PricesUnavailable("no network"))
    return asyncio.run(waited())


@pytest.mark.parametrize("step", [timedelta(0), 300 * DAY, -300 * DAY])
def test_a_person_is_told_after_three_hours_whatever_the_clock_pretends(shelf, step):
    assert late_since(shelf, step=step) == ["", "", "", "market: no network", "market: no network"]


def test_a_service_that_says_not_yet_is_in_trouble_no_longer(shelf):
    async def asked() -> None:
        day_ahead(shelf)
        book = shelf.book()
        await book.fetch()
        shelf.source.answer = failing(PricesUnavailable("no network"))
        shelf.clock.at = ASKED_FROM + SPREAD
        await book.fetch()
        assert book.trouble == {"market": "no network"}
        shelf.source.answer = failing(PricesNotPublished("not yet"))
        shelf.clock.at += 5 * MINUTE
        await book.fetch()
        assert book.trouble == {}

    asyncio.run(asked())


# standing in


def with_stand_in(shelf: Shelf, **changes: object) -> None:
    shelf.source.stand_in = "other"
    shelf.source.answer = lambda _, at: hours(at, *[1.0] * 12)
    shelf.others.append(Source(name="other", answer=lambda _, at: hours(at, *[2.0] * 24, **changes)))


def test_another_source_speaks_where_one_is_silent(shelf):
    with_stand_in(shelf)
    asyncio.run(shelf.book().fetch())
    assert shelf.prices() == [1.0] * 12 + [2.0] * 12
    span = Interval(start=MIDNIGHT + 12 * HOUR, end=MIDNIGHT + DAY)
    assert shelf.series().stand_ins == (StandIn(interval=span, name="other"),)
    assert shelf.prices("other") == [2.0] * 24


def test_it_speaks_alone_while_the_first_has_never_answered(shelf):
    with_stand_in(shelf)
    shelf.source.answer = failing(PricesUnavailable("no network"))
    asyncio.run(shelf.book().fetch())
    assert shelf.prices() == [2.0] * 24


def test_the_first_is_heard_again_when_it_answers(shelf):
    async def mended() -> None:
        book = shelf.book()
        await book.fetch()
        shelf.clock.at += DAY
        shelf.source.answer = two_days
        await book.fetch()

    with_stand_in(shelf)
    asyncio.run(mended())
    assert shelf.series().stand_ins == (
        StandIn(interval=Interval(start=MIDNIGHT + 12 * HOUR, end=MIDNIGHT + DAY), name="other"),
    )
    assert shelf.prices()[-48:] == [6.0] * 48


@pytest.mark.parametrize("change", [{"zone": "NO2"}, {"currency": "SEK"}])
def test_nobody_stands_in_with_prices_of_something_else(shelf, change):
    async def asked() -> None:
        book = shelf.book()
        await book.fetch()
        assert "cannot stand in for market" in book.trouble["other"]

    with_stand_in(shelf, **change)
    asyncio.run(asked())
    assert shelf.prices() == [1.0] * 12


def troubles(shelf: Shelf, *, restarted: bool = False) -> tuple[str, str]:
    """Return what is missing and what is down after six hours; `restarted`: by a daemon that only just started."""

    async def waited() -> tuple[str, str]:
        book = shelf.book()
        await shelf.live(book, days=1, step=HOUR)
        if restarted:
            book = shelf.book()
            await book.load()
            await book.fetch()
            assert (book.missing(), book.standing_in()) == ("", "")
        return book.missing(told=restarted), book.standing_in(told=restarted)

    return asyncio.run(waited())


DEAD = failing(PricesUnavailable("no network"))


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(
    ("dead", "read", "told"),
    [
        ("", ("market",), ("", "")),
        ("market", ("market",), ("", "other stands in for market: no network")),
        ("other", ("market",), ("", "other cannot stand in for market: no network")),
        ("other", ("market", "other"), ("other: no network", "")),
    ],
)
def test_a_dead_source_whose_prices_no_plan_misses_is_told_apart(shelf, restarted, dead, read, told):
    with_stand_in(shelf)
    shelf.read = read
    for source in (shelf.source, shelf.others[0]):
        source.answer = DEAD if source.name == dead else two_days
    assert troubles(shelf, restarted=restarted) == told


def test_with_both_dead_it_is_told_that_prices_are_missing_and_no_more(shelf):
    with_stand_in(shelf)
    shelf.source.answer = shelf.others[0].answer = DEAD
    assert troubles(shelf) == ("market: no network", "")
