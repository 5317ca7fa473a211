"""The simulator as an HTTP server."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from simulator import (
    api_accounts,
    api_assets,
    api_control,
    api_entso_e,
    api_prices,
    api_webhooks,
    backdoor,
    interventions_page,
    link_page,
)
from simulator.answers import Refusal
from simulator.clock import Clock, Handle
from simulator.faults import REQUEST_KINDS, Fault
from simulator.instants import zulu
from simulator.keys import BASE_URL, CLOCK, LINKS, TOKENS, WEBHOOKS, WORLD
from simulator.linking import Links
from simulator.tokens import Tokens
from simulator.webhooks import Webhooks
from simulator.world import World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

OPEN_PATHS = ("/oauth2/token", "/health/ready", "/link/", "/_sim/", "/prices/")
UNKNOWN = "SOMETHING_NEW"


class Driver:
    """Keeps the world at the clock's time: one timer, set for the next thing to happen."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world = world
        self._clock = clock
        self._handle: Handle | None = None

    def start(self) -> None:
        """Let the world follow the clock."""
        self._world.bind(self._clock)
        self._world.agenda.on_earlier = self._arm
        self._arm()

    def stop(self) -> None:
        """Let the world stand still."""
        self._world.agenda.on_earlier = None
        self._world.bind(None)
        if self._handle is not None:
            self._handle.cancel()

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        due = self._world.agenda.next_at()
        self._handle = None if due is None else self._clock.call_at(due, self._fire)

    def _fire(self) -> None:
        due = self._world.agenda.next_at()
        now = self._clock.now()
        # a timer may come a hair early: what it was set for is due all the same
        self._world.run_until(now if due is None else max(now, due))
        self._arm()


@web.middleware
async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Bring the world to the present, log the call, let faults strike, check the token, answer refusals."""
    world = request.app[WORLD]
    world.catch_up()
    world.calls_in_flight += 1
    try:
        if request.path.startswith("/_sim/"):
            return await _answered(request, handler)
        if request.path.startswith("/prices/"):
            world.market.requests.append((world.agenda.now, f"{request.method} {request.path_qs}"))
            return await _spoiled(world, request, handler)
        return await _provided(world, request, handler)
    finally:
        world.calls_in_flight -= 1


async def _provided(world: World, request: web.Request, handler: Handler) -> web.StreamResponse:
    entry = await _log(world, request)
    if world.outage:
        return _cut(request)
    response = await _spoiled(world, request, handler)
    entry["status"] = response.status
    return response


async def _spoiled(world: World, request: web.Request, handler: Handler) -> web.StreamResponse:
    faults = world.faults.strike(REQUEST_KINDS, method=request.method, path=request.path)
    response: web.StreamResponse | None = await _before(request, faults)
    if response is None:
        response = _after(request, await _answered(request, handler), faults)
    return response


async def _log(world: World, request: web.Request) -> dict[str, Any]:
    text = (await request.read()).decode("utf-8", "replace")
    try:
        body = json.loads(text) if text else None
    except ValueError:
        body = text
    if request.path.startswith(("/oauth2/token", "/link/")):  # these bodies hold passwords
        body = None
    entry = {"method": request.method, "path": request.path_qs, "body": body, "at": zulu(world.agenda.now)}
    world.requests.append(entry)
    return entry


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    authorization = request.headers.get("authorization", "")
    if not request.path.startswith(OPEN_PATHS) and not request.app[TOKENS].accepts(authorization):
        return Refusal(401, "The access token is missing or has expired.").response()
    try:
        return await handler(request)
    except Refusal as refusal:
        return refusal.response()
    except web.HTTPException as error:
        return Refusal(error.status, f"{request.method} {request.path}: {error.reason}").response()


async def _before(request: web.Request, faults: list[Fault]) -> web.Response | None:
    """Let those faults strike that keep a call from being handled, or make it wait."""
    for fault in faults:
        if fault.kind == "slow":
            await request.app[CLOCK].sleep(fault.delay_s)
            request.app[WORLD].catch_up()
        elif fault.kind == "hang":
            await request.app[CLOCK].sleep(fault.delay_s)
            return _cut(request)
        elif fault.kind == "drop":
            return _cut(request)
        elif fault.kind == "expired_token":
            request.app[TOKENS].revoke_all()
            return Refusal(401, "The access token is missing or has expired.").response()
        elif fault.kind == "status":
            response = Refusal(fault.status, "A fault that was asked for.").response()
            if fault.retry_after_s is not None:
                response.headers["retry-after"] = f"{fault.retry_after_s:.0f}"
            return response
    return None


def _after(request: web.Request, response: web.StreamResponse, faults: list[Fault]) -> web.StreamResponse:
    """Let those faults strike that spoil an answer."""
    kinds = {fault.kind for fault in faults}
    if "lost_reply" in kinds:
        return _cut(request)
    if "html" in kinds:
        return web.Response(text="<html><body>Bad gateway</body></html>", content_type="text/html")
    if isinstance(response, web.Response) and isinstance(response.body, bytes) and response.body:
        if "truncate" in kinds:
            response.body = response.body[: len(response.body) // 2]
        if "unknown_values" in kinds:
            response.body = json.dumps(_strange(json.loads(response.body))).encode()
    return response


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _strange(value: Any) -> Any:
    """Return a JSON value with members and enum values that no document names."""
    if isinstance(value, list):
        return [_strange(each) for each in value]
    if not isinstance(value, dict):
        return value
    odd = {key: _strange(each) for key, each in value.items()}
    for key in ("powerDeliveryState", "vendor"):
        if isinstance(odd.get(key), str):
            odd[key] = UNKNOWN
    return odd | {"somethingNew": {"value": 1}}


def build_app(world: World, clock: Clock, *, base_url: str | None = None) -> web.Application:
    """Return the server of a world; while it runs, the world follows the clock."""
    app = web.Application(middlewares=[answer])
    app[WORLD], app[CLOCK], app[BASE_URL] = world, clock, base_url or ""
    app[TOKENS], app[LINKS] = Tokens(world), Links(world)
    for module in (
        api_accounts,
        api_assets,
        api_control,
        api_entso_e,
        api_prices,
        api_webhooks,
        link_page,
        interventions_page,
        backdoor,
    ):
        app.add_routes(module.routes)
    app.cleanup_ctx.append(_background)
    return app


async def _background(app: web.Application) -> AsyncIterator[None]:
    world, clock = app[WORLD], app[CLOCK]
    # a pool looks for idle connections every 15 s of the loop's time: a virtual clock would stop at each
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:

        async def post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, list[str]]:
            try:
                async with session.post(url, data=body, headers=headers, allow_redirects=False) as reply:
                    text = (await reply.content.read(2000)).decode("utf-8", "replace")
                    return reply.status, text, [f"{key}: {value}" for key, value in reply.headers.items()]
            except aiohttp.ClientError as error:
                raise ConnectionError(str(error)) from error

        driver, hooks = Driver(world, clock), Webhooks(world, clock, post)
        app[WEBHOOKS] = hooks
        driver.start()
        await hooks.start()
        yield
        await hooks.stop()
        driver.stop()


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server that runs."""

    url: str
    app: web.Application
    runner: web.AppRunner

    @property
    def busy(self) -> bool:
        """Whether a call is being answered or a delivery is on its way, so that a virtual clock should not jump."""
        return self.app[WORLD].calls_in_flight > 0 or self.app[WEBHOOKS].in_flight > 0

    async def stop(self) -> None:
        """End it and everything it started."""
        await self.runner.cleanup()


async def serve(world: World, clock: Clock, host: str = "127.0.0.1", port: int = 0) -> Running:
    """Serve a world (port 0: any free one).

    Raises:
        OSError: the address cannot be used.
    """
    app = build_app(world, clock)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    bound = runner.addresses[0][1]
    return Running(url=f"http://{host}:{bound}", app=app, runner=runner)
