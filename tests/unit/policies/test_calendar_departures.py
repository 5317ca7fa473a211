# ruff: noqa: DTZ001 - departures are written in local time
"""`ready-by` with a calendar: which events it departs by, when, and with how much."""

from datetime import date, datetime, time, timedelta

import pytest

from policies.schedule.ready_by import MOST_EVENTS, Departure, ReadyBy
from scheduler.core.feeds import CalendarDeparture
from tests.unit.policies.builders import AT, situation, utc

WORK = CalendarDeparture(calendar="family", at=utc("2026-01-06T06:30"), title="Work")
AIRPORT = CalendarDeparture(calendar="family", at=utc("2026-01-08T03:00"), title="Airport", soc_pct=100.0)
DENTIST = CalendarDeparture(calendar="office", at=utc("2026-01-07T08:00"), title="Dentist", energy_kwh=9.0)
CABIN = CalendarDeparture(calendar="family", at=utc("2026-01-09T23:00"), title="Cabin", day=date(2026, 1, 10))
ALL = (WORK, DENTIST, AIRPORT, CABIN)


def told(policy: ReadyBy, *departures: CalendarDeparture, **members) -> list[tuple]:
    terms = policy.terms(situation(departures=departures, **members))
    return [(term.soc_pct or term.energy_kwh, f"{term.by:%dT%H:%M}", term.why) for term in terms]


def test_a_calendar_alone_gives_every_departure_that_it_tells_the_time_of():
    assert told(ReadyBy(calendar="family", soc_pct=70), *ALL) == [
        (70, "06T06:30", "calendar family: Work"),
        (100, "08T03:00", "calendar family: Airport"),
    ]


def test_it_reads_its_own_calendar():
    assert told(ReadyBy(calendar="office"), *ALL) == [(9, "07T08:00", "calendar office: Dentist")]


@pytest.mark.parametrize("match", ["airport", "AIRPORT", "port"])
def test_it_chooses_by_title(match):
    assert told(ReadyBy(calendar="family", match=match), *ALL) == [(100, "08T03:00", "calendar family: Airport")]


def test_the_weekly_departure_stays_and_days_without_a_time_depart_then():
    policy = ReadyBy(at=time(7), days=frozenset({0}), calendar="family", match="cabin")
    assert told(policy, *ALL) == [(80, "12T06:00", "ready by 07:00"), (80, "10T06:00", "calendar family: Cabin")]


def test_a_day_without_a_time_departs_by_the_rule_of_the_skipped_hour():
    day = CalendarDeparture(calendar="f", at=utc("2026-03-28T23:00"), day=date(2026, 3, 29))
    stated = told(ReadyBy(at=time(2, 30), days=frozenset({2}), calendar="f"), day, at=utc("2026-03-27T12:00"))
    assert stated[1] == (80, "29T01:00", "calendar f")


@pytest.mark.parametrize("own", [60, 80, 95])
def test_of_several_at_one_instant_the_highest_holds(own):
    at_seven = CalendarDeparture(calendar="f", at=utc("2026-01-06T06:00"), title="Trip", soc_pct=80)
    policy = ReadyBy(
        at=time(7), soc_pct=own, calendar="f", departures=(Departure(at=datetime(2026, 1, 6, 7), soc_pct=75),)
    )
    expected = (80, "06T06:00", "calendar f: Trip") if own < 80 else (own, "06T06:00", "ready by 07:00")
    assert told(policy, at_seven) == [expected]


def test_an_energy_and_a_state_of_charge_at_one_instant_both_hold():
    at_seven = CalendarDeparture(calendar="f", at=utc("2026-01-06T06:00"), energy_kwh=9)
    assert [one[0] for one in told(ReadyBy(at=time(7), soc_pct=60, calendar="f"), at_seven)] == [60, 9]


@pytest.mark.parametrize(
    ("after", "stated"),
    [
        (timedelta(0), False),
        (timedelta(seconds=1), True),
        (timedelta(days=8), True),
        (timedelta(days=8, seconds=1), False),
    ],
)
def test_it_speaks_of_what_comes_within_the_horizon(after, stated):
    assert bool(told(ReadyBy(calendar="f"), CalendarDeparture(calendar="f", at=AT + after))) is stated


def test_of_a_crowd_of_events_the_nearest_count():
    crowd = [CalendarDeparture(calendar="f", at=AT + n * timedelta(minutes=5)) for n in range(1, 500)]
    stated = list(ReadyBy(calendar="f").terms(situation(departures=crowd)))
    assert [term.by for term in stated] == [one.at for one in crowd[:MOST_EVENTS]]


def test_without_a_calendar_no_event_counts():
    assert told(ReadyBy(at=time(7), days=frozenset({0})), *ALL) == [(80, "12T06:00", "ready by 07:00")]


def test_match_needs_a_calendar():
    with pytest.raises(ValueError, match="name one with calendar"):
        ReadyBy(at=time(7), match="airport")
