"""The link page: choose a brand, consent, sign in, go back to the client.

Forms without script. A page posts `do`, which says what was pressed; the session keeps the step. One post with
`do=link` and a `vendor` walks through all of it at once.
"""

from html import escape

from aiohttp import web
from yarl import URL

from simulator.answers import Refusal
from simulator.charger import Charger
from simulator.keys import LINKS, WORLD
from simulator.linking import REFUSED_PASSWORD, LinkSession, Step
from simulator.markup import button, document

routes = web.RouteTableDef()

SCOPE_WORDS = {
    "vehicle:read:data": "see the car's battery, its charging and who made it",
    "vehicle:read:location": "see where the car is",
    "vehicle:control:charging": "start and stop charging the car",
    "charger:read:data": "see what the charger does and who made it",
    "charger:control:charging": "start and stop charging at the charger",
}
KINDS = {"vehicle": "car", "charger": "charger"}
LEAVE = button("leave", "Leave without linking")
STEPS = tuple(Step)


@routes.get("/link/{token}")
async def show(request: web.Request) -> web.Response:
    """Show the page at which a session is."""
    session = _session(request)
    return _page(request, session) if isinstance(session, LinkSession) else session


@routes.post("/link/{token}")
async def submit(request: web.Request) -> web.Response:
    """Take a step, or leave; a step that does not fit where the session is shows that page again."""
    session = _session(request)
    if not isinstance(session, LinkSession):
        return session
    form = await request.post()
    do = str(form.get("do"))
    if do in ("leave", "cancel") and session.step is not Step.DONE:
        return _back(session, error="cancelled", error_message="The user left before linking.")
    if do == "link" and session.step is not Step.DONE:
        request.app[LINKS].complete(session, _chosen(request, session, form.get("vendor")))
        return _back(session)
    if do == "sign-in" and session.step is Step.SIGN_IN:
        name, password = str(form.get("name", "")).strip(), str(form.get("password", ""))
        if not name or not password or REFUSED_PASSWORD in (name, password):
            return _page(request, session, problem="The name or the password is not right. Nothing was linked.")
        request.app[LINKS].complete(session, session.vendor or "", name=name)
    elif do == "return" and session.step is Step.DONE:
        return _back(session)
    else:
        _turn(request, session, do, form.get("vendor"))
    return web.Response(status=303, headers={"location": request.path})


def _session(request: web.Request) -> LinkSession | web.Response:
    session = request.app[LINKS].usable(request.match_info["token"])
    if session is not None:
        return session
    text = "<p>It was used, has ended, or never was. Go back to the app and begin again.</p>"
    return document("This link cannot be used", text, status=404)


def _turn(request: web.Request, session: LinkSession, do: str, vendor: object) -> None:
    """Turn to the next page or the one before."""
    first = STEPS.index(Step.BRAND if session.brand_is_open else Step.CONSENT)
    if do == "brand" and session.step is Step.BRAND:
        session.vendor = _chosen(request, session, vendor)
        session.step = Step.CONSENT
    elif do == "consent" and session.step is Step.CONSENT:
        session.step = Step.SIGN_IN
    elif do == "back" and session.step is not Step.DONE:
        session.step = STEPS[max(first, STEPS.index(session.step) - 1)]


def _chosen(request: web.Request, session: LinkSession, vendor: object) -> str:
    """Return the brand that was chosen, where there is a choice.

    Raises:
        Refusal: 400, for a brand that there is not.
    """
    if not session.brand_is_open and session.vendor is not None:
        return session.vendor
    brands = request.app[WORLD].accounts.brands[session.vendor_type]
    chosen = str(vendor or next(iter(brands)))
    if chosen not in brands:
        raise Refusal(400, "No such brand.")
    return chosen


def _back(session: LinkSession, **query: str) -> web.Response:
    """Send the browser back to the client; the session is over."""
    session.used = True
    address = URL(session.redirect_uri).update_query(query) if query else session.redirect_uri
    return web.Response(status=302, headers={"location": str(address)})


def _page(request: web.Request, session: LinkSession, *, problem: str = "") -> web.Response:
    kind = KINDS[session.vendor_type]
    again = session.relinks is not None
    title = {
        Step.BRAND: f"Link your {kind}",
        Step.CONSENT: "What you allow",
        Step.SIGN_IN: "Sign in" if session.vendor is None else f"Sign in to {_label(request, session)}",
        Step.DONE: f"Your {kind} is linked" + (" again" if again else ""),
    }[session.step]
    parts = {Step.BRAND: _brand, Step.CONSENT: _consent, Step.SIGN_IN: _sign_in, Step.DONE: _done}
    alert = f'<p role="alert" class="note">{escape(problem)}</p>' if problem else ""
    number = STEPS.index(session.step) + 1
    place = f"<p>Simulated link page, step {number} of {len(STEPS)}</p>"
    return document(
        title,
        f'{place}{alert}<form method="post">{parts[session.step](request, session)}</form>',
        status=422 if problem else 200,
    )


def _label(request: web.Request, session: LinkSession) -> str:
    brands = request.app[WORLD].accounts.brands[session.vendor_type]
    return brands[session.vendor or ""].label


def _brand(request: web.Request, session: LinkSession) -> str:
    brands = request.app[WORLD].accounts.brands[session.vendor_type]
    chosen = session.vendor or next(iter(brands))
    choices = "".join(
        f'<label><input type="radio" name="vendor" value="{escape(vendor)}"{" checked" if vendor == chosen else ""}> '
        f"{escape(brand.label)}</label>"
        for vendor, brand in brands.items()
    )
    kind = KINDS[session.vendor_type]
    return (
        f"<fieldset><legend>Who made your {kind}?</legend>{choices}</fieldset>"
        f"{button('brand', 'Continue', first=True)}{LEAVE}"
    )


def _consent(request: web.Request, session: LinkSession) -> str:
    wishes = "".join(f"<li>{escape(SCOPE_WORDS.get(each, each))}</li>" for each in session.scopes)
    back = button("back", "Back") if session.brand_is_open else ""
    return (
        f"<p>At {escape(_label(request, session))} the app may:</p><ul>{wishes}</ul>"
        f"{button('consent', 'Agree and continue', first=True)}{back}{LEAVE}"
    )


def _sign_in(_request: web.Request, _session: LinkSession) -> str:
    return (
        f"<p>Any name and password will do, but for “{REFUSED_PASSWORD}”, which is refused. "
        "The same name is the same account.</p>"
        '<label>Name <input name="name" autocomplete="off" autocapitalize="none" required></label>'
        '<label>Password <input name="password" type="password" autocomplete="off" required></label>'
        f"{button('sign-in', 'Sign in', first=True)}{button('back', 'Back', valid=False)}"
        f"{button('leave', 'Leave without linking', valid=False)}"
    )


def _done(_request: web.Request, session: LinkSession) -> str:
    device = session.linked
    name = ""
    if device is not None:
        name = f"{device.brand} {device.model}"
        name += f", serial number {device.serial}" if isinstance(device, Charger) else f", {device.name}"
    return f"<p>Linked: {escape(name)}.</p>{button('return', 'Back to the app', first=True)}"
