"""The OpenAPI document and the API agree: every route is described, and no request breaks what is written there."""

import asyncio
import copy
import json
import re
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import aiohttp
import pytest
import requests
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, Phase, settings
from pydantic import ValidationError
from schemathesis import checks
from schemathesis.specs.openapi import checks as contract

from scheduler.config.tables import HomeTable
from scheduler.core.errors import HomeInvalid
from scheduler.core.model import Hand, Home, Override, Will
from scheduler.http.api import api_app
from scheduler.http.api_document import text
from scheduler.http.serving import serve_port
from scheduler.http.web.app import web_app
from scheduler.http.web.passwords import Passwords
from scheduler.ports import OverrideRecord
from tests.fake_onboarding import FakeOnboarding
from tests.fakes_daemon import NOW, POLLY, FakeDaemon, make_daemon
from tests.web_site import QUICK, TOKEN
from tests.web_support import serving

DOCUMENT: dict[str, Any] = json.loads(text())
METHODS = {"get", "post", "put", "delete", "patch"}


def routes() -> set[tuple[str, str]]:
    """Return what is served, as pairs of method and path."""
    found = ((route.method, route.resource) for route in api_app(make_daemon()).router.routes())
    return {(method.lower(), one.canonical) for method, one in found if method != "HEAD" and one is not None}


def described() -> set[tuple[str, str]]:
    return {(method, path) for path, item in DOCUMENT["paths"].items() for method in item if method in METHODS}


def test_every_route_is_described_and_nothing_else():
    assert len(routes()) > 30
    assert routes() ^ described() == set()


def test_every_operation_has_a_name_of_its_own():
    names = [one["operationId"] for item in DOCUMENT["paths"].values() for one in item.values()]
    assert len(names) == len(set(names))


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(one) for one in value.values()))
    return set().union(*(references(one) for one in value)) if isinstance(value, list) else set()


def test_every_part_is_used_and_there():
    parts = DOCUMENT["components"]
    there = {f"#/components/{kind}/{name}" for kind in ("schemas", "parameters", "responses") for name in parts[kind]}
    assert references(DOCUMENT) == there


async def test_the_document_is_served():
    async with serving(api_app(make_daemon())) as address, aiohttp.ClientSession(address) as session:
        answer = await session.get("/api/v1/openapi.json")
        assert answer.status == 200
        assert await answer.json() == DOCUMENT


def closed(value: Any) -> Any:
    """Return the document with no member allowed but those that it names: an answer with more is then a fault."""
    if isinstance(value, list):
        return [closed(one) for one in value]
    if not isinstance(value, dict):
        return value
    shut = {key: closed(one) for key, one in value.items()}
    if value.get("type") == "object" and "properties" in value:
        shut.setdefault("additionalProperties", False)
    return shut


def strict() -> dict[str, Any]:
    """Return the document closed in its answers; what is sent may hold more, as it says."""
    document = copy.deepcopy(DOCUMENT)
    document["components"]["schemas"] = closed(document["components"]["schemas"])
    for item in document["paths"].values():
        for operation in item.values():
            operation["responses"] = closed(operation["responses"])
    return document


class Checking(FakeOnboarding):
    """Looks at the table of a home as the daemon does."""

    async def create_home(self, table: Mapping[str, Any]) -> Home:
        try:
            HomeTable(**table)
        except ValidationError as error:
            raise HomeInvalid([str(error)]) from error
        return await super().create_home(table)


def guarded_app(daemon: FakeDaemon) -> web.Application:
    """Return what listens on the TCP port: the API among the pages, behind the guard of them all."""
    return web_app(daemon, hosts=["127.0.0.1"], token=TOKEN, passwords=Passwords(daemon.store, QUICK))


class Served:
    """The API of a made-up daemon on a port of this machine, in a loop and thread of its own."""

    def __init__(self, app_of: Callable[[FakeDaemon], web.Application]) -> None:
        self._app_of = app_of

    def __enter__(self) -> str:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        daemon = make_daemon()
        daemon.onboarding = Checking()
        daemon.happenings = [{"what": "vehicle", "vehicle": POLLY}, {"what": "prices", "vehicle": None}]
        override = Override(will=Will.HOLD, by=Hand.CLI, set_at=NOW)
        daemon.store.override_rows = [OverrideRecord(vehicle_id=POLLY, override=override)]
        daemon.store.blobs = {"abc": b"{}"}
        self._runner, port = self._do(serve_port(self._app_of(daemon), host="127.0.0.1", port=0))
        return f"http://127.0.0.1:{port}"

    def __exit__(self, *_: object) -> None:
        self._do(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)


@pytest.fixture(scope="module")
def address():
    with Served(api_app) as served:
        yield served


@pytest.fixture(scope="module")
def guarded():
    with Served(guarded_app) as served:
        yield served


@pytest.fixture(scope="module")
def session():
    with requests.Session() as one:
        one.trust_env = False
        yield one


SCHEMA = schemathesis.openapi.from_dict(strict())
CHECKS = [
    checks.not_a_server_error,
    contract.status_code_conformance,
    contract.content_type_conformance,
    contract.response_headers_conformance,
    contract.response_schema_conformance,
    contract.unsupported_method,
    contract.negative_data_rejection,
]
BOUNDED = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@SCHEMA.parametrize()
@BOUNDED
def test_no_request_breaks_the_contract(case, address, session):
    case.call_and_validate(base_url=address, session=session, timeout=10, checks=CHECKS)


# --- behind the guard of the TCP port ---------------------------------------------------------------------------------

BEARER = {"Authorization": f"Bearer {TOKEN}"}
OPERATIONS = sorted(described())
DESCRIBED = [
    contract.status_code_conformance,
    contract.content_type_conformance,
    contract.response_schema_conformance,
]
PUBLIC = {("get", "/healthz"), ("get", "/readyz")}


@SCHEMA.parametrize()
@settings(BOUNDED, max_examples=3)
def test_no_request_with_the_token_breaks_the_contract(case, guarded, session):
    case.call_and_validate(base_url=guarded, session=session, headers=BEARER, timeout=10, checks=CHECKS)


def asked(session: requests.Session, address: str, method: str, path: str, **headers: str) -> requests.Response:
    """Ask what is described with these headers, and have it judged whether the answer is described too."""
    named = {name: name for name in re.findall(r"{(\w+)}", path)}
    case = SCHEMA[path][method.upper()].Case(path_parameters=named)
    body = {"json": {}} if method in {"post", "put"} else {}
    response = session.request(method, address + path.format(**named), headers=headers, timeout=10, **body)
    case.validate_response(response, checks=DESCRIBED)
    return response


def test_the_document_says_what_needs_no_token():
    assert DOCUMENT["security"] == [{"token": []}, {"session": []}]
    open_to_all = {(m, p) for m, p in described() if DOCUMENT["paths"][p][m].get("security") == []}
    assert open_to_all == PUBLIC


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 401, id="no-token"),
        pytest.param({"Cookie": "kwhen_session=made-up"}, 401, id="no-session"),
        pytest.param(BEARER | {"Host": "elsewhere.example"}, 421, id="another-host"),
        pytest.param(BEARER | {"Origin": "https://elsewhere.example"}, 403, id="another-page"),
    ],
)
def test_who_may_not_ask_is_told_so_as_it_is_written(guarded, session, headers, status):
    for method, path in OPERATIONS:
        response = asked(session, guarded, method, path, **headers)
        expected = 200 if status == 401 and (method, path) in PUBLIC else status
        assert response.status_code == expected, (method, path)


def test_who_guesses_the_token_is_refused_then_has_to_wait(session):
    with Served(guarded_app) as address:
        wrong = {"Authorization": "Bearer guessed"}
        found = [asked(session, address, "get", "/api/v1/status", **wrong).status_code for _ in range(8)]
    assert found[0] == 401
    assert found[-1] == 429
    assert set(found) == {401, 429}
