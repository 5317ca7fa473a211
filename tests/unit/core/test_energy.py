"""Conversions between state of charge, energy, power and duration, and what the planner counts on."""

from datetime import timedelta

import pytest

from scheduler.core.energy import (
    battery_energy,
    duration_s,
    energy_in,
    gained_pct,
    grid_energy,
    missing_energy,
    pessimistic_power_kw,
    start_latency,
    usable_capacity_kwh,
)
from scheduler.core.model import Learned
from tests.unit.core.builders import NOW, situation


@pytest.mark.parametrize(
    ("soc_pct", "target_soc_pct", "missing_kwh"),
    [(50, 80, 18.0), (80, 80, 0.0), (90, 80, 0.0), (0, 100, 60.0)],
)
def test_missing_energy_is_proportional_and_never_negative(soc_pct, target_soc_pct, missing_kwh):
    assert missing_energy(soc_pct=soc_pct, target_soc_pct=target_soc_pct, capacity_kwh=60) == pytest.approx(missing_kwh)


@pytest.mark.parametrize(
    ("soc_pct", "target_soc_pct", "capacity_kwh", "named"),
    [
        (-1, 80, 60, "soc_pct"),
        (50, 101, 60, "target_soc_pct"),
        (50, 80, 0, "capacity_kwh"),
        (float("nan"), 80, 60, "soc_pct"),
    ],
)
def test_nonsense_is_refused_by_name(soc_pct, target_soc_pct, capacity_kwh, named):
    with pytest.raises(ValueError, match=named):
        missing_energy(soc_pct=soc_pct, target_soc_pct=target_soc_pct, capacity_kwh=capacity_kwh)


def test_the_grid_delivers_more_than_the_battery_gains():
    assert grid_energy(9.0) == pytest.approx(10.0)
    assert battery_energy(10.0) == pytest.approx(9.0)
    assert gained_pct(grid_kwh=10.0, capacity_kwh=60.0) == pytest.approx(15.0)


def test_duration_and_energy_are_inverse():
    assert duration_s(energy_kwh=7.0, power_kw=3.5) == 7200
    assert energy_in(seconds=7200, power_kw=3.5) == 7.0


@pytest.mark.parametrize(
    ("configured_kw", "learned_kw", "home_kw", "power_kw"),
    [
        pytest.param(11.0, None, None, 11.0, id="configured"),
        pytest.param(None, 10.0, None, 9.5, id="learned-with-a-margin"),
        pytest.param(11.0, 10.0, None, 9.5, id="the-lesser-of-both"),
        pytest.param(11.0, 10.0, 3.7, 3.7, id="the-home-allows-less"),
        pytest.param(None, None, 7.4, 7.4, id="only-the-home-is-known"),
        pytest.param(None, None, None, None, id="nothing-is-known"),
        pytest.param(0.0, None, None, None, id="zero-tells-nothing"),
    ],
)
def test_power_is_the_least_of_what_is_known(configured_kw, learned_kw, home_kw, power_kw):
    now = situation(charge_power_kw=configured_kw, home={"max_kw": home_kw}, learned=Learned(power_kw=learned_kw))
    assert pessimistic_power_kw(now) == (None if power_kw is None else pytest.approx(power_kw))


@pytest.mark.parametrize(
    ("charging_for_min", "seen_kw", "power_kw"),
    [
        pytest.param(10, 1.4, 1.4, id="slower-than-thought"),
        pytest.param(1, 1.4, 7.0, id="still-ramping-up"),
        pytest.param(10, 11.0, 7.0, id="faster-is-no-promise"),
        pytest.param(10, 0.0, 7.0, id="no-power-tells-nothing"),
    ],
)
def test_a_car_that_charges_slowly_counts_with_that(charging_for_min, seen_kw, power_kw):
    since = NOW - timedelta(minutes=charging_for_min)
    now = situation(charging=True, power_kw=seen_kw, charge_power_kw=7.0, session={"started_since": since})
    assert pessimistic_power_kw(now) == power_kw


@pytest.mark.parametrize(
    ("reported_kwh", "configured_kwh", "usable_kwh"),
    [(48.1, 60.0, 48.1), (None, 60.0, 60.0), (0.0, 60.0, 60.0), (None, None, None), (90_000.0, None, None)],
)
def test_capacity_is_the_providers_else_the_owners(reported_kwh, configured_kwh, usable_kwh):
    now = situation(capacity_kwh=reported_kwh, vehicle={"capacity_kwh": configured_kwh})
    assert usable_capacity_kwh(now) == usable_kwh


def test_a_start_takes_a_minute_until_learned_otherwise_and_no_time_while_charging():
    learned = Learned(start_latency_s=300.0)
    assert start_latency(situation()) == timedelta(seconds=60)
    assert start_latency(situation(learned=learned)) == timedelta(seconds=300)
    assert start_latency(situation(learned=learned, charging=True)) == timedelta(0)
