"""The charge curve: seconds of charging to energy, and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.charging import ChargeCurve, tapering

TAPER = tapering([(3600, 7.0), (7200, 10.0)])
"""An hour at 7 kW, then 3 kW."""


@st.composite
def curves(draw: st.DrawFn) -> ChargeCurve:
    pieces = draw(st.lists(st.tuples(st.integers(1, 7200), st.floats(0.1, 22.0)), min_size=1, max_size=5))
    points, seconds, energy_kwh = [], 0.0, 0.0
    for length_s, power_kw in pieces:
        seconds, energy_kwh = seconds + length_s, energy_kwh + power_kw * length_s / 3600
        points.append((seconds, energy_kwh))
    return tapering(points)


@pytest.mark.parametrize(
    ("seconds", "energy_kwh"),
    [(0, 0.0), (1800, 3.5), (3600, 7.0), (5400, 8.5), (7200, 10.0), (10800, 13.0)],
)
def test_energy_follows_the_points_and_goes_on_at_the_last_power(seconds, energy_kwh):
    assert TAPER.energy(seconds) == pytest.approx(energy_kwh)
    assert TAPER.seconds(energy_kwh) == pytest.approx(seconds)


@given(curves(), st.floats(0, 50_000), st.floats(0, 50_000))
def test_there_and_back_is_the_same_and_more_time_is_more_energy(curve, one_s, other_s):
    assert curve.seconds(curve.energy(one_s)) == pytest.approx(one_s, abs=1e-6)
    assert (curve.energy(one_s) < curve.energy(other_s)) == (one_s < other_s) or one_s == pytest.approx(other_s)


@given(curves(), st.lists(st.floats(0, 50_000), min_size=1))
def test_many_at_once_are_each_as_alone(curve, seconds):
    assert curve.energies(np.array(seconds)).tolist() == [curve.energy(one) for one in seconds]


def test_one_power_is_a_straight_line():
    curve = ChargeCurve.at(11.0)
    assert (curve.last_kw, curve.most_kw, curve.kinks_s) == (11.0, 11.0, ())
    assert curve.energy(86_400) == pytest.approx(264.0)


def test_a_taper_tells_its_kinks_and_its_powers():
    assert (TAPER.kinks_s, TAPER.most_kw, TAPER.last_kw) == ((3600.0,), pytest.approx(7.0), pytest.approx(3.0))


def test_the_beginning_may_be_given_or_left_out():
    assert tapering([(0, 0), (3600, 7)]) == tapering([(3600, 7)]) == ChargeCurve.at(7.0)


def test_energy_that_stands_still_is_reached_when_it_begins_to():
    curve = ChargeCurve(points=((0.0, 0.0), (600.0, 1.0), (1200.0, 1.0), (1800.0, 2.0)))
    assert curve.seconds(1.0) == pytest.approx(600.0)
    assert curve.seconds(1.5) == pytest.approx(1500.0)


@pytest.mark.parametrize(
    ("points", "why"),
    [
        pytest.param([], "second point", id="none"),
        pytest.param([(0, 0)], "second point", id="one"),
        pytest.param([(600, 1), (600, 2)], "seconds must rise", id="no-time-between"),
        pytest.param([(600, 2), (1200, 1)], "energy must not fall", id="energy-that-falls"),
        pytest.param([(600, 2), (1200, 2)], "must bring energy", id="no-power-at-the-end"),
        pytest.param([(0, 1), (600, 2)], "seconds must rise", id="energy-at-the-beginning"),
    ],
)
def test_a_curve_that_makes_no_sense_is_refused(points, why):
    with pytest.raises(ValueError, match=why):
        tapering(points)
