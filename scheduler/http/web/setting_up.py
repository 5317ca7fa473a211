"""Setting up: which homes there are, and of what they are made."""

from aiohttp import web

from scheduler.http import views
from scheduler.http.api import DAEMON
from scheduler.http.daemon import all_vehicles
from scheduler.http.web.pages import answer

ROUTES = web.RouteTableDef()


@ROUTES.get("/setup")
async def setup(request: web.Request) -> web.Response:
    """Show each home with its place, chargers, cars and policies."""
    daemon = request.app[DAEMON]
    names = {known.spec.id: known.name for known in all_vehicles(daemon)}
    homes = [views.home_view(home) for home in daemon.homes()]
    return await answer(request, "setup.html", homes=homes, names=names)
