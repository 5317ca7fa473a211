"""Server-sent events: one stream to each listener, bounded in number, and ended with the application."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

GoesOn = Callable[[], Awaitable[bool]]

RETRY = b"retry: 5000\n\n"
"""A listener that lost its stream comes back after so many milliseconds."""


class Streams:
    """The streams of one application that are open now."""

    def __init__(self, app: web.Application) -> None:
        self._open: set[asyncio.Task[None]] = set()
        app.on_shutdown.append(self._end_all)

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    async def serve(
        self,
        request: web.Request,
        feed: AsyncIterator[dict[str, Any]],
        *,
        goes_on: GoesOn,
        ping_s: float,
        headers: Mapping[str, str],
        opening: bytes = RETRY,
    ) -> web.StreamResponse:
        """Send the feed until it ends, the listener goes, the application stops, or `goes_on` says no.

        That is asked before each piece of news and each ping; a ping, every `ping_s`, shows whether anybody listens.
        """
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **headers})
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        stream = asyncio.ensure_future(_send(response, feed, opening=opening, goes_on=goes_on, ping_s=ping_s))
        self._open.add(stream)
        stream.add_done_callback(self._open.discard)
        with contextlib.suppress(ConnectionResetError, asyncio.CancelledError):  # who listened has gone, or we stop
            try:
                await stream
            finally:
                stream.cancel()
        return response

    async def _end_all(self, _app: web.Application) -> None:
        for stream in list(self._open):
            stream.cancel()


async def _send(
    response: web.StreamResponse,
    feed: AsyncIterator[dict[str, Any]],
    *,
    opening: bytes,
    goes_on: GoesOn,
    ping_s: float,
) -> None:
    await response.write(opening)
    waiting = asyncio.ensure_future(anext(feed, None))
    try:
        while await goes_on():
            done, _ = await asyncio.wait({waiting}, timeout=ping_s)
            if not done:
                await response.write(b": alive\n\n")
                continue
            news = waiting.result()
            if news is None:
                return
            await response.write(b"data: " + json.dumps(news).encode() + b"\n\n")
            waiting = asyncio.ensure_future(anext(feed, None))
    finally:
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
            await waiting
