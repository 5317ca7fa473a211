"""`kwhen run` on a database whose pages were flipped: at its start, and while it runs (B04)."""

import contextlib
from pathlib import Path

import pytest

from scheduler.clock import SystemClock
from storage.copies import copies, take_copy
from tests.integration.processes import Daemon, installed, simulated, until
from tests.unruly import damage


@pytest.fixture(scope="module")
def provider():
    with simulated() as running:
        yield running


@pytest.fixture
def daemon(tmp_path, provider):
    with installed(tmp_path, provider) as one:
        one.environment |= {
            "NOTIFY_SOCKET": str(tmp_path / "nobody"),
            "WATCHDOG_USEC": "3000000",
        }  # it sweeps each second
        yield one


def aside(daemon: Daemon) -> list[str]:
    return sorted(str(one) for one in daemon.directory.glob("kwhen.db.damaged-*Z"))


def told(daemon: Daemon) -> list[str]:
    found = daemon.api("/api/v1/alerts")["alerts"]
    return [one["text"] for one in found if one["code"] == "STORE_RECOVERED"]


def test_b04_found_at_start_and_a_copy_takes_its_place(daemon):
    daemon.provider.act(0, "look")  # a provider that has just begun knows nothing of it yet
    daemon.start()
    until(lambda: daemon.car(0)["plugged"] is not None, "the cars are seen")
    take_copy(daemon.database, at=SystemClock().now(), keep=2)
    assert daemon.stop() == 0
    damage(daemon.database)
    before = daemon.database.read_bytes()
    assert daemon.kwhen("journal", "check", "--database", f"sqlite:///{daemon.database}").status == 65
    assert daemon.database.read_bytes() == before, "a command that only reads leaves it as it is"
    daemon.start()
    (put_aside,) = aside(daemon)
    assert Path(put_aside).read_bytes() == before
    (text,) = until(lambda: told(daemon), "the alert")
    assert put_aside in text
    assert "The copy of" in text
    assert daemon.kwhen("journal", "check").status == 0
    assert daemon.stop() == 0
    daemon.start()
    assert len(aside(daemon)) == 1
    assert told(daemon) == [text], "it is still told after a restart"


def test_b04_shown_while_it_runs_and_no_copy_is_there(daemon):
    daemon.start()
    assert daemon.stop() == 0  # the log is folded into the file
    daemon.start()
    damage(daemon.database)

    def over() -> bool:
        with contextlib.suppress(OSError, ValueError):
            daemon.api("/api/v1/alerts")
        assert daemon.process is not None
        return daemon.process.poll() is not None

    until(over, "the end of the run")
    assert daemon.ended() == 70, "systemd starts it anew"
    assert copies(daemon.database) == []
    daemon.start()
    (put_aside,) = aside(daemon)
    (text,) = until(lambda: told(daemon), "the alert")
    assert put_aside in text
    assert "begun afresh" in text
    assert daemon.kwhen("journal", "check").status == 0
    assert "malformed" in daemon.log
