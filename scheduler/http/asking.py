"""Reading a request: its query and its body, each member checked, each fault a problem that names it."""

import json
from datetime import datetime
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import MultiDictProxy

from scheduler.http.daemon import Daemon, vehicle_called
from scheduler.http.instants import instant
from scheduler.http.problem import Problem

MOST_ROWS = 10_000

_UNREADABLE = (ValueError, LookupError, HttpProcessingError, web.RequestPayloadError)
"""What reading a body raises: it is wrong in itself, in a charset that nobody knows, or not coded as it says."""

SET, UNSET = ("", "1", "true", "yes"), ("0", "false", "no")


async def body(request: web.Request) -> dict[str, Any]:
    """Return the JSON object in the body.

    Raises:
        Problem: there is none (400).
    """
    try:
        read = await request.json()
        json.dumps(read, ensure_ascii=False).encode()  # half of a character is no text: nothing could keep it
    except (*_UNREADABLE, RecursionError) as error:
        raise Problem(400, "the body is not JSON", detail=str(error), remedy="Send a JSON object.") from error
    if not isinstance(read, dict):
        raise Problem(400, "the body is no JSON object", remedy="Send a JSON object.")
    return read


async def form(request: web.Request) -> MultiDictProxy[Any]:
    """Return the fields of the form in the body.

    Raises:
        Problem: it cannot be read (400).
    """
    try:
        return await request.post()
    except _UNREADABLE as error:
        raise Problem(400, "the form cannot be read", detail=str(error), remedy="Load the page again.") from error


def whole(request: web.Request, name: str, *, default: int, most: int | None = None) -> int:
    """Return a whole number from the query, not negative and at most `most`."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:  # noqa: PLR2004 - what a store can compare
        raise Problem(400, f"{name} must be a whole number", detail=text)
    return int(text) if most is None else min(int(text), most)


def limit(request: web.Request, *, default: int = 100, most: int = MOST_ROWS) -> int:
    """Return how many rows are asked for, within what may be asked."""
    return max(1, whole(request, "limit", default=default, most=most))


def flag(request: web.Request, name: str) -> bool:
    """Tell whether the query sets a flag (`all`, `all=1`, `all=true`)."""
    text = request.query.get(name, "0").lower()
    if text not in {*SET, *UNSET}:
        raise Problem(400, f"{name} must be 1 or 0", detail=text)
    return text in SET


def vehicle_id(request: web.Request, daemon: Daemon) -> str | None:
    """Return the id of the vehicle that the query names; None when it names none."""
    text = request.query.get("vehicle")
    return None if text is None else vehicle_called(daemon, text).spec.id


def instant_of(request: web.Request, name: str, now: datetime) -> datetime | None:
    """Return an instant from the query; without an offset it is UTC, since no home is meant."""
    text = request.query.get(name)
    return None if text is None else instant(text, timezone="UTC", now=now, past=True)
