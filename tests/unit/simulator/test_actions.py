"""The life of a command at the provider."""

import pytest

from simulator.vehicle import CHARGING, NO_POWER, STOPPED


def test_a_stop_is_confirmed_by_a_new_look_and_holds(place, world, events):
    vehicle = place.plugged()
    action = world.actions.charge(vehicle, "STOP")
    assert action.state == "PENDING"
    world.run_for(minutes=1)
    assert (action.state, vehicle.delivery) == ("CONFIRMED", STOPPED)
    assert vehicle.telemetry.seen.delivery == STOPPED
    told = [each["vendorAction"] for each in events if each["event"] == "user:vendor-action:updated"]
    assert told == [action.as_json()]
    assert told[0]["completedAt"] is not None


def test_a_sleeping_car_takes_longer_to_start(place, world):
    vehicle = place.plugged(held=True)
    vehicle.mood.asleep_latency_s = (300.0, 300.0)
    world.run_for(hours=2)
    action = world.actions.charge(vehicle, "START")
    world.run_for(minutes=4)
    assert vehicle.delivery == STOPPED
    world.run_for(minutes=2)
    assert (action.state, vehicle.delivery) == ("CONFIRMED", CHARGING)


def test_a_pending_action_of_the_same_kind_is_reused_for_a_vehicle(place, world):
    vehicle = place.plugged(held=True)
    first = world.actions.charge(vehicle, "START")
    assert world.actions.charge(vehicle, "START") is first
    assert world.actions.accepted[vehicle.id] == 2  # the STOP before it, and this one


def test_a_chargers_pending_action_is_always_replaced(place, world):
    place.plugged(held=True)
    first = world.actions.charge(place.charger, "START")
    second = world.actions.charge(place.charger, "START")
    assert (first.state, first.failure[0]) == ("CANCELLED", "CONFLICT")
    world.run_for(minutes=1)
    assert second.state == "CONFIRMED"


def test_the_opposite_kind_cancels_the_pending_one(place, world):
    vehicle = place.plugged(held=True)
    start = world.actions.charge(vehicle, "START")
    stop = world.actions.charge(vehicle, "STOP")
    assert (start.state, start.failure[0]) == ("CANCELLED", "CONFLICT")
    world.run_for(minutes=1)
    assert (stop.state, stop.failure[0]) == ("CANCELLED", "UNNECESSARY")


def test_what_is_asked_of_a_car_that_is_not_plugged_in_at_home_is_counted(place, world):
    vehicle = place.plugged()
    world.actions.charge(vehicle, "STOP")
    assert world.actions.away == []
    vehicle.drive_to(vehicle.home.moved(north_m=15_000))
    again = world.actions.charge(vehicle, "STOP")
    vehicle.plug_in(power_kw=50.0)
    start = world.actions.charge(vehicle, "START")
    assert world.actions.away == [again, start]


def test_an_unplugged_car_cancels_at_once(place, world):
    action = world.actions.charge(place.vehicle, "START")
    assert (action.state, action.failure[0]) == ("CANCELLED", "FAILED_PRECONDITION")


def test_a_car_unplugged_while_pending_cancels_when_it_is_reached(place, world):
    vehicle = place.plugged(held=True)
    action = world.actions.charge(vehicle, "START")
    vehicle.unplug()
    world.run_for(minutes=2)
    assert (action.state, action.failure[0]) == ("CANCELLED", "FAILED_PRECONDITION")


def test_a_silent_car_fails_after_the_window_and_answers_the_next_time(place, world):
    vehicle = place.plugged(held=True)
    vehicle.mood.silent_commands = 1
    action = world.actions.charge(vehicle, "START")
    world.run_for(minutes=11)
    assert action.state == "PENDING"
    world.run_for(minutes=1)
    assert (action.state, action.failure[0], vehicle.delivery) == ("FAILED", "NO_RESPONSE", STOPPED)
    again = world.actions.charge(vehicle, "START")
    world.run_for(minutes=4)
    assert again.state == "CONFIRMED"


@pytest.mark.parametrize(
    ("known", "state", "failure"),
    [
        pytest.param(False, "FAILED", "NO_RESPONSE", id="lost-just-now"),
        pytest.param(True, "CANCELLED", "FAILED_PRECONDITION", id="known-to-be-unreachable"),
    ],
)
def test_a_car_out_of_reach_never_starts(place, world, known, state, failure):
    vehicle = place.plugged(held=True)
    place.charger.set_reachable(reachable=False)
    vehicle.set_reachable(reachable=False)
    if known:
        world.run_for(minutes=15)
    else:
        vehicle.telemetry.refresher.stop()
    action = world.actions.charge(vehicle, "START")
    world.run_for(minutes=13)
    assert (action.state, action.failure[0], vehicle.delivery) == (state, failure, STOPPED)


def test_an_action_goes_on_trying_until_the_car_is_back(place, world):
    vehicle = place.plugged(held=True)
    place.charger.set_reachable(reachable=False)
    vehicle.set_reachable(reachable=False)
    action = world.actions.charge(vehicle, "START")
    world.run_for(minutes=5)
    assert action.state == "PENDING"
    vehicle.set_reachable(reachable=True)
    world.run_for(minutes=3)
    assert (action.state, vehicle.delivery) == ("CONFIRMED", CHARGING)


def test_a_paired_charger_carries_commands_for_a_car_out_of_reach(place, world):
    vehicle = place.plugged(held=True)
    vehicle.set_reachable(reachable=False)
    action = world.actions.charge(vehicle, "START")
    world.run_for(minutes=4)
    assert (action.state, vehicle.delivery) == ("CONFIRMED", CHARGING)


def test_a_car_without_control_at_a_foreign_charger_cannot_be_reached(place, world):
    place.vehicle.native_control = False
    place.vehicle.drive_to(place.vehicle.home.moved(north_m=9_000))
    place.vehicle.plug_in(power_kw=11.0)
    world.run_for(minutes=5)
    assert not place.vehicle.path_open
    action = world.actions.charge(place.vehicle, "STOP")
    world.run_for(minutes=15)
    assert (action.state, place.vehicle.delivery) == ("FAILED", CHARGING)


def test_a_start_without_power_is_confirmed_all_the_same(place, world):
    vehicle = place.plugged(held=True)
    vehicle.mood.no_power_starts = 1
    action = world.actions.charge(vehicle, "START")
    world.run_for(minutes=1)
    assert (action.state, vehicle.delivery, vehicle.power_kw()) == ("CONFIRMED", NO_POWER, 0.0)


def test_a_car_that_will_not_resume_lets_the_start_fail(place, world):
    vehicle = place.plugged(held=True)
    vehicle.mood.resumes_left = 0
    action = world.actions.charge(vehicle, "START")
    world.run_for(minutes=13)
    assert (action.state, vehicle.delivery) == ("FAILED", STOPPED)


def test_cancelling_leaves_a_car_as_it_is(place, world):
    vehicle = place.plugged(held=True)
    action = world.actions.charge(vehicle, "START")
    world.actions.cancel(action)
    world.run_for(minutes=5)
    assert (action.state, action.failure[0], vehicle.delivery) == ("CANCELLED", "REQUESTED_CANCELLATION", STOPPED)


def test_a_deleted_vehicle_ends_its_action(place, world, events):
    vehicle = place.plugged(held=True)
    action = world.actions.charge(vehicle, "START")
    world.remove_vehicle(vehicle)
    assert (action.state, action.failure[0]) == ("CANCELLED", "NOT_FOUND")
    assert events[-1]["event"] == "user:vehicle:deleted"
    world.run_for(hours=1)  # nothing that was still due stumbles over the missing car
