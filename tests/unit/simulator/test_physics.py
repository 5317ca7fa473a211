"""The battery's closed form against small steps, and the distances of places."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.physics import Battery
from simulator.places import Point, distance_m


@pytest.mark.parametrize(
    ("stored_kwh", "seconds", "after_kwh"),
    [
        pytest.param(10.0, 3600, 20.0, id="constant-power-below-the-knee"),
        pytest.param(10.0, 0, 10.0, id="no-time-no-energy"),
        pytest.param(79.0, 360, 80.0, id="up-to-the-knee"),
        pytest.param(100.0, 3600, 100.0, id="never-above-the-capacity"),
    ],
)
def test_energy_is_stored(stored_kwh, seconds, after_kwh):
    battery = Battery(capacity_kwh=100.0, efficiency=1.0, taper_from_pct=80.0)
    assert battery.charge(stored_kwh=stored_kwh, limit_kw=10.0, seconds=seconds) == pytest.approx(after_kwh)


@given(
    stored_pct=st.floats(5, 99),
    minutes=st.integers(1, 300),
    limit_kw=st.floats(1.4, 22),
    taper_from_pct=st.floats(60, 95),
)
def test_the_closed_form_agrees_with_small_steps(stored_pct, minutes, limit_kw, taper_from_pct):
    battery = Battery(capacity_kwh=60.0, efficiency=0.9, taper_from_pct=taper_from_pct)
    stepped = stored_kwh = 60.0 * stored_pct / 100
    for _ in range(minutes * 6):
        stepped += battery.power_kw(stored_kwh=stepped, limit_kw=limit_kw) * 0.9 * 10 / 3600
    solved = battery.charge(stored_kwh=stored_kwh, limit_kw=limit_kw, seconds=minutes * 60)
    assert solved == pytest.approx(min(60.0, stepped), abs=0.03)


@given(stored_pct=st.floats(0, 99), goal_pct=st.floats(1, 99.9), limit_kw=st.floats(1.4, 22))
def test_the_time_to_a_goal_leads_there(stored_pct, goal_pct, limit_kw):
    battery = Battery(capacity_kwh=60.0)
    start_kwh, goal_kwh = 0.6 * stored_pct, 0.6 * goal_pct
    seconds = battery.seconds_to(stored_kwh=start_kwh, goal_kwh=goal_kwh, limit_kw=limit_kw)
    reached_kwh = battery.charge(stored_kwh=start_kwh, limit_kw=limit_kw, seconds=seconds)
    assert reached_kwh == pytest.approx(max(start_kwh, goal_kwh), abs=1e-6)


def test_without_power_no_goal_is_ever_reached():
    assert Battery(capacity_kwh=60).seconds_to(stored_kwh=1, goal_kwh=2, limit_kw=0) == float("inf")


def test_a_point_moved_by_metres_is_so_far_away():
    home = Point(latitude=59.9, longitude=10.7)
    assert distance_m(home, home.moved(north_m=150, east_m=200)) == pytest.approx(250, abs=0.5)
