"""Logging in and out, and setting the password: the only pages that answer without a session."""

import asyncio
from dataclasses import dataclass, field

import structlog
from aiohttp import web

from scheduler.http import asking
from scheduler.http.problem import Problem
from scheduler.http.web.guard import LOGIN, SESSION, address_of, behind_tls, public, slow_down
from scheduler.http.web.passwords import Passwords, WeakPassword, check_strength
from scheduler.http.web.rendering import page
from scheduler.http.web.sessions import COOKIE, Sessions, hand_over, take_back
from scheduler.http.web.throttle import Throttle

log = structlog.get_logger()

WRONG = "That was not it."
DIFFERENT = "The two passwords differ."


@dataclass(frozen=True, kw_only=True)
class Doors:
    """What logging in needs."""

    passwords: Passwords
    sessions: Sessions
    throttle: Throttle
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    """A session that begins while the password changes would outlive the old one."""


DOORS = web.AppKey("doors", Doors)


def add_login(app: web.Application, doors: Doors) -> None:
    """Add the pages to an application that has the guard."""
    app[DOORS] = doors
    app.add_routes(
        [
            web.get(LOGIN, _form),
            web.post(LOGIN, _log_in),
            web.get(f"{LOGIN}/code", _code_form),
            web.post(f"{LOGIN}/code", _set_with_code),
            web.post("/logout", _log_out),
            web.post("/logout/everywhere", _log_out_everywhere),
            web.post("/password", _change),
        ]
    )


def add_code(app: web.Application, passwords: Passwords) -> None:
    """Have the daemon's socket hand out set-up codes: whoever may use it may command the cars anyway."""

    async def code(request: web.Request) -> web.Response:  # noqa: ARG001
        log.info("password.code_asked")
        return web.json_response({"code": passwords.new_code(), "known": await passwords.known()}, status=201)

    app.router.add_post("/api/v1/password/code", code)


def inside(target: str) -> str:
    """Return where to go on after the login: a page of ours, never an address elsewhere."""
    fine = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if fine else "/"


@public
async def _form(request: web.Request) -> web.Response:
    if not await request.app[DOORS].passwords.known():
        raise web.HTTPSeeOther(f"{LOGIN}/code")
    return page(request, "login.html", next=inside(request.query.get("next", "/")), fault="")


@public
async def _code_form(request: web.Request) -> web.Response:
    known = await request.app[DOORS].passwords.known()
    return page(request, "code.html", known=known, fault="")


@public
async def _log_in(request: web.Request) -> web.StreamResponse:
    doors, form = request.app[DOORS], await _sent_by_our_form(request)
    target = inside(form.get("next", "/"))
    address = _attempt(request, doors)
    async with doors.one_at_a_time:
        if await doors.passwords.fits(form.get("password", "")):
            doors.throttle.succeeded(address)
            return await _let_in(request, doors, target)
    log.warning("login.refused", address=address)
    return page(request, "login.html", status=403, next=target, fault=WRONG)


@public
async def _set_with_code(request: web.Request) -> web.StreamResponse:
    doors, form = request.app[DOORS], await _sent_by_our_form(request)
    known = await doors.passwords.known()
    password = form.get("password", "")
    try:
        check_strength(password)
    except WeakPassword as weak:
        return page(request, "code.html", status=400, known=known, fault=str(weak))
    if password != form.get("again"):
        return page(request, "code.html", status=400, known=known, fault=DIFFERENT)
    address = _attempt(request, doors)
    if not doors.passwords.spend_code(form.get("code", "")):
        log.warning("password.code_refused", address=address)
        fault = f"{WRONG} The daemon's log has the code; `kwhen password code` makes a new one."
        return page(request, "code.html", status=403, known=known, fault=fault)
    doors.throttle.succeeded(address)
    await _replace(doors, password, address)
    return await _let_in(request, doors, "/")


async def _change(request: web.Request) -> web.StreamResponse:
    doors, form = request.app[DOORS], await _fields(request)
    address = _attempt(request, doors)
    password = form.get("password", "")
    if not await doors.passwords.fits(form.get("old", "")):
        log.warning("password.change_refused", address=address)
        raise Problem(403, "the present password is another", remedy="Go back and type it again.")
    doors.throttle.succeeded(address)
    if password != form.get("again"):
        raise Problem(400, "the two passwords differ", remedy="Go back and type them again.")
    try:
        await _replace(doors, password, address)
    except WeakPassword as weak:
        raise Problem(400, "the new password is too weak", remedy=str(weak)) from weak
    return await _let_in(request, doors, "/settings?done=password")


async def _log_out(request: web.Request) -> web.StreamResponse:
    session = request.get(SESSION)
    if session is not None:
        await request.app[DOORS].sessions.end(session)
    return _shown_out()


async def _log_out_everywhere(request: web.Request) -> web.StreamResponse:
    ended = await request.app[DOORS].sessions.end_all()
    log.info("login.ended_everywhere", sessions=ended, address=address_of(request))
    return _shown_out()


def _shown_out() -> web.Response:
    response = web.Response(status=303, headers={"Location": LOGIN})
    take_back(response)
    return response


async def _replace(doors: Doors, password: str, address: str) -> None:
    """Keep the new password; whoever was logged in with the old one no longer is (Z10)."""
    async with doors.one_at_a_time:
        await doors.passwords.put(password)
        ended = await doors.sessions.end_all()
    log.info("password.changed", sessions_ended=ended, address=address)


async def _let_in(request: web.Request, doors: Doors, target: str) -> web.Response:
    """Begin a session under a new id; one that the browser brought along is ended (Z10)."""
    if COOKIE in request.cookies and (old := await doors.sessions.of(request.cookies[COOKIE])) is not None:
        await doors.sessions.end(old)
    session_id, _ = await doors.sessions.begin()
    log.info("login.accepted", address=address_of(request))
    response = web.Response(status=303, headers={"Location": target})
    hand_over(response, session_id, secure=behind_tls(request))
    return response


def _attempt(request: web.Request, doors: Doors) -> str:
    """Count an attempt and return its address. Raises Problem (429) for one that has to wait."""
    address = address_of(request)
    if wait_s := doors.throttle.wait_s(address):
        log.warning("login.slowed", address=address, wait_s=round(wait_s))
        raise slow_down(wait_s)
    doors.throttle.tried(address)
    return address


async def _sent_by_our_form(request: web.Request) -> dict[str, str]:
    """Return the fields of a form that has no session yet, and so no token: the browser must say whose form it is."""
    if not {"Origin", "Sec-Fetch-Site"} & request.headers.keys():
        raise Problem(403, "no browser sent this", remedy="Programs send Authorization: Bearer with KWHEN_HTTP__TOKEN.")
    return await _fields(request)


async def _fields(request: web.Request) -> dict[str, str]:
    return {name: value for name, value in (await asking.form(request)).items() if isinstance(value, str)}
