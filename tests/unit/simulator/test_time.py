"""The agenda's order, the clocks, and local departures."""

import asyncio
from datetime import UTC, datetime, time, timedelta

import pytest

from simulator.agenda import Agenda
from simulator.clock import LoopClock, ManualClock
from simulator.instants import nanoseconds, next_departure, zulu

START_AT = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)


def test_things_happen_in_order_and_at_their_own_instant():
    agenda, seen = Agenda(START_AT), []
    for seconds in (30, 10, 20):
        agenda.after(seconds, lambda: seen.append((agenda.now - START_AT).total_seconds()))
    agenda.after(15, lambda: None).cancel()
    agenda.run_until(START_AT + timedelta(seconds=25))
    assert seen == [10, 20]
    assert agenda.now == START_AT + timedelta(seconds=25)


def test_what_is_entered_while_running_happens_in_the_same_run_if_due():
    agenda, seen = Agenda(START_AT), []
    agenda.after(1, lambda: agenda.after(1, lambda: seen.append("second")))
    agenda.run_until(START_AT + timedelta(seconds=2))
    assert seen == ["second"]


def test_haste_shortens_what_takes_its_while_and_nothing_else():
    agenda, seen = Agenda(START_AT), []
    agenda.haste = 10.0
    agenda.soon(30, lambda: seen.append("soon"))
    agenda.after(4, lambda: seen.append("after"))
    agenda.run_until(START_AT + timedelta(seconds=3))
    assert seen == ["soon"]
    agenda.run_until(START_AT + timedelta(seconds=4))
    assert seen == ["soon", "after"]


def test_time_never_goes_back():
    agenda = Agenda(START_AT)
    agenda.run_until(START_AT - timedelta(hours=1))
    assert agenda.now == START_AT


def test_an_earlier_entry_is_announced_and_a_later_one_is_not():
    agenda, told = Agenda(START_AT), []
    agenda.on_earlier = lambda: told.append(agenda.next_at())
    agenda.after(10, lambda: None)
    agenda.after(20, lambda: None)
    agenda.after(5, lambda: None)
    assert told == [START_AT + timedelta(seconds=10), START_AT + timedelta(seconds=5)]


async def test_the_loop_clock_runs_at_its_speed():
    clock = LoopClock(START_AT, speed=1_000_000.0)
    assert clock.now() - START_AT < timedelta(minutes=5)
    await clock.sleep(3600)
    assert clock.now() >= START_AT + timedelta(seconds=3599)
    rung = asyncio.Event()
    clock.call_at(clock.now() + timedelta(hours=1), rung.set)
    await rung.wait()


@pytest.mark.parametrize(
    ("start_at", "speed"),
    [pytest.param(START_AT.replace(tzinfo=None), 1.0, id="naive"), pytest.param(START_AT, 0.0, id="standing")],
)
def test_a_clock_that_cannot_run_is_refused(start_at, speed):
    with pytest.raises(ValueError, match="must be"):
        LoopClock(start_at, speed)


async def test_the_manual_clock_wakes_sleepers_when_advanced():
    clock = ManualClock(START_AT)
    sleeper = asyncio.create_task(clock.sleep_until(START_AT + timedelta(seconds=60)))
    await asyncio.sleep(0)
    clock.advance(59)
    await asyncio.sleep(0)
    assert not sleeper.done()
    clock.advance(1)
    await sleeper


@pytest.mark.parametrize(
    ("after", "departure", "expected"),
    [
        pytest.param("2026-11-23T16:00", time(7, 30), "2026-11-24T06:30", id="tomorrow-morning"),
        pytest.param("2026-11-27T16:00", time(7, 30), "2026-11-30T06:30", id="over-the-weekend"),
        pytest.param("2026-11-24T06:30", time(7, 30), "2026-11-25T06:30", id="strictly-later"),
    ],
)
def test_the_next_departure_is_on_a_chosen_weekday(after, departure, expected):
    at = datetime.fromisoformat(after).replace(tzinfo=UTC)
    found = next_departure(at, departure, frozenset(range(5)), "Europe/Oslo")
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param("2027-03-27T12:00", "2027-03-28T01:30", id="missing-hour-is-taken-after-it"),
        pytest.param("2026-10-24T12:00", "2026-10-25T00:30", id="doubled-hour-is-taken-first"),
    ],
)
def test_a_departure_in_a_clock_change_is_an_instant(after, expected):
    at = datetime.fromisoformat(after).replace(tzinfo=UTC)
    found = next_departure(at, time(2, 30), frozenset(range(7)), "Europe/Oslo")
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_no_chosen_day_means_no_departure():
    assert next_departure(START_AT, time(7, 30), frozenset(), "Europe/Oslo") is None


def test_instants_are_written_with_milliseconds_and_counted_in_nanoseconds():
    at = datetime(2026, 11, 23, 16, 0, 0, 123456, tzinfo=UTC)
    assert zulu(at) == "2026-11-23T16:00:00.123Z"
    assert nanoseconds(datetime(1970, 1, 2, tzinfo=UTC)) == 86_400_000_000_000
