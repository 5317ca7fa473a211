"""The daemon whose memory grows to the limit of its unit: killed, brought back, nothing lost, and told (X05)."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.system.box import Box, booted

pytestmark = pytest.mark.timeout(600)  # the first test to come builds the environment

LEAKING = Path(__file__).with_name("leaking.py")
OLD_GROUPS = Path("/sys/fs/cgroup/memory")
# The shipped delay is ten seconds; the limit is the shipped one.
DROP_IN = """[Service]
ExecStart=
ExecStart=/opt/kwhen/bin/python /opt/leaking.py run --config /etc/kwhen/kwhen.toml
WatchdogSec=6
RestartSec=100ms
"""
CONFIG = """[enode]
url = "{url}"
token_url = "{url}/oauth2/token"
[[home]]
id = "oslo"
user_id = "user-oslo"
timezone = "Europe/Oslo"
location_id = "{place}"
[[home.vehicle]]
id = "{car}"
capacity_kwh = 58
charge_power_kw = 11
[[home.policy]]
name = "ready-by"
at = "07:30"
"""


@pytest.fixture
def box(environment: Path, tmp_path: Path) -> Iterator[Box]:
    with booted(tmp_path, environment=environment, prepare=f'install -m 644 "{LEAKING}" "$1/opt/leaking.py"') as one:
        one.write("/etc/systemd/system/kwhen.service.d/test.conf", DROP_IN)
        one.run("systemctl", "daemon-reload")
        yield one


def provider_in(box: Box) -> dict[str, Any]:
    """Start the simulator inside and return what it says of itself."""
    box.run("systemd-run", "--unit=provider", "/opt/kwhen/bin/kwhen", "simulator", "--port", "0", "--json")

    def said() -> list[str]:
        return box.run("journalctl", "--no-pager", "--output=cat", "--unit=provider", "_COMM=kwhen").splitlines()

    box.wait_until(lambda: any(line.startswith("{") for line in said()), "the simulator")
    found: dict[str, Any] = json.loads(next(line for line in said() if line.startswith("{")))
    read = "import sys, urllib.request as web; print(web.urlopen(sys.argv[1]).read().decode())"
    described = box.run("/opt/kwhen/bin/python", "-c", read, f"{found['url']}/_sim/description")
    user = next(one for one in json.loads(described)["users"] if one["id"] == "user-oslo")
    return found | {"car": user["vehicles"][0]["id"], "place": user["locations"][0]["id"]}


def kwhen(box: Box, *command: str) -> Any:
    out = box.run("/opt/kwhen/bin/kwhen", *command, "--json", "--socket", "/run/kwhen/kwhen.sock")
    return json.loads(out)


def overrides(told: Any) -> Iterator[Any]:
    """Yield every override in what was told, wherever it stands."""
    if isinstance(told, dict):
        yield from (one for name, one in told.items() if name == "override" and one)
    for one in told.values() if isinstance(told, dict) else told if isinstance(told, list) else ():
        yield from overrides(one)


@contextmanager
def limited(box: Box) -> Iterator[Callable[[], None]]:
    """Give what has the kernel keep the unit's limit, where its control groups are too old for systemd to do so."""
    if "memory" in box.run("cat", "/sys/fs/cgroup/cgroup.controllers").split():
        yield lambda: None
        return
    group = OLD_GROUPS / f"kwhen-{box.show('InvocationID')}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can bound the memory here: {error}")

    def bound() -> None:
        (group / "memory.limit_in_bytes").write_text(box.show("MemoryMax"))
        (pid,) = subprocess.run(["pgrep", "-f", "^/opt/kwhen/bin/python /opt/leaking.py"], capture_output=True, text=True,
                                check=True).stdout.split()  # fmt: skip
        (group / "cgroup.procs").write_text(pid)

    try:
        yield bound
    finally:
        group.rmdir()


def test_x05_memory_that_grows_to_the_limit_costs_a_restart_and_no_wish(box):
    provider = provider_in(box)
    car = provider["car"]
    box.write("/etc/kwhen/kwhen.toml", CONFIG.format(**provider))
    box.run("chmod", "644", "/etc/kwhen/kwhen.toml")
    for name, secret in (("enode_client_id", "client_id"), ("enode_client_secret", "client_secret")):
        box.write(f"/etc/credstore/kwhen.{name}", provider[secret] + "\n")
    box.run("systemctl", "start", "kwhen")
    assert int(box.show("MemoryMax")) == 512 * 2**20
    with limited(box) as bound:
        kwhen(box, "override", "hold", car)
        before = list(overrides(kwhen(box, "status")))
        assert [one["will"] for one in before] == ["hold"]
        bound()
        box.run("touch", "/run/kwhen/leak")
        box.wait_until(lambda: box.show("NRestarts") == "1" and box.show("ActiveState") == "active", "a restart", 60)
        assert box.show("Result") in {"success", "oom-kill", "signal"}
    assert "status=9/KILL" in box.journal()
    box.wait_until(lambda: "ENDED_UNEXPECTEDLY" in json.dumps(kwhen(box, "alerts")), "the alert")
    assert list(overrides(kwhen(box, "status"))) == before
    assert box.show("NRestarts") == "1", "once"
    box.run("/opt/kwhen/bin/kwhen", "journal", "check", "--socket", "/run/kwhen/kwhen.sock")
    box.run("systemctl", "stop", "kwhen")
