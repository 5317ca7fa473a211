"""A small world to act on, and a server of it on a loopback port."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time

import aiohttp
import pytest
from yarl import URL

from simulator.character import Habit
from simulator.clock import ManualClock
from simulator.physics import Battery
from simulator.places import Point
from simulator.server import Running, serve
from simulator.vehicle import Vehicle
from simulator.world import World

START_AT = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
HOME = Point(latitude=59.9165, longitude=10.7582)


class Place:
    """One user's home: a charger with a Location, and a car beside it, unplugged and seen."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.add_user("user-a", home=HOME, timezone="Europe/Oslo")
        self.location = world.add_location("user-a", name="Home", point=HOME, timezone="Europe/Oslo")
        self.charger = world.add_charger("user-a", location_id=self.location.id)
        self.vehicle = self.car()
        world.run_for(seconds=30)

    def car(self, **members: object) -> Vehicle:
        known = {
            "battery": Battery(capacity_kwh=60.0, efficiency=0.9),
            "soc_pct": 50.0,
            "habit": Habit(departure=time(7, 30), days=frozenset(range(7)), target_soc_pct=80.0),
        }
        return self.world.add_vehicle("user-a", **(known | members))

    def plugged(self, *, held: bool = False) -> Vehicle:
        """Plug the car in, wait until the pair is known, and have it charge, or hold it by a command of ours."""
        self.vehicle.plug_in(self.charger)
        self.world.run_for(minutes=5)
        if held:
            self.world.actions.charge(self.vehicle, "STOP")
            self.world.run_for(minutes=5)
        return self.vehicle


@pytest.fixture
def world() -> World:
    return World(seed=1, start_at=START_AT)


@pytest.fixture
def place(world: World) -> Place:
    return Place(world)


@pytest.fixture
def events(world: World) -> list[dict]:
    told: list[dict] = []
    world.listeners.append(told.append)
    return told


class Api:
    """A plain client of a running simulator."""

    def __init__(self, running: Running, session: aiohttp.ClientSession, clock: ManualClock) -> None:
        self.running, self.session, self.clock = running, session, clock
        self.headers: dict[str, str] = {}

    async def sign_in(self, world: World) -> None:
        basic = base64.b64encode(f"{world.client_id}:{world.client_secret}".encode()).decode()
        async with self.session.post(
            self.running.url + "/oauth2/token",
            data={"grant_type": "client_credentials"},
            headers={"authorization": f"Basic {basic}"},
        ) as reply:
            assert reply.status == 200
            self.headers = {"authorization": f"Bearer {(await reply.json())['access_token']}"}

    async def call(self, method: str, path: str, body: object = None, **query: str) -> tuple[int, object]:
        """Return the status and the body, parsed where there is one."""
        url = URL(self.running.url + path).with_query(query)
        async with self.session.request(method, url, json=body, headers=self.headers, allow_redirects=False) as reply:
            text = await reply.text()
            return reply.status, await reply.json() if text and "json" in reply.content_type else text


@pytest.fixture
async def api(place: Place, world: World) -> AsyncIterator[Api]:
    clock = ManualClock(world.agenda.now)
    running = await serve(world, clock)
    async with aiohttp.ClientSession() as session:
        api = Api(running, session, clock)
        await api.sign_in(world)
        yield api
    await running.stop()
