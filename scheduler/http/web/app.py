"""The application on the TCP port: every page and the API, behind one guard."""

import json
from collections.abc import Callable, Iterable
from math import ceil
from typing import Any

from aiohttp import web

from scheduler.http.api import add_api
from scheduler.http.daemon import Daemon
from scheduler.http.metrics import add_metrics
from scheduler.http.problem import problems
from scheduler.http.web import about, cars, history, setting_up
from scheduler.http.web.assets import bundled
from scheduler.http.web.guard import Handler, add_headers, guard, public, wants_page
from scheduler.http.web.live import add_events
from scheduler.http.web.login import Doors, add_login
from scheduler.http.web.passwords import Passwords
from scheduler.http.web.rendering import RENDERER, page, renderer
from scheduler.http.web.sessions import Sessions
from scheduler.http.web.throttle import Throttle

PAGES = (cars, history, about, setting_up)
"""Modules with a `ROUTES` table each."""

LARGEST_REQUEST = 64 * 1024
PROBLEM = "application/problem+json"


def web_app(
    daemon: Daemon,
    *,
    hosts: Iterable[str],
    token: str | None = None,
    passwords: Passwords | None = None,
    redact: Callable[[str], str] = str,
) -> web.Application:
    """Return the application.

    Args:
        daemon: what it shows and asks.
        hosts: the Host names it answers to; any other is refused with 421.
        token: lets programs in, as `Authorization: Bearer`; None: no token does.
        passwords: the owner's password, when the caller hands out set-up codes; else one of its own.
        redact: takes secrets out of what an error says.
    """
    sessions = Sessions(daemon.store, daemon.clock)
    doors = Doors(passwords=passwords or Passwords(daemon.store), sessions=sessions, throttle=Throttle(daemon.clock))
    guarded = guard(hosts=hosts, sessions=sessions, token=token, throttle=Throttle(daemon.clock))
    app = web.Application(middlewares=[_telling(redact), guarded], client_max_size=LARGEST_REQUEST)
    app.on_response_prepare.append(add_headers)
    app[RENDERER] = renderer()
    bundled().add_to(app)
    add_api(app, daemon)
    add_login(app, doors)
    add_events(app)
    for module in PAGES:
        app.add_routes(module.ROUTES)
    _add_health(app, daemon)
    add_metrics(app, daemon)
    return app


def _add_health(app: web.Application, daemon: Daemon) -> None:
    """Say without a login whether the daemon is alive and ready, and not a word more."""

    def of(what: str) -> Handler:
        async def handler(request: web.Request) -> web.Response:  # noqa: ARG001
            good = bool(daemon.health().get(what))
            return web.json_response({what: good}, status=200 if good else 503)

        return public(handler)

    app.add_routes([web.get("/healthz", of("live")), web.get("/readyz", of("ready"))])


def _telling(redact: Callable[[str], str]) -> Callable[..., Any]:
    """Return the middleware that turns every error into a problem: as JSON for a program, as a page for a person."""

    @web.middleware
    async def told(request: web.Request, handler: Handler) -> Any:
        response = await problems(request, handler)
        if response.content_type != PROBLEM:
            return response
        problem = _without_secrets(json.loads(response.body), redact)
        if wants_page(request):
            answer = page(request, "problem.html", status=response.status, problem=problem)
        else:
            answer = web.json_response(problem, status=response.status, content_type=PROBLEM)
        if "Allow" in response.headers:
            answer.headers["Allow"] = response.headers["Allow"]
        if "wait_s" in problem:
            answer.headers["Retry-After"] = str(ceil(problem["wait_s"]))
        return answer

    return told


def _without_secrets(value: Any, redact: Callable[[str], str]) -> Any:
    match value:
        case str():
            return redact(value)
        case list():
            return [_without_secrets(one, redact) for one in value]
        case dict():
            return {key: _without_secrets(one, redact) for key, one in value.items()}
        case _:
            return value
