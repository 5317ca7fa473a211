"""No answer of the service has been captured: these have the shape of the one that its documentation prints."""

from collections.abc import Callable
from datetime import datetime, timedelta
from statistics import fmean

import pytest

from scheduler.core.errors import PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.core.terms import PriceState
from scheduler.plugins import build
from scheduler.prices.comed import Comed
from scheduler.prices.web import SourceWeb
from tests.unit.policies.builders import utc
from tests.unit.prices.answering import AT, AnsweringWeb, covered, fetched, gapless, lengths, span

FIVE = timedelta(minutes=5)
HOUR = timedelta(hours=1)
AHEAD = span("2026-01-05T11:00", "2026-01-09T11:00")


def feed(start: datetime, end: datetime, cents: Callable[[datetime], object] = lambda _: 2.5) -> list[dict]:
    """Return what the service tells of a stretch: strings, newest first."""
    starts = [start + n * FIVE for n in range((end - start) // FIVE)]
    return [{"millisUTC": f"{at.timestamp() * 1000:.0f}", "price": str(cents(at))} for at in reversed(starts)]


def by_the_clock(at: datetime) -> float:
    """Chicago's winter clock: on workdays its hour [cents], at weekends ten more."""
    local = at - 6 * HOUR
    return local.hour + (10 if local.weekday() >= 5 else 0)


def test_the_printed_example_is_of_hours_that_are_not_whole():
    told = [{"millisUTC": "1434686700000", "price": "2.0"}, {"millisUTC": "1434686100000", "price": "2.5"}]
    found = fetched(Comed(), told, within=span("2015-06-19T00:00", "2015-06-19T05:00"))
    assert (found.currency, found.zone) == ("USD", "COMED")
    assert [(slot.start, slot.end, slot.per_kwh, slot.state) for slot in found.slots] == [
        (utc("2015-06-19T03:00"), utc("2015-06-19T04:00"), 0.025, PriceState.PRELIMINARY),
        (utc("2015-06-19T04:00"), utc("2015-06-19T05:00"), 0.02, PriceState.PRELIMINARY),
    ]


def test_an_hour_is_the_mean_of_its_twelve():
    told = feed(utc("2026-01-05T08:00"), utc("2026-01-05T11:00"), lambda at: at.minute / 10 - at.hour)
    found = fetched(Comed(), told, within=span("2026-01-05T08:00", "2026-01-05T11:00")).slots
    means = [fmean(minute / 10 - hour for minute in range(0, 60, 5)) / 100 for hour in (8, 9, 10)]
    assert [slot.per_kwh for slot in found] == pytest.approx(means, abs=1e-9)
    assert {slot.state for slot in found} == {PriceState.FINAL}
    assert gapless(found)
    assert lengths(found) == {60}


def test_an_hour_with_a_hole_is_not_for_good():
    told = feed(utc("2026-01-05T08:00"), utc("2026-01-05T11:00"), lambda at: at.minute)
    told = [one for one in told if one["millisUTC"] != f"{utc('2026-01-05T09:55').timestamp() * 1000:.0f}"]
    found = fetched(Comed(), told, within=span("2026-01-05T08:00", "2026-01-05T11:00")).slots
    assert [slot.state.value for slot in found] == ["final", "preliminary", "final"]
    assert [slot.per_kwh for slot in found] == [0.275, 0.25, 0.275]


def test_the_hour_that_runs_is_what_is_known_of_it():
    told = feed(AT - timedelta(days=15), utc("2026-01-05T11:10"), lambda at: 1 if at < AT else at.minute)
    found = fetched(Comed(), told, within=span("2026-01-05T10:00", "2026-01-05T13:00")).slots
    assert [(slot.per_kwh, slot.state.value) for slot in found] == [
        (0.01, "final"),
        (0.025, "preliminary"),
        (0.01, "forecast"),
    ]


async def test_an_hour_is_not_for_good_before_it_is_over():
    client = AnsweringWeb([feed(AT, AT + HOUR)])
    found = await Comed().fetch(AHEAD, at=AT + 57 * FIVE / 5, web=SourceWeb(client))
    assert [slot.state.value for slot in found.slots] == ["preliminary"]


def test_the_hours_ahead_are_those_of_the_same_kind_of_day():
    told = feed(AT - timedelta(days=15), AT, by_the_clock)
    found = fetched(Comed(), told, within=AHEAD).slots
    assert covered(found) == (AHEAD.start, AHEAD.end)
    assert gapless(found)
    assert {slot.state for slot in found} == {PriceState.FORECAST}
    assert [round(slot.per_kwh * 100, 6) for slot in found] == [by_the_clock(slot.start) for slot in found]
    weekend = fetched(Comed(), told, within=span("2026-01-05T11:00", "2026-01-12T11:00")).slots[-48:]
    assert [round(slot.per_kwh * 100, 6) for slot in weekend] == [by_the_clock(slot.start) for slot in weekend]
    assert max(slot.per_kwh for slot in weekend) == 0.33


def test_where_only_the_other_kind_of_day_is_known_it_must_do():
    saturday = feed(utc("2026-01-03T06:00"), utc("2026-01-04T06:00"), by_the_clock)
    found = fetched(Comed(), saturday, within=AHEAD).slots
    assert [round(slot.per_kwh * 100, 6) for slot in found] == [by_the_clock(slot.start) + 10 for slot in found]
    assert len(found) == 96


def test_they_are_the_mean_of_several_days():
    told = feed(AT - timedelta(days=15), AT, lambda at: at.day)
    (slot,) = fetched(Comed(), told, within=span("2026-01-06T18:00", "2026-01-06T19:00")).slots
    workdays = [22, 23, 24, 25, 26, 29, 30, 31, 1, 2]  # 18 o'clock UTC of the 5th is still to come
    assert slot.per_kwh == pytest.approx(fmean(workdays) / 100, abs=1e-9)


@pytest.mark.parametrize(("day", "hours"), [("2025-03-09", 23), ("2025-11-02", 25), ("2025-07-01", 24)])
def test_local_days_of_every_length(day, hours):
    start = utc(f"{day}T{'05' if day != '2025-03-09' else '06'}:00")
    told = feed(start, start + hours * HOUR, lambda at: at.hour)
    found = fetched(Comed(), told, within=span(f"{day}T00:00", "2025-12-31T00:00")).slots[:hours]
    assert gapless(found)
    assert [round(slot.per_kwh * 100, 6) for slot in found] == [(start + n * HOUR).hour for n in range(hours)]
    assert covered(found) == (start, start + hours * HOUR)


def test_recent_days_are_asked_for_once_and_then_the_last_hours_again():
    source, calls = build(Comed, {}), []
    first = feed(AT - timedelta(days=15), AT, by_the_clock)
    fetched(source, first, within=span("2025-12-21T11:00", "2026-01-09T11:00"), calls=calls)
    found = fetched(source, feed(AT - 3 * HOUR, AT, by_the_clock), within=AHEAD, calls=calls).slots
    assert [(call.method, call.url) for call in calls] == [("GET", "https://hourlypricing.comed.com/api")] * 2
    assert [call.params for call in calls] == [
        {"type": "5minutefeed", "datestart": "202512210500", "dateend": "202601050600"},
        {"type": "5minutefeed", "datestart": "202601050100", "dateend": "202601050600"},
    ]
    assert covered(found) == (AHEAD.start, AHEAD.end)


async def test_after_a_long_silence_what_was_missed_is_asked_for():
    source = Comed()
    later = AT + timedelta(hours=30)
    client = AnsweringWeb([feed(AT - 24 * HOUR, AT), feed(AT - 3 * HOUR, later)])
    for at in (AT, later):
        await source.fetch(AHEAD, at=at, web=SourceWeb(client))
    assert client.calls[1].params["datestart"] == "202601050100"
    much_later = later + timedelta(days=40)
    client.answers.append(feed(much_later - HOUR, much_later))
    await source.fetch(span("2026-02-15T17:00", "2026-02-16T17:00"), at=much_later, web=SourceWeb(client))
    assert client.calls[2].params["datestart"] == "202601311100"
    assert min(source._cents) == much_later - HOUR


def test_a_failed_fetch_forgets_nothing():
    source = Comed()
    fetched(source, feed(AT - timedelta(days=15), AT), within=AHEAD)
    with pytest.raises(PricesUnavailable):
        fetched(source, 503, within=AHEAD)
    assert len(fetched(source, feed(AT - HOUR, AT), within=AHEAD).slots) == 96


@pytest.mark.parametrize("cents", [-50_000, 0, 775_086])
def test_any_number_is_only_a_number(cents):
    found = fetched(Comed(), feed(AT - HOUR, AT, lambda _: cents), within=span("2026-01-05T10:00", "2026-01-05T11:00"))
    assert [slot.per_kwh for slot in found.slots] == [cents / 100]


@pytest.mark.parametrize("price", [{"price": None}, {"price": ""}, {"price": "nan"}, {"price": "inf"}, {}])
def test_a_price_that_is_none_is_left_out(price):
    told = [{"millisUTC": f"{(AT - FIVE).timestamp() * 1000:.0f}", **price}, *feed(AT - HOUR, AT - FIVE)]
    found = fetched(Comed(), told, within=span("2026-01-05T10:00", "2026-01-05T11:00")).slots
    assert [(slot.per_kwh, slot.state.value) for slot in found] == [(0.025, "preliminary")]


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        ([], PricesNotPublished, "no price"),
        ([{"millisUTC": "1434686700000"}], PricesNotPublished, "no price"),
        ([{"millisUTC": "soon", "price": "2.0"}], PricesUnavailable, "no number"),
        ([{"millisUTC": "9" * 30, "price": "2.0"}], PricesUnavailable, "no number"),
        ([{"millisUTC": "1434686700000", "price": "n/a"}], PricesUnavailable, "no number"),
        ([{"price": "2.0"}], PricesUnavailable, "no number"),
        ([{"millisUTC": 1434686700000, "price": 2.0}], PricesUnavailable, "something else"),
        (b"Servlet Feed", PricesUnavailable, "no JSON"),
        (404, PricesRefused, "answered 404"),
        (503, PricesUnavailable, "answered 503"),
    ],
)
def test_what_is_no_price_says_so(answer, error, why):
    with pytest.raises(error, match=why):
        fetched(Comed(), answer, within=AHEAD)


def test_it_says_that_the_hours_ahead_are_nobodys_prices():
    assert "NO day-ahead prices" in str(Comed.__doc__)
    assert Comed.rhythm.next_news(AT) == AT + FIVE
