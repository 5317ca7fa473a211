"""The unit on a real systemd, with a stand-in for the daemon that asks the sandbox what it may do."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.box import Box, booted

pytestmark = pytest.mark.timeout(600)  # the first test to come builds the environment

STAND_IN = Path(__file__).with_name("stand_in.py")
# The shipped delays are minutes; only they are shortened, and the stand-in takes the daemon's place.
DROP_IN = """[Service]
ExecStart=
ExecStart=/opt/kwhen/bin/python /opt/stand_in.py --config /etc/kwhen/kwhen.toml
WatchdogSec=2
RestartSec=100ms
"""


@pytest.fixture(scope="module")
def machine(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    # Beside the stand-in, a directory where nothing but the sandbox forbids writing.
    prepare = f'install -m 644 "{STAND_IN}" "$1/opt/stand_in.py"\ninstall -d -m 1777 "$1/srv/open"'
    with booted(tmp_path_factory.mktemp("box"), environment=environment, prepare=prepare) as box:
        box.write("/etc/systemd/system/kwhen.service.d/test.conf", DROP_IN)
        yield box


@pytest.fixture
def box(machine: Box) -> Iterator[Box]:
    configure(machine, "")
    machine.write("/etc/credstore/kwhen.enode_client_id", "an-id")
    machine.write("/etc/credstore/kwhen.enode_client_secret", "a-secret")
    machine.write("/etc/credstore/kwhen.webhook_secret", "another")
    machine.run("systemctl", "daemon-reload")
    yield machine
    machine.run("systemctl", "stop", "kwhen")
    machine.run("systemctl", "reset-failed", "kwhen", check=False)
    machine.run("rm", "-rf", "/etc/credstore", "/etc/credstore.encrypted")


def configure(box: Box, toml: str) -> None:
    box.write("/etc/kwhen/kwhen.toml", toml)
    box.run("chmod", "644", "/etc/kwhen/kwhen.toml")


def start(box: Box) -> dict:
    box.run("systemctl", "start", "kwhen")
    return json.loads(box.run("cat", "/var/lib/kwhen/findings.json"))


def restarts(box: Box) -> int:
    return int(box.show("NRestarts"))


def restarted(box: Box) -> bool:
    return restarts(box) == 1 and box.show("ActiveState") == "active"


def test_it_is_started_once_the_daemon_is_ready(box):
    start(box)
    assert box.show("ActiveState") == "active"
    assert box.show("StatusText") == "standing in"


def test_it_loads_every_heavy_library_and_keeps_its_database(box):
    found = start(box)
    assert found["libraries"] == "aiohttp numpy psycopg pysqlite3 sqlmodel"
    assert found["state_directory"] == "/var/lib/kwhen"
    assert found["working_directory"] == "/var/lib/private/kwhen", "the same directory under its real name"
    assert found["write_runtime"] == "done"


def test_it_is_shut_away(box):
    found = start(box)
    assert 61184 <= found["uid"] <= 65519, "not one of systemd's dynamic users"
    assert found["write_elsewhere"] == "EROFS"
    assert found["executable_memory"] == "EPERM"
    assert found["new_namespace"] == "EPERM"
    assert found["homes"] == ["EACCES"]
    assert found["others"] == [], "it sees processes that are not its own"


def test_it_hands_over_the_credentials(box):
    assert start(box)["credentials"] == {
        "enode_client_id": "an-id",
        "enode_client_secret": "a-secret",
        "webhook_secret": "another",
    }


def test_it_starts_without_the_credential_that_only_webhooks_need(box):
    box.run("rm", "/etc/credstore/kwhen.webhook_secret")
    assert sorted(start(box)["credentials"]) == ["enode_client_id", "enode_client_secret"]


def test_it_takes_encrypted_credentials_with_the_shipped_drop_in(box, checkout):
    box.write(
        "/etc/systemd/system/kwhen.service.d/encrypted.conf", (checkout / "systemd" / "encrypted.conf").read_text()
    )
    for name in ("enode_client_id", "enode_client_secret", "webhook_secret"):
        plain, encrypted = f"/etc/credstore/kwhen.{name}", f"/etc/credstore.encrypted/kwhen.{name}"
        box.run("mkdir", "-p", "/etc/credstore.encrypted")
        box.run("systemd-creds", "encrypt", "--with-key=host", f"--name={name}", plain, encrypted)
        box.run("rm", plain)
    box.run("systemctl", "daemon-reload")
    try:
        assert start(box)["credentials"]["enode_client_secret"] == "a-secret"
    finally:
        box.run("rm", "/etc/systemd/system/kwhen.service.d/encrypted.conf")
        box.run("systemctl", "daemon-reload")


def test_it_stops_in_order_and_keeps_its_state(box):
    start(box)
    box.run("systemctl", "stop", "kwhen")
    assert (box.show("Result"), box.show("ExecMainStatus")) == ("success", "0")
    assert restarts(box) == 0
    assert "kwhen.db" in box.run("ls", "/var/lib/private/kwhen")


def test_it_reloads_without_a_restart(box):
    start(box)
    pid = box.show("MainPID")
    box.run("systemctl", "reload", "kwhen")
    box.wait_until(lambda: box.show("StatusText") == "reloaded 1", "the reload")
    assert box.show("MainPID") == pid


def test_it_comes_back_after_a_kill(box):
    start(box)
    box.run("systemctl", "kill", "--signal=KILL", "kwhen")
    box.wait_until(lambda: restarted(box), "a restart")


def test_it_comes_back_when_the_sweep_no_longer_finishes(box):
    start(box)
    box.run("systemctl", "kill", "--signal=STOP", "kwhen")
    box.wait_until(lambda: restarted(box), "a restart by the watchdog")
    assert "Watchdog timeout" in box.journal()


@pytest.mark.parametrize(("status", "meaning"), [(65, "the database"), (78, "the configuration")])
def test_it_stays_down_where_a_person_has_to_act(box, status, meaning):
    configure(box, f"exit_status = {status}")
    box.run("systemctl", "start", "kwhen", check=False)
    box.wait_until(lambda: box.show("ActiveState") == "failed", f"the end over {meaning}")
    assert (box.show("ExecMainStatus"), restarts(box)) == (str(status), 0)


def test_it_never_gives_up_on_an_internal_fault(box):
    configure(box, "exit_status = 70")
    box.run("systemctl", "start", "kwhen", check=False)
    # Five starts in ten seconds are where systemd would by default give up.
    box.wait_until(lambda: restarts(box) > 6, "the seventh restart")
    configure(box, "")
    box.wait_until(lambda: box.show("ActiveState") == "active", "the fault to be over")
