"""The part of `/api/v1` that tells prices: what the sources publish, and what a kWh costs a home."""

import re
from datetime import date, timedelta

from aiohttp import web

from scheduler.core.calendar import MIDNIGHT, ONE_DAY, local_instant, zone_named
from scheduler.core.model import Home
from scheduler.core.timeline import Interval
from scheduler.http import asking, price_views
from scheduler.http.daemon import Daemon, home_called
from scheduler.http.problem import Problem

PRICING = web.AppKey("pricing", Daemon)

PRICES_BACK = timedelta(hours=24)

DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
WRITTEN = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")

OLDEST, FARTHEST = 14, 7
"""So many days ago and ahead prices are told; older ones are not in memory."""


def add_prices(app: web.Application, daemon: Daemon) -> None:
    """Add the routes of prices."""
    app[PRICING] = daemon
    v1 = "/api/v1"
    app.add_routes([web.get(f"{v1}/prices", _prices), web.get(f"{v1}/homes/{{home}}/prices", _home_prices)])


async def _prices(request: web.Request) -> web.Response:
    """Answer with what is stored of every source, and with those that have told nothing yet."""
    daemon = request.app[PRICING]
    now = daemon.clock.now()
    since = asking.instant_of(request, "since", now) or now - PRICES_BACK
    sources = {one.name: one for one in daemon.price_sources()}
    stored = await daemon.store.prices(since=since)
    views = [price_views.told_view(one, sources.pop(one.name, None), now=now, since=since) for one in stored]
    silent = [price_views.silent_view(one, now=now, since=since) for one in sources.values()]
    return web.json_response({"prices": views + silent})


async def _home_prices(request: web.Request) -> web.Response:
    """Answer with what a kWh costs a home today and tomorrow, or on the day that is asked for."""
    daemon = request.app[PRICING]
    home, now = home_called(daemon, request.match_info["home"]), daemon.clock.now()
    today = now.astimezone(zone_named(home.timezone)).date()
    asked = request.query.get("day")
    span = _days(home, today, 2) if asked is None else _days(home, _day(asked, today), 1)
    found = await daemon.home_prices(home, span)
    return web.json_response(price_views.home_prices_view(home, found, daemon.price_sources(), now=now))


def _days(home: Home, first: date, count: int) -> Interval:
    """Return so many whole local days."""
    start, end = (local_instant(day, MIDNIGHT, home.timezone) for day in (first, first + count * ONE_DAY))
    return Interval(start=start, end=end)


def _day(text: str, today: date) -> date:
    """Return the day that is meant. Raises Problem (400) for none, and for one out of reach."""
    if text in DAYS:
        return today + DAYS[text] * ONE_DAY
    try:
        day = date.fromisoformat(text) if WRITTEN.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        remedy = f"Write {', '.join(DAYS)}, or a date such as {today}."
        raise Problem(400, "day must be a day", detail=text[:40], remedy=remedy)
    if not -OLDEST <= (day - today).days <= FARTHEST:
        remedy = f"Ask for a day from {today - OLDEST * ONE_DAY} to {today + FARTHEST * ONE_DAY}."
        raise Problem(400, f"no prices are told of {day}", remedy=remedy)
    return day
