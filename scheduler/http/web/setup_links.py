"""Linking from a page: the vehicle first; then, on a step of its own, the charger; and an account that was lost."""

from urllib.parse import urlsplit

import segno
import structlog
from aiohttp import web
from markupsafe import Markup

from scheduler.core.errors import LinkOver, ProviderError
from scheduler.core.garage import LinkEnd, LinkStart
from scheduler.http import asking
from scheduler.http.api import DAEMON
from scheduler.http.problem import Problem
from scheduler.http.web import preferences
from scheduler.http.web.guard import behind_tls, host_name, public
from scheduler.http.web.pages import answer
from scheduler.http.web.rendering import page, path_segment

log = structlog.get_logger()

RETURN = "/linked"
LONGEST_USER = 200
THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})

ROUTES = web.RouteTableDef()


def user_of(text: object) -> str:
    """Return the id of a user as it was sent. Raises Problem (400) for what can be none."""
    user_id = text.strip() if isinstance(text, str) else ""
    if not user_id or len(user_id) > LONGEST_USER or not user_id.isprintable() or " " in user_id:
        raise Problem(400, "that is no name for a user", remedy="One word, without blanks.")
    return user_id


@ROUTES.post("/setup/links")
async def begin(request: web.Request) -> web.Response:
    """Open a link session and lead to it."""
    form = await asking.form(request)
    user_id, onboarding = user_of(form.get("user")), request.app[DAEMON].onboarding
    chosen = await preferences.read(request.app[DAEMON].store)
    on_phone = "phone" in form
    kind = str(form["phone" if on_phone else "kind"]) if on_phone or "kind" in form else ""
    back_url = _back(request, on_phone=on_phone)
    start = await onboarding.begin_link(user_id, kind, back_url=back_url, language=chosen.language)
    return await _lead(request, start, on_phone=on_phone)


@ROUTES.post("/setup/assets/{asset}/relink")
async def relink(request: web.Request) -> web.Response:
    """Open a session that links a lost account again, and lead to it."""
    chosen = await preferences.read(request.app[DAEMON].store)
    asset, on_phone = request.match_info["asset"], "phone" in await asking.form(request)
    back_url = _back(request, on_phone=on_phone)
    start = await request.app[DAEMON].onboarding.relink(asset, back_url=back_url, language=chosen.language)
    return await _lead(request, start, on_phone=on_phone)


def _back(request: web.Request, *, on_phone: bool) -> str:
    """Return where the provider sends the browser afterwards: the host that it asked, which the guard has let pass.

    A phone cannot come back to a name that only means this machine: then it is empty, and the open page sees the end.
    """
    host = request.headers["Host"]
    if on_phone and host_name(host) in THIS_MACHINE:
        return ""
    return f"{'https' if behind_tls(request) else 'http'}://{host}{RETURN}"


async def _lead(request: web.Request, start: LinkStart, *, on_phone: bool) -> web.Response:
    """Lead to the provider by a page: a redirect that answers a form would be one that `form-action` forbids."""
    if urlsplit(start.url).scheme not in {"http", "https"}:
        raise Problem(502, "the provider gave no usable address", remedy="Try again later.")
    if not on_phone:
        return page(request, "link_go.html", url=start.url, kind=start.kind)
    told = {"kind": start.kind, "user": start.user_id, "state": start.state}
    return await answer(request, "link_phone.html", **told, url=start.url, code=code_of(start.url), onward="")


def code_of(url: str) -> Markup:
    """Return the QR code of an address as a drawing that needs neither a style nor another request."""
    drawn = segno.make(url, error="l", micro=False).svg_inline(
        border=4, omitsize=True, svgclass=None, lineclass=None, dark="#000", light="#fff"
    )
    return Markup(drawn)  # noqa: S704 - of the library's making: the address is in the dots alone


@ROUTES.post("/setup/links/progress")
async def progress(request: web.Request) -> web.Response:
    """Say whether what is being linked on a phone is there, and lead on once it is."""
    form = await asking.form(request)
    user_id, kind, state = user_of(form.get("user")), str(form.get("kind", "")), str(form.get("state", ""))
    onward = ""
    try:  # a provider that does not answer now is asked again with the next news
        end = await request.app[DAEMON].onboarding.link_progress(state)
        if not end.waiting:
            onward = _onward(end)
    except ProviderError as fault:
        log.info("link.progress_unseen", why=str(fault))
    except LinkOver:  # the phone has come back to us, or gave up: the next page knows
        onward = f"/setup?user={path_segment(user_id)}" if kind != "vehicle" else _charger_of(user_id)
    told = {"kind": kind, "user": user_id, "state": state}
    return await answer(request, "link_phone.html", **told, url="", code="", onward=onward)


@ROUTES.get(RETURN, allow_head=False)
@public
async def back(request: web.Request) -> web.Response:
    """Take a person back from the provider, by our state alone: the browser keeps the strict cookie to itself here.

    The page tells nothing of the owner's; what it leads to asks for the session again.
    """
    onboarding = request.app[DAEMON].onboarding
    error = request.query.get("error", "")[:100]
    try:
        end = await onboarding.finish_link(request.query.get("state", ""), error=error)
    except ProviderError as fault:  # the state is spent; what was linked is found by webhook or poll
        log.info("link.return_unseen", why=str(fault))
        return page(request, "linked.html", onward="/setup", kind="", error=False)
    return page(request, "linked.html", onward=_onward(end), kind=end.kind, error=bool(end.error))


def _onward(end: LinkEnd) -> str:
    """Return the next step: after a vehicle the charger, after a charger the home."""
    user = path_segment(end.user_id)
    if end.error:
        return f"/setup?user={user}&done=unlinked"
    return _charger_of(end.user_id) if end.kind == "vehicle" else f"/setup/place?user={user}"


def _charger_of(user_id: str) -> str:
    return f"/setup/charger?user={path_segment(user_id)}"


@ROUTES.get("/setup/charger")
async def charger(request: web.Request) -> web.Response:
    """Ask for the charger, with the reasons; where nothing asks for one, go on to the home."""
    user_id, onboarding = user_of(request.query.get("user")), request.app[DAEMON].onboarding
    account = await onboarding.account(user_id)
    prompts = await onboarding.prompts(user_id)
    if account.vehicles and not prompts:
        placed = all(one.home_id is not None for one in account.vehicles)
        user = path_segment(user_id)
        raise web.HTTPSeeOther(f"/setup?user={user}&done=linked" if placed else f"/setup/place?user={user}")
    return await answer(request, "charger.html", user=user_id, account=account, prompts=prompts)


@ROUTES.post("/setup/prompts/{prompt}/dismiss")
async def dismiss(request: web.Request) -> web.Response:
    """Ask no more; what is mandatory is refused."""
    form = await asking.form(request)
    user_id = user_of(form.get("user"))
    await request.app[DAEMON].onboarding.dismiss(user_id, request.match_info["prompt"])
    raise web.HTTPSeeOther(f"/setup/charger?user={path_segment(user_id)}")
