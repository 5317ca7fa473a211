"""S19: no secret leaves the daemon, however it is provoked. The provider here gives back all that it was sent."""

import base64
import json
import sqlite3
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar
from urllib.parse import quote, quote_plus

import pytest

from tests.integration.processes import WEBHOOK_SECRET, Daemon, asked, installed, until

CLIENT_SECRET = "canary:client/secret+with=odd&signs"
ACCESS_TOKEN = "canary.access/token+of=this?hour"
PASSWORD = "canary-password-of-the-database"
PRICE_TOKEN = "canary+price/token=of&the%owner"
PRICES = {
    "entsoe": 'source = "entso-e"\nzone = "AT"',  # in the address
    "tibber": 'source = "tibber"',
    "amber": 'source = "amber"\nsite_id = "01ABC"',
    "maps": 'source = "electricity-maps"\nzone = "DE"',
}
"""Sources that have a token, each asking the provider here."""


class Echo(BaseHTTPRequestHandler):
    """Grants a token, and refuses everything else with a body that repeats what it was asked and knows."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[Counter[str]] = Counter()

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):  # GET, POST and all the others
            return self.answer
        raise AttributeError(name)

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(errors="replace")
        self.seen[f"{self.command} {self.path.partition('?')[0]}"] += 1
        if self.path.startswith("/gql"):  # GraphQL tells its errors with 200
            status, told = 200, {"data": None, "errors": [{"message": " ".join(every_form())}]}
        elif self.path == "/oauth2/token":
            status, told = 200, {"access_token": ACCESS_TOKEN, "expires_in": 3600, "token_type": "bearer"}
        else:
            everything = f"{self.headers.as_string()} {body} {' '.join(every_form())}"
            status, told = (500, 400, 403)[self.seen.total() % 3], {"title": everything, "detail": everything}
        payload = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def forms(secret: str) -> Iterator[str]:
    raw = secret.encode()
    yield from (secret, quote(secret, safe=""), quote_plus(secret), raw.hex(), raw.hex().upper())
    yield from (base64.b64encode(raw).decode().rstrip("="), base64.urlsafe_b64encode(raw).decode().rstrip("="))
    yield base64.b64encode(b"id:" + raw).decode().rstrip("=")
    yield json.dumps(secret)[1:-1]


def every_form() -> Iterator[str]:
    for secret in (CLIENT_SECRET, WEBHOOK_SECRET, ACCESS_TOKEN, PRICE_TOKEN):
        yield from forms(secret)


def leaks(text: str | bytes) -> set[str]:
    """Return the forms of secrets that a text holds."""
    shown = text.decode(errors="replace") if isinstance(text, bytes) else text
    return {form for form in (PASSWORD, *every_form()) if form in shown}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory) -> Iterator[Daemon]:
    """A daemon that has met every error that it can meet on its way."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    account = SimpleNamespace(
        url=f"http://127.0.0.1:{server.server_port}",
        client_id="id",
        client_secret=CLIENT_SECRET,
        location_id="home",
        cars=[{"id": "car", "name": "Car", "capacity_kwh": 58, "max_power_kw": 11}],
    )
    try:
        with installed(tmp_path_factory.mktemp("secrets"), account, webhook=True) as one:
            for name in PRICES:
                one.environment[f"KWHEN_PRICES_SECRET__{name.upper()}"] = PRICE_TOKEN
            url = {name: account.url + ("/gql" if name == "tibber" else "/prices") for name in PRICES}
            tables = (f'[[prices]]\nname = "{name}"\nurl = "{url[name]}"\n{rest}' for name, rest in PRICES.items())
            one.configure(more="\n".join(tables))
            provoke(one)
            yield one
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def provoke(daemon: Daemon) -> None:
    daemon.start()
    event = {"event": "user:vehicle:updated", "user": {"id": "user-oslo"}, "vehicle": {"id": "car"}}
    assert daemon.deliver([event | {"note": list(every_form())}]) == 200
    assert daemon.deliver([event], signature=WEBHOOK_SECRET) == 401
    until(lambda: Echo.seen["GET /users/user-oslo/vehicles"] and Echo.seen["GET /webhooks"], "each way tried")
    until(lambda: {line["source"] for line in daemon.events("prices.stale")} == set(PRICES), "each source tried")
    until(lambda: daemon.events("provider.down") and daemon.events("webhook.unchecked"), "each failure told")


def test_the_provider_did_get_the_secrets(daemon):
    assert Echo.seen["POST /oauth2/token"] == 1
    assert Echo.seen["POST /gql/v1-beta/gql"] >= 1
    assert len([path for path in Echo.seen if path.startswith("GET /prices/")]) >= 3
    assert leaks(" ".join(every_form())), "the search finds nothing at all"


def test_none_is_in_the_log(daemon):
    assert "[hidden]" in daemon.log
    assert leaks(daemon.log) == set()


def test_none_is_in_what_it_answers(daemon):
    for path in (
        "/metrics",
        "/api/v1/status",
        "/api/v1/alerts?all=1",
        "/api/v1/journal",
        "/api/v1/webhook",
        "/api/v1/prices",
    ):
        assert leaks(json.dumps(daemon.api(path), ensure_ascii=False)) == set(), path
    for path in ("/", "/healthz", "/metrics", "/nowhere"):
        _, body = asked(daemon.page, "GET", path, headers={"Host": "localhost"})
        assert body
        assert leaks(body) == set(), path


@pytest.mark.parametrize(
    "arguments",
    [
        ("check",),
        ("check", "--json"),
        ("doctor", "--online"),
        ("doctor", "--online", "--json"),
        ("status",),
        ("prices",),
        ("prices", "--check"),
        ("webhook", "ensure"),
        ("webhook", "test"),
        ("home", "discover"),
        ("link", "vehicle", "--no-wait", "--user", "user-oslo"),
        ("journal", "export"),
    ],
    ids=" ".join,
)
def test_none_is_in_what_a_command_says(daemon, arguments):
    ran = daemon.kwhen(*arguments)
    assert ran.out + ran.err
    assert leaks(ran.out + ran.err) == set()


def test_none_is_in_a_refusal_of_the_file(daemon):
    good = daemon.config.read_text()
    try:
        daemon.config.write_text(
            good.replace("sqlite:///", f"postgresql://me:{PASSWORD}@db/").replace(
                "[http]", f'[http]\nclient_secret = "{CLIENT_SECRET}"'
            )
        )
        ran = daemon.kwhen("check")
    finally:
        daemon.config.write_text(good)
    assert ran.status == 78
    assert "storage.url" in ran.err
    assert "http.client_secret" in ran.err
    assert leaks(ran.out + ran.err) == set()


def test_none_is_in_its_arguments(daemon):
    assert daemon.process is not None
    assert leaks(Path(f"/proc/{daemon.process.pid}/cmdline").read_bytes()) == set()


def test_none_is_in_the_database(daemon):
    """The delivery that held them is read and gone; what was kept of it shows none."""
    until(lambda: daemon.metric("kwhen_events_total") >= 1, "the delivery read")
    assert daemon.stop() == 0
    with closing(sqlite3.connect(daemon.database)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        cells = [cell for table in tables for row in connection.execute(f"SELECT * FROM {table}") for cell in row]
    assert len(cells) > 100
    for cell in cells:
        assert leaks(opened(cell)) == set()


def opened(cell: object) -> str:
    """Return a cell as text; what is packed is unpacked."""
    if isinstance(cell, bytes):
        packed = cell[:1] == b"\x78"
        return (zlib.decompress(cell) if packed else cell).decode(errors="replace")
    return str(cell)
