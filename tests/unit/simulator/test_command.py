"""The simulator as a program of its own."""

import json
import signal
import subprocess
import sys
import urllib.request

import pytest

from scheduler.cli.simulator import WorldName
from simulator.command import WORLDS, run

from .conftest import START_AT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["interrupt", "terminate"])
def test_it_prints_where_it_is_serves_and_ends_cleanly(number, checkout):
    command = [sys.executable, "-W", "error", "-m", "simulator", "--port", "0", "--json", "--world", "owner"]
    with subprocess.Popen(command, cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            found = json.loads(process.stdout.readline())
            with urllib.request.urlopen(found["url"] + "/_sim/description", timeout=10) as reply:
                described = json.load(reply)
        finally:
            process.send_signal(number)
            _, complaints = process.communicate(timeout=20)
    assert set(found) == {"url", "client_id", "client_secret"}
    assert described["client_id"] == found["client_id"]
    assert (process.returncode, complaints) == (0, "")


@pytest.mark.parametrize(("name", "users"), [("owner", 0), ("demo", 2), ("standalone", 3)])
def test_each_world_can_be_asked_for(name, users):
    assert len(WORLDS[name](1, START_AT).users) == users


def test_the_command_offers_every_world():
    assert {each.value for each in WorldName} == set(WORLDS)


async def test_haste_must_be_positive():
    with pytest.raises(ValueError, match="haste"):
        await run(port=0, as_json=True, speed=1.0, seed=1, haste=0.0)


async def test_a_taken_port_is_told(api):
    taken = int(api.running.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        await run(port=taken, as_json=True, speed=1.0, seed=1)
