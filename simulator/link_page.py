"""The link page: choose a brand, consent, come back."""

from html import escape

from aiohttp import web
from yarl import URL

from simulator.answers import Refusal
from simulator.keys import LINKS
from simulator.linking import BRANDS, LinkSession

routes = web.RouteTableDef()

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Link a {kind}</title>
<h1>Link a {kind}</h1>
<p>This page stands in for the provider's. It asks for: {scopes}</p>
<form method="post">
{choices}
<p><button name="do" value="link">Link</button> <button name="do" value="cancel">Cancel</button></p>
</form></html>
"""


def _session(request: web.Request) -> LinkSession:
    session = request.app[LINKS].usable(request.match_info["token"])
    if session is None:
        raise Refusal(404, "This link session was used, has ended, or never was.")
    return session


def _vendors(session: LinkSession) -> list[str]:
    known = BRANDS[session.vendor_type]
    return [session.vendor] if session.vendor is not None else list(known)


@routes.get("/link/{token}")
async def show(request: web.Request) -> web.Response:
    """Show the page of a session."""
    session = _session(request)
    choices = "\n".join(
        f'<p><label><input type="radio" name="vendor" value="{escape(vendor)}"{" checked" if first == 0 else ""}> '
        f"{escape(vendor)}</label></p>"
        for first, vendor in enumerate(_vendors(session))
    )
    kind, scopes = escape(session.vendor_type), escape(", ".join(session.scopes))
    return web.Response(text=PAGE.format(kind=kind, scopes=scopes, choices=choices), content_type="text/html")


@routes.post("/link/{token}")
async def submit(request: web.Request) -> web.Response:
    """Link the chosen brand, or give up; then send the browser back to the client."""
    session = _session(request)
    form = await request.post()
    back = URL(session.redirect_uri)
    if form.get("do") == "cancel":
        session.used = True
        back = back.update_query(error="cancelled", error_message="The user left before linking.")
        return web.Response(status=302, headers={"location": str(back)})
    vendor = str(form.get("vendor") or _vendors(session)[0])
    if vendor not in _vendors(session):
        raise Refusal(400, "No such brand.")
    request.app[LINKS].complete(session, vendor)
    return web.Response(status=302, headers={"location": str(back)})
