"""How full the battery is, and how far a reading can be trusted."""

from datetime import timedelta

import pytest

from scheduler.core.battery import Charge, estimate_soc
from scheduler.core.model import Quality
from tests.unit.core.builders import situation

MINUTE = timedelta(minutes=1)


def test_a_fresh_reading_is_taken_as_it_is():
    assert estimate_soc(situation(soc_pct=42.0)) == Charge(low_pct=42.0, high_pct=42.0, quality=Quality.FRESH)


def test_a_car_that_does_not_charge_keeps_its_charge_but_the_reading_ages():
    charge = estimate_soc(situation(soc_pct=42.0, soc_age=60 * MINUTE, plugged_for=120 * MINUTE))
    assert charge == Charge(low_pct=42.0, high_pct=42.0, quality=Quality.ESTIMATED)


@pytest.mark.parametrize(
    ("soc_pct", "age", "plugged_for"),
    [
        pytest.param(None, 0 * MINUTE, 60 * MINUTE, id="none-was-given"),
        pytest.param(42.0, 20 * MINUTE, 10 * MINUTE, id="from-before-the-trip"),
        pytest.param(42.0, -10 * MINUTE, 60 * MINUTE, id="from-the-future"),
        pytest.param(142.0, 0 * MINUTE, 60 * MINUTE, id="beyond-full"),
    ],
)
def test_what_cannot_be_trusted_is_unknown(soc_pct, age, plugged_for):
    assert estimate_soc(situation(soc_pct=soc_pct, soc_age=age, plugged_for=plugged_for)) == Charge()


def test_a_reading_from_just_before_the_plug_in_holds():
    charge = estimate_soc(situation(soc_pct=42.0, soc_age=12 * MINUTE, plugged_for=10 * MINUTE))
    assert charge.low_pct == 42.0


def test_without_a_session_there_is_no_plug_in_to_compare_with():
    assert estimate_soc(situation(soc_pct=42.0, soc_age=20 * MINUTE, plugged=False)).low_pct == 42.0


def test_while_charging_the_bounds_part_and_the_lower_stops_believing():
    # 7 kW for 10 min bring 1.05 kWh to the battery, 1.75 points of 60 kWh; for 60 min 10.5 points
    charge = estimate_soc(situation(soc_pct=42.0, soc_age=60 * MINUTE, plugged_for=90 * MINUTE, charging=True))
    assert charge.low_pct == pytest.approx(43.75)
    assert charge.high_pct == pytest.approx(52.5)
    assert charge.quality is Quality.ESTIMATED


def test_no_bound_lies_beyond_full():
    charge = estimate_soc(situation(soc_pct=99.0, soc_age=60 * MINUTE, plugged_for=90 * MINUTE, charging=True))
    assert charge.low_pct == 100.0
    assert charge.high_pct == 100.0


def test_a_reading_that_stands_still_against_the_meter_is_bounded_by_the_meter():
    # 20 kWh from the grid are 18 kWh in the battery, 30 points
    frozen = situation(soc_pct=30.0, energy_kwh=20.0, session={"soc_at_start_pct": 30.0})
    assert estimate_soc(frozen) == Charge(low_pct=30.0, high_pct=60.0, quality=Quality.ESTIMATED, frozen=True)


def test_a_reading_that_moves_is_believed_against_the_meter():
    moving = situation(soc_pct=50.0, energy_kwh=20.0, session={"soc_at_start_pct": 30.0})
    assert estimate_soc(moving) == Charge(low_pct=50.0, high_pct=50.0, quality=Quality.FRESH)


def test_a_reading_that_stopped_in_mid_charge_is_bounded_by_what_flowed_since():
    # 20 of 24 kWh flowed since it last moved: 30 points
    frozen = situation(soc_pct=40.0, energy_kwh=24.0, session={"soc_at_start_pct": 34.0, "energy_at_soc_kwh": 4.0})
    assert estimate_soc(frozen) == Charge(low_pct=40.0, high_pct=70.0, quality=Quality.ESTIMATED, frozen=True)


def test_a_reading_in_coarse_steps_is_believed_until_more_flowed_than_counts():
    # 3 kWh since the last step: 4.5 points
    coarse = situation(soc_pct=40.0, energy_kwh=7.0, session={"soc_at_start_pct": 34.0, "energy_at_soc_kwh": 4.0})
    assert estimate_soc(coarse) == Charge(low_pct=40.0, high_pct=40.0, quality=Quality.FRESH)
