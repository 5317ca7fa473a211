"""`/api/v1/events`: what happens, as server-sent events, for programs that would otherwise ask again and again."""

import asyncio
import contextlib
import json

from aiohttp import web

from scheduler.http.daemon import Daemon
from scheduler.http.problem import Problem

PING_S = 20.0
"""A stream says so often that it is alive; one that nobody reads any more is noticed by it."""

LONGEST_S = 600.0
"""A stream ends after so long. Its client connects anew, and is let in anew, or is not."""

MOST_STREAMS = 32

EVENTS = web.AppKey("events-daemon", Daemon)
STREAMS = web.AppKey("api-streams", set[asyncio.Task[None]])


def add_feed(app: web.Application, daemon: Daemon) -> None:
    """Add the stream; a stop of the application ends those that are open."""
    app[EVENTS] = daemon
    app[STREAMS] = set()
    app.router.add_get("/api/v1/events", _events)
    app.on_shutdown.append(_end_all)


async def _events(request: web.Request) -> web.StreamResponse:
    streams = request.app[STREAMS]
    if len(streams) >= MOST_STREAMS:
        raise Problem(503, "too many streams are open", remedy="Close some, or ask for what you need.")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    stream = asyncio.ensure_future(_stream(request, response))
    streams.add(stream)
    stream.add_done_callback(streams.discard)
    with contextlib.suppress(ConnectionResetError, asyncio.CancelledError):  # who listened has gone, or we stop
        try:
            await stream
        finally:
            stream.cancel()
    return response


async def _stream(request: web.Request, response: web.StreamResponse) -> None:
    feed = request.app[EVENTS].events()
    await response.write(b"retry: 5000\n\n")
    waiting = asyncio.ensure_future(anext(feed, None))
    clock = asyncio.get_running_loop()
    until = clock.time() + LONGEST_S
    try:
        while clock.time() < until:
            done, _ = await asyncio.wait({waiting}, timeout=PING_S)
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


async def _end_all(app: web.Application) -> None:
    streams = app[STREAMS]
    for stream in list(streams):
        stream.cancel()
