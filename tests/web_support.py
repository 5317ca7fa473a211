"""A clock that only moves when told, and a provider that does as it is told, for tests of the HTTP side."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from aiohttp import web

from scheduler.core.observation import Stamp

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
RECEIVED = Stamp(at=NOON, mono_ns=0, run=1)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class StepClock:
    """Moves when somebody sleeps on it, at once, and keeps how long they did."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at
        self.slept_s: list[float] = []
        self._mono_ns = 1_000_000_000

    def now(self) -> datetime:
        return self.at

    def monotonic_ns(self) -> int:
        return self._mono_ns

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self._mono_ns += round(seconds * 1e9)


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """Serve an application on a free port of this machine and yield its address."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def app_of(handler: Handler) -> web.Application:
    """Return an application in which one handler takes every request."""
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handler)
    return app
