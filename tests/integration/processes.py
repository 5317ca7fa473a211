"""The daemon and the simulator as processes of their own, as an owner runs them; nothing here waits without a bound."""

import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

from scheduler.cli import main, terminal
from scheduler.enode.webhook import PATH, SIGNATURE, signature_of
from tests.conftest import CHECKOUT

WITHIN_S = 60.0  # a machine with many tests at once is slow to start a process
STEP_S = 0.02
WEBHOOK_SECRET = "canary+webhook/secret=0123456789"
QUIET = {
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
    "XDG_CONFIG_HOME",
    "STATE_DIRECTORY",
    "RUNTIME_DIRECTORY",
    "NOTIFY_SOCKET",
}


def until(condition: Callable[[], Any], what: str, *, within_s: float = WITHIN_S) -> Any:
    """Look until the condition gives something, and return it; fail when it does not in time."""
    last = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < last, f"not within {within_s} s: {what}"
        time.sleep(STEP_S)
    return found


def free_port() -> int:
    """Return a port of this machine that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def asked(
    address: str, method: str, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """Ask an HTTP server at `host:port`; return the status and the body of its answer."""
    connection = http.client.HTTPConnection(address, timeout=WITHIN_S)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Provider:
    """A simulator that runs beside the tests. `act` and `fault` are its hands on the world."""

    def __init__(self, account: dict[str, str]) -> None:
        self.url, self.client_id, self.client_secret = (account[k] for k in ("url", "client_id", "client_secret"))
        self._address = urlsplit(self.url).netloc
        user = next(one for one in self.get("/_sim/description")["users"] if one["id"] == "user-oslo")
        self.location_id: str = user["locations"][0]["id"]
        self.cars: list[dict[str, Any]] = user["vehicles"]

    def get(self, path: str) -> Any:
        """Return what the simulator answers."""
        status, body = asked(self._address, "GET", path)
        assert status == 200, body
        return json.loads(body)

    def post(self, path: str, **members: Any) -> None:
        """Tell the simulator something."""
        status, body = asked(
            self._address, "POST", path, body=json.dumps(members).encode(), headers={"Content-Type": "application/json"}
        )
        assert status < 300, body

    def act(self, car: int, do: str, **members: Any) -> None:
        """Do something to one of the cars in Oslo."""
        self.post(f"/_sim/vehicles/{self.cars[car]['id']}", do=do, **members)

    def fault(self, kind: str, **members: Any) -> None:
        """Put a fault in force, or lift all of them with `clear`."""
        self.post("/_sim/fault", kind=kind, **members)

    def accepted(self) -> int:
        """Return how many charging actions were accepted so far."""
        return sum(self.get("/_sim/requests")["accepted"].values())

    def plug_in_outside(self, car: int) -> None:
        """Plug a car in at home without a charger that the provider knows; it obeys commands at once."""
        self.act(car, "unplug")
        self.act(car, "drive_home")
        self.act(car, "mood", latency_s=[0.05, 0.1])
        self.act(car, "plug")
        self.act(car, "look")


@contextmanager
def simulated() -> Iterator[Provider]:
    """Run a simulator until the end of the block."""
    command = [sys.executable, "-m", "simulator", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        assert process.stdout is not None
        try:
            yield Provider(json.loads(process.stdout.readline()))
        finally:
            process.terminate()
            assert process.wait(WITHIN_S) == 0


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, read."""
        return json.loads(self.out)


class Daemon:
    """`kwhen run` in a directory of its own; `kwhen` runs other commands beside it.

    Attributes:
        config: the file it reads.
        place: the directory whose sources it runs.
        log: what it wrote to standard error in all its runs.
        webhook, page: addresses of the listener and of the status page, `host:port`.
    """

    def __init__(self, directory: Path, provider: Provider, *, webhook: bool = False) -> None:
        self.directory, self.provider = directory, provider
        self.place = CHECKOUT
        self.config, self.socket, self.database = (directory / n for n in ("kwhen.toml", "kwhen.sock", "kwhen.db"))
        self._log_file = directory / "log"
        self._log_file.touch()
        self.webhook = f"127.0.0.1:{free_port()}" if webhook else ""
        self.page = f"127.0.0.1:{free_port()}"
        self.environment = {n: v for n, v in os.environ.items() if not n.startswith("KWHEN_") and n not in QUIET}
        self.environment |= {"HOME": str(directory), "KWHEN_ENODE__CLIENT_SECRET": provider.client_secret}
        self.environment |= {"KWHEN_WEBHOOK__SECRET": WEBHOOK_SECRET}
        self.process: subprocess.Popen[bytes] | None = None
        self.configure()

    def configure(self, *, home_id: str = "oslo", url: str = "", more: str = "", policy: str = "") -> None:
        """Write the configuration: a home with two cars and no charger that the provider could see."""
        url = url or self.provider.url
        webhook = f'listen = "{self.webhook}"\npublic_url = "http://{self.webhook}{PATH}"' if self.webhook else ""
        self.config.write_text(
            f"""
            socket = "{self.socket}"
            [enode]
            url = "{url}"
            token_url = "{url}/oauth2/token"
            client_id = "{self.provider.client_id}"
            [webhook]
            {webhook}
            [http]
            page = "status"
            listen = "{self.page}"
            [storage]
            url = "sqlite:///{self.database}"
            [control]
            t_stable_s = 0
            t_probe_s = 10
            {more}
            [[home]]
            id = "{home_id}"
            user_id = "user-oslo"
            timezone = "Europe/Oslo"
            location_id = "{self.provider.location_id}"
            {"".join(_car(car) for car in self.provider.cars)}
            {policy or READY_BY}
            """
        )

    @property
    def log(self) -> str:
        """Everything that was written to standard error."""
        return self._log_file.read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log's lines of one event."""
        lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def launch(self) -> "subprocess.Popen[bytes]":
        """Begin a run, and wait for nothing."""
        with self._log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*KWHEN, "run", "--config", self.config], stdout=log, stderr=log, env=self.environment, cwd=self.place
            )
        return self.process

    def start(self) -> None:
        """Begin a run and wait until it is ready."""
        before = len(self.events("daemon.started"))
        process = self.launch()
        until(lambda: len(self.events("daemon.started")) > before or process.poll() is not None, "ready")
        assert process.poll() is None, self.log

    def signal(self, number: signal.Signals) -> None:
        """Send the daemon a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self, within_s: float = WITHIN_S) -> int:
        """Wait for the end of the run and return its exit status."""
        assert self.process is not None
        return self.process.wait(within_s)

    def stop(self) -> int:
        """End the run by SIGTERM and return its exit status."""
        self.signal(signal.SIGTERM)
        return self.ended()

    def kwhen(self, *arguments: str) -> Ran:
        """Run another command on the same configuration, in this process: starting one takes seconds."""
        out, err = io.StringIO(), io.StringIO()
        terminal.colourful.cache_clear()
        surroundings = mock.patch.dict(os.environ, self.environment | {"KWHEN_CONFIG": str(self.config)}, clear=True)
        with surroundings, redirect_stdout(out), redirect_stderr(err):
            status = main(arguments)
        return Ran(status=status, out=out.getvalue(), err=err.getvalue())

    def api(self, path: str) -> Any:
        """Return what the daemon answers on its socket."""
        with socket.socket(socket.AF_UNIX) as way:
            way.settimeout(WITHIN_S)
            way.connect(str(self.socket))
            way.sendall(f"GET {path} HTTP/1.0\r\nHost: kwhen\r\n\r\n".encode())
            body = b"".join(iter(lambda: way.recv(65536), b"")).partition(b"\r\n\r\n")[2]
        return json.loads(body) if path != "/metrics" else body.decode()

    def metric(self, name: str) -> float:
        """Return the value of one metric."""
        lines = (line.split() for line in self.api("/metrics").splitlines() if not line.startswith("#"))
        return next(float(words[1]) for words in lines if words[0] == name)

    def car(self, number: int) -> dict[str, Any]:
        """Return how the daemon sees a car."""
        found: dict[str, Any] = self.api(f"/api/v1/vehicles/{self.provider.cars[number]['id']}")
        return found

    def deliver(self, events: Any, *, secret: str = WEBHOOK_SECRET, signature: str | None = None) -> int:
        """Deliver events to the webhook listener (bytes: as they are) and return the status."""
        body = events if isinstance(events, bytes) else json.dumps(events).encode()
        given = signature_of(body, secret.encode()) if signature is None else signature
        return asked(self.webhook, "POST", PATH, body=body, headers={SIGNATURE: given})[0]


KWHEN = [sys.executable, "-m", "scheduler.cli"]
READY_BY = """
            [[home.policy]]
            name = "ready-by"
            at = "07:30"
            [[home.policy]]
            name = "flat"
            per_kwh = 0.3
"""


def _car(car: dict[str, Any]) -> str:
    return f"""
            [[home.vehicle]]
            id = "{car["id"]}"
            name = "{car["name"]}"
            capacity_kwh = {car["capacity_kwh"]}
            charge_power_kw = {car["max_power_kw"]}
    """


@contextmanager
def installed(directory: Path, provider: Provider, **chosen: Any) -> Iterator[Daemon]:
    """Give a daemon that is not running yet; whatever still runs at the end of the block is killed."""
    daemon = Daemon(directory, provider, **chosen)
    try:
        yield daemon
    finally:
        if daemon.process is not None:
            with suppress(ProcessLookupError):
                daemon.process.kill()
            daemon.process.wait()
