"""Courtesy to the grid: the delay that is stated (U1), and the hours that are kept out of (U2)."""

from datetime import timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from policies.schedule.random_delay import RandomDelay
from scheduler.core.terms import Block, MinDwell
from scheduler.core.terms import RandomDelay as Delay
from tests.unit.policies.builders import situation, utc

LONDON = "Europe/London"


def stated(policy, **changes):
    return list(policy.terms(situation(**{"timezone": LONDON, **changes})))


def blocks(**changes):
    return [term.interval for term in stated(RandomDelay(), **changes) if isinstance(term, Block)]


def local(at):
    return f"{at.astimezone(ZoneInfo(LONDON)):%a %H:%M}"


@pytest.mark.parametrize(("settings", "longest_s"), [({}, 600), ({"longest_s": 1800}, 1800), ({"longest_s": 0}, 0)])
def test_the_longest_delay_is_stated_and_no_run_is_shorter(settings, longest_s):
    delay, dwell, *_ = stated(RandomDelay(**settings))
    longest = timedelta(seconds=longest_s)
    assert (type(delay), delay.longest) == (Delay, longest)
    assert (type(dwell), dwell.duration) == (MinDwell, longest)


@pytest.mark.parametrize("longest_s", [-1, 1801])
def test_a_delay_beyond_half_an_hour_is_refused(longest_s):
    with pytest.raises(ValueError, match="longest_s"):
        RandomDelay(longest_s=longest_s)


def test_peak_hours_of_working_days_are_kept_out_of():
    friday = utc("2026-01-09T07:00")
    found = [(local(one.start), local(one.end)) for one in blocks(at=friday, horizon=timedelta(days=4))]
    morning, evening = ("08:00", "11:00"), ("16:00", "22:00")
    assert found == [
        (f"{day} {start}", f"{day} {end}") for day in ("Fri", "Mon", "Tue") for start, end in (morning, evening)
    ]


def test_they_are_hours_of_the_clock_in_summer_too():
    monday_after_the_change = utc("2026-03-30T02:00")
    first = blocks(at=monday_after_the_change)[0]
    assert (first.start, first.end) == (utc("2026-03-30T07:00"), utc("2026-03-30T10:00"))


def test_they_are_blocked_through_the_whole_horizon_and_give_way_to_a_minimum():
    at = utc("2026-01-05T11:20")
    terms = [term for term in stated(RandomDelay(), at=at) if isinstance(term, Block)]
    assert max(term.interval.end for term in terms) > at + timedelta(days=8)
    assert all(before.interval.end <= after.interval.start for before, after in pairwise(terms))
    assert not any(term.even_below_minimum for term in terms)


def test_who_chooses_the_hours_is_left_to_choose():
    assert not any(isinstance(term, Block) for term in stated(RandomDelay(avoid_peaks=False)))
