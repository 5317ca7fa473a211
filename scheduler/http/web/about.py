"""What the daemon runs on: policies, prices, settings with their origins, and diagnostics to hand to somebody."""

from collections import defaultdict
from datetime import timedelta

from aiohttp import web

from scheduler.core.model import PriceSeries
from scheduler.http import views
from scheduler.http.api import DAEMON
from scheduler.http.overview import status_of
from scheduler.http.web.guard import SESSION
from scheduler.http.web.pages import answer
from scheduler.http.web.series import price_chart
from scheduler.http.wording import rfc3339

PRICES_BACK = timedelta(hours=24)

ROUTES = web.RouteTableDef()


@ROUTES.get("/policies")
async def policies(request: web.Request) -> web.Response:
    """Show the policies of each home in their order, and how each is."""
    daemon = request.app[DAEMON]
    by_home: dict[str, list[views.View]] = {home.id: [] for home in daemon.homes()}
    specs = {home.id: home.policies for home in daemon.homes()}
    for policy in daemon.policies():
        rows = by_home.setdefault(policy["home"], [])
        rest = specs.get(policy["home"], ())[len(rows) :]
        rows.append(policy | {"settings": views.plain(rest[0].settings) if rest else {}})
    return await answer(request, "policies.html", by_home=by_home)


@ROUTES.get("/prices")
async def prices(request: web.Request) -> web.Response:
    """Show what each price source has published."""
    return await answer(request, "prices.html", series=[_series(request, one) for one in await _stored(request)])


@ROUTES.get("/prices/{number}/chart.json")
async def chart(request: web.Request) -> web.Response:
    """Answer with the chart of one source, by its place in the list."""
    found = await _stored(request)
    number = request.match_info["number"]
    if not number.isdecimal() or int(number) >= len(found):
        raise web.HTTPNotFound
    now = request.app[DAEMON].clock.now()
    view = views.series_view(found[int(number)])
    return web.json_response(price_chart(view, timezone=_timezone(request), now=now))


async def _stored(request: web.Request) -> list[PriceSeries]:
    daemon = request.app[DAEMON]
    return await daemon.store.prices(since=daemon.clock.now() - PRICES_BACK)


def _timezone(request: web.Request) -> str:
    """Return the zone in which prices are told: that of the first home."""
    return next((home.timezone for home in request.app[DAEMON].homes()), "UTC")


def _series(request: web.Request, series: PriceSeries) -> views.View:
    now = request.app[DAEMON].clock.now()
    current = next((slot.per_kwh for slot in series.slots if slot.start <= now < slot.end), None)
    last = max((slot.end for slot in series.slots), default=None)
    return views.series_view(series) | {"current": current, "until": rfc3339(last), "timezone": _timezone(request)}


@ROUTES.get("/settings")
async def settings(request: web.Request) -> web.Response:
    """Show every setting with where it comes from, and let the password be changed."""
    tables: dict[str, list[dict[str, str]]] = defaultdict(list)
    for one in request.app[DAEMON].settings_shown():
        table, _, key = one["key"].partition(".")
        tables[table if key else "general"].append(one | {"name": key or table})
    health = views.plain(request.app[DAEMON].health())
    return await answer(request, "settings.html", tables=tables, health=health, session=request.get(SESSION))


@ROUTES.get("/diagnostics.json")
async def diagnostics(request: web.Request) -> web.Response:
    """Answer with what helps somebody else to help: no secret and no position is in it (Z07)."""
    daemon = request.app[DAEMON]
    found = {
        "kwhen": "diagnostics",
        "status": await status_of(daemon),
        "policies": daemon.policies(),
        "settings": daemon.settings_shown(),
    }
    headers = {"Content-Disposition": 'attachment; filename="kwhen-diagnostics.json"'}
    return web.json_response(views.plain(found), headers=headers)
