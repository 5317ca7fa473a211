"""Test messages on request: only through the daemon's socket, since each costs a person a look."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from aiohttp import web


class Tried(Protocol):
    """What came of a test message through one notifier."""

    @property
    def name(self) -> str:
        """The notifier's."""

    @property
    def taken(self) -> bool:
        """Whether it took the message."""

    @property
    def why(self) -> str:
        """What went wrong, else empty."""

    @property
    def remedy(self) -> str:
        """What a person may do about it."""


def add_trial(app: web.Application, try_out: Callable[[], Awaitable[Sequence[Tried]]]) -> None:
    """Have the daemon's socket send a test message through every notifier in force."""

    async def trial(request: web.Request) -> web.Response:  # noqa: ARG001
        found = [
            {"name": one.name, "taken": one.taken, "why": one.why, "remedy": one.remedy} for one in await try_out()
        ]
        return web.json_response({"notifiers": found})

    app.router.add_post("/api/v1/notify/test", trial)
