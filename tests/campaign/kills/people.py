"""What people do meanwhile: they drive off and come back, press buttons in the car, and say what they want."""

import asyncio
import contextlib
import random
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from scheduler.core.timeline import nanoseconds
from simulator.vehicle import Vehicle
from tests.campaign.kills.town import Town, Wished

WILLS = ("charge", "hold", "charge", "hold", "ready-by", "auto")
ANSWER_S = 5.0
AWAY_MIN = (4.0, 9.0)
HOME_MIN = (8.0, 30.0)
BETWEEN_WISHES_MIN = (0.3, 2.5)


class Socket:
    """The daemon's socket, as a command on the machine uses it. It answers None when nobody is there, or dies first."""

    def __init__(self, path: Path) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(path), force_close=True),
            timeout=aiohttp.ClientTimeout(total=ANSWER_S),
        )

    async def close(self) -> None:
        """Let go."""
        await self._session.close()

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the answer to a request; None unless it is 2xx."""
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with self._session.request(method, f"http://kwhen{path}", json=body) as answer:
                told = await answer.json(content_type=None)
                return told if 200 <= answer.status < 300 else None
        return None


class People:
    """Everybody of a town. What they do is drawn from a seed; when it happens depends on the clock."""

    def __init__(self, town: Town, socket: Socket, *, seed: str) -> None:
        self._town, self._socket = town, socket
        self._seed = seed
        self._tasks: list[asyncio.Task[None]] = []
        self.unsure: set[str] = set()  # vehicles whose last wish was never answered

    def begin(self) -> None:
        """Live."""
        self._tasks = [asyncio.create_task(self._drive(car)) for car in self._town.cars]
        self._tasks.append(asyncio.create_task(self._speak()))

    async def rest(self) -> None:
        """Stay at home and be quiet."""
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended
        self._town.world.catch_up()
        for car in self._town.cars:
            self._come_home(car, used_kwh=0.0)

    async def wish(self, car: Vehicle, will: str, **members: Any) -> bool:
        """Say what is wanted of a car; return whether that was acknowledged."""
        answer = await self._socket.ask(
            "POST", f"/api/v1/vehicles/{car.id}/override", {"will": will, "by": "cli", **members}
        )
        if answer is None:
            self.unsure.add(car.id)
            return False
        self.unsure.discard(car.id)
        set_at, at = datetime.fromisoformat(answer["override"]["set_at"]), self._town.clock.now()
        self._town.ledger.wished.append(
            Wished(vehicle_id=car.id, will=will, set_at=nanoseconds(set_at), at=nanoseconds(at))
        )
        return True

    async def provoke(self, rng: random.Random) -> None:
        """Have some cars at home do the opposite of what they do, as soon as somebody listens.

        More than one: a car whose last command has no end yet takes no other.
        """
        at_home = [car for car in self._town.cars if car.plugged and car.at_home and rng.random() < 0.6]
        for car in at_home:
            while not await self.wish(car, "hold" if car.charging else "charge"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def _drive(self, car: Vehicle) -> None:
        rng, clock = random.Random(f"{self._seed}:{car.name}"), self._town.clock
        while True:
            await clock.sleep(60 * rng.uniform(*HOME_MIN) / 2)
            self._town.world.catch_up()
            if rng.random() < 0.3:
                car.person_stops() if car.charging else car.person_starts()
            await clock.sleep(60 * rng.uniform(*HOME_MIN) / 2)
            self._town.world.catch_up()
            car.unplug()
            car.drive_to(car.home.moved(north_m=15_000))
            await clock.sleep(60 * rng.uniform(*AWAY_MIN))
            self._town.world.catch_up()
            self._come_home(car, used_kwh=rng.uniform(1, 8))

    def _come_home(self, car: Vehicle, *, used_kwh: float) -> None:
        if not car.at_home:
            car.drive_to(car.home, used_kwh=min(used_kwh, max(0.0, car.stored_kwh - 3)))
        if not car.plugged:
            car.plug_in(self._town.charger_of[car.id])
        if car.true_soc_pct() > 70:
            car.set_soc(25.0)

    async def _speak(self) -> None:
        rng = random.Random(f"{self._seed}:wishes")
        while True:
            await self._town.clock.sleep(60 * rng.uniform(*BETWEEN_WISHES_MIN))
            car, will = rng.choice(self._town.cars), rng.choice(WILLS)
            more: dict[str, Any] = {}
            if will == "ready-by":
                more = {"ready_at": f"{rng.randrange(24):02d}:30", "soc_pct": rng.choice((60, 90))}
            await self.wish(car, will, **more)
