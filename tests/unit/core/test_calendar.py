import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from scheduler.core.calendar import (
    EVERY_DAY,
    Recurring,
    last_match,
    local_days,
    local_instant,
    local_windows,
    next_local,
    zone_named,
)
from scheduler.core.timeline import Interval, total

ZONES = (
    "Europe/Oslo",
    "Europe/London",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "Etc/GMT-1",
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def span(start: str, end: str) -> Interval:
    return Interval(start=utc(start), end=utc(end))


def on_the_clock(interval: Interval, zone: str) -> str:
    return "-".join(f"{edge.astimezone(ZoneInfo(zone)):%d %H:%M}" for edge in (interval.start, interval.end))


@pytest.mark.parametrize(
    ("zone", "day", "at", "instant"),
    [
        pytest.param("Europe/Oslo", "2026-03-29", "02:30", "2026-03-29T01:00", id="skipped-is-the-first-after"),
        pytest.param("Europe/Oslo", "2026-03-29", "02:00", "2026-03-29T01:00", id="start-of-the-gap"),
        pytest.param("Europe/Oslo", "2026-03-29", "03:00", "2026-03-29T01:00", id="end-of-the-gap"),
        pytest.param("Europe/Oslo", "2026-03-29", "01:59", "2026-03-29T00:59", id="before-the-gap"),
        pytest.param("Europe/Oslo", "2026-10-25", "02:30", "2026-10-25T00:30", id="doubled-is-the-first"),
        pytest.param("Europe/Oslo", "2026-10-25", "03:00", "2026-10-25T02:00", id="after-both"),
        pytest.param("America/New_York", "2026-03-08", "02:30", "2026-03-08T07:00", id="new-york-spring"),
        pytest.param("America/New_York", "2026-11-01", "01:30", "2026-11-01T05:30", id="new-york-autumn"),
        pytest.param("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:30", id="half-an-hour-skipped"),
        pytest.param("Australia/Lord_Howe", "2026-04-05", "01:45", "2026-04-04T14:45", id="half-an-hour-twice"),
        pytest.param("Asia/Beirut", "2026-03-29", "00:30", "2026-03-28T22:00", id="midnight-skipped"),
        pytest.param("Pacific/Apia", "2011-12-30", "07:30", "2011-12-30T10:00", id="a-whole-day-skipped"),
    ],
)
def test_a_local_time_becomes_one_instant(zone, day, at, instant):
    assert local_instant(date.fromisoformat(day), time.fromisoformat(at), zone) == utc(instant)


@pytest.mark.parametrize(
    ("now", "days", "expected"),
    [
        pytest.param("2026-03-28T20:00", EVERY_DAY, "2026-03-29T01:00", id="tomorrow-although-skipped"),
        pytest.param("2026-03-29T01:00", EVERY_DAY, "2026-03-30T00:30", id="never-the-present-instant"),
        pytest.param("2026-10-24T23:00", EVERY_DAY, "2026-10-25T00:30", id="first-of-the-two"),
        pytest.param("2026-10-25T00:45", EVERY_DAY, "2026-10-26T01:30", id="not-the-second-of-the-two"),
        pytest.param("2026-11-22T12:00", {6}, "2026-11-29T01:30", id="a-week-away"),
        pytest.param("2027-12-31T12:00", {0, 1, 2, 3, 4}, "2028-01-03T01:30", id="over-new-year-and-a-weekend"),
        pytest.param("2028-02-28T12:00", {1}, "2028-02-29T01:30", id="29-february"),
    ],
)
def test_the_next_departure_is_found(now, days, expected):
    assert next_local(utc(now), time(2, 30), days, "Europe/Oslo") == utc(expected)


@pytest.mark.parametrize("days", [set(), {7}, {-1, 0}])
def test_weekdays_that_do_not_exist_are_refused(days):
    with pytest.raises(ValueError, match="weekdays"):
        next_local(utc("2026-01-01"), time(7), days, "UTC")


@pytest.mark.parametrize("zone", ["", "Europe", "Nowhere/Else", "../../etc/passwd", "/etc/localtime", "a." * 2000])
def test_a_zone_that_does_not_exist_is_refused(zone):
    with pytest.raises(ValueError, match="no time zone"):
        zone_named(zone)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("at", [time(0), time(2, 15), time(7, 30)])
def test_ten_years_of_departures_come_once_a_day(zone, at):
    """T08: over leap days, New Year and week 53, and through every change of the clock."""
    now, end = utc("2024-01-01"), utc("2034-01-01")
    found = []
    while now < end:
        now = next_local(now, at, EVERY_DAY, zone)
        found.append(now.astimezone(ZoneInfo(zone)))
    dates = [moment.date() for moment in found]
    assert [b - a for a, b in itertools.pairwise(dates)] == [timedelta(days=1)] * (len(dates) - 1)
    late = [moment for moment in found if moment.time() != at]
    assert all(not _exists(moment.date(), at, zone) for moment in late)
    assert all(moment.fold == 0 for moment in found)


def _exists(day: date, at: time, zone: str) -> bool:
    wall = datetime.combine(day, at, tzinfo=ZoneInfo(zone))
    return wall.astimezone(UTC).astimezone(ZoneInfo(zone)).time() == at


@pytest.mark.parametrize("zone", ZONES)
def test_ten_years_of_local_days_lie_end_to_end(zone):
    days = [utc("2024-01-01") + timedelta(days=offset) for offset in range(3650)]
    spans = [local_days(day, timedelta(seconds=1), zone) for day in days]
    assert all(b.start in {a.start, a.end} for a, b in itertools.pairwise(spans))
    assert {one.hours for one in spans} <= {23, 23.5, 24, 24.5, 25}


@pytest.mark.parametrize("zone", ZONES)
def test_two_windows_that_share_the_day_cover_each_year_exactly(zone):
    year = span("2026-01-01T00:00", "2027-01-01T00:00")
    night = local_windows(Recurring(start=time(22), end=time(6, 30)), within=year, timezone=zone)
    rest = local_windows(Recurring(start=time(6, 30), end=time(22)), within=year, timezone=zone)
    assert total(night) + total(rest) == year.duration
    ordered = sorted((*night, *rest))
    assert all(a.end == b.start for a, b in itertools.pairwise(ordered))


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        pytest.param(
            Recurring(start=time(22), end=time(6)),
            ["28 00:00-28 06:00", "28 22:00-29 06:00", "29 22:00-30 00:00"],
            id="across-midnight-from-the-day-before",
        ),
        pytest.param(Recurring(start=time(2), end=time(3)), ["28 02:00-28 03:00"], id="swallowed-by-the-gap"),
        pytest.param(
            Recurring(start=time(1, 30), end=time(2, 30)),
            ["28 01:30-28 02:30", "29 01:30-29 03:00"],
            id="ends-after-the-gap",
        ),
        pytest.param(Recurring(), ["28 00:00-30 00:00"], id="the-whole-day-joins"),
        pytest.param(Recurring(days=frozenset({6})), ["29 00:00-30 00:00"], id="sunday-alone"),
        pytest.param(
            Recurring(start=time(22), end=time(6), days=frozenset({4})), ["28 00:00-28 06:00"], id="of-its-first-day"
        ),
        pytest.param(Recurring(months=frozenset({4})), [], id="another-month"),
    ],
)
def test_windows_follow_the_local_clock_through_spring(window, expected):
    weekend = span("2026-03-27T23:00", "2026-03-29T22:00")  # Saturday and the Sunday of 23 hours in Oslo
    found = local_windows(window, within=weekend, timezone="Europe/Oslo")
    assert [on_the_clock(one, "Europe/Oslo") for one in found] == expected


def test_a_window_that_ends_after_the_doubled_hour_holds_both():
    sunday = span("2026-10-24T22:00", "2026-10-25T23:00")
    found = local_windows(Recurring(start=time(2), end=time(3)), within=sunday, timezone="Europe/Oslo")
    assert [one.hours for one in found] == [2]


@pytest.mark.parametrize("window", [{"days": frozenset()}, {"days": frozenset({7})}, {"months": frozenset({0})}])
def test_a_window_on_no_day_is_refused(window):
    with pytest.raises(ValueError, match="must be some of"):
        Recurring(**window)


def test_a_window_with_an_offset_is_refused():
    with pytest.raises(ValueError, match="no offset"):
        Recurring(start=time(7, tzinfo=UTC))


def test_the_last_row_that_matches_holds():
    monday = span("2026-01-04T23:00", "2026-01-05T23:00")
    rows = [
        (Recurring(start=time(6), end=time(22)), "day"),
        (Recurring(start=time(17), end=time(20)), "peak"),
        (Recurring(start=time(17), end=time(18), days=frozenset({6})), "sunday"),
    ]
    pieces = last_match(rows, default="night", within=monday, timezone="Europe/Oslo")
    assert [(on_the_clock(piece, "Europe/Oslo"), value) for piece, value in pieces] == [
        ("05 00:00-05 06:00", "night"),
        ("05 06:00-05 17:00", "day"),
        ("05 17:00-05 20:00", "peak"),
        ("05 20:00-05 22:00", "day"),
        ("05 22:00-06 00:00", "night"),
    ]
