"""Sustained webhook ingest, each delivery durable before it is answered, beside an empty aiohttp POST in the same run.

The daemon is the real `kwhen run` in a process of its own on a durable SQLite store. Both servers get the same bytes of
the same sender, in turns: signed deliveries of one event, each of another content so that none is a duplicate, over
connections that are kept. Then batches of 100 events. Meanwhile the control loop goes on; the longest gap between its
ticks is told. What counts is the ratio: machines differ. Usage: `python bench/ingest.py [SECONDS]`.
"""

import asyncio
import hashlib
import hmac
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle, pairwise
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.loaded.daemon import SECRET, VEHICLES, Provider, empty_server, running, vehicle_json

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 6.0
TURNS = 3
CONNECTIONS = 48  # of the 64 deliveries that the listener takes at once
BATCH = 100
LEAST_RATIO = 0.45
PREPARED_EACH_S = 6000
"""More deliveries than this a second are not prepared; a server that were faster would run out of them."""


def deliveries(count: int, *, events: int, first: int) -> list[bytes]:
    """Return signed deliveries as the bytes of HTTP requests, no two events alike."""
    numbers = iter(range(first, first + count * events))
    vehicles = cycle(json.dumps(vehicle_json(n, "UNPLUGGED")) for n in range(VEHICLES))
    return [_request([_event(next(numbers), next(vehicles)) for _ in range(events)]) for _ in range(count)]


def _event(number: int, vehicle: str) -> str:
    return (
        f'{{"event":"user:vehicle:updated","createdAt":"2026-01-01T00:00:00Z","version":"2024-10-01","number":{number},'
        f'"user":{{"id":"user"}},"vehicle":{vehicle},"updatedFields":["chargeState"]}}'
    )


def _request(events: list[str]) -> bytes:
    body = f"[{','.join(events)}]".encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()
    head = (
        "POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"x-enode-signature: sha1={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Sender(asyncio.Protocol):
    """One connection that sends the next request as soon as the one before it is answered."""

    def __init__(self, requests: Iterator[bytes], path: bytes, ended: asyncio.Event) -> None:
        self.requests, self.path, self.ended = requests, path, ended
        self.answered = 0
        self.refused = 0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self.answered += 1  # an answer without a body fits into one piece
        self.refused += not data.startswith(b"HTTP/1.1 200")
        self._next()

    def _next(self) -> None:
        request = None if self.ended.is_set() else next(self.requests, None)
        if request is None:
            self._transport.close()
        else:
            self._transport.write(request.replace(b"{PATH}", self.path, 1))


async def pressed(port: int, path: str, requests: Iterator[bytes], seconds: float) -> float:
    """Return how many requests a second a server answered."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    senders = [Sender(requests, path.encode(), ended) for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    for sender in senders:
        await loop.create_connection(lambda sender=sender: sender, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.sleep(seconds)
    ended.set()
    answered, taken = sum(one.answered for one in senders), time.perf_counter() - began
    refused = sum(one.refused for one in senders)
    assert not refused, f"{refused} of {answered} were refused"
    assert next(requests, None) is not None, "the prepared deliveries ran out; prepare more"
    return answered / taken


async def turns(daemon: int, empty: int, *, events: int) -> dict[str, Any]:
    """Press both servers in turns; return what each answered and the ratio of each turn."""
    count = int(PREPARED_EACH_S * SECONDS / (1 if events == 1 else 10))
    rows = []
    for turn in range(TURNS):
        first = (turn + (events > 1) * TURNS) * PREPARED_EACH_S * 1000
        requests = deliveries(count, events=events, first=first)
        plain = await pressed(empty, "/", cycle(requests), SECONDS)
        await asyncio.sleep(1.0)
        taken = await pressed(daemon, "/webhooks/enode", iter(requests), SECONDS)
        await asyncio.sleep(1.0)
        rows.append((taken, plain))
    return {
        "events_each": events,
        "daemon_per_s": round(median(taken for taken, _ in rows)),
        "empty_per_s": round(median(plain for _, plain in rows)),
        "ratio": round(median(taken / plain for taken, plain in rows), 3),
        "events_per_s": round(median(taken for taken, _ in rows) * events),
    }


async def longest_tick_gap_s(path: str) -> float:
    """Return the longest time between two ticks of the control loop, by the journal."""
    ticks, after = [], 0
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=path)) as api:
        while True:
            url = f"http://kwhen/api/v1/journal?limit=1000&after={after}"
            async with api.get(url) as answer:
                lines = (await answer.json())["events"]
            if not lines:
                return max(later - earlier for earlier, later in pairwise(ticks)) / 1e9
            ticks += [line["m"] for line in lines if line["k"] == "TICK"]
            after = lines[-1]["row"]


async def main() -> int:
    began = datetime.now(UTC)  # noqa: TID251
    async with running(Provider()) as (port, path), empty_server() as empty:
        single = await turns(port, empty, events=1)
        batches = await turns(port, empty, events=BATCH)
        gap_s = await longest_tick_gap_s(path)
    good = single["ratio"] >= LEAST_RATIO
    result = {"at": f"{began:%Y-%m-%d}", "one_event": single, "batches": batches, "longest_tick_gap_s": round(gap_s, 2)}
    print(json.dumps(result, indent=2))
    print(f"{'at least' if good else 'less than'} {LEAST_RATIO:g} of the empty POST's requests at one event each")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
