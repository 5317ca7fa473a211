"""The stream of `/api/v1/events`, and the lists beside it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from scheduler.core.model import Hand, Override, Will
from scheduler.http import api_events
from scheduler.http.api import api_app
from scheduler.http.serving import serve_port
from scheduler.loop.feed import Feed
from scheduler.ports import OverrideRecord
from tests.fakes_daemon import ELSIE, NOW, POLLY, ROVER, make_daemon


@pytest.fixture
def feed():
    return Feed()


@pytest.fixture
def daemon(feed, monkeypatch):
    made = make_daemon()
    monkeypatch.setattr(type(made), "events", lambda _: feed.listen())
    return made


@asynccontextmanager
async def asking(daemon) -> AsyncIterator[tuple[aiohttp.ClientSession, Any]]:
    runner, port = await serve_port(api_app(daemon), host="127.0.0.1", port=0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
        yield http, runner
    await runner.cleanup()


async def until(condition) -> None:
    """Wait until something holds; the test's own time-out ends a wait in vain."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def told(answer) -> dict[str, Any]:
    """Return the next event of a stream."""
    async for line in answer.content:
        if line.startswith(b"data: "):
            return json.loads(line.removeprefix(b"data: "))
    raise AssertionError("the stream ended")


async def test_a_listener_hears_what_happens(daemon, feed):
    async with asking(daemon) as (http, _), http.get("/api/v1/events") as answer:
        assert answer.content_type == "text/event-stream"
        await until(lambda: feed._listeners)
        feed.publish("vehicle", POLLY)
        feed.publish("prices")
        assert await told(answer) == {"what": "vehicle", "vehicle": POLLY}
        assert await told(answer) == {"what": "prices", "vehicle": None}


async def test_a_listener_that_goes_is_forgotten(daemon, feed, monkeypatch):
    monkeypatch.setattr(api_events, "PING_S", 0.01)
    async with asking(daemon) as (http, _):
        async with http.get("/api/v1/events"):
            await until(lambda: feed._listeners)
        await until(lambda: not feed._listeners)


async def test_a_stream_says_that_it_lives_and_ends_after_a_while(daemon, feed, monkeypatch):
    monkeypatch.setattr(api_events, "PING_S", 0.01)
    monkeypatch.setattr(api_events, "LONGEST_S", 0.1)
    async with asking(daemon) as (http, _), http.get("/api/v1/events") as answer:
        text = await answer.text()
    assert text.startswith("retry: 5000\n\n: alive\n\n")
    assert not feed._listeners


async def test_more_streams_than_allowed_are_refused(daemon, monkeypatch):
    monkeypatch.setattr(api_events, "MOST_STREAMS", 1)
    async with asking(daemon) as (http, _), http.get("/api/v1/events"), http.get("/api/v1/events") as second:
        assert second.status == 503
        assert (await second.json(content_type=None))["remedy"]


async def test_a_stop_of_the_daemon_ends_the_streams(daemon, feed):
    async with asking(daemon) as (http, runner), http.get("/api/v1/events") as answer:
        await until(lambda: feed._listeners)
        await asyncio.wait_for(runner.cleanup(), 1.5)
        assert (await answer.read()).startswith(b"retry")
    assert not feed._listeners


async def test_vehicles_are_listed(daemon):
    async with asking(daemon) as (http, _), http.get("/api/v1/vehicles") as answer:
        found = (await answer.json())["vehicles"]
    assert [(one["id"], one["home"]) for one in found] == [(POLLY, "lindgren"), (ROVER, "lindgren"), (ELSIE, "hytta")]


async def test_overrides_are_listed_with_their_ends(daemon):
    override = Override(will=Will.HOLD, by=Hand.CLI, set_at=NOW)
    daemon.store.override_rows = [
        OverrideRecord(vehicle_id=POLLY, override=override, cleared_at=NOW, cleared_by="unplugged"),
        OverrideRecord(vehicle_id=ROVER, override=override),
    ]
    async with asking(daemon) as (http, _), http.get("/api/v1/overrides", params={"vehicle": "polly"}) as answer:
        (found,) = (await answer.json())["overrides"]
    assert (found["name"], found["will"], found["cleared_by"]) == ("Polly", "hold", "unplugged")
    assert found["cleared_at"] == "2026-11-20T22:30:00Z"


@pytest.mark.parametrize("body", [{"all": 1}, {"vehicles": [], "all": [None]}, {"all": True, "vehicles": ["Polly"]}])
async def test_a_release_that_is_not_clear_is_refused(daemon, body):
    async with asking(daemon) as (http, _), http.post("/api/v1/release", json=body) as answer:
        assert answer.status == 400


async def test_a_flag_that_is_neither_is_refused(daemon):
    async with asking(daemon) as (http, _), http.get("/api/v1/alerts", params={"all": "maybe"}) as answer:
        assert answer.status == 400
        assert (await answer.json(content_type=None))["title"] == "all must be 1 or 0"
