"""The world that a life is lived in, as a server, and what is known of it from outside: the facts that nobody may lose."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from scheduler.core.timeline import nanoseconds
from scheduler.enode.mapping import digest_of
from simulator.character import Habit
from simulator.clock import LoopClock
from simulator.keys import WEBHOOKS
from simulator.physics import Battery
from simulator.scenario import BERLIN, DEPARTURE, GRONINGEN, OSLO, WORKDAYS, demo_zone, home
from simulator.server import build_app
from simulator.vehicle import Vehicle
from simulator.world import World

Event = dict[str, Any]

HOMES = (
    ("home-oslo", OSLO, "Europe/Oslo", (58, 75)),
    ("home-berlin", BERLIN, "Europe/Berlin", (52,)),
    ("home-groningen", GRONINGEN, "Europe/Amsterdam", (77, 40)),
)
"""User, place, time zone, and the batteries of the cars [kWh]."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A command that reached the provider. `action` is the provider's own id, None for a refusal."""

    at: int
    vehicle_id: str
    act: str
    action: str | None


@dataclass(frozen=True, kw_only=True)
class Wished:
    """A wish that was answered 2xx."""

    vehicle_id: str
    will: str
    set_at: int
    at: int


@dataclass(kw_only=True)
class Ledger:
    """What is true, whatever a daemon thinks. `delivered`: vehicle (or "") by digest of each event answered 2xx."""

    sent: list[Sent] = field(default_factory=list)
    wished: list[Wished] = field(default_factory=list)
    delivered: dict[str, str] = field(default_factory=dict)
    deliveries: int = 0
    truths: list[Event] = field(default_factory=list)

    def deliver(self, body: bytes) -> None:
        """Note a delivery that was answered 2xx."""
        self.deliveries += 1
        for raw in msgspec.json.decode(body, type=list[msgspec.Raw]):
            event = msgspec.json.decode(raw)
            if event["event"] in {"user:vehicle:updated", "user:charger:updated", "user:vendor-action:updated"}:
                told = event["vehicle"]["id"] if event["event"] == "user:vehicle:updated" else ""
                self.delivered[digest_of(raw)] = told


class Town:
    """Several homes with several cars each, served over HTTP on a hurried clock.

    `on_moment` hears of what a kill may be timed by: `asked` (a command has come), `done` (it was taken, and the answer
    has not left), `delivered` (a delivery was answered).
    """

    def __init__(self, *, seed: str, start_at: datetime, speed: float) -> None:
        self.start_at, self.speed = start_at, speed
        self.origin_s = asyncio.get_running_loop().time()
        self.clock = LoopClock(start_at, speed, origin_s=self.origin_s)
        self.ledger = Ledger()
        self.on_moment: Callable[[str], None] = lambda _: None
        self.world = World(seed=random.Random(seed).getrandbits(32), start_at=start_at)
        self.world.on_truth = lambda truth: self.ledger.truths.append(
            {"k": "TRUTH", "seq": 0, "run": 0, "m": 0, **truth}
        )
        self.world.market.add(demo_zone(seed=self.world.seed))
        self.cars: list[Vehicle] = []
        for user_id, place, zone, batteries in HOMES:
            chargers = home(
                self.world, user_id, at=place, timezone=zone, chargers=[{"max_power_kw": 11.0}] * len(batteries)
            )
            for charger, capacity_kwh in zip(chargers, batteries, strict=True):
                self._add_car(user_id, charger, capacity_kwh)

    def _add_car(self, user_id: str, charger: Any, capacity_kwh: float) -> None:
        number = len(self.cars)
        car = self.world.add_vehicle(
            user_id,
            name=f"Car {number + 1}",
            battery=Battery(capacity_kwh=capacity_kwh),
            soc_pct=12 + 11 * number,
            auto_start=number % 2 == 0,
            habit=Habit(departure=DEPARTURE, days=WORKDAYS, target_soc_pct=80.0),
        )
        car.mood.window_s = 240.0
        car.plug_in(charger)
        self.cars.append(car)
        self.charger_of = {**getattr(self, "charger_of", {}), car.id: charger}

    async def open(self) -> None:
        """Serve."""
        app = build_app(self.world, self.clock)
        app.middlewares.append(self._around)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.hooks = app[WEBHOOKS]
        self._post, self.hooks._post = self.hooks._post, self._delivered

    async def close(self) -> None:
        """End it."""
        await self._runner.cleanup()

    @property
    def plugged_since(self) -> dict[str, int]:
        """Since when each car has been plugged in, by its id [ns]; all are."""
        since: dict[str, int] = {}
        for truth in self.ledger.truths:
            if not truth["plugged"]:
                since.pop(truth["v"], None)
            else:
                since.setdefault(truth["v"], truth["t"])
        return since

    @property
    def quiet(self) -> bool:
        """Whether every event has been delivered."""
        return self.hooks.in_flight == 0 and not any(one.pending for one in self.hooks.subscriptions.values())

    @web.middleware
    async def _around(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.method != "POST" or not request.path.endswith("/charging"):
            return await handler(request)
        at = nanoseconds(self.world.agenda.now)
        vehicle_id, act = request.path.split("/")[-2], (await request.json())["action"]
        self.on_moment("asked")
        action: str | None = None
        try:
            response = await handler(request)
            assert isinstance(response, web.Response)
            action = json.loads(response.text or "")["id"]
        finally:  # a refusal is raised
            self.ledger.sent.append(Sent(at=at, vehicle_id=vehicle_id, act=act, action=action))
            self.on_moment("done")
        return response

    async def _delivered(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, list[str]]:
        answer = await self._post(url, body, headers)
        if 200 <= answer[0] < 300:
            self.ledger.deliver(body)
            self.on_moment("delivered")
        return answer
