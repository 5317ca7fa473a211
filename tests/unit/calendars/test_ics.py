"""What of a calendar becomes a departure, and when."""

from datetime import date, timedelta

import pytest

from scheduler.calendars import ics as reading
from scheduler.calendars.ics import MOST, amount_in, read_calendar
from scheduler.core.errors import CalendarUnread
from scheduler.core.feeds import CalendarDeparture
from tests.unit.calendars.writing import event, ics, span, utc

OSLO = "Europe/Oslo"
WEEK = span("2026-01-05", "2026-01-12")
OFFICE_ZONE = """BEGIN:VTIMEZONE\r
TZID:Office\r
BEGIN:STANDARD\r
DTSTART:19701025T030000\r
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r
TZOFFSETFROM:+0500\r
TZOFFSETTO:+0400\r
END:STANDARD\r
BEGIN:DAYLIGHT\r
DTSTART:19700329T020000\r
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r
TZOFFSETFROM:+0400\r
TZOFFSETTO:+0500\r
END:DAYLIGHT\r
END:VTIMEZONE\r
"""


def read(*parts: str, within=WEEK, timezone: str = OSLO, head: str = "") -> tuple[CalendarDeparture, ...]:
    """Read events and return the departures; nothing may have been left out."""
    told = read_calendar(ics(*parts, head=head), calendar="family", span=within, timezones=[timezone])
    assert told.left_out == ""
    return told.departures[timezone]


def instants(*parts: str, **members) -> list[str]:
    return [f"{one.at:%Y-%m-%dT%H:%M}" for one in read(*parts, **members)]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        pytest.param("DTSTART:20260106T063000Z", "2026-01-06T06:30", id="utc"),
        pytest.param("DTSTART;TZID=Europe/Oslo:20260106T073000", "2026-01-06T06:30", id="a-zone-of-the-list"),
        pytest.param('DTSTART;TZID="Europe/Oslo":20260106T073000', "2026-01-06T06:30", id="a-zone-in-quotes"),
        pytest.param("DTSTART;TZID=America/New_York:20260106T013000", "2026-01-06T06:30", id="a-zone-elsewhere"),
        pytest.param("DTSTART;TZID=W. Europe Standard Time:20260106T073000", "2026-01-06T06:30", id="a-windows-zone"),
        pytest.param("DTSTART;TZID=Office:20260106T103000", "2026-01-06T06:30", id="a-zone-of-the-calendar"),
        pytest.param("DTSTART:20260106T073000", "2026-01-06T06:30", id="floating"),
        pytest.param("DTSTART;TZID=Nowhere/Known:20260106T073000", "2026-01-06T06:30", id="unknown-is-floating"),
        pytest.param("dtstart:20260106T063000Z", "2026-01-06T06:30", id="in-small-letters"),
    ],
)
def test_an_event_departs_where_it_begins(start, expected):
    assert instants(OFFICE_ZONE, event(start, "DURATION:PT3H")) == [expected]


def test_a_zone_that_calendars_define_differently_is_each_one_s_own():
    later = OFFICE_ZONE.replace("+0400", "+0900").replace("+0500", "+1000")
    start = event("DTSTART;TZID=Office:20260106T103000")
    assert instants(OFFICE_ZONE, start) == ["2026-01-06T06:30"]
    assert instants(later, start) == ["2026-01-06T01:30"]
    assert instants(OFFICE_ZONE, start) == ["2026-01-06T06:30"]


@pytest.mark.parametrize(
    ("start", "timezone", "expected"),
    [
        ("DTSTART:20260329T023000", OSLO, "2026-03-29T01:00"),
        ("DTSTART;TZID=Europe/Oslo:20260329T023000", "UTC", "2026-03-29T01:00"),
        ("DTSTART:20261025T023000", OSLO, "2026-10-25T00:30"),
        ("DTSTART;TZID=Europe/Oslo:20261025T023000", "UTC", "2026-10-25T00:30"),
        ("DTSTART:20261025T013000Z", OSLO, "2026-10-25T01:30"),
    ],
)
def test_a_skipped_hour_ends_at_once_and_a_doubled_one_comes_first(start, timezone, expected):
    year = span("2026-01-01", "2027-01-01")
    assert instants(event(start), timezone=timezone, within=year) == [expected]


@pytest.mark.parametrize("zone", [";TZID=Europe/Oslo", ""], ids=["zoned", "floating"])
@pytest.mark.parametrize(
    ("first", "within", "expected"),
    [
        pytest.param(
            "20260115T073000",
            span("2026-03-20", "2026-04-08"),
            ["2026-03-26T06:30", "2026-04-02T05:30"],
            id="into-summer",
        ),
        pytest.param(
            "20260115T073000",
            span("2026-10-20", "2026-11-08"),
            ["2026-10-22T05:30", "2026-10-29T06:30", "2026-11-05T06:30"],
            id="out-of-summer",
        ),
    ],
)
def test_a_weekly_event_keeps_its_local_time_across_both_clock_changes(zone, first, within, expected):
    assert instants(event(f"DTSTART{zone}:{first}", "RRULE:FREQ=WEEKLY"), within=within) == expected


def test_a_weekly_event_in_utc_keeps_that():
    weekly = event("DTSTART:20260115T063000Z", "RRULE:FREQ=WEEKLY")
    assert instants(weekly, within=span("2026-03-26", "2026-04-03")) == ["2026-03-26T06:30", "2026-04-02T06:30"]


def test_a_weekly_event_in_utc_is_local_where_the_calendar_says_so():
    weekly = event("DTSTART:20260115T063000Z", "RRULE:FREQ=WEEKLY")
    head = "X-WR-TIMEZONE:Europe/Oslo\r\n"
    assert instants(weekly, head=head, within=span("2026-03-26", "2026-04-03")) == [
        "2026-03-26T06:30",
        "2026-04-02T05:30",
    ]


def test_the_last_of_a_series_that_ends_is_its_last():
    until = event("DTSTART:20260105T060000Z", "RRULE:FREQ=DAILY;UNTIL=20260107T060000Z")
    count = event("DTSTART:20260105T070000Z", "RRULE:FREQ=DAILY;COUNT=2", uid="2")
    assert instants(until, count) == [
        "2026-01-05T06:00",
        "2026-01-05T07:00",
        "2026-01-06T06:00",
        "2026-01-06T07:00",
        "2026-01-07T06:00",
    ]


def test_a_series_that_ended_before_is_over_but_not_what_was_moved_out_of_it():
    ended = event("DTSTART:20250105T060000Z", "RRULE:FREQ=DAILY;UNTIL=20250107T060000Z")
    moved = event("RECURRENCE-ID:20250106T060000Z", "DTSTART:20260106T080000Z")
    assert instants(ended) == []
    assert instants(ended, moved) == ["2026-01-06T08:00"]


def test_exceptions_are_left_out_and_further_dates_come_in():
    daily = event(
        "DTSTART;TZID=Europe/Oslo:20260105T070000",
        "RRULE:FREQ=DAILY;COUNT=3",
        "EXDATE;TZID=Europe/Oslo:20260106T070000",
        "RDATE;TZID=Europe/Oslo:20260109T090000",
    )
    assert instants(daily) == ["2026-01-05T06:00", "2026-01-07T06:00", "2026-01-09T08:00"]


def test_a_moved_instance_is_at_its_new_time_and_a_cancelled_one_is_none():
    daily = event("DTSTART:20260105T060000Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:Work")
    moved = event("RECURRENCE-ID:20260106T060000Z", "DTSTART:20260106T040000Z", "SUMMARY:Airport 100 %")
    off = event("RECURRENCE-ID:20260107T060000Z", "DTSTART:20260107T060000Z", "STATUS:CANCELLED")
    told = [(f"{one.at:%d %H}", one.title, one.soc_pct) for one in read(daily, moved, off)]
    assert told == [("05 06", "Work", None), ("06 04", "Airport 100 %", 100.0)]


@pytest.mark.parametrize("status", ["CANCELLED", "cancelled"])
def test_a_cancelled_event_is_none(status):
    assert read(event("DTSTART:20260106T060000Z", f"STATUS:{status}")) == ()


def test_a_tentative_event_is_one():
    assert len(read(event("DTSTART:20260106T060000Z", "STATUS:TENTATIVE"))) == 1


@pytest.mark.parametrize(("timezone", "at"), [(OSLO, "2026-01-05T23:00"), ("America/Lima", "2026-01-06T05:00")])
def test_an_event_that_lasts_all_day_is_told_by_its_local_date(timezone, at):
    (one,) = read(event("DTSTART;VALUE=DATE:20260106", "DTEND;VALUE=DATE:20260109"), timezone=timezone)
    assert (one.day, one.at) == (date(2026, 1, 6), utc(at))


def test_what_begins_outside_the_span_is_none_even_if_it_lasts():
    before = event("DTSTART:20260104T235900Z", "DTEND:20260107T000000Z")
    first = event("DTSTART:20260105T000000Z", uid="2")
    after = event("DTSTART:20260112T000000Z", uid="3")
    assert instants(before, first, after) == ["2026-01-05T00:00"]


def test_each_home_reads_it_by_its_own_clock():
    told = read_calendar(
        ics(event("DTSTART:20260106T070000")), calendar="family", span=WEEK, timezones=[OSLO, "Asia/Tokyo"]
    )
    assert {zone: [f"{one.at:%dT%H}" for one in found] for zone, found in told.departures.items()} == {
        OSLO: ["06T06"],
        "Asia/Tokyo": ["05T22"],
    }


def test_guests_alarms_notes_and_tasks_do_not_matter():
    noisy = event(
        "DTSTART:20260106T060000Z",
        "DTEND:19990101T000000Z",
        "ATTENDEE;CN=\x01:mailto:",
        "X-STRANGE",
        "BEGIN:VALARM",
        "TRIGGER:nonsense",
        "DTSTART:20260108T060000Z",
        "END:VALARM",
    )
    task = "BEGIN:VTODO\r\nUID:t\r\nDTSTART:20260107T060000Z\r\nEND:VTODO\r\n"
    assert instants(noisy, task) == ["2026-01-06T06:00"]


def test_long_lines_are_unfolded_even_within_a_letter():
    text = event("DTSTART:20260106T060000Z", "SUMMARY:Fluß nach Tromsø").encode()
    cut = text.index("ø".encode()) + 1
    folded = text[:cut] + b"\r\n " + text[cut:]
    whole = ics().replace(b"END:VCALENDAR", folded + b"END:VCALENDAR")
    told = read_calendar(whole, calendar="family", span=WEEK, timezones=[OSLO])
    assert [one.title for one in told.departures[OSLO]] == ["Fluß nach Tromsø"]


def test_plain_line_ends_and_a_byte_order_mark_are_understood():
    text = b"\xef\xbb\xbf" + ics(event("DTSTART:20260106T060000Z")).replace(b"\r\n", b"\n")
    assert read_calendar(text, calendar="f", span=WEEK, timezones=[OSLO]).departures[OSLO]


def test_a_title_is_one_short_line():
    (one,) = read(event("DTSTART:20260106T060000Z", "SUMMARY:To\\n the\x00\tairport" + "!" * 90))
    assert one.title.startswith("To the airport!")
    assert len(one.title) == 80


@pytest.mark.parametrize(
    ("title", "description", "expected"),
    [
        ("Airport", "", (None, None)),
        ("Airport 100 %", "", (100.0, None)),
        ("90% please", "", (90.0, None)),
        ("Cabin (62,5 %)", "", (62.5, None)),
        ("12 kWh", "", (None, 12.0)),
        ("Shop 4.5KWH", "", (None, 4.5)),
        ("100 % or 12 kWh", "", (100.0, None)),
        ("0 %", "", (None, None)),
        ("120 %", "", (None, None)),
        ("2000 kWh", "", (None, None)),
        ("301 kWh then", "", (None, None)),
        ("50-80 %", "", (None, None)),
        ("K7 %", "", (None, None)),
        ("Airport", "Bring passports\n95 %\nthanks", (95.0, None)),
        ("Airport", "Bring passports<br>95&nbsp;%<br/>thanks", (95.0, None)),
        ("Airport", "<p>20 kWh</p>", (None, 20.0)),
        ("Airport 70 %", "95 %", (70.0, None)),
        ("Airport", "save 10 % on parking", (None, None)),
        ("120 %", "95 %", (95.0, None)),
    ],
)
def test_an_event_may_say_how_much_it_needs(title, description, expected):
    assert amount_in(title, description) == expected


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"<!doctype html><title>Sign in</title>", "no iCalendar"),
        (b"\x00\xff" * 50, "no iCalendar"),
        (b'{"error": "gone"}', "no iCalendar"),
        (ics(event("DTSTART:20260106T060000Z"))[:-20], "cut off"),
        (ics(event("DTSTART:20260106T060000Z")) + b"more", "no iCalendar"),
        (ics(event("DTSTART:20260106T060000Z"))[:-40], "cut off"),
        (ics("BEGIN:VEVENT\r\nEND:VTODO\r\n"), "broken"),
        (b" " * (reading.LARGEST_BYTES + 1), "more than 8 MiB"),
    ],
)
def test_what_is_no_whole_calendar_is_refused(content, why):
    with pytest.raises(CalendarUnread, match=why):
        read_calendar(content, calendar="family", span=WEEK, timezones=[OSLO])


def test_an_empty_calendar_is_one():
    assert read() == ()


@pytest.mark.parametrize(
    "lines",
    [
        ["DTSTART:tomorrow"],
        ["SUMMARY:no start"],
        ["DTSTART:20260106T256000Z"],
        ["DTSTART:20260106T060000Z", "RRULE:FREQ=SOMETIMES"],
        ["DTSTART:20260106T060000Z", "RRULE:FREQ=SECONDLY"],
        ["DTSTART:20260106T060000Z", "RRULE:FREQ=DAILY;INTERVAL=0"],
        ["DTSTART:20260106T060000Z", "RRULE:FREQ=DAILY;INTERVAL=-1"],
        ["DTSTART:20260106T060000Z", f"RRULE:FREQ=DAILY;BYMINUTE={','.join(map(str, range(60)))}"],
        ["DTSTART:20260106T060000Z", "RDATE:never"],
        ["DTSTART:20260106T060000Z", "EXDATE:never"],
    ],
    ids=lambda lines: lines[-1][:30],
)
def test_an_event_that_cannot_be_read_costs_itself_alone(lines):
    told = read_calendar(
        ics(event(*lines, uid="bad"), event("DTSTART:20260107T060000Z")),
        calendar="family",
        span=WEEK,
        timezones=[OSLO],
    )
    assert [f"{one.at:%d}" for one in told.departures[OSLO]] == ["07"]
    assert told.left_out == "1 of its events cannot be read"


def test_ten_thousand_events_are_read_in_no_time():
    hours = (utc("2020-01-01") + n * timedelta(hours=7) for n in range(10_000))
    many = [event(f"DTSTART;TZID=Europe/Oslo:{at:%Y%m%dT%H%M%S}", uid=str(n)) for n, at in enumerate(hours)]
    content = ics(*many)
    told = read_calendar(content, calendar="f", span=WEEK, timezones=[OSLO], budget_s=5.0)
    assert len(told.departures[OSLO]) == 24


def test_of_too_many_departures_the_nearest_are_known():
    instants = (utc("2026-01-05") + n * timedelta(minutes=4) for n in range(MOST + 5))
    dates = ",".join(f"{at:%Y%m%dT%H%M%SZ}" for at in instants)
    told = read_calendar(
        ics(event("DTSTART:20260105T000000Z", f"RDATE:{dates}")), calendar="f", span=WEEK, timezones=[OSLO]
    )
    assert len(told.departures[OSLO]) == MOST
    assert told.departures[OSLO][-1].at == utc("2026-01-05") + (MOST - 1) * timedelta(minutes=4)
    assert "only its next 2000 departures are known" in told.left_out


def test_a_calendar_that_takes_too_long_is_refused():
    with pytest.raises(CalendarUnread, match="takes longer than 0 s"):
        read_calendar(ics(event("DTSTART:20260106T060000Z")), calendar="f", span=WEEK, timezones=[OSLO], budget_s=0.0)


def test_the_same_event_twice_is_one_departure():
    same = ["DTSTART:20260106T060000Z", "SUMMARY:Airport"]
    assert len(read(event(*same), event(*same, uid="2"))) == 1


def test_an_event_without_a_name_of_its_own_is_one():
    nameless = event("DTSTART:20260106T060000Z").replace("UID:1@test\r\n", "")
    other = event("DTSTART:20260107T060000Z").replace("UID:1@test\r\n", "")
    assert instants(nameless, other) == ["2026-01-06T06:00", "2026-01-07T06:00"]


def test_a_calendar_in_a_zone_that_nobody_knows_is_read_all_the_same():
    zoned = event("DTSTART;TZID=Europe/Oslo:20260106T073000")
    plain = event("DTSTART:20260107T063000Z", uid="2")
    assert instants(zoned, plain, head="X-WR-TIMEZONE:Custom\r\n") == ["2026-01-06T06:30", "2026-01-07T06:30"]


def test_a_series_that_changes_from_an_instance_on_does():
    weekly = event("DTSTART:20251201T060000Z", "RRULE:FREQ=WEEKLY")
    later = event("RECURRENCE-ID;RANGE=THISANDFUTURE:20251222T060000Z", "DTSTART:20251222T050000Z")
    assert instants(weekly, later, within=span("2025-12-10", "2026-01-06")) == [
        "2025-12-15T06:00",
        "2025-12-22T05:00",
        "2025-12-29T05:00",
        "2026-01-05T05:00",
    ]


def test_an_instant_in_the_second_of_two_hours_is_itself_where_the_calendar_has_a_zone():
    late = event("DTSTART:20261025T013000Z")  # 02:30 for the second time
    day = span("2026-10-25", "2026-10-26")
    assert instants(late, head="X-WR-TIMEZONE:Europe/Oslo\r\n", within=day) == ["2026-10-25T01:30"]


def test_a_time_without_a_zone_is_local_to_the_home_whatever_zone_the_calendar_has():
    floating = event("DTSTART:20260106T073000")
    daily = event("DTSTART:20260107T073000", "RRULE:FREQ=DAILY;COUNT=1", uid="2")
    assert instants(floating, daily, head="X-WR-TIMEZONE:Asia/Tokyo\r\n") == ["2026-01-06T06:30", "2026-01-07T06:30"]
