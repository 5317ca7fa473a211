"""The delay after internal faults: it grows, ends somewhere, is forgotten, and never is a fault of its own."""

import json

import pytest

from scheduler import faults, notify
from scheduler.faults import Faults


@pytest.fixture
def path(tmp_path):
    return tmp_path / "kwhen.db.faults"


@pytest.fixture
def kept(tmp_path):
    return Faults.beside(f"sqlite:///{tmp_path}/kwhen.db")


def test_it_waits_longer_after_each_fault_but_never_longer_than_ten_minutes(kept):
    delays = []
    for _ in range(10):
        delays.append(kept.delay_s)
        kept.note()
    assert delays == [0, 5, 10, 20, 40, 80, 160, 320, 600, 600]


def test_it_does_not_overflow_after_years_of_faults(kept, path):
    path.write_text(json.dumps({"faults": 10**9}))
    assert kept.delay_s == faults.MOST_S


def test_it_forgets(kept, path):
    kept.note()
    kept.clear()
    assert (kept.delay_s, path.exists()) == (0, False)
    kept.clear()
    assert kept.delay_s == 0


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"faults": null}', "\x00"])
def test_it_takes_a_damaged_count_for_none(kept, path, content):
    path.write_text(content)
    assert kept.delay_s == 0


def test_it_keeps_no_count_where_it_cannot_write(tmp_path):
    nowhere = Faults.beside(f"sqlite:///{tmp_path}/missing/kwhen.db")
    nowhere.note()
    nowhere.clear()
    assert nowhere.delay_s == 0


def test_it_keeps_no_count_without_a_file_for_the_database(tmp_path):
    elsewhere = Faults.beside("postgresql://db/kwhen")
    elsewhere.note()
    assert elsewhere.delay_s == 0


def test_it_tells_systemd_that_the_start_takes_longer(kept, monkeypatch):
    told, waited = [], []
    monkeypatch.setattr(faults.notify, "notify", lambda *states: told.extend(states))
    monkeypatch.setattr(faults.time, "sleep", waited.append)
    for _ in range(8):
        kept.note()
    kept.wait()
    assert waited == [600]
    assert told == [notify.extended(720), notify.status("waiting 600 s after 8 internal faults in a row")]
    assert told[0] == "EXTEND_TIMEOUT_USEC=720000000"


def test_it_does_not_wait_without_a_fault(kept, monkeypatch):
    waited = []
    monkeypatch.setattr(faults.time, "sleep", waited.append)
    kept.wait()
    assert waited == []
