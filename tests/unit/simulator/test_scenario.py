"""The worlds to start from, lived through with a simple-minded scheduler."""

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from simulator.scenario import demo_world, standalone_world
from simulator.vehicle import CHARGING, STOPPED
from simulator.world import World

MONDAY_NOON = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)


def scheduled(world: World, *, days: int) -> World:
    """Live through the days: cars at home are stopped when they come and started at one at night, seen by seen."""
    end_at = world.agenda.now + timedelta(days=days)
    by_hand: set[str] = set()
    while world.agenda.now < end_at:
        world.run_for(minutes=5)
        for vehicle in world.vehicles.values():
            seen = vehicle.telemetry.seen
            if not vehicle.plugged:
                by_hand.discard(vehicle.id)
            if world.truth[-1]["cause"] == "person":
                by_hand.add(world.truth[-1]["v"])
            at_home = vehicle.telemetry.recognised is not None and seen.plugged
            if not at_home or not vehicle.telemetry.reachable or world.actions.pending_for(vehicle.id):
                continue
            night = world.agenda.now.hour in range(7)
            if seen.delivery == CHARGING and vehicle.id not in by_hand and (not night or seen.soc_pct >= 80):
                world.actions.charge(vehicle, "STOP")
            elif seen.delivery == STOPPED and night and seen.soc_pct < 80:
                world.actions.charge(vehicle, "START")
    return world


@pytest.fixture(scope="module")
def week() -> World:
    return scheduled(demo_world(seed=1, start_at=MONDAY_NOON, days=7), days=7)


def named(world: World, name: str) -> str:
    return next(each.id for each in world.vehicles.values() if each.name == name)


def test_the_demo_has_two_homes_and_three_cars(week):
    described = week.description()
    assert [each["timezone"] for each in described["users"]] == ["Europe/Oslo", "Europe/Berlin"]
    assert [len(each["vehicles"]) for each in described["users"]] == [2, 1]
    assert [len(each["chargers"]) for each in described["users"]] == [2, 1]
    for user in described["users"]:
        assert set(user) == {"id", "timezone", "locations", "chargers", "vehicles"}
        assert [set(each) for each in user["locations"]] == [{"id", "name", "latitude", "longitude"}]
        assert all((each["departure"], each["days"]) == ("07:30", [0, 1, 2, 3, 4]) for each in user["vehicles"])


def test_every_ordinary_departure_can_be_reached_and_is(week):
    with_departure = [each for each in week.sessions() if each["departure_at"]]
    assert len(with_departure) >= 12
    assert all(each["reachable"] for each in with_departure)
    assert all(each["soc_at_departure_pct"] >= 78 for each in with_departure)


def test_most_nights_need_enough_energy_to_be_worth_a_delay(week):
    energies_kwh = [each["energy_kwh"] for each in week.sessions() if each["departure_at"]]
    assert sum(8 <= each <= 30 for each in energies_kwh) >= 0.8 * len(energies_kwh)


def test_the_first_week_has_one_of_each_thing_that_goes_otherwise(week):
    truth = list(week.truth)
    family, estate = named(week, "Family car"), named(week, "Estate")
    assert any(each["v"] == family and each["plugged"] and not each["home"] for each in truth)
    assert any(each["v"] == family and each["cause"] == "person" and each["charging"] for each in truth)
    cut = [each["t"] for each in truth if each["v"] == estate and each["plugged"] and not each["path"]]
    assert (cut[-1] - cut[0]) / 3.6e12 > 3
    failures = [each.failure[0] for each in week.actions.by_id.values() if each.state == "FAILED"]
    assert failures == ["NO_RESPONSE"]


@pytest.mark.parametrize("start_at", [MONDAY_NOON + timedelta(days=ahead, hours=9 * ahead) for ahead in range(7)])
def test_it_is_so_from_whichever_day_it_starts(start_at):
    world = scheduled(demo_world(seed=3, start_at=start_at, days=7), days=7)
    assert "person" in {each["cause"] for each in world.truth}
    assert "unreachable" in {each["cause"] for each in world.truth}
    assert "NO_RESPONSE" in {each.failure[0] for each in world.actions.by_id.values() if each.failure}
    assert any(each["plugged"] and not each["home"] for each in world.truth)
    assert all(each["reachable"] for each in world.sessions() if each["departure_at"])


def test_the_same_seed_lives_the_same_days_and_another_seed_others():
    def lived(seed: int) -> list[dict]:
        world = demo_world(seed=seed, start_at=MONDAY_NOON, days=3)
        world.run_for(days=3)
        return world.sessions()

    assert lived(5) == lived(5)
    assert lived(5) != lived(6)


def test_what_a_client_does_changes_no_owners_habit():
    left_alone = demo_world(seed=1, start_at=MONDAY_NOON, days=3)
    left_alone.run_for(days=3)
    driven = scheduled(demo_world(seed=1, start_at=MONDAY_NOON, days=3), days=3)
    times = [[(each["vehicle"], each["plugged_at"]) for each in world.sessions()] for world in (left_alone, driven)]
    assert times[0] == times[1]


def test_a_week_of_three_cars_costs_little_time():
    world = demo_world(seed=1, start_at=MONDAY_NOON, days=7)
    began_s = time.process_time()
    world.run_for(days=7)
    assert time.process_time() - began_s < 5.0


def test_power_traces_are_ordered_and_add_up(week):
    for session in week.sessions():
        trace = [(datetime.fromisoformat(a), datetime.fromisoformat(b), kw) for a, b, kw in session["power_trace"]]
        assert all(earlier[1] <= later[0] for earlier, later in pairwise(trace))
        energy_kwh = sum((end - start).total_seconds() / 3600 * kw for start, end, kw in trace)
        assert energy_kwh == pytest.approx(session["energy_kwh"], abs=0.02)
        assert all(kw <= session["max_power_kw"] + 0.001 for _, _, kw in trace)


def test_a_demo_of_no_days_is_refused():
    with pytest.raises(ValueError, match="days"):
        demo_world(seed=1, start_at=MONDAY_NOON, days=0)


def test_the_standalone_world_has_cars_at_home_and_away():
    world = standalone_world(seed=1, start_at=MONDAY_NOON)
    world.run_for(minutes=5)
    cars = list(world.vehicles.values())
    assert len(world.users) == 3
    assert {each.plugged and each.at_home for each in cars} == {True, False}
    assert any(each.plugged and not each.at_home for each in cars)
    assert any(each.at_home and each.delivery == STOPPED for each in cars)
    assert any(each.at_home and each.delivery == CHARGING for each in cars)
