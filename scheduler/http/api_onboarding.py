"""The part of `/api/v1` that sets up: accounts, links, prompts, places, interventions, conflicts, homes, pauses."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from aiohttp import web

from scheduler.core.garage import LINK_KINDS, Account, HomeText, LinkEnd, LinkStart
from scheduler.http import asking, views
from scheduler.http.daemon import Daemon, Onboarding, vehicle_called
from scheduler.http.instants import instant
from scheduler.http.problem import Problem

ONBOARDING = web.AppKey("onboarding", Daemon)

LONGEST_TEXT = 500


def add_onboarding(app: web.Application, daemon: Daemon) -> None:
    """Add the routes of the setting-up."""
    app[ONBOARDING] = daemon
    v1 = "/api/v1"
    app.add_routes(
        [
            web.get(f"{v1}/users", _users),
            web.get(f"{v1}/users/{{user}}/account", _account),
            web.get(f"{v1}/users/{{user}}/prompts", _prompts),
            web.delete(f"{v1}/users/{{user}}/prompts/{{prompt}}", _dismiss),
            web.post(f"{v1}/users/{{user}}/links", _begin_link),
            web.post(f"{v1}/users/{{user}}/places", _place),
            web.post(f"{v1}/assets/{{asset}}/relink", _relink),
            web.get(f"{v1}/links/{{state}}", _progress),
            web.post(f"{v1}/links/{{state}}", _finish_link),
            web.get(f"{v1}/vehicles/{{vehicle}}/interventions", _interventions),
            web.get(f"{v1}/vehicles/{{vehicle}}/conflicts", _conflicts),
            web.delete(f"{v1}/vehicles/{{vehicle}}/conflicts/{{conflict}}", _resolve),
            web.get(f"{v1}/vehicles/{{vehicle}}/position", _position),
            web.post(f"{v1}/homes", _create_home),
            web.get(f"{v1}/homes/{{home}}", _home),
            web.put(f"{v1}/homes/{{home}}", _change_home),
            web.delete(f"{v1}/homes/{{home}}", _delete_home),
            web.get(f"{v1}/pauses", _pauses),
            web.put(f"{v1}/pauses/{{subject}}", _pause),
            web.delete(f"{v1}/pauses/{{subject}}", _resume),
        ]
    )


def _of(request: web.Request) -> Onboarding:
    return request.app[ONBOARDING].onboarding


def _answer(value: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.json_response(views.plain(dict(value)), status=status)


def text_of(body: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """Return a text of the body. Raises Problem (400) when it is missing, no text, or too long."""
    value = body.get(name, default)
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or "\x00" in value or (default is None and not value):
        raise Problem(400, f"{name} must be a text", remedy=f'Send {{"{name}": "…"}}.')
    return value


def number_of(body: Mapping[str, Any], name: str) -> float:
    """Return a number of the body. Raises Problem (400)."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:  # noqa: PLR2004 - finite
        raise Problem(400, f"{name} must be a number", remedy=f'Send {{"{name}": 0.0}}.')
    return float(value)


async def _users(request: web.Request) -> web.Response:
    return _answer({"users": await _of(request).users()})


async def _account(request: web.Request) -> web.Response:
    fresh = asking.flag(request, "fresh")
    return _answer(account_view(await _of(request).account(request.match_info["user"], fresh=fresh)))


def account_view(account: Account) -> dict[str, Any]:
    """Return an account as JSON, without positions: they are private and asked for one by one."""
    view = asdict(account)
    for card, one in zip(view["vehicles"], account.vehicles, strict=True):
        card["position"] = one.position is not None
        card["blocking"], card["optional"] = one.blocking, one.optional
    for place in view["locations"]:
        place["position"] = place["position"] is not None
    return view


async def _prompts(request: web.Request) -> web.Response:
    found = await _of(request).prompts(request.match_info["user"])
    return _answer({"prompts": [asdict(one) for one in found]})


async def _dismiss(request: web.Request) -> web.Response:
    await _of(request).dismiss(request.match_info["user"], request.match_info["prompt"])
    return web.Response(status=204)


async def _begin_link(request: web.Request) -> web.Response:
    body = await asking.body(request)
    kind = text_of(body, "kind")
    if kind not in LINK_KINDS:
        raise Problem(400, f"kind must be one of {', '.join(LINK_KINDS)}", remedy='Send {"kind": "vehicle"}.')
    start = await _of(request).begin_link(
        request.match_info["user"],
        kind,
        back_url=text_of(body, "back_url", ""),
        language=text_of(body, "language", "browser"),
    )
    return _answer(_start_view(start), status=201)


async def _relink(request: web.Request) -> web.Response:
    body = await asking.body(request)
    start = await _of(request).relink(
        request.match_info["asset"],
        back_url=text_of(body, "back_url", ""),
        language=text_of(body, "language", "browser"),
    )
    return _answer(_start_view(start), status=201)


def _start_view(start: LinkStart) -> dict[str, Any]:
    return {name: getattr(start, name) for name in ("kind", "user_id", "expires_at", "url", "state")}


def _end_view(end: LinkEnd) -> dict[str, Any]:
    return {**asdict(end), "waiting": end.waiting}


async def _progress(request: web.Request) -> web.Response:
    return _answer(_end_view(await _of(request).link_progress(request.match_info["state"])))


async def _finish_link(request: web.Request) -> web.Response:
    body = await asking.body(request)
    return _answer(
        _end_view(await _of(request).finish_link(request.match_info["state"], error=text_of(body, "error", "")))
    )


async def _place(request: web.Request) -> web.Response:
    body = await asking.body(request)
    chargers = body.get("charger_ids", [])
    if not isinstance(chargers, list) or not all(isinstance(one, str) for one in chargers):
        raise Problem(400, "charger_ids must be a list of ids", remedy='Send {"charger_ids": []}.')
    placed = await _of(request).place(
        request.match_info["user"],
        latitude=number_of(body, "latitude"),
        longitude=number_of(body, "longitude"),
        name=text_of(body, "name", "Home"),
        timezone=text_of(body, "timezone"),
        charger_ids=chargers,
    )
    return _answer(asdict(placed), status=201)


def _vehicle_id(request: web.Request) -> str:
    """Return the id of the vehicle that is meant: a configured one by its name, any other by its id."""
    asked = request.match_info["vehicle"]
    try:
        return vehicle_called(request.app[ONBOARDING], asked).spec.id
    except Problem as problem:
        if problem.status != 404:  # noqa: PLR2004
            raise
        return asked


async def _interventions(request: web.Request) -> web.Response:
    vehicle_id = _vehicle_id(request)
    language = request.query.get("language", "en-US")
    if not language.isprintable() or len(language) > 35:  # noqa: PLR2004 - the longest tag of BCP 47 to be expected
        raise Problem(400, "language must be a tag such as en-US", detail=language[:35])
    found = await _of(request).interventions(vehicle_id, language=language)
    return _answer({"vehicle": vehicle_id, "interventions": [asdict(one) for one in found]})


async def _conflicts(request: web.Request) -> web.Response:
    found = await _of(request).conflicts(_vehicle_id(request))
    return _answer({"conflicts": [asdict(one) for one in found]})


async def _resolve(request: web.Request) -> web.Response:
    await _of(request).resolve(_vehicle_id(request), request.match_info["conflict"])
    return web.Response(status=204)


async def _position(request: web.Request) -> web.Response:
    """Answer where the car is now, by its own GPS."""
    found = await _of(request).whereabouts(_vehicle_id(request))
    return _answer({"latitude": found.latitude, "longitude": found.longitude, "at": found.at})


def _text_view(text: HomeText) -> dict[str, Any]:
    return {**asdict(text), "stored": text.stored}


async def _home(request: web.Request) -> web.Response:
    return _answer(_text_view(await _of(request).home_text(request.match_info["home"])))


async def _create_home(request: web.Request) -> web.Response:
    home = await _of(request).create_home(await asking.body(request))
    return _answer(views.home_view(home), status=201)


async def _change_home(request: web.Request) -> web.Response:
    release, table = asking.flag(request, "release"), await asking.body(request)
    home = await _of(request).change_home(request.match_info["home"], table, release=release)
    return _answer(views.home_view(home))


async def _delete_home(request: web.Request) -> web.Response:
    await _of(request).delete_home(request.match_info["home"], release=asking.flag(request, "release"))
    return web.Response(status=204)


async def _pauses(request: web.Request) -> web.Response:
    return _answer({"pauses": [asdict(one) for one in await _of(request).pauses()]})


async def _pause(request: web.Request) -> web.Response:
    """Only watch a vehicle or home until an instant: RFC 3339, or a local time of the home's."""
    onboarding, subject = _of(request), request.match_info["subject"]
    daemon = request.app[ONBOARDING]
    zones = {one: home.timezone for home in daemon.homes() for one in (home.id, *(v.id for v in home.vehicles))}
    text = text_of(await asking.body(request), "until")
    until = instant(text, timezone=zones.get(subject, "UTC"), now=daemon.clock.now())
    await onboarding.pause(subject, until=until)
    return _answer({"subject": subject, "until": until})


async def _resume(request: web.Request) -> web.Response:
    await _of(request).pause(request.match_info["subject"], until=None)
    return web.Response(status=204)
