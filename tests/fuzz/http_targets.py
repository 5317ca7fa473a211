"""The daemon's HTTP API, asked by whoever may: paths, queries and bodies; and homes handed over as tables."""

import json
import tomllib
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

from scheduler.config import checked_home, load, table_of, toml_of
from scheduler.core.errors import HomeInvalid
from scheduler.core.model import Hand, Home, Override, Will
from scheduler.http.api import api_app
from scheduler.http.api_document import text
from scheduler.ports import OverrideRecord
from storage import mapping
from tests.fake_onboarding import FakeOnboarding
from tests.fakes_daemon import NOW, POLLY, FakeDaemon, make_daemon
from tests.fuzz.http_wire import Served
from tests.fuzz.seeds import dumped
from tests.fuzz.target import Target
from tests.fuzz.text_targets import CONFIGURED, ENVIRON, file_of, plugins

OPERATIONS: tuple[tuple[str, str], ...] = tuple(
    (method.upper(), path)
    for path, item in json.loads(text())["paths"].items()
    for method in item
    if method in {"get", "post", "put", "delete"}
)
RENEWED = 200
"""After so many requests the made-up daemon is as new: by itself it forgets nothing."""

HEADERS = (
    b"", b"Content-Type: application/json\r\n", b"Content-Type: application/json; charset=nothing\r\n", b"Content-Type: \xff\r\n",
    b"Content-Type: application/json; charset=utf-16\r\n", b"Accept: text/html\r\n", b"Origin: null\r\n", b"Content-Encoding: gzip\r\n", b"Content-Type: multipart/form-data; boundary=x\r\n",
    b"If-None-Match: *\r\nRange: bytes=9-1\r\n", b"Accept-Language: xx;q=nan\r\n", b"Content-Encoding: deflate\r\n",
)  # fmt: skip


# --- a home as a table ------------------------------------------------------------------------------------------------


@cache
def _settings() -> Any:
    return load(file_of("beside.toml", CONFIGURED.encode()), ENVIRON, plugins=plugins())


def made(table: Mapping[str, Any]) -> Home:
    """Return the home of a table, checked as the daemon checks it. Raises HomeInvalid."""
    return checked_home(table, settings=_settings(), beside={}, plugins=plugins())


def _home(data: bytes) -> None:
    """A home that is taken can be stored, and pasted into a file, and is then the same."""
    try:
        table = json.loads(data)
        json.dumps(table, ensure_ascii=False).encode()  # as the API looks at what it is handed
    except (ValueError, RecursionError):
        raise HomeInvalid(["no JSON"]) from None
    if not isinstance(table, dict):
        raise HomeInvalid(["no table"])
    home = made(table)
    assert mapping.decode_home(mapping.encode_home(home)) == home, "a home does not come back from the store"
    pasted = tomllib.loads(toml_of(table_of(home)))["home"][0]
    assert made(pasted) == home, "a home does not come back from its lines"


HOME = {
    "id": "hytta",
    "user_id": "u",
    "timezone": "Europe/Oslo",
    "location_id": "l",
    "charger_ids": ["c"],
    "max_kw": 11.0,
    "slack_min": 20,
    "vehicle": [{"id": "v9", "name": "Elsie", "capacity_kwh": 60.0, "mode": "observe", "no_pause": True}],
    "policy": [
        {"name": "ready-by", "at": "07:30", "soc_pct": 80.0, "days": ["mon"]},
        {"name": "off-peak", "windows": [{"start": "22:00", "end": "06:00"}]},
        {"name": "flat", "per_kwh": 0.3},
        {"name": "spot", "source": "market", "taxes": [{"per_kwh": 0.1, "months": [1, 2]}]},
        {"name": "random-delay"},
    ],
}


# --- the API ----------------------------------------------------------------------------------------------------------


class _Checking(FakeOnboarding):
    """Looks at the table of a home as the daemon does."""

    async def create_home(self, table: Mapping[str, Any]) -> Home:
        made(table)
        return await super().create_home(table)


def _daemon() -> FakeDaemon:
    daemon = make_daemon()
    daemon.onboarding = _Checking()
    override = Override(will=Will.HOLD, by=Hand.CLI, set_at=NOW)
    daemon.store.override_rows = [OverrideRecord(vehicle_id=POLLY, override=override)]
    daemon.store.blobs = {"abc": b"{}"}
    return daemon


class _Api:
    """The API of a made-up daemon that forgets everything now and then.

    The application stays: the library keeps something of each there ever was.
    """

    def __init__(self) -> None:
        self._daemon, self._left = _daemon(), RENEWED
        self._served = Served(api_app(self._daemon))

    def asked(self, request: bytes) -> bytes:
        if self._left == 0:
            vars(self._daemon).update(vars(_daemon()))
            self._left = RENEWED
        self._left -= 1
        return self._served.asked(request)


@cache
def _api() -> _Api:
    return _Api()


def request(data: bytes, more: bytes = b"") -> bytes:
    """Return an input as a request, with more header lines.

    First byte: the operation; second: header lines; then JSON: the parts of the path, the query, the body.
    """
    which, how = (*data[:2], 0, 0)[:2]
    method, path = OPERATIONS[which % len(OPERATIONS)]
    parts, query, body = _told(data[2:])
    for name in [piece[1:-1] for piece in path.split("/") if piece.startswith("{")]:
        path = path.replace(f"{{{name}}}", quote(parts.get(name, "polly"), safe="", errors="replace") or "-")
    line = f"{method} {path}?{query} HTTP/1.1\r\n".encode()
    lines = HEADERS[how % len(HEADERS)] + more
    head = b"Host: localhost\r\nConnection: close\r\n%bContent-Length: %d\r\n\r\n" % (lines, len(body))
    return line + head + body


def _asked(data: bytes) -> None:
    answer = _api().asked(request(data))
    if answer[9:12] >= b"400" and b"problem+json" in answer:
        json.loads(answer.partition(b"\r\n\r\n")[2] or b"{}")


def _told(data: bytes) -> tuple[dict[str, str], str, bytes]:
    """Return what an input says of the path, the query and the body; what is no JSON is the body itself."""
    try:
        told = json.loads(data)
        parts, query, body = (told.get(name) for name in ("path", "query", "body"))
        parts = {name: str(part) for name, part in parts.items()}
        flat = urlencode({name: str(value) for name, value in (query or {}).items()}, errors="replace")
        return parts, flat, b"" if body is None else json.dumps(body).encode()
    except (ValueError, RecursionError, AttributeError):
        return {}, "", data


def requests() -> list[bytes]:
    path = {
        "vehicle": "polly",
        "home": "lindgren",
        "user": "user-lindgren",
        "state": "abc",
        "asset": "polly-1111",
        "subject": "polly-1111",
    }
    query = {
        "at": "07:30",
        "since": "2026-11-20T12:00:00Z",
        "limit": "5",
        "vehicle": "polly",
        "day": "2026-11-20",
        "after": "3",
    }
    bodies: list[Any] = [
        {"will": "ready-by", "soc_pct": 80, "at": "07:30", "until": "tomorrow 08:00", "by": "api"},
        {"will": "charge"},
        {"vehicles": ["Polly"], "all": False},
        {"op": "test"},
        HOME,
        {"until": "2026-11-25T12:00:00Z"},
        {"kind": "vehicle", "back_url": "http://localhost/x", "language": "en"},
        {"latitude": 59.9, "longitude": 10.7, "timezone": "Europe/Oslo", "name": "Home", "vehicle": "polly"},
        {"error": "cancelled"},
        None,
    ]
    texts = dumped(*({"path": path, "query": query, "body": body} for body in bodies))
    posts = [n for n, (method, _) in enumerate(OPERATIONS) if method in {"POST", "PUT"}]
    asked = [bytes([n, 1]) + body for n in posts for body in texts]
    return asked + [bytes([n, 0]) + texts[-1] for n in range(len(OPERATIONS))]


TARGETS = (
    Target(name="home-table", run=_home, seeds=lambda: dumped(HOME, {**HOME, "policy": [], "vehicle": []}), expected=(HomeInvalid,), cost=8.0),
    Target(name="http-api", run=_asked, seeds=requests, expected=(), head=2, cost=8.0),
)  # fmt: skip
