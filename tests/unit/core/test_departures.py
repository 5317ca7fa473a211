"""Departures of cars that take a tenth less than they were said to, and taper: nearly all are met all the same."""

import csv
import gzip
import sys
from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from scheduler.core.model import Plan
from simulator.physics import Battery
from tests.unit.core.builders import price_slots
from tests.unit.core.driving import MONDAY, Driving, Outcome, Trip, commuting, daily_prices

CARS = [(3.7, 30.0), (3.7, 58.0), (7.4, 58.0), (11.0, 58.0), (11.0, 77.0)]
"""Power that the owner configured [kW], and usable capacity [kWh]."""

MET = 0.99


def battery(rng: Random, capacity_kwh: float) -> Battery:
    return Battery(
        capacity_kwh=capacity_kwh, taper_from_pct=rng.choice([80.0, 85.0, 90.0]), taper_floor=rng.choice([0.25, 0.4])
    )


def told(outcomes: list[Outcome], record_property) -> tuple[float, float]:
    """Return the shares met: of what the true car could reach at all, and of what the assumed one could have."""
    possible = [one for one in outcomes if one.possible]
    feasible = [one for one in possible if one.feasible]
    shares = tuple(sum(one.met for one in some) / len(some) for some in (feasible, possible))
    line = f"{len(outcomes)} departures: {shares[0]:.2%} of {len(feasible)} within the car's reach met, "
    line += f"{shares[1]:.2%} of the {len(possible)} that the assumed power would have reached"
    sys.stdout.write(f"\n{line}\n")  # pytest -rP shows it
    record_property("departures", line)
    return shares


def test_commuters_leave_with_their_target(record_property):
    outcomes = []
    for number in range(12):
        rng = Random(f"commuter {number}")
        assumed_kw, capacity_kwh = CARS[number % len(CARS)]
        car = Driving(assumed_kw=assumed_kw, battery=battery(rng, capacity_kwh))
        outcomes += car.drive(commuting(rng, capacity_kwh=capacity_kwh, nights=20))
    reachable, assumed = told(outcomes, record_property)
    assert reachable >= MET
    assert assumed >= MET - 0.01, "too many of these nights are too short for a car that takes a tenth less"


def test_recorded_sessions_end_with_their_energy(data_dir, record_property):
    with (data_dir / "sessions" / "norway_users.csv").open() as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        users = {row["user_id"]: row for row in rows if row["charging_power_kw"] and row["battery_capacity_kwh"]}
    with gzip.open(data_dir / "sessions" / "norway_home_sessions.csv.gz", "rt") as file:
        by_user = defaultdict(list)
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            by_user[row["user_id"]].append(row)
    outcomes = []
    for user in sorted(user for user in users if len(by_user[user]) >= 60)[::10]:
        rng = Random(user)
        assumed_kw, capacity_kwh = (float(users[user][key]) for key in ("charging_power_kw", "battery_capacity_kwh"))
        car = Driving(assumed_kw=assumed_kw, battery=battery(rng, capacity_kwh))
        outcomes += car.drive(_trips(rng, by_user[user][:40], capacity_kwh))
    reachable, _ = told(outcomes, record_property)
    assert len(outcomes) > 150
    assert reachable >= MET


def _trips(rng: Random, rows: list[dict[str, str]], capacity_kwh: float) -> list[Trip]:
    """Return the sessions one after another, overlaps left out; what was taken is what is wanted."""
    trips: list[Trip] = []
    for row in rows:
        plugged_at, departure_at = (datetime.fromisoformat(row[key]) for key in ("plugin_utc", "plugout_utc"))
        wanted_pct = float(row["energy_kwh"]) * 0.9 / capacity_kwh * 100
        hours = (departure_at - plugged_at) / timedelta(hours=1)
        after = not trips or plugged_at - trips[-1].departure_at > timedelta(hours=4)
        if after and 1 <= hours <= 30 and 1 < wanted_pct <= 90:
            target_pct = max(80.0, 5.0 + wanted_pct)
            trip = Trip(
                plugged_at=plugged_at,
                departure_at=departure_at,
                soc_pct=target_pct - wanted_pct,
                target_pct=target_pct,
                slots=daily_prices(rng, plugged_at, int(hours) + 2),
            )
            trips.append(trip)
    return trips


def test_a_plan_that_has_learned_the_car_is_carried_out_as_it_was_made():
    rng = Random("steady")
    car = Driving(assumed_kw=11.0, battery=Battery(capacity_kwh=58.0))
    trips = commuting(rng, capacity_kwh=58.0, nights=24)
    nights = car.drive(trips)[4:]
    assert sum(one.starts for one in nights) <= sum(_runs(one.first_plan) for one in nights)
    assert all(one.met for one in nights)


def _runs(made: Plan) -> int:
    """Return how many runs a plan makes of its slots."""
    return bool(made.slots) + sum(b.start - a.end > timedelta(seconds=1) for a, b in pairwise(made.slots))


@pytest.mark.parametrize(("slack_min", "met"), [(None, False), (10, False), (120, True)])
def test_slack_is_what_a_car_of_unknown_weakness_needs(slack_min, met):
    """A first night at a wall box that gives a tenth less, dear until late, and as much wanted as is safe from a taper."""
    plugged_at = MONDAY + timedelta(hours=15)
    slots = price_slots([0.5 - 0.02 * hour for hour in range(16)], start=plugged_at)
    trip = Trip(
        plugged_at=plugged_at,
        departure_at=plugged_at + timedelta(hours=15),
        soc_pct=20.0,
        target_pct=90.0,
        slots=slots,
    )
    slack = None if slack_min is None else timedelta(minutes=slack_min)
    car = Driving(assumed_kw=7.4, battery=Battery(capacity_kwh=58.0), slack=slack)
    [outcome] = car.drive([trip])
    assert outcome.feasible
    assert outcome.met is met
