"""Server-sent events: what happened, in a word, so that an open page fetches the part that changed."""

import asyncio
import contextlib
import json

from aiohttp import web

from scheduler.http.api import DAEMON
from scheduler.http.problem import Problem
from scheduler.http.web.guard import SESSION
from scheduler.http.web.login import DOORS

PING_S = 20.0
"""A stream says so often that it is alive, and looks whether its session still is."""

MOST_STREAMS = 64

STREAMS = web.AppKey("streams", set[asyncio.Task[None]])


def add_events(app: web.Application) -> None:
    """Serve `/events`; a stop of the application ends the streams."""
    app[STREAMS] = set()
    app.router.add_get("/events", _events)
    app.on_shutdown.append(_end_all)


async def _events(request: web.Request) -> web.StreamResponse:
    streams = request.app[STREAMS]
    if len(streams) >= MOST_STREAMS:
        raise Problem(503, "too many pages are open", remedy="Close some; this one works without live news.")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    stream = asyncio.ensure_future(_stream(request, response))
    streams.add(stream)
    stream.add_done_callback(streams.discard)
    with contextlib.suppress(ConnectionResetError, asyncio.CancelledError):  # the page was closed, or we stop
        try:
            await stream
        finally:
            stream.cancel()
    return response


async def _stream(request: web.Request, response: web.StreamResponse) -> None:
    feed = request.app[DAEMON].events()
    await response.write(b"retry: 5000\n\n: open\n\n")
    waiting = asyncio.ensure_future(anext(feed, None))
    try:
        while await _still_in(request):
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
        with contextlib.suppress(BaseException):
            await waiting


async def _still_in(request: web.Request) -> bool:
    """Tell whether who listens still may: a session may have ended meanwhile, a token lasts."""
    session = request.get(SESSION)
    return session is None or await request.app[DOORS].sessions.lives(session)


async def _end_all(app: web.Application) -> None:
    streams = app[STREAMS]
    for stream in list(streams):
        stream.cancel()
