"""What the provider sees and shows: late, cached, paired, placed."""

import itertools
from datetime import timedelta

import pytest

from simulator.capability import INCAPABLE, Capability
from simulator.intervention_texts import CHARGER_CONTROL, VEHICLE_CONTROL
from simulator.places import Point
from simulator.telemetry import Distortion
from simulator.wire import charger_json, vehicle_json


def shown(place):
    return vehicle_json(place.world, place.vehicle)


def test_a_plug_in_is_seen_about_twenty_seconds_later(place, world):
    place.vehicle.plug_in(place.charger)
    world.run_for(seconds=10)
    assert shown(place)["chargeState"]["isPluggedIn"] is False
    world.run_for(seconds=16)
    assert shown(place)["chargeState"]["isPluggedIn"] is True


@pytest.mark.parametrize(
    ("prepare", "longest_s"),
    [
        pytest.param("charging", 120, id="charging-every-two-minutes"),
        pytest.param("held", 420, id="plugged-and-idle-every-seven"),
        pytest.param("asleep", 1200, id="asleep-every-twenty"),
    ],
)
def test_the_picture_is_refreshed_as_often_as_the_car_is_awake(place, world, prepare, longest_s):
    vehicle = place.plugged(held=prepare != "charging")
    if prepare == "asleep":
        world.run_for(minutes=40)
    seen = []
    for _ in range(90 if prepare == "asleep" else 10):
        world.run_for(minutes=1)
        seen.append(vehicle.telemetry.seen.at)
    ages = {later - earlier for earlier, later in itertools.pairwise(seen) if later != earlier}
    assert max(ages) == timedelta(seconds=longest_s)


def test_a_refresh_hint_brings_the_next_look_forward(place, world):
    vehicle = place.plugged(held=True)
    world.run_for(hours=2)
    before = vehicle.telemetry.seen.at
    vehicle.telemetry.hint()
    world.run_for(seconds=45)
    assert vehicle.telemetry.seen.at > before


def test_a_pair_is_recognised_later_shown_on_both_sides_and_parted_after_unplug(place, world):
    place.vehicle.plug_in(place.charger)
    world.run_for(seconds=35)
    assert shown(place)["chargeState"]["pluggedInChargerId"] is None
    world.run_for(minutes=2)
    assert shown(place)["chargeState"]["pluggedInChargerId"] == place.charger.id
    assert charger_json(place.charger)["chargeState"]["pluggedInVehicleId"] == place.vehicle.id
    place.vehicle.unplug()
    world.run_for(seconds=30)
    assert shown(place)["chargeState"]["pluggedInChargerId"] is None
    assert charger_json(place.charger)["chargeState"]["pluggedInVehicleId"] is None


def test_a_plug_pulled_before_recognition_makes_no_pair(place, world):
    place.vehicle.plug_in(place.charger)
    world.run_for(seconds=20)
    place.vehicle.unplug()
    world.run_for(minutes=5)
    assert place.vehicle.telemetry.recognised is None


@pytest.mark.parametrize(
    ("north_m", "at_home"), [pytest.param(190, True, id="inside"), pytest.param(210, False, id="outside")]
)
def test_a_position_within_two_hundred_metres_is_the_location(place, world, north_m, at_home):
    place.vehicle.drive_to(place.vehicle.home.moved(north_m=north_m))
    world.run_for(seconds=30)
    assert shown(place)["location"]["id"] == (place.location.id if at_home else None)


def test_the_chargers_location_wins_over_the_position(place, world):
    world.locations[place.location.id].point = Point(latitude=10.0, longitude=10.0)
    place.plugged()
    assert shown(place)["location"]["id"] == place.location.id


def test_a_car_without_gps_is_placed_by_its_charger_alone(place, world):
    place.vehicle.has_gps = False
    place.vehicle.drive_to(place.vehicle.home)
    world.run_for(minutes=1)
    assert shown(place)["location"]["id"] is None
    place.plugged()
    place_shown = shown(place)["location"]
    assert place_shown == {
        "id": place.location.id,
        "latitude": None,
        "longitude": None,
        "lastUpdated": None,
    }


def test_the_chargers_power_stands_in_for_a_car_that_does_not_tell(place, world):
    place.vehicle.reports_power = False
    place.plugged()
    assert shown(place)["chargeState"]["chargeRate"] == 11.0


def test_an_unreachable_car_keeps_its_last_picture(place, world):
    vehicle = place.plugged(held=True)
    vehicle.set_reachable(reachable=False)
    world.run_for(hours=1)
    state = shown(place)
    assert state["isReachable"] is False
    assert vehicle.telemetry.seen.at < world.agenda.now - timedelta(minutes=50)
    vehicle.set_reachable(reachable=True)
    world.run_for(seconds=30)
    assert shown(place)["isReachable"] is True


@pytest.mark.parametrize(
    ("distortion", "member", "value"),
    [
        pytest.param(Distortion(soc_pct=0), "batteryLevel", 0, id="a-battery-that-reads-zero"),
        pytest.param(Distortion(blank=True), "isPluggedIn", None, id="a-car-that-says-nothing"),
        pytest.param(Distortion(delivery="PLUGGED_IN:NEW"), "powerDeliveryState", "PLUGGED_IN:NEW", id="a-new-state"),
        pytest.param(Distortion(flickers=1), "isPluggedIn", False, id="a-plug-that-flickers"),
    ],
)
def test_a_picture_can_be_distorted(place, world, distortion, member, value):
    vehicle = place.plugged(held=True)
    vehicle.telemetry.distortion = distortion
    vehicle.telemetry.refresher.now()
    assert shown(place)["chargeState"][member] == value


def test_only_what_changed_is_told(place, world, events):
    place.plugged(held=True)
    events.clear()
    world.run_for(hours=3)
    assert events == []
    place.vehicle.unplug()
    world.run_for(minutes=1)
    told = [each for each in events if each["event"] == "user:vehicle:updated"]
    assert told
    assert told[0]["user"] == {"id": "user-a"}
    assert "chargeState" in told[0]["updatedFields"]


def capability(place, name):
    return shown(place)["capabilities"][name]


def test_a_charger_unlocks_control_and_hides_the_cars_own_intervention(place, world):
    locked = Capability(capable=False, interventions=(VEHICLE_CONTROL,))
    place.vehicle.capabilities = dict.fromkeys(("startCharging", "stopCharging"), locked) | {"location": INCAPABLE}
    for name in ("startCharging", "stopCharging", "location"):
        assert capability(place, name) == {"isCapable": True, "interventionIds": []}


def test_a_locked_charger_shows_its_intervention_first(place, world):
    place.vehicle.capabilities = {"startCharging": Capability(capable=False, interventions=(VEHICLE_CONTROL,))}
    place.charger.capabilities = {"startCharging": Capability(capable=False, interventions=(CHARGER_CONTROL,))}
    expected = {"isCapable": False, "interventionIds": [CHARGER_CONTROL, VEHICLE_CONTROL]}
    assert capability(place, "startCharging") == expected


def test_a_locked_charger_is_only_advice_for_a_car_that_can(place, world):
    place.charger.capabilities = {"startCharging": Capability(capable=False, interventions=(CHARGER_CONTROL,))}
    assert capability(place, "startCharging") == {"isCapable": True, "interventionIds": [CHARGER_CONTROL]}


def test_commands_failed_while_unplugged_clear_the_pair_until_the_next_plug_in(place, world):
    place.vehicle.capabilities = {"startCharging": INCAPABLE}
    assert capability(place, "startCharging")["isCapable"] is True
    for _ in range(3):
        world.actions.charge(place.vehicle, "START")
    assert capability(place, "startCharging")["isCapable"] is False
    place.plugged()
    assert capability(place, "startCharging")["isCapable"] is True
