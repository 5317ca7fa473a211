"""The daemon itself under its unit, on a real systemd, with the simulator for a provider."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.box import Box, booted

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("scheduler.app") is None, reason="this checkout has no daemon (scheduler.app)"
    ),
    pytest.mark.timeout(600),  # the first test to come builds the environment
]

# The shipped delays are minutes. The daemon sweeps often enough for whatever watchdog it is given.
DROP_IN = """[Service]
WatchdogSec=3
RestartSec=100ms
"""
CONFIG = """[enode]
url = "{url}"
token_url = "{url}/oauth2/token"
"""


@pytest.fixture(scope="module")
def machine(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with booted(tmp_path_factory.mktemp("box"), environment=environment) as box:
        box.write("/etc/systemd/system/kwhen.service.d/test.conf", DROP_IN)
        box.run("systemctl", "daemon-reload")
        yield box


@pytest.fixture(scope="module")
def provider(machine: Box) -> dict[str, str]:
    """The simulator's address and client, from the line of JSON with which it begins."""
    machine.run("systemd-run", "--unit=provider", "/opt/kwhen/bin/kwhen", "simulator", "--port", "0", "--json")

    def said() -> list[str]:
        return machine.run("journalctl", "--no-pager", "--output=cat", "--unit=provider", "_COMM=kwhen").splitlines()

    machine.wait_until(lambda: any(line.startswith("{") for line in said()), "the simulator")
    return json.loads(next(line for line in said() if line.startswith("{")))


@pytest.fixture
def box(machine: Box, provider: dict[str, str]) -> Iterator[Box]:
    configure(machine, CONFIG.format(url=provider["url"]))
    for name, secret in (("enode_client_id", "client_id"), ("enode_client_secret", "client_secret")):
        machine.write(f"/etc/credstore/kwhen.{name}", provider[secret] + "\n")
    yield machine
    machine.run("systemctl", "stop", "kwhen")
    machine.run("systemctl", "reset-failed", "kwhen", check=False)


def configure(box: Box, toml: str) -> None:
    box.write("/etc/kwhen/kwhen.toml", toml)
    box.run("chmod", "644", "/etc/kwhen/kwhen.toml")


def restarted(box: Box) -> bool:
    return box.show("NRestarts") == "1" and box.show("ActiveState") == "active"


def fed_at(box: Box) -> int:
    return int(box.show("WatchdogTimestampMonotonic"))


def test_it_becomes_ready_and_feeds_the_watchdog(box):
    box.run("systemctl", "start", "kwhen")
    assert box.show("ActiveState") == "active"
    before = fed_at(box)
    box.wait_until(lambda: fed_at(box) > before, "a finished sweep")
    assert box.show("NRestarts") == "0"
    assert box.run("ls", "/run/kwhen").split() == ["kwhen.sock"]


def test_it_stops_in_order(box):
    box.run("systemctl", "start", "kwhen")
    box.run("systemctl", "stop", "kwhen")
    assert (box.show("Result"), box.show("ExecMainStatus")) == ("success", "0")
    assert not [name for name in box.run("ls", "/var/lib/private/kwhen").split() if name.endswith("-wal")]


def test_it_reloads_without_a_restart(box):
    box.run("systemctl", "start", "kwhen")
    pid = box.show("MainPID")
    box.run("systemctl", "reload", "kwhen")
    before = fed_at(box)
    box.wait_until(lambda: fed_at(box) > before, "a sweep after the reload")
    assert (box.show("MainPID"), box.show("NRestarts")) == (pid, "0")


def test_it_comes_back_after_a_kill(box):
    box.run("systemctl", "start", "kwhen")
    box.run("systemctl", "kill", "--signal=KILL", "kwhen")
    box.wait_until(lambda: restarted(box), "a restart")


def test_it_comes_back_when_it_no_longer_sweeps(box):
    box.run("systemctl", "start", "kwhen")
    box.run("systemctl", "kill", "--signal=STOP", "kwhen")
    box.wait_until(lambda: restarted(box), "a restart by the watchdog")


def test_it_is_ready_while_the_provider_is_away(box):
    configure(box, CONFIG.format(url="http://127.0.0.1:9"))
    box.run("systemctl", "start", "kwhen")
    before = fed_at(box)
    box.wait_until(lambda: fed_at(box) > before, "a finished sweep")
    assert box.show("NRestarts") == "0"


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        pytest.param("[enode]\nurrl = 1\n", "urrl", id="an-unknown-key"),
        pytest.param("[enode\n", "kwhen.toml", id="no-toml"),
    ],
)
def test_it_stays_down_with_a_wrong_configuration_and_names_the_fault(box, toml, named):
    configure(box, toml)
    box.run("systemctl", "start", "kwhen", check=False)
    box.wait_until(lambda: box.show("ActiveState") == "failed", "the end")
    assert (box.show("ExecMainStatus"), box.show("NRestarts")) == ("78", "0")
    assert named in box.run("journalctl", "--no-pager", "--output=cat", "_SYSTEMD_UNIT=kwhen.service")


def test_it_names_the_secret_that_is_missing(box):
    box.run("rm", "/etc/credstore/kwhen.enode_client_secret")
    box.run("systemctl", "start", "kwhen", check=False)
    box.wait_until(lambda: box.show("ActiveState") == "failed", "the end")
    assert (box.show("ExecMainStatus"), box.show("NRestarts")) == ("78", "0")
    assert "client_secret" in box.run("journalctl", "--no-pager", "--output=cat", "_SYSTEMD_UNIT=kwhen.service")
