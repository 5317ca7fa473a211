"""`kwhen run` as a process under strain: a locked store, a full disk, no descriptors left, a flood (W06, W07, B02, B03, X06).

It runs as under systemd with a watchdog of three seconds, so that it sweeps each second and its pulse can be heard.
"""

import asyncio
import collections
import contextlib
import http.client
import itertools
import json
import resource
import socket
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from scheduler.enode.webhook import PATH, SIGNATURE, signature_of
from tests.integration.processes import WEBHOOK_SECRET, WITHIN_S, Daemon, installed, simulated, until

WATCHDOG_S = 3.0


class Pulse:
    """Hears what the daemon tells systemd."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(WITHIN_S)

    def beats(self, count: int) -> float:
        """Wait for so many feedings of the watchdog from now on; return the longest pause between two [s]."""
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(4096)
        self._socket.settimeout(WITHIN_S)
        heard: list[float] = []
        while len(heard) < count:
            if b"WATCHDOG=1" in self._socket.recv(4096):
                heard.append(time.monotonic())
        return max(later - earlier for earlier, later in itertools.pairwise(heard))

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def provider():
    with simulated() as running:
        yield running


@pytest.fixture(scope="module")
def running(tmp_path_factory, provider) -> Iterator[tuple[Daemon, Pulse]]:
    directory = tmp_path_factory.mktemp("strain")
    pulse = Pulse(directory / "notify")
    with contextlib.closing(pulse), installed(directory, provider, webhook=True) as daemon:
        daemon.environment |= {"NOTIFY_SOCKET": str(directory / "notify"), "WATCHDOG_USEC": f"{WATCHDOG_S * 1e6:.0f}"}
        daemon.start()
        yield daemon, pulse


def heartbeat(number: int) -> list[dict[str, str]]:
    """Return a delivery that differs from every other by its number."""
    return [{"event": "system:heartbeat", "version": "2024-10-01", "createdAt": f"2026-01-12T00:00:00.{number:06d}Z"}]


def open_alerts(daemon: Daemon) -> set[str]:
    return {one["code"] for one in daemon.api("/api/v1/alerts")["alerts"]}


def test_w06_b02_a_store_that_somebody_locks(running):
    """A delivery is refused well inside five seconds, the loop goes on, and the same delivery counts later."""
    daemon, pulse = running
    stored = daemon.metric("kwhen_webhook_stored_total")
    with contextlib.closing(sqlite3.connect(daemon.database, isolation_level=None)) as tool:
        tool.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert daemon.deliver(heartbeat(1)) == 503
        assert time.monotonic() - began < 4.5
        assert daemon.api("/api/v1/status")["health"]["ready"]
        until(lambda: daemon.events("store.trouble"), "the trouble in the log")
        tool.execute("ROLLBACK")
    assert daemon.deliver(heartbeat(1)) == 200
    assert daemon.metric("kwhen_webhook_stored_total") >= stored + 1, "nothing of the first attempt was kept"
    assert pulse.beats(2) < WATCHDOG_S


def test_b03_a_disk_that_takes_no_more(running):
    daemon, pulse = running
    assert daemon.process is not None
    soft, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (4096, hard))
    assert daemon.deliver(heartbeat(2)) == 503
    until(lambda: daemon.events("store.trouble"), "the trouble in the log")
    assert pulse.beats(2) < WATCHDOG_S, "no crash, no loop of crashes"
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (soft, hard))
    assert daemon.deliver(heartbeat(2)) == 200
    until(lambda: "STORE_TROUBLE" not in open_alerts(daemon), "the alert cleared")
    assert daemon.process.poll() is None


def test_x06_no_descriptor_is_left(running):
    daemon, pulse = running
    assert daemon.process is not None
    there = http.client.HTTPConnection(daemon.page, timeout=WITHIN_S)

    def health() -> int:
        there.request("GET", "/healthz")
        with there.getresponse() as answer:
            answer.read()
            return answer.status

    assert health() == 200
    used = len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))
    soft, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (used + 2, hard))
    host, port = daemon.webhook.split(":")
    crowd = [socket.create_connection((host, int(port)), timeout=WITHIN_S) for _ in range(20)]
    until(lambda: "out of system resource" in daemon.log, "the trouble in the log")
    assert health() == 200, "who is connected is served"
    for one in crowd:
        one.close()
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (soft, hard))
    assert until(lambda: daemon.deliver(heartbeat(3)), "an answer") == 200
    assert pulse.beats(2) < WATCHDOG_S
    there.close()


def test_w07_a_flood_of_deliveries_good_and_bad(running):
    """Two thousand in a few seconds, half of them forged; the sweep keeps its time all the while."""
    daemon, pulse = running
    stored = daemon.metric("kwhen_webhook_stored_total")

    async def flood() -> collections.Counter[int]:
        found: collections.Counter[int] = collections.Counter()
        gate = asyncio.Semaphore(100)

        async def post(number: int) -> None:
            body = json.dumps(heartbeat(1000 + number)).encode()
            signature = signature_of(body, WEBHOOK_SECRET.encode() if number % 2 else b"forged")
            async with gate, session.post(url, data=body, headers={SIGNATURE: signature}) as answer:
                found[answer.status] += 1

        url = f"http://{daemon.webhook}{PATH}"
        async with aiohttp.ClientSession() as session:
            beating = asyncio.create_task(asyncio.to_thread(pulse.beats, 4))
            await asyncio.gather(*(post(number) for number in range(2000)))
            assert await beating < WATCHDOG_S
        return found

    found = asyncio.run(flood())
    assert found.keys() <= {200, 401, 503}  # 503: too many at once, before anybody looks at the signature
    assert found[200] <= 1000
    assert found[401] <= 1000
    assert min(found[200], found[401]) >= 500
    assert daemon.metric("kwhen_webhook_stored_total") >= stored + found[200]  # the provider delivers too
