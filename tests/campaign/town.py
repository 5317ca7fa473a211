"""The people of a script in the simulated world: homes, chargers, cars, and what their owners do with them."""

from dataclasses import dataclass
from datetime import time, timedelta

from simulator.character import Habit
from simulator.charger import Charger
from simulator.physics import Battery
from simulator.places import Point
from simulator.vehicle import Vehicle
from simulator.world import World
from tests.campaign.script import Car, Home, Script, Stay

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOMES_AT = Point(latitude=59.9, longitude=10.7)
APART_M, AWAY_M = 5_000.0, 18_000.0
DRIVE_S = 60
LEAST_POST_KW = 11.0
TAPERS_FROM_PCT, HARDLY_TAPERS_FROM_PCT = 85.0, 99.0


@dataclass(frozen=True, kw_only=True)
class Household:
    """A home of the script in the world: its cars in the script's order, each with its charger, if it has one."""

    number: int
    home: Home
    location_id: str
    cars: tuple[Vehicle, ...]
    posts: tuple[Charger, ...]

    @property
    def user_id(self) -> str:
        """The provider's name for its people."""
        return f"user-{self.number}"


def settle(world: World, script: Script) -> list[Household]:
    """Have everybody of a script live in a world from now on; until their first stay the cars are on the road."""
    return [_move_in(world, script, number) for number in range(len(script.homes))]


def _move_in(world: World, script: Script, number: int) -> Household:
    home, user = script.homes[number], f"user-{number}"
    point = HOMES_AT.moved(north_m=APART_M * number)
    world.add_user(user, home=point, timezone=home.timezone)
    location = world.add_location(user, name="Home", point=point, timezone=home.timezone)
    cars, posts = [], []
    for each in home.cars:
        post = None
        if home.chargers:
            post = world.add_charger(user, location_id=location.id, max_power_kw=max(each.power_kw, LEAST_POST_KW))
            posts.append(post)
        cars.append(_buy(world, user, home, each))
        _live(world, cars[-1], post, each.stays)
    return Household(number=number, home=home, location_id=location.id, cars=tuple(cars), posts=tuple(posts))


def _buy(world: World, user: str, home: Home, car: Car) -> Vehicle:
    taper_from_pct = TAPERS_FROM_PCT if car.taper else HARDLY_TAPERS_FROM_PCT
    return world.add_vehicle(
        user,
        name=f"Car {len(world.vehicles) + 1}",
        battery=Battery(capacity_kwh=car.capacity_kwh, taper_from_pct=taper_from_pct),
        soc_pct=car.soc_pct,
        max_power_kw=car.power_kw,
        charge_limit_pct=car.limit_pct,
        auto_start=car.auto_start,
        reports_power=car.reports_power,
        seen_every_s=car.seen_every_s,
        habit=Habit(
            departure=time.fromisoformat(home.ready_at),
            days=frozenset(WEEKDAYS.index(day) for day in home.days),
            target_soc_pct=home.target_pct,
        ),
    )


def _live(world: World, vehicle: Vehicle, post: Charger | None, stays: tuple[Stay, ...]) -> None:
    """Enter an owner's stays into the agenda."""
    away = vehicle.home.moved(north_m=AWAY_M)
    vehicle.drive_to(away)

    def park(stay: Stay) -> None:
        vehicle.drive_to(away.moved(north_m=APART_M) if stay.away else vehicle.home, used_kwh=stay.used_kwh)

    def plug(stay: Stay) -> None:
        if stay.away:
            vehicle.plug_in(power_kw=vehicle.max_power_kw)
        else:
            vehicle.plug_in(post)

    def enter(seconds: int, stay: Stay) -> None:
        at = world.start_at + timedelta(seconds=seconds)
        world.agenda.at(at - timedelta(seconds=DRIVE_S), lambda: park(stay))
        world.agenda.at(at, lambda: plug(stay))

    for stay in stays:
        enter(stay.plugs_s, stay)
        world.agenda.at(world.start_at + timedelta(seconds=stay.leaves_s), lambda: vehicle.drive_to(away))
