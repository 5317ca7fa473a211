# ruff: noqa: DTZ001 - departures are written in local time
from datetime import datetime, time, timedelta

import pytest

from policies.schedule.minimum_soc import MinimumSoc
from policies.schedule.off_peak import OffPeak
from policies.schedule.opportunity import Opportunity
from policies.schedule.price_limit import PriceLimit
from policies.schedule.quiet_hours import QuietHours
from policies.schedule.ready_by import Departure, ReadyBy
from scheduler.core.calendar import Recurring
from scheduler.core.terms import Block, Run, Target
from scheduler.core.terms import Opportunity as Offer
from scheduler.core.terms import PriceLimit as Limit
from scheduler.core.timeline import merge, total
from tests.unit.policies.builders import AT, situation, utc

NIGHT = Recurring(start=time(22), end=time(6))


def told(terms) -> list[tuple]:
    return [(term.soc_pct, term.energy_kwh, term.by) for term in terms]


@pytest.mark.parametrize(
    ("policy", "at", "expected"),
    [
        pytest.param(
            ReadyBy(at=time(7, 30)), "2026-01-05T11:00", [(80, None, "2026-01-06T06:30")], id="tomorrow-morning"
        ),
        pytest.param(
            ReadyBy(at=time(7, 30), days=frozenset({6}), soc_pct=90),
            "2026-01-05T11:00",
            [(90, None, "2026-01-11T06:30")],
            id="on-sunday",
        ),
        pytest.param(
            ReadyBy(at=time(2, 30)), "2026-03-28T22:00", [(80, None, "2026-03-29T01:00")], id="a-skipped-hour"
        ),
        pytest.param(
            ReadyBy(at=time(7), energy_kwh=12.5), "2026-01-05T11:00", [(None, 12.5, "2026-01-06T06:00")], id="energy"
        ),
        pytest.param(
            ReadyBy(at=time(7), departures=(Departure(at=datetime(2026, 1, 24, 5)),)),
            "2026-01-05T11:00",
            [(80, None, "2026-01-06T06:00"), (80, None, "2026-01-24T04:00")],
            id="the-journey-too-however-far",
        ),
        pytest.param(
            ReadyBy(
                departures=(
                    Departure(at=datetime(2026, 1, 9, 5), soc_pct=100),
                    Departure(at=datetime(2026, 1, 7, 5), energy_kwh=3),
                )
            ),
            "2026-01-05T11:00",
            [(None, 3, "2026-01-07T04:00"), (100, None, "2026-01-09T04:00")],
            id="every-journey-of-the-week-in-order",
        ),
        pytest.param(
            ReadyBy(departures=tuple(Departure(at=datetime(2026, month, 9, 5)) for month in (4, 2, 3))),
            "2026-01-05T11:00",
            [(80, None, "2026-02-09T04:00")],
            id="of-those-far-away-the-next",
        ),
        pytest.param(
            ReadyBy(at=time(7), departures=(Departure(at=datetime(2027, 12, 24, 5)),)),
            "2026-01-05T11:00",
            [(80, None, "2026-01-06T06:00")],
            id="none-that-is-years-away",
        ),
        pytest.param(
            ReadyBy(departures=(Departure(at=datetime(2026, 1, 5, 5)),)), "2026-01-05T11:00", [], id="journey-past"
        ),
        pytest.param(
            ReadyBy(departures=(Departure(at=utc("2026-01-06T05:00")),)),
            "2026-01-05T11:00",
            [(80, None, "2026-01-06T05:00")],
            id="with-an-offset-as-it-stands",
        ),
    ],
)
def test_the_next_departures_are_stated(policy, at, expected):
    stated = told(policy.terms(situation(at=utc(at))))
    assert stated == [(soc, energy, utc(by)) for soc, energy, by in expected]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (ReadyBy, "no departure"),
        (lambda: ReadyBy(at=time(7), soc_pct=0), "above 0"),
        (lambda: ReadyBy(at=time(7), soc_pct=101), "at most 100"),
        (lambda: ReadyBy(at=time(7), soc_pct=float("nan")), "above 0"),
        (lambda: ReadyBy(at=time(7), soc_pct=50, energy_kwh=5), "exclude"),
        (lambda: ReadyBy(at=time(7), energy_kwh=-1), "energy_kwh"),
        (lambda: ReadyBy(at=time(7), days=frozenset()), "days"),
        (lambda: ReadyBy(at=time(7, tzinfo=AT.tzinfo)), "offset"),
        (lambda: Departure(at=AT, soc_pct=120), "at most 100"),
        (lambda: MinimumSoc(soc_pct=0), "soc_pct"),
        (lambda: MinimumSoc(soc_pct=96), "soc_pct"),
        (lambda: OffPeak(windows=()), "window"),
        (lambda: QuietHours(windows=()), "window"),
        (lambda: PriceLimit(per_kwh=float("inf")), "finite"),
        (lambda: Opportunity(soc_pct=0), "above 0"),
        (lambda: Opportunity(soc_pct=101), "at most 100"),
        (lambda: Opportunity(per_kwh=float("nan")), "finite"),
    ],
)
def test_settings_without_a_meaning_are_refused(make, why):
    with pytest.raises(ValueError, match=why):
        make()


def test_the_reserve_is_wanted_at_once():
    assert list(MinimumSoc(soc_pct=30).terms(situation())) == [Target(soc_pct=30, by=None, why="never below 30 %")]


def test_the_limit_is_passed_on():
    assert list(PriceLimit(per_kwh=-0.01).terms(situation())) == [Limit(per_kwh=-0.01, why="not above -0.01 EUR/kWh")]


def test_the_opportunity_is_passed_on_and_is_for_what_costs_nothing_by_default():
    (offer,) = Opportunity(soc_pct=90, per_kwh=-0.05).terms(situation())
    assert offer == Offer(soc_pct=90, per_kwh=-0.05, why="up to 90 % at or below -0.05 EUR/kWh")
    assert next(iter(Opportunity().terms(situation()))) == Offer(
        soc_pct=100, per_kwh=0, why="up to 100 % at or below 0 EUR/kWh"
    )


@pytest.mark.parametrize("at", ["2026-01-05T11:20", "2026-03-27T12:00", "2026-10-23T12:00"])
def test_off_peak_runs_inside_and_blocks_outside_without_a_gap(at):
    now = situation(at=utc(at))
    terms = list(OffPeak(windows=(NIGHT, Recurring(start=time(13), end=time(14)))).terms(now))
    runs = [term.interval for term in terms if isinstance(term, Run)]
    blocks = [term.interval for term in terms if isinstance(term, Block)]
    (covered,) = merge([*runs, *blocks])
    assert covered.duration == total(runs) + total(blocks)
    assert covered.start <= now.at
    assert covered.end >= now.at + now.limits.horizon
    assert not any(term.even_below_minimum for term in terms if isinstance(term, Block))


def test_off_peak_states_the_same_all_day_long():
    policy = OffPeak(windows=(NIGHT,))
    assert list(policy.terms(situation(at=AT))) == list(policy.terms(situation(at=AT + timedelta(hours=3))))


@pytest.mark.parametrize("even_below_minimum", [False, True])
def test_quiet_hours_block_their_windows(even_below_minimum):
    policy = QuietHours(windows=(Recurring(start=time(17), end=time(20)),), even_below_minimum=even_below_minimum)
    first, *rest = policy.terms(situation(horizon=timedelta(hours=24)))
    assert (first.interval.start, first.interval.end) == (utc("2026-01-05T16:00"), utc("2026-01-05T19:00"))
    assert [one.even_below_minimum for one in (first, *rest)] == [even_below_minimum] * 2
