"""How a page is made: what every page shows beside its own, and the vehicle that an address names."""

from typing import Any

from aiohttp import web

from scheduler.http import views
from scheduler.http.api import DAEMON
from scheduler.http.daemon import Known, vehicle_called
from scheduler.http.overview import alerts_of
from scheduler.http.web.rendering import page
from scheduler.http.wording import rfc3339

MOST_ALERTS = 200

DONE = {
    "charge": "Asked to charge now.",
    "hold": "Asked to hold.",
    "ready-by": "Asked to be ready by then.",
    "auto": "Back to automatic.",
    "password": "The password was changed; everyone else was logged out.",
}
"""What a page says after a form was taken, by the word `done` of its address: nothing of the address is shown."""


async def answer(request: web.Request, template: str, **values: Any) -> web.Response:
    """Answer with a page that shows how many alerts are open. `alerts` may be handed over by who has read them."""
    alerts = values.pop("alerts", None)
    if alerts is None:
        alerts = await open_alerts(request)
    done = DONE.get(request.query.get("done", ""), "")
    now = rfc3339(request.app[DAEMON].clock.now())
    return page(request, template, **{"alerts": alerts, "done": done, "now": now} | values)


async def open_alerts(request: web.Request) -> list[views.View]:
    """Return the open alerts, newest first."""
    daemon = request.app[DAEMON]
    return alerts_of(daemon, await daemon.store.alerts(open_only=True, limit=MOST_ALERTS))


def known_of(request: web.Request) -> Known:
    """Return the vehicle that the address names. Raises Problem (404)."""
    return vehicle_called(request.app[DAEMON], request.match_info["vehicle"])
