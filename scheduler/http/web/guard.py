"""What stands before every page and every call of the API: Host, origin, session or token, and the answer's headers.

Nothing is trusted for where it comes from: neither a private address nor a header that a proxy may have added (Z09).
"""

import hmac
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from html import escape
from math import ceil
from urllib.parse import quote, urlsplit

import structlog
from aiohttp import web

from scheduler.http import asking
from scheduler.http.problem import Problem
from scheduler.http.web.sessions import COOKIE, Sessions, WebSession
from scheduler.http.web.throttle import Throttle
from scheduler.http.wording import span

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SESSION = web.RequestKey("session", WebSession)
CSRF_FIELD, CSRF_HEADER = "_csrf", "X-CSRF-Token"
LOGIN = "/login"
SAFE = frozenset({"GET", "HEAD"})

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser would call its own forms' origin null
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "Cache-Control": "no-store",
}

_public: set[object] = set()


def public(handler: Handler) -> Handler:
    """Let a handler answer without a session. It must show nothing and change nothing that is the owner's."""
    _public.add(handler)
    return handler


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Add the headers that every answer has, unless its handler chose another value."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


def guard(
    *, hosts: Iterable[str], sessions: Sessions, token: str | None, throttle: Throttle
) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Return the middleware.

    Args:
        hosts: the names by which it may be asked.
        sessions: who is logged in.
        token: lets programs in, as `Authorization: Bearer`; None: no token does.
        throttle: makes guessing the token slow.
    """
    allowed = frozenset(host.lower().strip("[]") for host in hosts)

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if host_name(request.headers.get("Host", "")) not in allowed:
            raise Problem(421, "this host is not served here", remedy="Add its name to http.allowed_hosts.")
        _check_origin(request)
        if request.match_info.handler in _public:
            return await handler(request)
        if "Authorization" in request.headers:
            _check_token(request, token, throttle)
            return await handler(request)
        session = await sessions.of(request.cookies[COOKIE]) if COOKIE in request.cookies else None
        if session is None:
            return _turned_away(request)
        if request.method not in SAFE:
            await _check_csrf(request, session)
        request[SESSION] = session
        return await handler(request)

    return guarded


def host_name(host: str) -> str:
    """Return the name in a Host header without the port, in lower case; an IPv6 address keeps no brackets."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _check_origin(request: web.Request) -> None:
    """Refuse what another page began, by the headers that a browser sets and no page can (Z01, Z08).

    A link that leads here is no such thing: it may be followed, and is answered as everything is, with a session.
    """
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "none")
    followed = request.method in SAFE and request.headers.get("Sec-Fetch-Mode") == "navigate"
    foreign = site not in {"same-origin", "none"} and not followed
    if foreign or (origin is not None and not same_origin(origin, request)):
        raise Problem(
            403, "another page asked for this", remedy="Open kwhen itself; a proxy must pass on the Host header."
        )


def same_origin(origin: str, request: web.Request) -> bool:
    """Tell whether an Origin header names the host that was asked. The scheme is the proxy's affair."""
    try:
        read = urlsplit(origin)
    except ValueError:
        return False
    return read.scheme in {"http", "https"} and read.netloc.lower() == request.headers.get("Host", "").strip().lower()


def behind_tls(request: web.Request) -> bool:
    """Tell whether the browser sees https: it says so itself in the Origin of a form that was checked."""
    return request.headers.get("Origin", "").startswith("https://") or request.secure


def same_text(given: str, wanted: str) -> bool:
    """Compare in constant time; what a client sends need not be text that could be encoded."""
    return hmac.compare_digest(given.encode(errors="surrogatepass"), wanted.encode())


def address_of(request: web.Request) -> str:
    """Return the address of whoever is connected; what a header says of it is not looked at (Z09)."""
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return str(peer[0]) if isinstance(peer, tuple) else "local"


def slow_down(wait_s: float) -> Problem:
    """Return what an address hears that has guessed too often."""
    return Problem(
        429, "too many wrong attempts", remedy=f"Wait {span(timedelta(seconds=ceil(wait_s)))}.", wait_s=wait_s
    )


def _check_token(request: web.Request, token: str | None, throttle: Throttle) -> None:
    address = address_of(request)
    if wait_s := throttle.wait_s(address):
        raise slow_down(wait_s)
    scheme, _, given = request.headers["Authorization"].partition(" ")
    good = token is not None and same_text(given.strip(), token)
    if scheme.lower() != "bearer" or not good:
        log.warning("token.refused", address=address, times=throttle.tried(address))
        raise Problem(401, "the token is not the one", remedy="Send Authorization: Bearer with KWHEN_HTTP__TOKEN.")


async def _check_csrf(request: web.Request, session: WebSession) -> None:
    given = request.headers.get(CSRF_HEADER)
    if given is None and request.content_type in {"application/x-www-form-urlencoded", "multipart/form-data"}:
        field = (await asking.form(request)).get(CSRF_FIELD)
        given = field if isinstance(field, str) else None
    if given is None or not same_text(given, session.csrf):
        raise Problem(403, "the form has no valid token", remedy="Load the page again and send the form once more.")


def _turned_away(request: web.Request) -> web.StreamResponse:
    """Send a person to the login, and tell a program that it needs a token."""
    if "HX-Request" in request.headers:  # a part of a page that is still open: have the whole of it loaded again
        return web.Response(status=401, headers={"HX-Refresh": "true"})
    if not wants_page(request):
        raise Problem(401, "log in first", remedy="Log in, or send Authorization: Bearer with KWHEN_HTTP__TOKEN.")
    target = request.path_qs if request.path_qs.startswith("/") and not request.path_qs.startswith("//") else "/"
    if request.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"} and request.method == "GET":
        return _once_more(target)
    onward = "" if target == "/" or request.method not in SAFE else f"?next={quote(target, safe='/')}"
    raise web.HTTPSeeOther(LOGIN + onward)


def _once_more(target: str) -> web.Response:
    """Have the browser ask again from here: after a link on another site it keeps the strict cookie to itself."""
    to = escape(target)
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>kwhen</title>'
        f'<meta http-equiv="refresh" content="0;url={to}"><p><a href="{to}">Continue</a></p></html>'
    )
    return web.Response(text=page, content_type="text/html")


def wants_page(request: web.Request) -> bool:
    """Tell whether a person's browser asks for a page, and not a program or a script for values."""
    return not request.path.startswith("/api/") and "text/html" in request.headers.get("Accept", "")
