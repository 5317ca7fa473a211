"""How the daemon is joined to the world in a life, and where it keeps things: at full fidelity, or in memory."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from aiohttp import web
from yarl import URL

from scheduler.app import App
from scheduler.enode.webhook import webhook_app
from scheduler.ports import Clock, Store
from scheduler.web_client import WebClient
from simulator.clock import LoopClock
from simulator.server import Running, serve
from simulator.world import World
from storage import open_store
from tests.campaign.in_memory import Call, Line, Routes

SECRET = "a secret of the campaign, long enough"


class Joint(Protocol):
    """How the daemon is joined to the world."""

    name: str
    url: str
    web_client: Callable[..., WebClient]

    async def open(self, world: World, clock: LoopClock) -> None:
        """Have the provider answer."""
        ...

    def store(self, directory: Path, clock: Clock) -> Store:
        """Return what the daemon keeps things in: the same things after each restart."""
        ...

    def listen(self, app: App | None) -> None:
        """Say who takes deliveries now."""
        ...

    async def close(self) -> None:
        """Have the provider answer no more."""
        ...


class Full:
    """Loopback HTTP both ways, and a real SQLite file."""

    name = "full"
    web_client: Callable[..., WebClient] = WebClient
    running: Running

    async def open(self, world: World, clock: LoopClock) -> None:
        """Have the provider answer on a port."""
        self.running = await serve(world, clock)
        self.url = self.running.url

    def store(self, directory: Path, clock: Clock) -> Store:
        """Return a store on a file."""
        return open_store(f"sqlite:///{directory}/kwhen.db", clock=clock)

    def listen(self, app: App | None) -> None:
        """Do nothing: the daemon has a port of its own."""

    async def close(self) -> None:
        """Close the port."""
        await self.running.stop()


class Memory:
    """Calls without sockets, and the store that keeps nothing beyond the process."""

    name = "memory"
    line: Line

    def __init__(self) -> None:
        self._store: Store | None = None

    async def open(self, world: World, clock: LoopClock) -> None:
        """Have the provider answer without a port."""
        self.line = Line(world, clock)
        self.url, self.web_client = self.line.url, self.line.client
        await self.line.start()

    def store(self, directory: Path, clock: Clock) -> Store:
        """Return the one store of this life."""
        del directory
        self._store = self._store or open_store("memory://", clock=clock)
        return self._store

    def listen(self, app: App | None) -> None:
        """Have deliveries handed to the daemon's own listener."""
        if app is None:
            self.line.deliver = None
            return
        listener = webhook_app(
            secrets=lambda: [SECRET.encode()], sink=app.take_in, stamp=app.loop.stamp, counters=app.inbound.counters
        )
        routes = Routes(listener)

        async def deliver(url: URL, body: bytes, headers: Mapping[str, str]) -> web.Response:
            call = Call(listener, "POST", url, headers, body)
            response: web.Response = await routes.find(call)(call)
            return response

        self.line.deliver = deliver

    async def close(self) -> None:
        """Let the world stand still."""
        await self.line.stop()
