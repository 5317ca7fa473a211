"""What benchmarks of the whole daemon share: `kwhen run` in a process of its own, and the least of Enode beside it."""

import asyncio
import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

VEHICLES = 10
SECRET = "a-secret-of-the-bench-only-0123456789"
PATIENCE_S = 20.0
TICK_S = 2

CONFIG = """
socket = "{folder}/kwhen.sock"
[enode]
url = "{url}"
token_url = "{url}/oauth2/token"
client_id = "bench"
[webhook]
public_url = "http://127.0.0.1:{port}/webhooks/enode"
listen = "127.0.0.1:{port}"
[http]
listen = ""
[storage]
url = "sqlite:///{folder}/kwhen.db"
[log]
level = "error"
[control]
t_stable_s = 0
t_unplug_min = 0
t_tick_s = {tick_s}
n_hour = 60
n_day = 500
[[home]]
id = "home"
user_id = "user"
timezone = "Europe/Oslo"
location_id = "place"
charger_ids = [{chargers}]
{vehicles}
[[home.policy]]
name = "ready-by"
at = "07:30"
[[home.policy]]
name = "flat"
per_kwh = 0.2
"""

VEHICLE = """
[[home.vehicle]]
id = "car{n}"
capacity_kwh = 60
charge_power_kw = 7
"""


def vehicle_json(number: int, state: str, *, at: datetime | None = None, soc_pct: int = 40) -> dict[str, Any]:
    """Return a vehicle as Enode tells it, with all its members, true at an instant (by default just now)."""
    now = zulu(at or datetime.now(UTC))  # noqa: TID251
    plugged, charging = state != "UNPLUGGED", state == "PLUGGED_IN:CHARGING"
    able, unable = {"isCapable": True, "interventionIds": []}, {"isCapable": False, "interventionIds": []}
    return {
        "id": f"car{number}", "userId": "user", "vendor": "TESLA", "lastSeen": now, "isReachable": True,
        "information": {
            "vin": f"5YJ3E1EA0KF{number:06}", "brand": "Tesla", "model": "Model 3", "year": 2024,
            "displayName": f"Car {number}",
        },
        "chargeState": {
            "batteryLevel": soc_pct, "range": soc_pct * 4, "isPluggedIn": plugged, "isCharging": charging,
            "isFullyCharged": False, "batteryCapacity": 60, "chargeLimit": 90, "chargeRate": 7.0 if charging else None,
            "chargeTimeRemaining": 126 if charging else None, "lastUpdated": now, "maxCurrent": 16,
            "powerDeliveryState": state, "pluggedInChargerId": f"charger{number}" if plugged else None,
        },
        "smartChargingPolicy": {"isEnabled": False, "deadline": None, "minimumChargeLimit": 0},
        "odometer": {"distance": 12345.6, "lastUpdated": now},
        "capabilities": {
            "information": able, "chargeState": able, "location": able, "odometer": able, "setMaxCurrent": unable,
            "startCharging": able, "stopCharging": able, "smartCharging": unable,
        },
        "scopes": ["vehicle:control:charging", "vehicle:read:data", "vehicle:read:location"],
        "location": {"id": "place", "latitude": 59.9165, "longitude": 10.7582, "lastUpdated": now},
    }  # fmt: skip


def zulu(at: datetime) -> str:
    """Return an instant as Enode writes it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Provider:
    """The least of Enode that the daemon needs, with the instant of each charging request."""

    def __init__(self) -> None:
        self.states = ["UNPLUGGED"] * VEHICLES
        self.commanded: dict[str, asyncio.Future[float]] = {}
        self.count = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/oauth2/token", self.token)
        app.router.add_get("/users/user/vehicles", self.vehicles)
        app.router.add_get("/vehicles/{id}", self.vehicle)
        app.router.add_post("/vehicles/{id}/charging", self.charging)
        app.router.add_get("/webhooks", self.webhooks)
        app.router.add_post("/webhooks", self.webhook)
        app.router.add_route("*", "/{rest:.*}", self.nothing)
        return app

    async def token(self, _: web.Request) -> web.Response:
        return web.json_response({"access_token": "t", "expires_in": 3599, "scope": "", "token_type": "bearer"})

    async def vehicles(self, _: web.Request) -> web.Response:
        data = [vehicle_json(n, state) for n, state in enumerate(self.states)]
        return web.json_response({"data": data, "pagination": {"after": None, "before": None}})

    async def vehicle(self, request: web.Request) -> web.Response:
        number = int(request.match_info["id"].removeprefix("car"))
        return web.json_response(vehicle_json(number, self.states[number]))

    async def charging(self, request: web.Request) -> web.Response:
        at = time.perf_counter()
        vehicle_id = request.match_info["id"]
        if waiting := self.commanded.pop(vehicle_id, None):
            waiting.set_result(at)
        self.count += 1
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")  # noqa: TID251
        kind = (await request.json())["action"]
        return web.json_response({
            "id": f"action{self.count}", "userId": "user", "targetId": vehicle_id, "targetType": "vehicle",
            "kind": kind, "state": "PENDING", "createdAt": now, "updatedAt": now, "completedAt": None,
            "failureReason": None,
        })  # fmt: skip

    async def webhooks(self, _: web.Request) -> web.Response:
        return web.json_response({"data": [], "pagination": {"after": None, "before": None}})

    async def webhook(self, request: web.Request) -> web.Response:
        asked = await request.json()
        return web.json_response(
            {"id": "w", "url": asked["url"], "events": asked["events"], "isActive": True, "apiVersion": "2024-10-01"}
        )

    async def nothing(self, _: web.Request) -> web.Response:
        return web.json_response({})


def delivery(number: int, state: str, port: int) -> bytes:
    """Return a signed delivery as the bytes of an HTTP request."""
    event = {
        "event": "user:vehicle:updated", "createdAt": "2026-01-01T00:00:00Z", "version": "2024-10-01",
        "user": {"id": "user"}, "vehicle": vehicle_json(number, state), "updatedFields": ["chargeState"],
    }  # fmt: skip
    body = json.dumps([event]).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()
    head = (
        f"POST /webhooks/enode HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"x-enode-signature: sha1={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def until(ask: Any, what: str, *, patience_s: float = PATIENCE_S) -> None:
    """Wait for a condition, bounded."""
    end = time.perf_counter() + patience_s
    while not await ask():
        assert time.perf_counter() < end, f"waited too long: {what}"
        await asyncio.sleep(0.005)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running(provider: Provider) -> AsyncIterator[tuple[int, str]]:
    """Run a daemon on a durable store; yield its webhook port and the path of its socket."""
    runner = web.AppRunner(provider.app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "kwhen.toml"
        config.write_text(CONFIG.format(
            folder=folder, url=url, port=port, tick_s=TICK_S,
            chargers=", ".join(f'"charger{n}"' for n in range(VEHICLES)),
            vehicles="".join(VEHICLE.format(n=n) for n in range(VEHICLES)),
        ))  # fmt: skip
        environ = os.environ | {"KWHEN_ENODE__CLIENT_SECRET": "bench-client-secret", "KWHEN_WEBHOOK__SECRET": SECRET}
        command = [sys.executable, "-m", "scheduler.cli", "run", "--config", str(config)]
        daemon = subprocess.Popen(command, env=environ)  # noqa: ASYNC220
        try:
            await _ready(f"{folder}/kwhen.sock")
            yield port, f"{folder}/kwhen.sock"
        finally:
            daemon.terminate()
            daemon.wait()
            await runner.cleanup()


async def counted(path: str) -> dict[str, int]:
    """Return what the daemon has counted since its start, by name."""
    connector = aiohttp.UnixConnector(path=path)
    async with aiohttp.ClientSession(connector=connector) as api, api.get("http://kwhen/metrics") as answer:
        lines = (await answer.text()).splitlines()
    parts = (line.split() for line in lines if line.startswith("kwhen_") and "_total " in line)
    return {name.removeprefix("kwhen_").removesuffix("_total"): int(float(value)) for name, value in parts}


async def _ready(path: str) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=path)) as api:

        async def ready() -> bool:
            with suppress(aiohttp.ClientError, OSError):
                async with api.get("http://kwhen/readyz") as answer:
                    return answer.status == 200
            return False

        await until(ready, "the daemon")


EMPTY = (
    "from aiohttp import web\n"
    "async def empty(request):\n"
    "    await request.read()\n"
    "    return web.Response()\n"
    "app = web.Application(); app.router.add_post('/', empty)\n"
    "web.run_app(app, host='127.0.0.1', port=PORT, print=None, access_log=None)\n"
)


@asynccontextmanager
async def empty_server() -> AsyncIterator[int]:
    """Run an aiohttp server in a process of its own that reads a body and answers nothing; yield its port."""
    port = free_port()
    async with _child(port, "-c", EMPTY.replace("PORT", str(port))):
        yield port


@asynccontextmanager
async def listening(where: str) -> AsyncIterator[int]:
    """Run the webhook listener alone in a process of its own; its work goes to `nothing` or `store`. Yield its port."""
    port = free_port()
    async with _child(port, "-m", "bench.loaded.listening", str(port), where):
        yield port


@asynccontextmanager
async def _child(port: int, *arguments: str) -> AsyncIterator[None]:
    """Run Python until the block ends, once it answers requests on a port."""
    child = subprocess.Popen([sys.executable, *arguments], cwd=Path(__file__).parents[2])  # noqa: ASYNC220
    try:
        async with aiohttp.ClientSession() as session:

            async def up() -> bool:
                with suppress(aiohttp.ClientError):
                    async with session.post(f"http://127.0.0.1:{port}/"):
                        return True
                return False

            await until(up, f"{arguments[0]} {arguments[1][:60]}")
        yield
    finally:
        child.terminate()
        child.wait()
