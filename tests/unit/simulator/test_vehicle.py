"""What is true of a vehicle: charging by itself, by people, by time; sessions and their truth."""

import itertools
from datetime import timedelta

import pytest

from simulator.instants import zulu
from simulator.places import Point
from simulator.vehicle import CHARGING, COMPLETE, FAULT, INITIALIZING, STOPPED, UNPLUGGED


def test_a_car_starts_by_itself_on_plug_in_and_ends_at_its_own_limit(place, world):
    place.vehicle.plug_in(place.charger)
    assert place.vehicle.delivery == INITIALIZING
    world.run_for(seconds=20)
    assert place.vehicle.delivery == CHARGING
    assert place.vehicle.power_kw() == pytest.approx(11.0)
    world.run_for(hours=6)
    assert place.vehicle.delivery == COMPLETE
    assert place.vehicle.true_soc_pct() == pytest.approx(90.0, abs=0.01)


def test_a_car_told_not_to_waits_for_a_start(place, world):
    place.vehicle.auto_start = False
    place.vehicle.plug_in(place.charger)
    world.run_for(hours=1)
    assert (place.vehicle.delivery, place.vehicle.true_soc_pct()) == (STOPPED, pytest.approx(50.0))


def test_an_hour_at_full_power_is_in_the_session(place, world):
    place.vehicle.plug_in(place.charger)
    plugged_at = world.agenda.now
    world.run_for(hours=1, seconds=15)
    place.vehicle.unplug()
    (session,) = world.sessions()
    assert session["energy_kwh"] == pytest.approx(11.0, abs=0.001)
    start_at = plugged_at + timedelta(seconds=15)
    assert session["power_trace"] == [[zulu(start_at), zulu(start_at + timedelta(hours=1)), 11.0]]
    assert session["soc_at_plug_in_pct"] == 50.0
    assert (session["departure_at"], session["reachable"]) == (None, False)
    assert session["why_not"] == "no departure in this session"
    assert place.vehicle.true_soc_pct() == pytest.approx(50 + 100 * 11 * 0.9 / 60, abs=0.01)


def test_the_state_at_departure_is_kept_though_the_car_leaves_later(place, world):
    place.vehicle.plug_in(place.charger)
    world.run_for(hours=16)
    place.vehicle.unplug()
    (session,) = world.sessions()
    assert session["departure_at"] == "2026-11-24T06:30:00.000Z"
    assert session["soc_at_departure_pct"] == pytest.approx(90.0, abs=0.01)
    assert (session["reachable"], session["why_not"]) == (True, None)


def test_a_session_away_from_home_is_not_one_of_ours(place, world):
    place.vehicle.drive_to(place.vehicle.home.moved(north_m=5_000), used_kwh=4.0)
    place.vehicle.plug_in(power_kw=50.0)
    world.run_for(minutes=10)
    assert place.vehicle.power_kw() == pytest.approx(50.0)
    place.vehicle.unplug()
    assert world.sessions() == []
    assert world.truth[-1]["home"] is False


@pytest.mark.parametrize(
    ("unreachable_h", "stopped_by_person", "why_not"),
    [
        pytest.param(0, False, None, id="nothing-in-the-way"),
        pytest.param(11, False, None, id="a-path-down-that-leaves-enough"),
        pytest.param(14, False, "the command path was down", id="a-path-down-for-too-long"),
        pytest.param(0, True, "a person held the car", id="a-person-said-no"),
    ],
)
def test_what_could_be_reached_is_judged_by_free_time(place, world, unreachable_h, stopped_by_person, why_not):
    place.vehicle.auto_start = False
    place.vehicle.plug_in(place.charger)
    if stopped_by_person:
        place.vehicle.person_stops()
    if unreachable_h:
        place.charger.set_reachable(reachable=False)
        place.vehicle.set_reachable(reachable=False)
        world.run_for(hours=unreachable_h)
        place.charger.set_reachable(reachable=True)
        place.vehicle.set_reachable(reachable=True)
    world.run_for(hours=16)
    place.vehicle.unplug()
    (session,) = world.sessions()
    assert (session["reachable"], session["why_not"]) == (why_not is None, why_not)


def test_too_little_time_is_told_as_such(place, world):
    world.run_for(hours=14)
    place.vehicle.plug_in(place.charger)
    world.run_for(hours=2)
    place.vehicle.unplug()
    assert world.sessions()[0]["why_not"] == "too little time at full power"


def test_a_person_starts_what_was_held_and_stops_it_again(place, world):
    vehicle = place.plugged(held=True)
    assert vehicle.delivery == STOPPED
    vehicle.person_starts()
    world.run_for(minutes=1)
    assert (vehicle.delivery, vehicle.held_by_person) == (CHARGING, False)
    vehicle.person_stops()
    assert (vehicle.delivery, vehicle.held_by_person) == (STOPPED, True)
    vehicle.unplug()
    assert (vehicle.delivery, vehicle.held_by_person) == (UNPLUGGED, False)
    causes = [each["cause"] for each in world.truth if each["cause"] != "time"]
    assert causes == ["plug", "auto", "auto", "path", "command", "person", "person", "person", "unplug"]


def test_the_truth_is_told_at_least_every_quarter_of_an_hour_while_plugged(place, world):
    told = []
    world.on_truth = told.append
    place.plugged()
    world.run_for(hours=10)
    gaps = [later["t"] - earlier["t"] for earlier, later in itertools.pairwise(told)]
    assert max(gaps) <= 900 * 1_000_000_000
    told_of = {"t", "v", "plugged", "home", "charging", "soc", "kw", "cause", "path", "kwh_per_pct", "kw_max", "limit"}
    assert set(told[0]) == told_of


def test_a_fault_of_the_car_stops_it(place, world):
    vehicle = place.plugged()
    vehicle.car_stops(FAULT)
    assert (vehicle.delivery, vehicle.power_kw()) == (FAULT, 0.0)


def test_a_lower_limit_at_the_charger_is_followed(place, world):
    vehicle = place.plugged()
    world.actions.limit(place.charger, 10.0)
    world.run_for(minutes=1)
    assert vehicle.power_kw() == pytest.approx(6.9)


def test_a_weak_car_takes_less_than_it_should(place, world):
    place.vehicle.weakness_kw = 1.4
    assert place.plugged().power_kw() == pytest.approx(1.4)


def test_setting_the_charge_moves_the_end(place, world):
    vehicle = place.plugged()
    vehicle.set_soc(89.9)
    world.run_for(minutes=5)
    assert vehicle.delivery == COMPLETE


def test_a_car_that_ended_at_its_own_limit_waits_when_that_is_raised(place, world):
    vehicle = place.plugged()
    vehicle.set_soc(89.9)
    world.run_for(minutes=5)
    vehicle.charge_limit_pct = 100.0
    vehicle.limit_changed()
    assert vehicle.delivery == STOPPED
    vehicle.obey("START")
    world.run_for(minutes=5)
    assert vehicle.delivery == CHARGING


def test_one_plug_takes_one_car(place, world):
    place.plugged()
    with pytest.raises(ValueError, match="plugged in already"):
        place.vehicle.plug_in(place.charger)
    with pytest.raises(ValueError, match="is taken"):
        place.car().plug_in(place.charger)


def test_driving_never_empties_the_battery(place, world):
    place.vehicle.drive_to(Point(latitude=60.0, longitude=11.0), used_kwh=100.0)
    assert place.vehicle.true_soc_pct() == pytest.approx(5.0)
