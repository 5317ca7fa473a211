"""The webhook listener over a socket: what is stored, what is refused, and that nothing is read for nothing."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import aiohttp
import pytest

from scheduler.core.errors import StoreBusy, StoreError
from scheduler.enode import webhook
from scheduler.enode.webhook import PATH, SIGNATURE, WebhookCounters, signature_of, webhook_app
from tests.web_support import RECEIVED, serving

SECRET = b"0f1e2d3c4b5a69788796a5b4c3d2e1f0"
NEW = b"another-secret-of-32-characters!"
EVENT = {"event": "user:vehicle:updated", "user": {"id": "u"}, "vehicle": {"id": "v"}}
BODY = json.dumps([EVENT, {"event": "system:heartbeat"}]).encode()


class Inbox:
    """Keeps what it was given by its key, as the store does."""

    def __init__(self) -> None:
        self.rows = {}
        self.calls = 0
        self.trouble = None
        self.gate = None

    async def put(self, rows) -> int:
        self.calls += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        new = {row.key: row for row in rows if row.key not in self.rows}
        self.rows.update(new)
        return len(new)


class Listening:
    def __init__(self, url, session, inbox, counters, secrets) -> None:
        self.url, self.session, self.inbox, self.counters, self.secrets = url, session, inbox, counters, secrets

    async def deliver(self, body=BODY, *, secret=SECRET, signature=None, header=SIGNATURE, **options) -> int:
        headers = {header: signature_of(body, secret) if signature is None else signature, **options.pop("headers", {})}
        async with self.session.post(self.url + PATH, data=body, headers=headers, **options) as response:
            assert await response.read() == b""  # nothing is echoed
            return response.status


@asynccontextmanager
async def listening(*, max_bytes=100_000):
    inbox, counters, secrets = Inbox(), WebhookCounters(), [SECRET]
    app = webhook_app(
        secrets=lambda: secrets, sink=inbox.put, stamp=lambda: RECEIVED, max_bytes=max_bytes, counters=counters
    )
    async with serving(app) as url, aiohttp.ClientSession() as session:
        yield Listening(url, session, inbox, counters, secrets)


async def test_a_signed_delivery_is_stored_before_it_is_answered():
    async with listening() as here:
        here.inbox.gate = asyncio.Event()
        delivery = asyncio.ensure_future(here.deliver())
        done, _ = await asyncio.wait([delivery], timeout=0.05)
        assert not done
        here.inbox.gate.set()
        assert await delivery == 200
        assert sorted(row.user_id for row in here.inbox.rows.values()) == ["", "u"]
        assert (here.counters.deliveries, here.counters.stored, here.counters.heard_at) == (1, 2, RECEIVED.at)


async def test_the_same_delivery_twenty_times_at_once_is_stored_once():
    async with listening() as here:
        assert await asyncio.gather(*(here.deliver() for _ in range(20))) == [200] * 20
        assert len(here.inbox.rows) == 2
        assert here.counters.stored == 2


@pytest.mark.parametrize("header", ["X-Enode-Signature", "x-enode-signature", "X-ENODE-SIGNATURE"])
async def test_the_headers_name_has_no_case(header):
    async with listening() as here:
        assert await here.deliver(header=header) == 200


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "sha1=",
        signature_of(BODY, SECRET).upper(),
        signature_of(BODY, SECRET)[5:],
        signature_of(BODY, SECRET)[:-1],
        signature_of(BODY, NEW),
        signature_of(json.dumps(json.loads(BODY), indent=1).encode(), SECRET),
    ],
)
async def test_a_wrong_signature_stores_nothing(signature):
    async with listening() as here:
        assert await here.deliver(signature=signature) == 401
        assert here.inbox.calls == 0
        assert (here.counters.refused["signature"], here.counters.heard_at) == (1, None)


async def test_no_signature_stores_nothing():
    async with listening() as here:
        async with here.session.post(here.url + PATH, data=BODY) as response:
            assert response.status == 401
        assert here.inbox.calls == 0


async def test_a_new_secret_takes_over():
    async with listening() as here:
        here.secrets.append(NEW)
        assert await here.deliver(secret=SECRET) == 200
        assert await here.deliver(secret=NEW) == 200
        here.secrets.remove(SECRET)
        assert await here.deliver(secret=SECRET) == 401
        assert await here.deliver(secret=NEW) == 200


async def test_a_secret_that_turned_bad_lets_nobody_in():
    async with listening() as here:
        for bad in ([], [b""], [b"short"]):
            here.secrets[:] = bad
            assert await here.deliver(secret=bad[0] if bad else SECRET) == 401


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b"null", json.dumps([EVENT] * 101).encode()])
async def test_a_signed_body_that_is_no_batch_is_refused(body):
    async with listening() as here:
        assert await here.deliver(body) == 400
        assert here.inbox.calls == 0


async def test_a_hundred_events_are_a_batch():
    async with listening() as here:
        batch = [{**EVENT, "createdAt": str(n)} for n in range(100)]
        assert await here.deliver(json.dumps(batch).encode()) == 200
        assert len(here.inbox.rows) == 100


async def test_unknown_events_are_acknowledged_and_not_stored():
    async with listening() as here:
        assert await here.deliver(b'[{"event":"user:something:new"}]') == 200
        assert here.inbox.calls == 0
        assert here.counters.ignored == {"user:something:new": 1}


async def test_a_body_that_says_it_is_large_is_refused_unread():
    async with listening() as here:
        host, port = here.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n"
        writer.write(head.encode())
        await writer.drain()
        status = await reader.readline()  # answered although not one byte of the body was sent
        writer.close()
        await writer.wait_closed()
        assert b" 413 " in status
        assert here.counters.refused == {"too large": 1}


async def test_a_body_that_turns_out_large_is_refused_on_the_way():
    async with listening() as here:
        sent = 0

        async def endless():
            nonlocal sent
            for _ in range(500):
                sent += 100_000
                yield b" " * 100_000

        try:
            async with here.session.post(here.url + PATH, data=endless()) as response:
                status = response.status
        except aiohttp.ClientConnectionError:
            status = 413  # the connection was closed while we were still sending
        assert status == 413
        assert here.counters.refused == {"too large": 1}
        assert sent < 50_000_000
        assert await here.deliver() == 200  # and the next one is taken


async def test_a_packed_body_is_refused():
    async with listening() as here:
        assert await here.deliver(headers={"Content-Encoding": "gzip"}) in {400, 415}
        assert here.inbox.calls == 0


async def test_a_body_that_drips_is_given_up(monkeypatch):
    monkeypatch.setattr(webhook, "READ_S", 0.05)
    async with listening() as here:
        host, port = here.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[".encode())
        assert b" 408 " in await reader.readline()
        writer.close()
        await writer.wait_closed()
        assert here.inbox.calls == 0


async def test_who_hangs_up_in_the_middle_of_a_body_is_refused_like_others():
    async with listening() as here:
        host, port = here.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        for _ in range(500):  # seconds at most
            if here.counters.refused:
                break
            await asyncio.sleep(0.01)
        assert here.counters.refused == {"cut off": 1}
        assert await here.deliver() == 200


@pytest.mark.parametrize("trouble", [StoreBusy("locked"), StoreError("full")])
async def test_trouble_in_the_store_asks_for_the_delivery_again(trouble):
    async with listening() as here:
        here.inbox.trouble = trouble
        assert await here.deliver() == 503
        assert (here.counters.deliveries, here.counters.stored, here.counters.heard_at) == (0, 0, None)
        here.inbox.trouble = None
        assert await here.deliver() == 200
        assert len(here.inbox.rows) == 2


async def test_a_store_that_hangs_is_answered_in_time(monkeypatch):
    monkeypatch.setattr(webhook, "STORE_S", 0.05)
    async with listening() as here:
        here.inbox.gate = asyncio.Event()
        assert await here.deliver() == 503


def test_the_usual_bounds_end_well_inside_five_seconds():
    assert webhook.READ_S + webhook.STORE_S < 5


async def test_more_than_a_number_at_once_are_sent_away(monkeypatch):
    monkeypatch.setattr(webhook, "IN_PROGRESS", 3)
    async with listening() as here:
        here.inbox.gate = asyncio.Event()
        deliveries = [asyncio.ensure_future(here.deliver()) for _ in range(8)]
        done, waiting = await asyncio.wait(deliveries, timeout=0.3)
        assert [task.result() for task in done] == [503] * 5
        here.inbox.gate.set()
        assert await asyncio.gather(*waiting) == [200] * 3
        assert here.counters.refused == {"too many at once": 5}
        assert await here.deliver() == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", PATH),
        ("PUT", PATH),
        ("HEAD", PATH),
        ("OPTIONS", PATH),
        ("POST", "/"),
        ("POST", PATH + "/"),
        ("POST", "/webhooks"),
        ("POST", "/webhooks/../webhooks/enode/x"),
        ("GET", "/healthz"),
        ("GET", "/metrics"),
    ],
)
async def test_there_is_nothing_else(method, path):
    async with listening() as here:
        headers = {SIGNATURE: signature_of(BODY, SECRET)}
        async with here.session.request(method, here.url + path, data=BODY, headers=headers) as response:
            assert response.status == 404
        assert here.inbox.calls == 0


async def test_a_client_that_goes_away_harms_nobody():
    async with listening() as here:
        host, port = here.url.removeprefix("http://").split(":")
        for _ in range(5):
            with socket.create_connection((host, int(port))) as raw:
                raw.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[".encode())
        assert await here.deliver() == 200
        assert len(here.inbox.rows) == 2
