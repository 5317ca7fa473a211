"""The daemon as a process, its listener, its pages and its API under hostile requests on loopback."""

import asyncio
import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from scheduler.enode.webhook import PATH
from tests.fuzz import enode_targets, http_targets
from tests.fuzz.spoiling import spoilt, spoilt_bytes
from tests.fuzz.targets import TARGETS
from tests.fuzz.worker import resident
from tests.integration.processes import WEBHOOK_SECRET, Daemon, asked, installed, simulated

AT_ONCE = 8
ANSWER_S, SILENT_S = 10.0, 0.05
MOST_RSS = 16 * 1024 * 1024
"""No memory growth: from a quarter of the requests to their end the process gains less [bytes]."""

LOOKS = 20
TOKEN = "a-token-of-nobody-0123456789"
BEARER = f"Authorization: Bearer {TOKEN}\r\n".encode()
PROVIDER = b"the provider could not do it"
"""A 502 must say so: the simulated provider knows none of the made-up names."""

PATHS = (
    b"/", b"/login", b"/login/code", b"/logout", b"/password", b"/settings", b"/cars/x", b"/static/../../etc/passwd", b"/static/%2e%2e/%2e%2e/x", b"//evil/",
    b"/%00", b"/%ff%fe", b"/\xff", b"/a" * 3000, b"/?" + b"a=1&" * 2000, b"*", b"http://x/", b"/healthz", b"/readyz", b"/metrics", b"/api/v1/%2F", b"/homes/new",
    b"/history?since=x&before=\x00", b"/api/v1/journal?after=-1&limit=999999999999", b"/;x", b"/..", b"/#x", b"/\\..\\", b"/link?state=%F0%9F", b"/events",
)  # fmt: skip
FORMS = (
    b"Content-Type: application/x-www-form-urlencoded", b"Content-Type: application/x-www-form-urlencoded; charset=nothing", b"Content-Type: multipart/form-data",
    b"Content-Type: multipart/form-data; boundary=x", b"Content-Type: multipart/form-data; boundary=" + b"x" * 100, b"Content-Type: text/html; charset=utf-7",
    b"Content-Encoding: br", b"Content-Encoding: deflate", b"Content-Type: application/x-www-form-urlencoded; charset=utf-16",
)  # fmt: skip
BODIES = (
    b"", b"password=a&next=//x", b"password=" + b"%" * 500, b"code=\xff\x00", b"--x\r\n\r\nno name\r\n--x--", b'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\nv\r\n--x--\r\n',
    b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\nContent-Transfer-Encoding: base64\r\n\r\n!!\r\n--x--\r\n', b"--x", b"a=1&" * 3000, b"csrf=%u0000&password=%ud800",
)  # fmt: skip
ODD = (
    b"", b"\x00" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\nzz\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA" + b"a" * 9000 + b": b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 500 + b"\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"a=b;" * 1500 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: kwhen_session=\xff\r\nAccept: text/html\r\n\r\n", b"GET / HTTP/1.1\r\nHost: [::1\r\nOrigin: http://[::1\r\n\r\n",
)  # fmt: skip


@dataclass(kw_only=True)
class Heard:
    """What came back: answers by status (`silence` where the connection ended without one), and what is wrong."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def requests(rnd: Random, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield requests, each with the door it is for: the `webhook` listener or the `page`'s port."""
    webhook, api = TARGETS["webhook"], TARGETS["http-api"]
    deliveries, asked_ = enode_targets.deliveries(), http_targets.requests()
    for _ in range(count):
        kind = rnd.random()
        if kind < 0.4:
            data = spoilt(webhook, rnd.choice(deliveries), rnd, deliveries)
            yield "webhook", enode_targets.delivery(data, WEBHOOK_SECRET.encode())
        elif kind < 0.75:
            yield "page", http_targets.request(spoilt(api, rnd.choice(asked_), rnd, asked_), BEARER)
        elif kind < 0.93:
            yield "page", _form(rnd)
        else:
            odd = rnd.choice(ODD)
            yield rnd.choice(("webhook", "page")), spoilt_bytes(odd, rnd) if rnd.random() < 0.6 else odd


def _form(rnd: Random) -> bytes:
    """Return what a browser, or who pretends to be one, sends to a page."""
    body = spoilt_bytes(rnd.choice(BODIES), rnd) if rnd.random() < 0.4 else rnd.choice(BODIES)
    lines = [
        b"Host: localhost",
        b"Connection: close",
        b"Accept: text/html",
        b"Origin: http://localhost",
        rnd.choice(FORMS),
    ]
    lines += [b"Content-Length: %d" % len(body), *([BEARER.strip()] if rnd.random() < 0.4 else [])]
    method = rnd.choice((b"GET", b"POST", b"POST", b"HEAD", b"DELETE", b"PATCH"))
    return b"%b %b HTTP/1.1\r\n%b\r\n\r\n%b" % (method, rnd.choice((*PATHS, PATH.encode())), b"\r\n".join(lines), body)


async def sent(door: tuple[str, int], request: bytes, heard: Heard) -> None:
    """Send a request on a connection of its own and take note of the status."""
    reader, writer = await asyncio.open_connection(*door, limit=2**20)
    try:
        writer.write(request)
        whole = b"\r\n\r\n" in request
        line = await asyncio.wait_for(reader.readline(), SILENT_S * 20 if whole else SILENT_S)
        status = line[9:12].decode("ascii", "replace") if line.startswith(b"HTTP/1.") else "silence"
        heard.statuses[status] += 1
        if status.startswith("5") and status != "503":
            rest = await asyncio.wait_for(reader.read(2**16), ANSWER_S)
            if not (status == "502" and PROVIDER in rest):
                heard.wrong.append(f"{status} to {request[:300]!r}: {rest[-300:]!r}")
    except (TimeoutError, OSError):
        heard.statuses["silence"] += 1
    finally:
        writer.transport.abort()


async def flood(daemon: Daemon, count: int, seed: int) -> tuple[Heard, list[int]]:
    """Send the requests, some at once; return what was heard and the memory of the process on the way."""
    assert daemon.process is not None
    doors = {"webhook": _door(daemon.webhook), "page": _door(daemon.page)}
    heard, rss, source = Heard(), list[int](), requests(Random(seed), count)

    async def one_after_the_other() -> None:
        for number, (door, request) in enumerate(source):
            with contextlib.suppress(ConnectionError):
                await sent(doors[door], request, heard)
            if number % (max(1, count // LOOKS // AT_ONCE)) == 0 and daemon.process is not None:
                rss.append(resident(daemon.process.pid))

    await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))
    return heard, rss


def _door(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def run(count: int, *, seed: int) -> dict[str, Any]:
    """Start a daemon on a simulator, send it the requests, and say what became of it."""
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="kwhen-live-") as place,
        simulated() as provider,
        installed(Path(place), provider, webhook=True) as daemon,
    ):
        daemon.environment |= {"KWHEN_HTTP__PAGE": "dashboard", "KWHEN_HTTP__TOKEN": TOKEN}
        daemon.start()
        heard, rss = asyncio.run(flood(daemon, count, seed))
        wrong = [*heard.wrong, *_after(daemon)]
    growth = max(rss[-3:]) - rss[len(rss) // 4] if rss else 0
    return {
        "requests": sum(heard.statuses.values()),
        "per_s": round(sum(heard.statuses.values()) / (time.monotonic() - began)),
        "statuses": dict(sorted(heard.statuses.items())),
        "rss": rss[len(rss) // 4] if rss else 0,
        "rss_growth": growth,
        "most_rss_growth": MOST_RSS,
        "wrong": wrong[:20],
        "good": not wrong and growth <= MOST_RSS,
    }


def _after(daemon: Daemon) -> Sequence[str]:
    """Return what is wrong with the daemon after it all."""
    wrong = []
    status = asked(daemon.page, "GET", "/healthz", headers={"Host": "localhost"})[0]
    if status != 200:
        wrong.append(f"/healthz answers {status}")
    if (status := daemon.deliver([{"event": "system:heartbeat", "version": "2024-10-01"}])) != 200:
        wrong.append(f"a delivery is answered {status}")
    bad = ("Traceback", "handler_failed", '"exception"')
    wrong += [f"logged: {line[:2000]}" for line in daemon.log.splitlines() if any(one in line for one in bad)]
    if (ended := daemon.stop()) != 0:
        wrong.append(f"the daemon ended with {ended}")
    return wrong
