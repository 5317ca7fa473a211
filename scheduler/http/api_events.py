"""`/api/v1/events`: what happens, as server-sent events, for programs that would otherwise ask again and again."""

import asyncio

from aiohttp import web

from scheduler.http.daemon import Daemon
from scheduler.http.problem import Problem
from scheduler.http.streaming import Streams

PING_S = 20.0
"""A stream says so often that it is alive; one that nobody reads any more is noticed by it."""

LONGEST_S = 600.0
"""A stream ends after so long. Its client connects anew, and is let in anew, or is not."""

MOST_STREAMS = 32

EVENTS = web.AppKey("events-daemon", Daemon)
STREAMS = web.AppKey("api-streams", Streams)


def add_feed(app: web.Application, daemon: Daemon) -> None:
    """Add the stream; a stop of the application ends those that are open."""
    app[EVENTS] = daemon
    app[STREAMS] = Streams(app)
    app.router.add_get("/api/v1/events", _events)


async def _events(request: web.Request) -> web.StreamResponse:
    streams = request.app[STREAMS]
    if streams.count >= MOST_STREAMS:
        raise Problem(503, "too many streams are open", remedy="Close some, or ask for what you need.")
    clock = asyncio.get_running_loop()
    until = clock.time() + LONGEST_S

    async def within_its_time() -> bool:
        return clock.time() < until

    feed = request.app[EVENTS].events()
    headers = {"Cache-Control": "no-store"}
    return await streams.serve(request, feed, goes_on=within_its_time, ping_s=PING_S, headers=headers)
