"""Sustained webhook ingest, each delivery durable before it is answered, beside an empty aiohttp POST in the same run.

The daemon is the real `kwhen run` in a process of its own on a durable SQLite store. Both servers get the same bytes of
the same sender, in turns: signed deliveries of one event, each of another content so that none is a duplicate, over
connections that are kept. Then batches of 100 events. Meanwhile the control loop goes on: told are how many events it
took in while it was pressed, how long it took for the rest, and the longest gap between its ticks, which has a bound.
What the daemon's time goes into, two parts of it show: its listener alone, whose work goes nowhere, and the listener
with the store but no control loop.
What counts is the ratio: machines differ. Usage: `python bench/ingest.py [SECONDS]`.
"""

import asyncio
import hashlib
import hmac
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle, pairwise
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.loaded.daemon import (
    SECRET,
    TICK_S,
    VEHICLES,
    Provider,
    counted,
    empty_server,
    listening,
    running,
    until,
    vehicle_json,
    zulu,
)

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 6.0
TURNS = 3
CONNECTIONS = 48  # of the 64 deliveries that the listener takes at once
BATCH = 100
LEAST_RATIO = 0.45
MOST_GAP_S = 2 * TICK_S
WORKED_OFF_S = 120.0
"""After so long the control loop must have seen all that was stored."""

PRESSED_S = {1: SECONDS, BATCH: SECONDS / 2}
"""How long a turn is, by the events of a delivery: more than 50,000 waiting events are sent away."""

PREPARED_EACH_S = {1: 12_000, BATCH: 400}
"""Deliveries prepared for each second, by their events; a server that were faster would run out of them."""


def deliveries(count: int, *, events: int) -> list[bytes]:
    """Return signed deliveries as the bytes of HTTP requests: no two events alike, each car's in the order of time."""
    began = datetime.now(UTC)  # noqa: TID251
    return [_request([_event(began, one * events + n) for n in range(events)]) for one in range(count)]


def _event(began: datetime, number: int) -> str:
    """Return an event of one of the cars, of which every other one charges; all move on by a millisecond each."""
    at = began + timedelta(milliseconds=number // VEHICLES)
    car = number % VEHICLES
    state = "PLUGGED_IN:CHARGING" if car % 2 else "UNPLUGGED"
    return json.dumps(
        {
            "event": "user:vehicle:updated", "createdAt": zulu(at), "version": "2024-10-01", "user": {"id": "user"},
            "vehicle": vehicle_json(car, state, at=at, soc_pct=40 + number // VEHICLES % 3),
            "updatedFields": ["chargeState.batteryLevel", "chargeState.range", "odometer.distance"],
        }, separators=(",", ":"),
    )  # fmt: skip


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


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one turn showed, per second [1/s], and how long the daemon then took for what had waited [s]."""

    daemon: float
    empty: float
    seen: float
    worked_off_s: float


async def turn(port: int, api: str, empty: int, *, events: int) -> Turn:
    """Press the empty server, then the daemon; then wait until its control loop has seen all that it stored."""
    seconds = PRESSED_S[events]
    requests = deliveries(int(PREPARED_EACH_S[events] * seconds), events=events)
    plain = await pressed(empty, "/", cycle(requests), seconds)
    await asyncio.sleep(1.0)
    before = await counted(api)
    daemon = await pressed(port, "/webhooks/enode", iter(requests), seconds)
    after, ended = await counted(api), time.perf_counter()

    async def seen() -> bool:
        now = await counted(api)
        return now["events"] >= now["webhook_stored"]

    await until(seen, "the control loop", patience_s=WORKED_OFF_S)
    return Turn(
        daemon=daemon,
        empty=plain,
        seen=(after["events"] - before["events"]) / seconds,
        worked_off_s=time.perf_counter() - ended,
    )


async def parts(empty: int) -> dict[str, float]:
    """Return what the listener alone, and with the store, answers of the empty server's requests."""
    requests = deliveries(int(PREPARED_EACH_S[1] * SECONDS), events=1)
    plain = await pressed(empty, "/", cycle(requests), SECONDS)
    answered = {}
    for where in ("nothing", "store"):
        async with listening(where) as port:
            answered[where] = await pressed(port, "/webhooks/enode", iter(requests), SECONDS)
    return {where: per_s / plain for where, per_s in answered.items()}


def summary(turns: Sequence[Turn], *, events: int) -> dict[str, Any]:
    """Return the medians over turns."""
    return {
        "events_each": events,
        "daemon_per_s": round(median(one.daemon for one in turns)),
        "empty_per_s": round(median(one.empty for one in turns)),
        "ratio": round(median(one.daemon / one.empty for one in turns), 3),
        "ratios": [round(one.daemon / one.empty, 3) for one in turns],
        "events_per_s": round(median(one.daemon for one in turns) * events),
        "events_seen_meanwhile_per_s": round(median(one.seen for one in turns)),
        "rest_worked_off_s": round(max(one.worked_off_s for one in turns), 1),
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
        alone = [await parts(empty) for _ in range(TURNS)]
        single = [await turn(port, path, empty, events=1) for _ in range(TURNS)]
        batches = [await turn(port, path, empty, events=BATCH) for _ in range(TURNS)]
        gap_s = await longest_tick_gap_s(path)
    one = summary(single, events=1)
    good = one["ratio"] >= LEAST_RATIO and gap_s <= MOST_GAP_S
    result = {
        "at": f"{began:%Y-%m-%d}",
        "one_event": one,
        "ratio_of_the_listener_alone": round(median(one["nothing"] for one in alone), 3),
        "ratio_of_listener_and_store": round(median(one["store"] for one in alone), 3),
        "batches": summary(batches, events=BATCH),
        "longest_tick_gap_s": round(gap_s, 2),
    }
    print(json.dumps(result, indent=2))
    print(f"bounds: at least {LEAST_RATIO:g} of the empty POST's requests, ticks at most {MOST_GAP_S:g} s apart")
    print("kept" if good else "missed")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
