"""The unit file by itself: it is well formed, hardened, and says what the operator's documents promise."""

import shutil
import subprocess
from pathlib import Path

import pytest

MOST_EXPOSURE = 1.5

needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (Debian: apt install systemd)"
)


@pytest.fixture
def unit(checkout: Path) -> str:
    return (checkout / "systemd" / "kwhen.service").read_text()


def verify(directory: Path, unit: str) -> str:
    """Return what systemd finds wrong with the unit, in an installation that is complete but for the program."""
    file = directory / "kwhen.service"
    file.write_text(unit.replace("/opt/kwhen/bin/kwhen", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", file],
        capture_output=True,
        text=True,
        check=False,
    )
    complaints = [line for line in done.stderr.splitlines() if "kwhen" in line]
    return "\n".join(complaints) or (done.stderr if done.returncode else "")


def too_exposed(directory: Path, unit: str) -> bool:
    file = directory / "kwhen.service"
    file.write_text(unit)
    tenths = f"--threshold={MOST_EXPOSURE * 10:.0f}"
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", tenths, file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Overall exposure level" in done.stdout, done.stderr
    return done.returncode != 0


@needs_analyze
def test_systemd_finds_nothing_wrong_with_it(tmp_path, unit):
    assert verify(tmp_path, unit) == ""


@needs_analyze
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        pytest.param("WatchdogSec=180", "WatchdogSec=often", id="a-value"),
        pytest.param("StateDirectory=kwhen", "StateDirectories=kwhen", id="a-key"),
        pytest.param("ExecStart=/opt", "ExecStart=opt", id="a-path"),
    ],
)
def test_systemd_would_find_a_mistake(tmp_path, unit, right, wrong):
    assert right in unit
    assert verify(tmp_path, unit.replace(right, wrong)) != ""


@needs_analyze
def test_it_is_hardened(tmp_path, unit):
    assert not too_exposed(tmp_path, unit)


@needs_analyze
def test_the_measure_of_hardening_tells_a_soft_unit(tmp_path, unit):
    soft = "\n".join(line for line in unit.splitlines() if not line.startswith(("SystemCall", "Capability", "Protect")))
    assert too_exposed(tmp_path, soft)


def settings(text: str) -> dict[str, dict[str, list[str]]]:
    """Return section → key → values in order."""
    found: dict[str, dict[str, list[str]]] = {}
    section = ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(section, {}).setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize(
    ("section", "key", "values"),
    [
        ("Unit", "StartLimitIntervalSec", ["0"]),
        ("Service", "Type", ["notify"]),
        ("Service", "WatchdogSec", ["180"]),
        ("Service", "Restart", ["on-failure"]),
        ("Service", "RestartSec", ["10"]),
        ("Service", "RestartPreventExitStatus", ["65 78"]),
        ("Service", "MemoryMax", ["512M"]),
        ("Service", "OOMPolicy", ["kill"]),
        ("Service", "DynamicUser", ["yes"]),
        ("Service", "StateDirectory", ["kwhen"]),
        ("Service", "RuntimeDirectory", ["kwhen"]),
    ],
)
def test_it_keeps_the_daemons_promises(unit, section, key, values):
    assert settings(unit)[section][key] == values


def test_the_drop_in_encrypts_each_credential_of_the_unit(checkout, unit):
    plain = settings(unit)["Service"]["LoadCredential"]
    encrypted = settings((checkout / "systemd" / "encrypted.conf").read_text())["Service"]
    assert encrypted["LoadCredential"] == [""], "the plain ones are to be forgotten first"
    assert encrypted["LoadCredentialEncrypted"] == plain
    assert [value.partition(":")[0] for value in plain] == [
        "enode_client_id",
        "enode_client_secret",
        "webhook_secret",
        "webhook_previous_secret",
        "http_token",
    ]
