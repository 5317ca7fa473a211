"""The stream of news as pages listen to it, and the way in by the socket."""

import asyncio
import json

import aiohttp
import pytest

from scheduler.http.api import api_app
from scheduler.http.serving import serve_port, serve_socket
from scheduler.http.web import live
from scheduler.http.web.app import web_app
from scheduler.http.web.login import add_code
from scheduler.http.web.passwords import Passwords
from tests.fakes_daemon import POLLY, FakeDaemon, make_daemon
from tests.web_site import QUICK, TOKEN, site_of

TOKEN_HEADER = {"Authorization": f"Bearer {TOKEN}"}


class LiveDaemon(FakeDaemon):
    """Has news as a test tells it; knows how many listen."""

    def tell(self, **news):
        for queue in self.listeners:
            queue.put_nowait(news)

    @property
    def listeners(self):
        return self.__dict__.setdefault("_listeners", [])

    async def events(self):
        queue = asyncio.Queue()
        self.listeners.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self.listeners.remove(queue)


@pytest.fixture
def daemon():
    daemon = make_daemon()
    daemon.__class__ = LiveDaemon
    return daemon


async def told(stream):
    """Return the next line that says something."""
    while True:
        line = (await stream.content.readline()).decode()
        if line.startswith("data: ") or not line:
            return json.loads(line[6:]) if line else None


async def until(true):
    """Let the loop go on until something holds."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - nothing tells when the server has seen it
            await asyncio.sleep(0)


async def test_every_open_page_hears_every_piece_of_news(daemon):
    async with site_of(daemon) as site:
        await site.log_in()
        async with site.visitor.get(f"{site.origin}/events") as one, site.visitor.get(f"{site.origin}/events") as other:
            await until(lambda: len(daemon.listeners) == 2)
            daemon.tell(what="vehicle", vehicle=POLLY)
            assert await told(one) == await told(other) == {"what": "vehicle", "vehicle": POLLY}
            daemon.tell(what="alert", vehicle=None)
            assert await told(one) == {"what": "alert", "vehicle": None}


async def test_a_page_that_was_closed_no_longer_listens(daemon, monkeypatch):
    monkeypatch.setattr(live, "PING_S", 0.01)
    async with site_of(daemon) as site:
        async with aiohttp.ClientSession(headers=TOKEN_HEADER) as http:
            stream = await http.get(f"{site.origin}/events")
            await until(lambda: daemon.listeners)
            stream.close()
        await until(lambda: not daemon.listeners)


async def test_the_stream_of_an_ended_session_ends(daemon, monkeypatch):
    monkeypatch.setattr(live, "PING_S", 0.01)
    async with site_of(daemon) as site:
        await site.log_in()
        token = await site.csrf()
        async with site.visitor.get(f"{site.origin}/events") as stream:
            await until(lambda: daemon.listeners)
            await site.post("/logout/everywhere", {"_csrf": token})
            assert await told(stream) is None
        await until(lambda: not daemon.listeners)


async def test_there_are_no_more_streams_than_a_small_machine_bears(daemon, monkeypatch):
    monkeypatch.setattr(live, "MOST_STREAMS", 1)
    async with site_of(daemon) as site, site.visitor.get(f"{site.origin}/events", headers=TOKEN_HEADER):
        await until(lambda: daemon.listeners)
        assert (await site.get("/events", headers=TOKEN_HEADER))[0] == 503


@pytest.mark.parametrize("path", ["/events", "/api/v1/events"])
async def test_asking_only_for_the_head_of_a_stream_leaves_nothing_behind(daemon, path):
    async with site_of(daemon) as site:
        async with site.visitor.head(f"{site.origin}{path}", headers=TOKEN_HEADER) as answer:
            assert answer.content_type == "text/event-stream"
        status, _ = await site.get("/healthz")  # on the same connection
        assert status == 200
    assert not daemon.listeners


async def test_stopping_ends_the_streams_at_once(daemon):
    app = web_app(daemon, hosts=["127.0.0.1"], token=TOKEN)
    runner, port = await serve_port(app, host="127.0.0.1", port=0)
    url = f"http://127.0.0.1:{port}/events"
    async with aiohttp.ClientSession(headers=TOKEN_HEADER) as http, http.get(url) as stream:
        await until(lambda: daemon.listeners)
        async with asyncio.timeout(1):  # less than a server would wait for a handler
            await runner.cleanup()
        assert await told(stream) is None
    assert not daemon.listeners


async def test_the_socket_hands_out_codes_and_the_port_does_not(daemon, tmp_path):
    passwords = Passwords(daemon.store, QUICK)
    api = api_app(daemon)
    add_code(api, passwords)
    runner = await serve_socket(api, tmp_path / "kwhen.sock")
    connector = aiohttp.UnixConnector(path=str(tmp_path / "kwhen.sock"))
    url = "http://kwhen/api/v1/password/code"
    async with aiohttp.ClientSession(connector=connector) as http, http.post(url) as answer:
        assert answer.status == 201
        made = await answer.json()
    await runner.cleanup()
    assert made["known"] is False
    assert passwords.spend_code(made["code"])
    async with (
        site_of(daemon) as site,
        site.visitor.post(f"{site.origin}/api/v1/password/code", headers=TOKEN_HEADER) as answer,
    ):
        assert answer.status in (404, 405)
