"""HTTP without sockets: the simulator's and the daemon's own handlers, called as functions.

What is left out is the sockets and the parsing of messages: addresses, headers, bodies, statuses, routes, time-outs
and cut connections are there, and so are all of the daemon's client above aiohttp and the simulator's faults.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from multidict import CIMultiDict, MultiDict
from yarl import URL

from scheduler.web_client import Answer, WebClient
from simulator.clock import LoopClock
from simulator.keys import WEBHOOKS, WORLD
from simulator.server import Driver, answer, build_app
from simulator.webhooks import Webhooks
from simulator.world import World

SIMULATOR = "http://127.0.0.1:9"
READ_S = 15.0

Handler = Callable[[Any], Awaitable[Any]]


class Transport:
    """The connection of one call, of which only the cutting matters."""

    cut = False

    def abort(self) -> None:
        """Cut it."""
        self.cut = True


class Body:
    """A body that has come together with its head."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def is_eof(self) -> bool:
        """Tell that nothing is to come."""
        return True

    def read_nowait(self) -> bytes:
        """Return it."""
        return self._content


class Call:
    """As much of an `aiohttp.web.Request` as the handlers ask for."""

    def __init__(self, app: web.Application, method: str, url: URL, headers: Mapping[str, str], body: bytes) -> None:
        self.app = app
        self.method = method
        self.url = url
        self.path, self.path_qs, self.query = url.path, url.path_qs, url.query
        self.headers = CIMultiDict(headers)
        self.match_info: Mapping[str, str] = {}
        self.transport = Transport()
        self.content = Body(body)
        self.content_length = len(body)
        self.host, self.scheme = url.authority, url.scheme
        self._body = body

    async def read(self) -> bytes:
        """Return the body."""
        return self._body

    async def json(self) -> Any:
        """Return the body read as JSON."""
        return msgspec.json.decode(self._body)

    async def post(self) -> MultiDict[str]:
        """Return the body read as a form."""
        return MultiDict(URL("/?" + self._body.decode()).query)


class Routes:
    """Finds the handler of a call among the routes of an application."""

    def __init__(self, app: web.Application) -> None:
        self._plain: dict[tuple[str, str], Handler] = {}
        self._anyhow: dict[str, Handler] = {}
        self._patterns: list[tuple[str, re.Pattern[str], Handler]] = []
        for route in app.router.routes():
            canonical = route.resource.canonical if route.resource is not None else ""
            if route.method == "*":
                self._anyhow[canonical] = route.handler
            elif "{" in canonical:
                pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(canonical))
                self._patterns.append((route.method, re.compile(pattern + "$"), route.handler))
            else:
                self._plain[route.method, canonical] = route.handler

    def find(self, call: Call) -> Handler:
        """Return the handler of a call, whose `match_info` is filled."""
        plain = self._plain.get((call.method, call.path)) or self._anyhow.get(call.path)
        if plain is not None:
            return plain
        for method, pattern, handler in self._patterns:
            if method == call.method and (found := pattern.match(call.path)):
                call.match_info = found.groupdict()
                return handler
        return _not_found


async def _not_found(_call: Any) -> web.Response:
    raise web.HTTPNotFound


class Line:
    """The simulator without a port: it answers calls, and its couriers hand deliveries to `deliver`."""

    def __init__(self, world: World, clock: LoopClock) -> None:
        self.url = SIMULATOR
        self.app = build_app(world, clock, base_url=self.url)
        self.deliver: Callable[[URL, bytes, Mapping[str, str]], Awaitable[web.Response]] | None = None
        self._routes = Routes(self.app)
        self._driver = Driver(world, clock)
        self._hooks = Webhooks(world, clock, self._post)
        self.app[WEBHOOKS] = self._hooks
        self._going_on: set[asyncio.Future[web.StreamResponse]] = set()
        self._open = True

    async def start(self) -> None:
        """Let the world follow the clock, and the couriers run."""
        self._driver.start()
        await self._hooks.start()

    async def stop(self) -> None:
        """End both, and calls that nobody waits for any more."""
        self._open = False
        await self._hooks.stop()
        for call in self._going_on:
            call.cancel()
        await asyncio.gather(*self._going_on, return_exceptions=True)
        self._driver.stop()

    async def exchange(self, method: str, url: URL, headers: Mapping[str, str], body: bytes) -> web.Response:
        """Return the answer to a call.

        Raises:
            aiohttp.ServerDisconnectedError: the connection was cut, or the world has ended.
            aiohttp.SocketTimeoutError: nothing came within the daemon's patience. The call goes on, as with a server.
        """
        if not self._open:
            raise aiohttp.ServerDisconnectedError
        call = Call(self.app, method, url, headers, body)
        answering = answer(call, self._routes.find(call))  # type: ignore[arg-type]
        if self.app[WORLD].faults.active:  # it may be made to wait
            going_on = asyncio.ensure_future(answering)
            self._going_on.add(going_on)
            going_on.add_done_callback(self._going_on.discard)
            done, _ = await asyncio.wait({going_on}, timeout=READ_S)
            if not done:
                raise aiohttp.SocketTimeoutError("no answer")
            response = going_on.result()
        else:
            response = await answering
        if call.transport.cut:
            raise aiohttp.ServerDisconnectedError
        assert isinstance(response, web.Response)
        return response

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, list[str]]:
        if self.deliver is None:
            raise ConnectionRefusedError(f"nobody listens at {url}")
        response = await self.deliver(URL(url), body, headers)
        return response.status, "", []

    def client(self, *args: Any, **members: Any) -> WebClient:
        """Return the daemon's client, whose calls end here."""
        return _Client(self, *args, **members)


class _Client(WebClient):
    """The daemon's client with another last step."""

    def __init__(self, line: Line, *args: Any, **members: Any) -> None:
        super().__init__(*args, **members)
        self._line = line

    async def _exchange(self, request: Any, what: str, progress: SimpleNamespace) -> Answer:
        url = URL(request.url)
        if request.params:
            url = url.update_query(request.params)
        progress.started = progress.sent = True
        response = await self._line.exchange(request.method, url, request.headers, request.content or b"")
        body = response.body if isinstance(response.body, bytes) else b""
        headers = response.headers
        if "Content-Type" not in headers and body:
            headers = CIMultiDict({**headers, "Content-Type": response.content_type})
        return Answer(status=response.status, headers=headers, body=body, what=what)
