"""What the doctor says of a running daemon."""

import pytest

from scheduler import __version__
from scheduler.cli import examination

HEALTH = {"ready": True, "version": __version__, "store": "ok", "webhook": "active", "webhook_trouble": ""}


@pytest.fixture
def health(monkeypatch):
    told = dict(HEALTH)

    class Answering:
        def __init__(self, path):
            self.path = path

        def get(self, path):
            return {"health": told}

    monkeypatch.setattr(examination, "Connection", Answering)
    return told


def test_a_daemon_that_is_well_is_one_good_finding(health, tmp_path):
    assert [(one.name, one.level) for one in examination.daemon(tmp_path)] == [("daemon", "ok")]


def test_deliveries_that_nobody_can_trust_are_a_finding_with_their_cause(health, tmp_path):
    health["webhook_trouble"] = "Deliveries come, and the body was altered on the way."
    [_, found] = examination.daemon(tmp_path)
    assert (found.name, found.level, found.text) == ("webhook", "warn", health["webhook_trouble"])
