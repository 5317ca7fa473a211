"""What a walk in a browser needs: a simulator and a daemon as processes of their own, and Debian's Chromium."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from tests.conftest import CHECKOUT

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
AXE = Path(__file__).with_name("vendor") / "axe.min.js"
HARMLESS = {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}

HASTE = 30
"""How many times as quick as real ones the people and the devices of the walk are."""

T_STABLE_S = 2
"""How long a reading must last for this daemon: as much shorter than usual as the rest is quicker."""


@contextmanager
def running(*command: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program of ours until the walk ends; what it prints can be read."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KWHEN_")}
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=CHECKOUT,
        env=kept | HARMLESS | variables,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


class Simulator:
    """The simulated provider, told by its back door what happens in the world."""

    def __init__(self, said: dict[str, str]) -> None:
        self.url, self.client_id, self.client_secret = said["url"], said["client_id"], said["client_secret"]

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Have something done by the back door, or read what it tells."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")


@contextmanager
def simulator() -> Iterator[Simulator]:
    with running("simulator", "--world", "owner", "--haste", str(HASTE), "--json") as process:
        assert process.stdout is not None
        yield Simulator(json.loads(process.stdout.readline()))


@contextmanager
def daemon(directory: Path, provider: Simulator, webhook_port: int) -> Iterator[tuple[str, str]]:
    """Run a daemon with no home and yield the address of its dashboard, and the set-up code that it logs."""
    path = directory / "kwhen.toml"
    path.write_text(
        f'socket = "{directory}/kwhen.sock"\n'
        f'[enode]\nurl = "{provider.url}"\ntoken_url = "{provider.url}/oauth2/token"\n'
        f'client_id = "{provider.client_id}"\n'
        f'[webhook]\nlisten = "127.0.0.1:{webhook_port}"\n'
        f'public_url = "http://127.0.0.1:{webhook_port}/webhooks/enode"\n'
        f"[control]\nt_stable_s = {T_STABLE_S}\n"
        f'[http]\nlisten = "127.0.0.1:0"\n[log]\nformat = "json"\n[storage]\nurl = "sqlite:///{directory}/kwhen.db"\n'
    )
    secrets = {
        "KWHEN_ENODE__CLIENT_SECRET": provider.client_secret,
        "KWHEN_WEBHOOK__SECRET": "a secret of the walk, long enough",
    }
    log = directory / "log"
    with running("scheduler.cli", "run", "--config", str(path), **secrets) as process, log.open("w") as kept:
        assert process.stdout is not None
        for line in process.stdout:
            kept.write(line)
            if "password.wanted" in line:
                said = json.loads(line)
                break
        else:
            raise AssertionError(f"the daemon ended: {log.read_text()}")
        with _drained(process, kept):
            yield said["page"].rstrip("/"), said["code"]


@contextmanager
def _drained(process: subprocess.Popen[str], kept: Any) -> Iterator[None]:
    """Take what the daemon prints out of its pipe, so that it never waits for a reader."""

    def drain() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            kept.write(line)
            kept.flush()

    reader = Thread(target=drain, daemon=True)
    reader.start()
    try:
        yield
    finally:
        process.terminate()
        reader.join(timeout=15)
