"""The HTTP client against servers that misbehave."""

import asyncio
import gzip
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver

from scheduler.redaction import HIDDEN, Redactor
from scheduler.web_client import AnswerLost, NeverSent, NotJson, Throttled, WebClient, WebLimits
from tests.web_support import StepClock, app_of, serving

QUICK = WebLimits(call_s=0.4, connect_s=0.2, read_s=0.2, total_s=45.0, attempts=3, body_bytes=10_000)
Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def peer(behave: Peer) -> AsyncIterator[str]:
    """Serve raw bytes, as `behave` likes, and yield the address."""

    under_way = set()

    async def handle(reader, writer):
        under_way.add(asyncio.current_task())
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await behave(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
    finally:
        server.close()
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def get(web_client, url, **options):
    return await web_client.call("GET", url, **{"bucket": "b", "idempotent": True, **options})


async def post(web_client, url, **options):
    return await web_client.call("POST", url, **{"bucket": "b", "idempotent": False, "body": {}, **options})


@pytest.fixture
def clock():
    return StepClock()


@pytest.fixture
async def client(clock):
    async with WebClient(clock, limits=QUICK) as web_client:
        yield web_client


async def test_it_sends_json_and_returns_the_whole_answer(client):
    async def echo(request):
        return web.json_response({"method": request.method, "body": await request.json(), "query": dict(request.query)})

    async with serving(app_of(echo)) as url:
        answer = await post(client, url + "/a", body={"action": "START"}, params={"q": "1 2"})
        assert (answer.status, answer.ok) == (200, True)
        assert answer.json() == {"method": "POST", "body": {"action": "START"}, "query": {"q": "1 2"}}


async def test_a_refused_connection_was_never_sent(client, clock):
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(NeverSent, match="no connection"):
        await post(client, f"http://127.0.0.1:{port}/")
    assert clock.slept_s == []
    with pytest.raises(NeverSent):
        await get(client, f"http://127.0.0.1:{port}/")
    assert len(clock.slept_s) == 2


@pytest.mark.parametrize("url", ["http://", "not an address", "http://[::1", "http://127.0.0.1:99999/"])
async def test_what_is_no_address_was_never_sent(client, url):
    with pytest.raises(NeverSent):
        await post(client, url)


async def test_an_answer_that_never_comes_is_lost(client):
    async def silent(reader, _writer):
        await reader.read(100_000)
        await asyncio.Event().wait()

    async with peer(silent) as url:
        with pytest.raises(AnswerLost):
            await post(client, url)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"this is not HTTP at all\r\n\r\n",
    ],
    ids=["nothing", "in-the-head", "in-the-body", "in-a-chunk", "nonsense"],
)
async def test_a_connection_that_is_cut_loses_the_answer_and_a_post_is_not_repeated(client, clock, said):
    asked = []

    async def cut(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(said)
        await writer.drain()

    async with peer(cut) as url:
        with pytest.raises(AnswerLost):
            await post(client, url)
    assert len(asked) == 1
    assert clock.slept_s == []


async def test_a_server_that_takes_connections_and_no_requests_loses_the_answer():
    async def late(_reader, _writer):
        await asyncio.Event().wait()

    async with WebClient(StepClock(), limits=QUICK) as web_client, peer(late) as url:
        with pytest.raises(AnswerLost):
            await post(web_client, url, body={"x": "y" * 100})


async def test_waiting_for_a_place_among_the_connections_is_never_sent():
    gate, taken = asyncio.Event(), asyncio.Event()

    async def hold(_request):
        taken.set()
        await gate.wait()
        return web.json_response({})

    limits = WebLimits(call_s=5, connect_s=0.05, read_s=5, connections_per_host=1)
    async with serving(app_of(hold)) as url, WebClient(StepClock(), limits=limits) as web_client:
        first = asyncio.ensure_future(post(web_client, url))
        await taken.wait()
        with pytest.raises(NeverSent):
            await post(web_client, url)
        gate.set()
        assert (await first).ok


class Names(AbstractResolver):
    """Answers each name as told, one answer after the other."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host, port=0, family=0):
        self.asked += 1
        address = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if address is None:
            raise OSError("no such name")
        return [{"hostname": host, "host": address, "port": port, "family": 2, "proto": 0, "flags": 0}]

    async def close(self):
        self.answers = [None]


async def test_a_name_is_looked_up_again_for_every_connection():
    async def answer(_request):
        response = web.json_response({})
        response.force_close()
        return response

    names = Names(None, "127.0.0.1", "127.0.0.1")
    async with serving(app_of(answer)) as url, WebClient(StepClock(), limits=QUICK, resolver=names) as web_client:
        named = url.replace("127.0.0.1", "provider.test")
        with pytest.raises(NeverSent, match="name not found"):
            await post(web_client, named)
        assert (await post(web_client, named)).ok
        assert (await post(web_client, named)).ok
    assert names.asked == 3


async def test_a_body_is_read_no_further_than_its_bound(client):
    async def large(_request):
        return web.Response(body=b" " * 50_000, content_type="application/json")

    async def packed(_request):
        body = gzip.compress(b" " * 5_000_000)
        return web.Response(body=body, content_type="application/json", headers={"Content-Encoding": "gzip"})

    for handler in (large, packed):
        async with serving(app_of(handler)) as url:
            with pytest.raises(AnswerLost, match="10000 bytes"):
                await post(client, url)


@pytest.mark.parametrize(
    ("body", "content_type", "readable"),
    [
        (b"{}", "application/json", True),
        (b"{}", "application/problem+json", True),
        (b"{}", "application/json; charset=utf-8", True),
        (b"{", "application/json", False),
        (b"\xff", "application/json", False),
        (b"{}", "text/html", False),
        (b"<html>", "text/html", False),
    ],
)
async def test_json_is_believed_only_when_it_is_said_and_is(client, body, content_type, readable):
    async def answer(_request):
        return web.Response(body=body, headers={"Content-Type": content_type})

    async with serving(app_of(answer)) as url:
        got = await get(client, url)
    if readable:
        assert got.json() == {}
    else:
        with pytest.raises(NotJson) as caught:
            got.json()
        assert "<html>" not in str(caught.value)


async def test_redirects_are_not_followed_and_cookies_not_kept(client):
    seen = []

    async def answer(request):
        seen.append((request.path, request.headers.get("Cookie")))
        return web.Response(status=302, headers={"Location": "/elsewhere", "Set-Cookie": "a=b"})

    async with serving(app_of(answer)) as url:
        assert (await get(client, url + "/a")).status == 302
        assert (await get(client, url + "/a")).status == 302
    assert seen == [("/a", None), ("/a", None)]


async def test_only_an_idempotent_call_is_repeated(client, clock):
    asked = []

    async def fail(request):
        asked.append(request.method)
        return web.Response(status=503)

    async with serving(app_of(fail)) as url:
        assert (await post(client, url)).status == 503
        assert asked == ["POST"]
        assert (await get(client, url)).status == 503
        assert asked == ["POST", "GET", "GET", "GET"]
        assert (await post(client, url, idempotent=True)).status == 503
    assert len(asked) == 7
    first_s, second_s = clock.slept_s[:2]
    assert 0.25 <= first_s <= 0.75
    assert 0.5 <= second_s <= 1.5


async def test_the_total_time_bounds_the_attempts(clock):
    async def fail(_request):
        clock.advance(20)
        return web.Response(status=500)

    async with serving(app_of(fail)) as url, WebClient(clock, limits=WebLimits(attempts=10)) as web_client:
        began_ns = clock.monotonic_ns()
        assert (await get(web_client, url)).status == 500
    assert (clock.monotonic_ns() - began_ns) / 1e9 <= 65


async def test_a_short_wait_is_waited_and_a_long_one_told(client, clock):
    answers = [(429, "2"), (200, None), (429, "900")]

    async def answer(_request):
        status, wait = answers.pop(0)
        return web.json_response({}, status=status, headers={"Retry-After": wait} if wait else {})

    async with serving(app_of(answer)) as url:
        assert (await get(client, url)).ok
        assert 2 <= clock.slept_s[0] <= 3
        with pytest.raises(Throttled) as caught:
            await get(client, url)
        assert caught.value.retry_after_s == 900
        clock.advance(60)
        with pytest.raises(Throttled) as caught:
            await post(client, url)
        assert caught.value.retry_after_s == 840
    assert answers == []


async def test_an_unavailable_server_that_names_a_time_is_left_alone_until_then(client, clock):
    answers = [(503, "20"), (200, None)]

    async def answer(_request):
        status, wait = answers.pop(0)
        return web.json_response({}, status=status, headers={"Retry-After": wait} if wait else {})

    async with serving(app_of(answer)) as url:
        assert (await get(client, url)).ok
    assert clock.slept_s == [20]


async def test_no_error_tells_a_secret_or_a_query():
    secret = "api-key-0123456789"

    async def fail(_reader, writer):
        writer.write(b"nonsense\r\n\r\n")

    redact = Redactor([secret])
    async with WebClient(StepClock(), limits=QUICK, redact=redact) as web_client, peer(fail) as url:
        addressed = f"{url}/{secret}".replace("http://", "http://user:pass-word@")
        with pytest.raises(AnswerLost) as caught:
            await get(web_client, addressed, params={"key": "query-key"})
        with pytest.raises(NeverSent) as unsent:
            await get(web_client, f"http://[{secret}/?token=query-key")
    for error in (caught.value, unsent.value):
        text = f"{error!r} {error.__cause__!r}"
        assert error.__suppress_context__  # nor does its traceback
        assert secret not in text
        assert "query-key" not in text
        assert "pass-word" not in text
        assert HIDDEN in text


async def test_it_tells_the_traces_it_was_given():
    seen = []
    trace = aiohttp.TraceConfig()

    async def ended(_session, _context, params):
        seen.append(params.response.status)

    trace.on_request_end.append(ended)

    async def answer(_request):
        return web.json_response({})

    async with serving(app_of(answer)) as url, WebClient(StepClock(), trace_configs=[trace]) as web_client:
        await get(web_client, url)
        await web_client.close()
        await get(web_client, url)  # a closed client opens again
    assert seen == [200, 200]


@pytest.fixture
def self_signed(tmp_path):
    """A certificate that nobody vouches for, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no certificate to distrust")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


async def test_a_certificate_nobody_vouches_for_is_refused(self_signed, client):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*self_signed)
    runner = web.AppRunner(web.Application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        with pytest.raises(NeverSent, match="certificate not trusted"):
            await get(client, f"https://127.0.0.1:{runner.addresses[0][1]}/")
    finally:
        await runner.cleanup()
