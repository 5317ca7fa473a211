"""`scheduler.notify` against a datagram socket that stands where systemd's would."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler import notify


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path))
        receiver.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield receiver


def test_it_sends_every_state_in_one_datagram(systemd):
    assert notify.notify(notify.READY, notify.WATCHDOG, notify.status("polling 3 vehicles")) is True
    assert systemd.recv(4096) == b"READY=1\nWATCHDOG=1\nSTATUS=polling 3 vehicles"


@pytest.mark.parametrize("state", ["READY", "RELOADING", "STOPPING", "WATCHDOG"])
def test_it_spells_the_states_as_systemd_reads_them(systemd, state):
    notify.notify(getattr(notify, state))
    assert systemd.recv(4096) == f"{state}=1".encode()


def test_it_reaches_an_abstract_socket(monkeypatch):
    name = f"kwhen-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name}")
        receiver.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        assert notify.notify(notify.STOPPING) is True
        assert receiver.recv(4096) == b"STOPPING=1"


def test_it_does_nothing_outside_systemd(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert notify.notify(notify.READY) is False


def test_it_survives_a_socket_that_nobody_reads(monkeypatch, tmp_path):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert notify.notify(notify.READY) is False


def test_it_never_waits_for_a_full_socket(systemd):
    sent = 0
    while notify.notify(notify.WATCHDOG):
        sent += 1
        assert sent < 10_000, "the socket never fills"
    assert sent > 0


def test_it_keeps_a_status_on_its_line(systemd):
    notify.notify(notify.status("two\nlines\r\nREADY=1"))
    assert systemd.recv(4096) == b"STATUS=two lines READY=1"


@pytest.mark.parametrize(
    ("microseconds", "pid", "seconds"),
    [
        pytest.param("180000000", None, 180.0, id="no-pid-named"),
        pytest.param("180000000", "own", 180.0, id="this-process"),
        pytest.param("180000000", "1", None, id="another-process"),
        pytest.param("", None, None, id="no-watchdog"),
        pytest.param("0", "own", None, id="watchdog-off"),
        pytest.param("soon", "own", None, id="not-a-number"),
    ],
)
def test_it_knows_the_watchdog_interval(monkeypatch, microseconds, pid, seconds):
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if pid is not None:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)
    assert notify.watchdog_interval_s() == seconds
