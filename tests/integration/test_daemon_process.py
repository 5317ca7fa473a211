"""`kwhen run` as a process of its own, with a simulator for a provider: signals, exit statuses, doors and secrets."""

import asyncio
import hashlib
import json
import re
import select
import signal
import socket
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from scheduler.clock import SystemClock
from scheduler.enode.webhook import PATH
from storage import open_store
from tests.integration.processes import WITHIN_S, Daemon, asked, installed, simulated, until

EXIT_NOT_SO, EXIT_STORE, EXIT_FAULT, EXIT_CONFIG = 1, 65, 70, 78


@pytest.fixture(scope="module")
def provider():
    with simulated() as running:
        yield running


@pytest.fixture(scope="module")
def running(tmp_path_factory, provider) -> Iterator[Daemon]:
    """One daemon with webhooks, whose first car is plugged in at home."""
    provider.plug_in_outside(0)
    with installed(tmp_path_factory.mktemp("running"), provider, webhook=True) as one:
        one.start()
        until(lambda: one.car(0)["plugged"], "the car seen plugged in")
        yield one


@pytest.fixture
def daemon(tmp_path, provider):
    """A daemon of the test's own, not running yet; it polls."""
    with installed(tmp_path, provider) as one:
        yield one


# --- the faces ---------------------------------------------------------------------------------------------------------


def test_every_command_finds_the_daemon_behind_its_socket(running, provider):
    name = provider.cars[0]["name"]
    for arguments in (
        ("status",),
        ("plan", name),
        ("explain", name),
        ("actions",),
        ("sessions",),
        ("alerts",),
        ("policies",),
        ("prices",),
        ("override", "charge", name),
        ("override", "auto", name),
        ("release", name),
        ("webhook", "status"),
        ("doctor", "--online"),
    ):
        ran = running.kwhen(*arguments, "--json")
        assert (ran.status, ran.err) == (0, ""), arguments
        assert ran.json, arguments
    lines = [json.loads(line) for line in running.kwhen("journal", "tail", "--lines", "99", "--json").out.splitlines()]
    assert {"LIFE", "OBS", "OVR"} <= {line["k"] for line in lines}


def test_its_socket_is_for_owner_and_group_alone(running):
    assert stat.S_IMODE(running.socket.stat().st_mode) == 0o660


@pytest.mark.parametrize(
    ("host", "page", "missing"),
    [
        pytest.param("localhost", 200, 404, id="localhost"),
        pytest.param("127.0.0.1:1", 200, 404, id="an-address-with-any-port"),
        pytest.param("evil.example", 421, 421, id="a-foreign-name"),
        pytest.param("", 421, 421, id="no-name"),
    ],
)
def test_the_page_answers_to_its_own_names_alone(running, host, page, missing):
    for path in ("/", "/metrics", "/healthz"):
        assert asked(running.page, "GET", path, headers={"Host": host})[0] == page
    assert asked(running.page, "GET", "/nowhere", headers={"Host": host})[0] == missing


# --- what comes in -----------------------------------------------------------------------------------------------------

STRANGER = {
    "event": "user:vehicle:updated",
    "version": "2024-10-01",
    "user": {"id": "user-oslo"},
    "vehicle": {"id": "a-stranger", "userId": "user-oslo"},
    "updatedFields": [],
}


def test_a_delivery_of_an_unknown_vehicle_is_counted(running):
    before = running.metric("kwhen_news_of_unknown_vehicles_total")
    assert running.deliver([STRANGER]) == 200
    until(lambda: running.metric("kwhen_news_of_unknown_vehicles_total") == before + 1, "one more counted")


@pytest.mark.parametrize(
    ("body", "chosen", "status"),
    [
        pytest.param([STRANGER], {"secret": "another secret of 32 bytes size."}, 401, id="another-secret"),
        pytest.param([STRANGER], {"signature": ""}, 401, id="no-signature"),
        pytest.param(b"[{", {}, 400, id="half-of-an-array"),
        pytest.param({"event": "user:vehicle:updated"}, {}, 400, id="no-array"),
        pytest.param(b"\xff\xfe", {}, 400, id="no-text"),
    ],
)
def test_a_delivery_that_is_not_good_is_refused_and_nothing_is_stored(running, body, chosen, status):
    stored, refused = (running.metric(f"kwhen_webhook_{name}_total") for name in ("stored", "refused"))
    assert running.deliver(body, **chosen) == status
    assert running.metric("kwhen_webhook_stored_total") == stored
    assert running.metric("kwhen_webhook_refused_total") == refused + 1


@pytest.mark.parametrize("told", [True, False], ids=["its-length-is-told", "in-pieces"])
def test_a_body_of_50_mb_is_refused_without_being_kept(running, told):
    peak = peak_mb(running)
    assert poured(running.webhook, size=50 * 2**20, told=told) == 413
    assert peak_mb(running) - peak < 10


def poured(address: str, *, size: int, told: bool) -> int:
    """Pour a large body into the listener as fast as it takes it; return the status of the answer."""
    host, port = address.split(":")
    length = f"Content-Length: {size}" if told else "Transfer-Encoding: chunked"
    piece = b"x" * 65536
    framed = piece if told else b"10000\r\n" + piece + b"\r\n"
    with socket.create_connection((host, int(port)), timeout=WITHIN_S) as way:
        way.sendall(f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\n{length}\r\n\r\n".encode())
        for _ in range(size // len(piece)):
            if select.select([way], [], [], 0)[0]:
                break  # it has answered
            with suppress(BrokenPipeError, ConnectionResetError):
                way.sendall(framed)
        return int(way.recv(4096).split()[1])


def peak_mb(daemon: Daemon) -> float:
    """Return the most memory that the daemon ever had [MB]."""
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


# --- signals -----------------------------------------------------------------------------------------------------------


def test_sighup_with_a_bad_file_changes_nothing_and_names_the_key(running):
    running.configure(home_id="bergen", more="n_houses = 3", policy='[[home.policy]]\nname = "ready-by"\nat = "25:00"')
    running.signal(signal.SIGHUP)
    refused = until(lambda: running.events("config.refused"), "the refusal")
    told = "\n".join(line["problem"] for line in refused)
    assert "control.n_houses" in told
    assert "policy" in told
    assert [home["id"] for home in running.api("/api/v1/homes")["homes"]] == ["oslo"]
    assert running.api("/api/v1/status")["health"]["ready"]


def test_sighup_applies_a_good_file_whole(running):
    running.configure(home_id="bergen", more="n_hour = 3")
    running.signal(signal.SIGHUP)
    until(lambda: running.events("config.applied"), "the new configuration")
    assert [home["id"] for home in running.api("/api/v1/homes")["homes"]] == ["bergen"]
    running.configure()
    running.signal(signal.SIGHUP)
    until(lambda: len(running.events("config.applied")) == 2, "the old configuration again")


def test_a_second_run_on_the_same_database_names_the_first(running):
    first = running.process
    second = running.launch()
    running.process = first
    assert second.wait(WITHIN_S) == EXIT_NOT_SO
    assert f"{first.pid}" in running.events("daemon.refused")[0]["why"]
    assert running.api("/api/v1/status")["health"]["ready"]


def test_sigterm_ends_it_and_commands_nothing(running, provider):
    """It tells of the car that stays held (S25), and the next run takes that back."""
    car = provider.cars[0]
    until(lambda: running.car(0)["charging"] or provider.act(0, "look"), "the car charging")
    assert running.kwhen("override", "hold", car["name"]).status == 0

    def held() -> bool:
        provider.act(0, "look")
        return bool(running.car(0)["session"]["held_since"])

    until(held, "the car held by us")
    before = provider.accepted()
    assert running.stop() == 0
    assert provider.accepted() == before
    assert [line["vehicle_id"] for line in running.events("car.held")] == [car["id"]]
    assert not running.socket.exists()
    left = sorted(path.name for path in running.directory.glob("kwhen.db*"))
    assert left == ["kwhen.db", "kwhen.db.lock", "kwhen.db.safekeeping"]
    running.start()
    alerts = [one for one in running.api("/api/v1/alerts?all=1")["alerts"] if one["code"] == "HELD_WHILE_STOPPING"]
    assert [one["vehicle_id"] for one in alerts] == [car["id"]]
    assert alerts[0]["cleared_at"] is not None
    assert provider.accepted() == before


# --- starts that fail --------------------------------------------------------------------------------------------------


def test_a_newer_database_is_refused_untouched(daemon):
    asyncio.run(made(f"sqlite:///{daemon.database}"))
    with closing(sqlite3.connect(daemon.database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = hashlib.sha256(daemon.database.read_bytes()).hexdigest()
    assert daemon.launch().wait(WITHIN_S) == EXIT_STORE
    assert "9999" in daemon.events("store.refused")[0]["why"]
    assert hashlib.sha256(daemon.database.read_bytes()).hexdigest() == before
    assert not [path for path in daemon.directory.glob("kwhen.db-wal") if path.stat().st_size]


async def made(url: str) -> None:
    """Make a database as a first run does."""
    store = open_store(url, clock=SystemClock())
    await store.open(node="first")
    await store.close()


def test_a_bad_file_ends_it_with_every_problem(daemon):
    daemon.configure(more='n_hour = "many"', policy='[[home.policy]]\nname = "ready-buy"')
    daemon.config.write_text(daemon.config.read_text().replace("Europe/Oslo", "Europe/Olso"))
    del daemon.environment["KWHEN_ENODE__CLIENT_SECRET"]
    assert daemon.launch().wait(WITHIN_S) == EXIT_CONFIG
    for key in ("control.n_hour", "timezone", "ready-buy", "enode.client_secret"):
        assert key in daemon.log
    assert not daemon.database.exists()


def test_an_internal_fault_is_counted_and_delays_the_next_start(daemon):
    host, port = daemon.page.split(":")
    with socket.create_server((host, int(port))):
        assert daemon.launch().wait(WITHIN_S) == EXIT_FAULT
    assert daemon.events("daemon.fault")
    assert json.loads((daemon.directory / "kwhen.db.faults").read_text()) == {"faults": 1}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(daemon.directory / "notify"))
        systemd.settimeout(WITHIN_S)
        daemon.environment["NOTIFY_SOCKET"] = str(daemon.directory / "notify")
        daemon.launch()
        assert systemd.recv(4096).endswith(b"STATUS=waiting 5 s after 1 internal faults in a row")
        daemon.stop()
    assert not daemon.events("daemon.started")


def test_it_makes_its_usual_place_and_takes_it_back_after_a_kill(daemon):
    """It does so, and stops, while the provider takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        daemon.configure(url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        daemon.config.write_text(re.sub(r"\[storage\]\s+url = .*", "", daemon.config.read_text()))
        daemon.start()
        place = daemon.directory / ".local" / "state" / "kwhen"
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert (place / "kwhen.db").exists()
        daemon.signal(signal.SIGKILL)
        daemon.ended()
        daemon.start()
        assert daemon.api("/api/v1/status")["health"]["run"] == 2
        assert daemon.stop() == 0
