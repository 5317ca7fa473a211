"""The OpenAPI document and the API agree: every route is described, and no request breaks what is written there."""

import asyncio
import copy
import json
import threading
from collections.abc import Coroutine, Mapping
from typing import Any

import aiohttp
import pytest
import requests
import schemathesis
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
from scheduler.ports import OverrideRecord
from tests.fake_onboarding import FakeOnboarding
from tests.fakes_daemon import NOW, POLLY, make_daemon
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


class Served:
    """The API of a made-up daemon on a port of this machine, in a loop and thread of its own."""

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
        self._runner, port = self._do(serve_port(api_app(daemon), host="127.0.0.1", port=0))
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
    with Served() as served:
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
