"""Worlds to start from: the demonstration's two homes, and a wider one to look at from outside."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from simulator.brands import OWNERS_BRANDS
from simulator.character import Habit
from simulator.charger import Charger
from simulator.instants import at_local
from simulator.market import Zone, recorded
from simulator.market_made import made
from simulator.owners import Owner, Routine, Stop
from simulator.physics import Battery
from simulator.places import Home, Point
from simulator.vehicle import STOPPED, Vehicle
from simulator.world import World

OSLO = Point(latitude=59.9165, longitude=10.7582)
BERLIN = Point(latitude=52.4875, longitude=13.4250)
GRONINGEN = Point(latitude=53.2194, longitude=6.5665)
WORKDAYS = frozenset(range(5))
DEPARTURE = time(7, 30)
RETRY_S = 600.0

ID3: dict[str, Any] = {"vendor": "VOLKSWAGEN", "brand": "Volkswagen", "model": "ID.3 Pro", "max_power_kw": 11.0}
MODEL_Y: dict[str, Any] = {"vendor": "TESLA", "brand": "Tesla", "model": "Model Y", "max_power_kw": 11.0}
ZOE: dict[str, Any] = {
    "vendor": "RENAULT",
    "brand": "Renault",
    "model": "Zoe",
    "max_power_kw": 7.4,
    "native_control": False,  # only the paired charger can start, stop and place it
    "has_gps": False,
    "reports_power": False,
}


def home(world: World, user_id: str, *, at: Point, timezone: str, chargers: list[dict[str, Any]]) -> list[Charger]:
    """Add a user with a Location named Home and chargers assigned to it; return the chargers."""
    world.add_user(user_id, home=at, timezone=timezone)
    location = world.add_location(user_id, name="Home", point=at, timezone=timezone)
    return [world.add_charger(user_id, location_id=location.id, **each) for each in chargers]


def commuter(target_soc_pct: float = 80.0) -> Habit:
    """Return the habit of leaving on workdays at half past seven."""
    return Habit(departure=DEPARTURE, days=WORKDAYS, target_soc_pct=target_soc_pct)


def nights_before_work(start_at: datetime, timezone: str) -> list[date]:
    """Return the first local dates whose evening comes before a working day, from the first whole evening on."""
    local = start_at.astimezone(ZoneInfo(timezone))
    first = local.date() + timedelta(days=0 if local.time() < time(16, 0) else 1)
    days = [first + timedelta(days=ahead) for ahead in range(8)]
    return [day for day in days if (day + timedelta(days=1)).weekday() in WORKDAYS]


RECORDED_ZONE, RECORDED_FILE = "SE3", "SE3_15min.csv.gz"
NOK_PER_EUR = 11.7


def demo_zone(*, seed: int, recorded_in: Path | None = None) -> Zone:
    """Return the zone of the market that the demonstration buys in, in NOK.

    Prices are of our own making; or the real ones of SE3 in Sweden where the directory has them, at one rate.
    """
    if recorded_in is not None and (file := recorded_in / RECORDED_FILE).is_file():
        return Zone(name=RECORDED_ZONE, currency="NOK", prices=recorded(file, factor=NOK_PER_EUR))
    return Zone(name="NO1", currency="NOK", prices=made(seed=seed))


def demo_world(*, seed: int, start_at: datetime, days: int, prices_in: Path | None = None) -> World:
    """Return two homes with three cars and, within two days, one of each thing that goes otherwise.

    `days` is how long the demonstration is meant to last; the owners go on living after it. `prices_in` is a directory
    of recorded prices.
    """
    if days < 1:
        raise ValueError("days must be at least 1")
    world = World(seed=seed, start_at=start_at)
    world.market.add(demo_zone(seed=seed, recorded_in=prices_in))
    oslo: list[dict[str, Any]] = [
        {"max_power_kw": 11.0},
        {"max_power_kw": 11.0, "vendor": "EASEE", "brand": "Easee", "model": "Home"},
    ]
    first, second = home(world, "home-oslo", at=OSLO, timezone="Europe/Oslo", chargers=oslo)
    third = home(world, "home-berlin", at=BERLIN, timezone="Europe/Berlin", chargers=[{"max_power_kw": 11.0}])[0]
    family = world.add_vehicle(
        "home-oslo", name="Family car", battery=Battery(capacity_kwh=58), soc_pct=72, habit=commuter(), **ID3
    )
    estate = world.add_vehicle(
        "home-oslo",
        name="Estate",
        battery=Battery(capacity_kwh=75),
        soc_pct=70,
        charge_limit_pct=100.0,
        habit=commuter(),
        **MODEL_Y,
    )
    city = world.add_vehicle(
        "home-berlin", name="City car", battery=Battery(capacity_kwh=52), soc_pct=70, habit=commuter(), **ZOE
    )
    evenings = nights_before_work(world.start_at, "Europe/Oslo")
    working_day = evenings[0] + timedelta(days=1)  # on which the car is surely away at noon
    stops = {working_day: Stop(at=time(12, 30), minutes=30, power_kw=11.0)}
    Owner(
        world=world,
        vehicle=family,
        charger=first,
        name="family",
        stops=stops,
        routine=Routine(weekday_kwh=(13, 19), weekend_kwh=(3, 7)),
    ).live()
    Owner(world=world, vehicle=estate, charger=second, name="estate", routine=Routine(weekday_kwh=(16, 25))).live()
    Owner(world=world, vehicle=city, charger=third, name="city", routine=Routine(weekday_kwh=(9, 14))).live()
    _when_held(world, city, evenings[0], lambda: _ignore_one_command(city))
    _when_held(world, family, evenings[1], family.person_starts)
    _unreachable_night(world, estate, second, evenings[1])
    return world


def _ignore_one_command(vehicle: Vehicle) -> None:
    vehicle.mood.silent_commands = 1


def _when_held(world: World, vehicle: Vehicle, evening: date, do: Callable[[], None]) -> None:
    """Do something in an evening once the car is held at home by a command; try on later evenings otherwise."""
    from_at = at_local(evening, time(20, 40), vehicle.timezone)
    until_at = at_local(evening, time(23, 40), vehicle.timezone)

    def attempt() -> None:
        if vehicle.at_home and vehicle.delivery == STOPPED and not vehicle.held_by_person:
            do()
        elif world.agenda.now < until_at:
            world.agenda.after(RETRY_S, attempt)
        else:
            _when_held(world, vehicle, evening + timedelta(days=1), do)

    world.agenda.at(from_at, attempt)


def _unreachable_night(world: World, vehicle: Vehicle, charger: Charger, evening: date) -> None:
    """Cut the car and its charger off from before ten until three, over the cheapest hours."""

    def cut() -> None:
        charger.set_reachable(reachable=False)
        vehicle.set_reachable(reachable=False)
        vehicle.telemetry.refresher.hasten(60.0)

    def restore() -> None:
        charger.set_reachable(reachable=True)
        vehicle.set_reachable(reachable=True)

    world.agenda.at(at_local(evening, time(21, 45), vehicle.timezone), cut)
    world.agenda.at(at_local(evening + timedelta(days=1), time(3, 0), vehicle.timezone), restore)


def owner_world(*, seed: int, start_at: datetime) -> World:
    """Return a world for an owner who begins with nothing: no user, no device, but accounts that can be linked.

    The brands of the link page are the accounts. Volkswagen: a car at home, plugged in, that waits for a command, with
    position and control of its own. Tesla: on its way home, with a position; control is locked until the owner allows
    it. Renault: on its way home, with neither. Zaptec: a charger locked until the owner allows control. Easee: a
    charger that takes commands at once. The charger linked is the one that a car at home is plugged into.
    """
    world = World(seed=seed, start_at=start_at)
    world.market.add(demo_zone(seed=seed))
    world.first_home = Home(point=OSLO, timezone="Europe/Oslo")
    world.accounts.brands = OWNERS_BRANDS
    return world


def standalone_world(*, seed: int, start_at: datetime) -> World:
    """Return several users with vehicles and chargers: some plugged in at home, charging or idle, some away."""
    world = World(seed=seed, start_at=start_at)
    world.market.add(demo_zone(seed=seed))
    family, spare = home(
        world, "user-oslo", at=OSLO, timezone="Europe/Oslo", chargers=[{"max_power_kw": 11.0}, {"max_power_kw": 7.4}]
    )
    berlin = home(world, "user-berlin", at=BERLIN, timezone="Europe/Berlin", chargers=[{"max_power_kw": 11.0}])[0]
    world.add_user("user-groningen", home=GRONINGEN, timezone="Europe/Amsterdam")
    unplaced = world.add_charger("user-groningen", vendor="EASEE", brand="Easee", model="Home")

    def car(user_id: str, name: str, capacity_kwh: float, soc_pct: float, **members: Any) -> Vehicle:
        battery = Battery(capacity_kwh=capacity_kwh)
        return world.add_vehicle(user_id, name=name, battery=battery, soc_pct=soc_pct, habit=commuter(), **members)

    car("user-oslo", "Charging at home", 58, 41, **ID3).plug_in(family)
    car("user-oslo", "Idle at home", 75, 55, auto_start=False, **MODEL_Y).plug_in(spare)
    car("user-berlin", "Held by its charger", 52, 38, auto_start=False, **ZOE).plug_in(berlin)
    away = car("user-berlin", "On the road", 58, 63, **ID3)
    away.drive_to(BERLIN.moved(north_m=25_000))
    public = car("user-groningen", "At a public charger", 75, 30, **MODEL_Y)
    public.drive_to(GRONINGEN.moved(east_m=40_000))
    public.plug_in(power_kw=50.0)
    car("user-groningen", "At a charger without a Location", 58, 47, auto_start=False, **ID3).plug_in(unplaced)
    return world
