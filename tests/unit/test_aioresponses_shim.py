"""The shim answers like a provider in every way that the client's tests rely on."""

import asyncio
import re

import aiohttp
import pytest
from aiohttp import web
from aioresponses import CallbackResult

from tests.aioresponses_shim import answers

URL = "https://provider.test/vehicles"


async def test_it_answers_with_a_payload_a_status_and_headers():
    with answers() as provider:
        provider.get(URL, status=429, payload={"detail": "slow down"}, headers={"Retry-After": "7"})
        async with aiohttp.ClientSession() as session, session.get(URL) as response:
            assert response.status == 429
            assert response.headers["Retry-After"] == "7"
            assert await response.json() == {"detail": "slow down"}


async def test_it_answers_from_a_callback_that_sees_the_request():
    seen = []

    def echo(url, **kwargs):
        seen.append((str(url), kwargs["json"]))
        return CallbackResult(status=201, payload=kwargs["json"])

    with answers() as provider:
        provider.post(URL, callback=echo)
        async with aiohttp.ClientSession() as session, session.post(URL, json={"action": "START"}) as response:
            assert response.status == 201
            assert await response.json() == {"action": "START"}
    assert seen == [(URL, {"action": "START"})]


async def test_it_raises_what_it_is_told_to_raise():
    with answers() as provider:
        provider.get(URL, exception=aiohttp.ServerDisconnectedError())
        provider.get(URL, timeout=True)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await session.get(URL)
            with pytest.raises(TimeoutError):
                await session.get(URL)


async def test_it_streams_a_body_in_pieces():
    with answers() as provider:
        provider.get(URL, body=b"0123456789")
        async with aiohttp.ClientSession() as session, session.get(URL) as response:
            assert [piece async for piece in response.content.iter_chunked(4)] == [b"0123", b"4567", b"89"]


async def test_it_answers_many_at_once():
    with answers() as provider:
        provider.get(re.compile(rf"{URL}\?after=\d+"), payload={"data": []}, repeat=True)
        async with aiohttp.ClientSession() as session:

            async def page(number: int) -> int:
                async with session.get(URL, params={"after": number}) as response:
                    return response.status

            assert await asyncio.gather(*map(page, range(50))) == [200] * 50


async def test_it_lets_requests_to_the_loopback_pass():
    async def live(_request: web.Request) -> web.Response:
        return web.Response(text="live")

    app = web.Application()
    app.router.add_get("/", live)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    try:
        with answers(passthrough=["http://127.0.0.1"]) as provider:
            provider.get(URL, payload={})
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/") as response:
                    assert await response.text() == "live"
                async with session.get(URL) as response:
                    assert response.status == 200
    finally:
        await runner.cleanup()


async def test_it_refuses_what_nobody_foresaw():
    with answers():
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectionError):
                await session.get(URL)
