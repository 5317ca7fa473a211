"""Server-sent events: what happened, in a word, so that an open page fetches the part that changed."""

from aiohttp import web

from scheduler.http.api import DAEMON
from scheduler.http.problem import Problem
from scheduler.http.streaming import RETRY, Streams
from scheduler.http.web.guard import SESSION
from scheduler.http.web.login import DOORS

PING_S = 20.0
"""A stream says so often that it is alive, and looks whether its session still is."""

MOST_STREAMS = 64

STREAMS = web.AppKey("streams", Streams)


def add_events(app: web.Application) -> None:
    """Serve `/events`; a stop of the application ends the streams."""
    app[STREAMS] = Streams(app)
    app.router.add_get("/events", _events)


async def _events(request: web.Request) -> web.StreamResponse:
    streams = request.app[STREAMS]
    if streams.count >= MOST_STREAMS:
        raise Problem(503, "too many pages are open", remedy="Close some; this one works without live news.")

    async def still_in() -> bool:
        """Tell whether who listens still may: a session may have ended meanwhile, a token lasts."""
        session = request.get(SESSION)
        return session is None or await request.app[DOORS].sessions.lives(session)

    feed = request.app[DAEMON].events()
    headers = {"X-Accel-Buffering": "no"}
    opening = RETRY + b": open\n\n"
    return await streams.serve(request, feed, goes_on=still_in, ping_s=PING_S, headers=headers, opening=opening)
