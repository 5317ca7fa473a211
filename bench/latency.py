"""From the last byte of a plug-in webhook to the first byte of the command, beside an empty aiohttp POST.

Ten vehicles, an override `charge` standing, `T_stable` 0, a warm token. The daemon is the real `kwhen run` in a process
of its own with a durable SQLite store. Both ends are timed from outside: the clock starts before the webhook is written
and stops when the provider's handler is entered, so that two passages through loopback and the provider's HTTP parser
are counted against the daemon. Usage: `python bench/latency.py [ROUNDS]`.
"""

import asyncio
import hashlib
import hmac
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

VEHICLES = 10
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 30
MOST_RATIO = 20.0
SECRET = "a-secret-of-the-bench-only-0123456789"
PATIENCE_S = 20.0

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


def vehicle_json(number: int, state: str) -> dict[str, Any]:
    """Return a vehicle as Enode tells it, true just now."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")  # noqa: TID251
    plugged = state != "UNPLUGGED"
    able = {"isCapable": True, "interventionIds": []}
    return {
        "id": f"car{number}", "userId": "user", "vendor": "TESLA", "lastSeen": now, "isReachable": True,
        "information": {"vin": None, "brand": "B", "model": "M", "year": 2024, "displayName": f"Car {number}"},
        "chargeState": {
            "batteryLevel": 40, "batteryCapacity": 60, "isPluggedIn": plugged,
            "isCharging": state == "PLUGGED_IN:CHARGING", "isFullyCharged": False, "chargeLimit": 90,
            "chargeRate": 7.0 if state == "PLUGGED_IN:CHARGING" else None, "lastUpdated": now,
            "powerDeliveryState": state, "pluggedInChargerId": f"charger{number}" if plugged else None,
        },
        "location": {"id": "place", "latitude": 59.9, "longitude": 10.7, "lastUpdated": now},
        "capabilities": {"startCharging": able, "stopCharging": able, "chargeState": able, "location": able},
        "scopes": [],
    }  # fmt: skip


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


class Sender:
    """One keep-alive connection to the daemon's listener."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        self.reader, self.writer, self.port = reader, writer, port

    async def send(self, number: int, state: str) -> float:
        """Send a delivery; return the instant before its first byte was written."""
        raw = delivery(number, state, self.port)
        at = time.perf_counter()
        self.writer.write(raw)
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(
            (int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length")), 0
        )
        await self.reader.readexactly(length)
        return at


async def until(ask: Any, what: str) -> None:
    """Wait for a condition, bounded."""
    end = time.perf_counter() + PATIENCE_S
    while not await ask():
        assert time.perf_counter() < end, f"waited too long: {what}"
        await asyncio.sleep(0.005)


async def measure(provider: Provider, sender: Sender, api: aiohttp.ClientSession) -> list[float]:
    """Plug every car in, in every round; return the latencies in seconds."""
    taken: list[float] = []

    async def vehicle(number: int) -> dict[str, Any]:
        async with api.get(f"http://kwhen/api/v1/vehicles/car{number}") as answer:
            return dict(await answer.json())

    for _ in range(ROUNDS):
        for number in range(VEHICLES):
            async with api.post(
                f"http://kwhen/api/v1/vehicles/car{number}/override", json={"will": "charge"}
            ) as answer:
                assert answer.status < 300, await answer.text()
            provider.commanded[f"car{number}"] = command = asyncio.get_running_loop().create_future()
            provider.states[number] = "PLUGGED_IN:STOPPED"
            began = await sender.send(number, "PLUGGED_IN:STOPPED")
            taken.append(await asyncio.wait_for(command, PATIENCE_S) - began)
            provider.states[number] = "PLUGGED_IN:CHARGING"
            await sender.send(number, "PLUGGED_IN:CHARGING")

            async def verified(number: int = number) -> bool:
                return (await vehicle(number)).get("command") is None

            await until(verified, "verification")
            provider.states[number] = "UNPLUGGED"
            for _ in range(2):  # one reading closes no session
                await sender.send(number, "UNPLUGGED")
                await asyncio.sleep(0.002)

            async def closed(number: int = number) -> bool:
                return (await vehicle(number)).get("session") is None

            await until(closed, "the session's end")
    return taken


async def empty_posts(count: int) -> list[float]:
    """Return the round trips of an empty aiohttp POST to an empty aiohttp handler in another process."""
    program = (
        "from aiohttp import web\n"
        "async def empty(_): return web.Response()\n"
        "app = web.Application(); app.router.add_post('/', empty)\n"
        "web.run_app(app, host='127.0.0.1', port=PORT, print=None, access_log=None)\n"
    )
    port = free_port()
    child = subprocess.Popen([sys.executable, "-c", program.replace("PORT", str(port))])  # noqa: ASYNC220
    taken = []
    try:
        async with aiohttp.ClientSession() as session:

            async def up() -> bool:
                with suppress(aiohttp.ClientError):
                    async with session.post(f"http://127.0.0.1:{port}/") as answer:
                        return answer.status == 200
                return False

            await until(up, "the empty server")
            for _ in range(count):
                began = time.perf_counter()
                async with session.post(f"http://127.0.0.1:{port}/") as answer:
                    await answer.read()
                taken.append(time.perf_counter() - began)
                await asyncio.sleep(0.005)  # as far apart as the commands: no pipeline effect
    finally:
        child.terminate()
        child.wait()
    return taken


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def main() -> int:
    provider = Provider()
    runner = web.AppRunner(provider.app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "kwhen.toml"
        config.write_text(CONFIG.format(
            folder=folder, url=url, port=port, chargers=", ".join(f'"charger{n}"' for n in range(VEHICLES)),
            vehicles="".join(VEHICLE.format(n=n) for n in range(VEHICLES)),
        ))  # fmt: skip
        environ = os.environ | {"KWHEN_ENODE__CLIENT_SECRET": "bench-client-secret", "KWHEN_WEBHOOK__SECRET": SECRET}
        command = [sys.executable, "-m", "scheduler.cli", "run", "--config", str(config)]
        daemon = subprocess.Popen(command, env=environ)  # noqa: ASYNC220
        try:
            commands, posts = await compare(provider, folder, port)
        finally:
            daemon.terminate()
            daemon.wait()
            await runner.cleanup()
    return report(commands, posts)


async def compare(provider: Provider, folder: str, port: int) -> tuple[list[float], list[float]]:
    connector = aiohttp.UnixConnector(path=f"{folder}/kwhen.sock")
    async with aiohttp.ClientSession(connector=connector) as api:

        async def ready() -> bool:
            with suppress(aiohttp.ClientError, OSError):
                async with api.get("http://kwhen/readyz") as answer:
                    return answer.status == 200
            return False

        await until(ready, "the daemon")
        sender = Sender(*await asyncio.open_connection("127.0.0.1", port), port)
        for number in range(VEHICLES):
            await sender.send(number, "UNPLUGGED")
        half = ROUNDS * VEHICLES // 2
        posts = await empty_posts(half)
        commands = await measure(provider, sender, api)
        posts += await empty_posts(half)
        sender.writer.close()
    return commands, posts


def report(commands: list[float], posts: list[float]) -> int:
    def at(values: list[float], share: float) -> float:
        return sorted(values)[min(len(values) - 1, int(share * len(values)))] * 1000

    rows = {name: (at(commands, q), at(posts, q)) for name, q in (("p50", 0.5), ("p99", 0.99))}
    result = {
        "samples": len(commands),
        "mean_ms": round(statistics.mean(commands) * 1000, 3),
        **{
            name: {"command_ms": round(c, 3), "empty_post_ms": round(p, 3), "ratio": round(c / p, 1)}
            for name, (c, p) in rows.items()
        },
    }
    print(json.dumps(result, indent=2))
    good = all(c / p <= MOST_RATIO for c, p in rows.values())
    print(f"{'within' if good else 'above'} {MOST_RATIO:g} times the empty POST")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
