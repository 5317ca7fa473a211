"""The application on the TCP port: every page and the API, behind one guard."""

import json
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from scheduler.http.api import add_api
from scheduler.http.daemon import Daemon
from scheduler.http.metrics import add_metrics
from scheduler.http.problem import problems
from scheduler.http.web import about, cars, history, setting_up
from scheduler.http.web.assets import Assets
from scheduler.http.web.guard import Handler, add_headers, guard, public, wants_page
from scheduler.http.web.live import add_events
from scheduler.http.web.login import Doors, add_login
from scheduler.http.web.passwords import Passwords
from scheduler.http.web.rendering import RENDERER, Renderer, page
from scheduler.http.web.sessions import Sessions
from scheduler.http.web.throttle import Throttle

PAGES = (cars, history, about, setting_up)
"""Modules with a `ROUTES` table each."""

LARGEST_REQUEST = 64 * 1024


def web_app(
    daemon: Daemon, *, hosts: Iterable[str], token: str | None = None, passwords: Passwords | None = None
) -> web.Application:
    """Return the application.

    Args:
        daemon: what it shows and asks.
        hosts: the Host names it answers to; any other is refused with 421.
        token: lets programs in, as `Authorization: Bearer`; None: no token does.
        passwords: the owner's password, when the caller hands out set-up codes; else one of its own.
    """
    sessions = Sessions(daemon.store, daemon.clock)
    doors = Doors(passwords=passwords or Passwords(daemon.store), sessions=sessions, throttle=Throttle(daemon.clock))
    guarded = guard(hosts=hosts, sessions=sessions, token=token, throttle=Throttle(daemon.clock))
    app = web.Application(middlewares=[_told, guarded], client_max_size=LARGEST_REQUEST)
    app.on_response_prepare.append(add_headers)
    assets = Assets()
    app[RENDERER] = Renderer(assets)
    assets.add_to(app)
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


@web.middleware
async def _told(request: web.Request, handler: Handler) -> Any:
    """Turn every error into a problem: as JSON for a program, as a page for a person."""
    response = await problems(request, handler)
    if response.content_type != "application/problem+json" or not wants_page(request):
        return response
    problem = json.loads(response.body)
    told = page(request, "problem.html", status=response.status, problem=problem)
    if "Allow" in response.headers:
        told.headers["Allow"] = response.headers["Allow"]
    return told
