"""From the last byte of a plug-in webhook to the first byte of the command, beside an empty aiohttp POST.

Ten vehicles, an override `charge` standing, `T_stable` 0, a warm token. The daemon is the real `kwhen run` in a process
of its own with a durable SQLite store. Both ends are timed from outside: the clock starts before the webhook is written
and stops when the provider's handler is entered, so that two passages through loopback and the provider's HTTP parser
are counted against the daemon. Usage: `python bench/latency.py [ROUNDS]`.
"""

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.loaded.daemon import PATIENCE_S, VEHICLES, Provider, delivery, empty_server, running, until

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 30
MOST_RATIO = 20.0


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
    taken = []
    async with empty_server() as port, aiohttp.ClientSession() as session:
        for _ in range(count):
            began = time.perf_counter()
            async with session.post(f"http://127.0.0.1:{port}/") as answer:
                await answer.read()
            taken.append(time.perf_counter() - began)
            await asyncio.sleep(0.005)  # as far apart as the commands: no pipeline effect
    return taken


async def main() -> int:
    provider = Provider()
    async with running(provider) as (port, path):
        return report(*await compare(provider, path, port))


async def compare(provider: Provider, path: str, port: int) -> tuple[list[float], list[float]]:
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=path)) as api:
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
