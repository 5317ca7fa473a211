"""What the daemon runs on: policies, prices, settings with their origins, and diagnostics to hand to somebody."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from aiohttp import web

from scheduler.core.feeds import PriceSeries
from scheduler.core.terms import PriceSlot
from scheduler.http import price_views, views
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
    """Show what each price source has published, and how it is."""
    daemon = request.app[DAEMON]
    now = daemon.clock.now()
    sources = {one.name: one for one in daemon.price_sources()}
    told = [
        price_views.told_view(one, sources.pop(one.name, None), now=now, since=now) | _present(one.slots, now)
        for one in await _stored(request)
    ]
    silent = [price_views.silent_view(one, now=now, since=now) | _present((), now) for one in sources.values()]
    return await answer(request, "prices.html", series=told + silent, timezone=_timezone(request))


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


def _present(slots: Sequence[PriceSlot], now: datetime) -> views.View:
    """Return the price of this instant, and until when prices are stored."""
    current = next((slot.per_kwh for slot in slots if slot.start <= now < slot.end), None)
    return {"current": current, "last": rfc3339(max((slot.end for slot in slots), default=None))}


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
