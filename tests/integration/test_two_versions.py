"""An older build and this one take turns on one database (X09).

The older one is the oldest commit whose schema has the revision of today: before it an upgrade lies in between, and an
older program refuses what is newer. It runs from its own sources, in an environment of today.
"""

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT
from tests.integration.processes import Daemon, Provider, installed, simulated, until

PACKAGES = ("scheduler", "policies", "storage")


def git(*arguments: str) -> bytes:
    done = subprocess.run(["git", "-C", CHECKOUT, *arguments], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no history to take an older build from: {done.stderr.decode().strip()}")
    return done.stdout


@pytest.fixture(scope="module")
def older(tmp_path_factory) -> Path:
    """The sources of the older build."""
    commit = git("log", "-1", "--format=%H", "--", "storage/migrations/versions").decode().strip()
    if not commit or commit == git("rev-parse", "HEAD").decode().strip() or (CHECKOUT / ".git" / "shallow").exists():
        pytest.skip(
            "no history to take an older build from: this is the first commit with this schema, or a shallow clone"
        )
    place = tmp_path_factory.mktemp("older")
    with tarfile.open(fileobj=io.BytesIO(git("archive", commit, *PACKAGES))) as archive:
        archive.extractall(place, filter="data")
    said = subprocess.run([sys.executable, "-c", "import scheduler; print(scheduler.__file__)"], cwd=place,
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert Path(said.stdout.strip()).is_relative_to(place), "it would run the sources of today"
    return place


def told(daemon: Daemon) -> dict[str, object]:
    """Return what of a car must not change with the version."""
    car = daemon.car(0)
    return {"plugged": car["plugged"], "override": car["override"], "session": car["session"]["id"]}


def accepted(provider: Provider) -> int:
    """Return how many commands to the car were accepted so far."""
    return int(provider.get("/_sim/requests")["accepted"].get(provider.cars[0]["id"], 0))


@pytest.mark.timeout(400)  # four starts, which a machine with many tests at once draws out
def test_x09_an_older_build_and_this_one_take_turns(tmp_path, older):
    """Old, new, old, new in one plug session: the wish and the session stay, nothing is sent anew, and no rule breaks."""
    with simulated() as provider, installed(tmp_path, provider) as daemon:
        provider.plug_in_outside(0)
        kept: dict[str, object] = {}
        for turn, place in enumerate((older, CHECKOUT, older, CHECKOUT)):
            daemon.place = place
            daemon.start()
            until(lambda: daemon.car(0)["plugged"], "the car is seen in this run")
            if turn == 0:
                assert daemon.kwhen("override", "hold", provider.cars[0]["id"]).status == 0
                until(lambda: daemon.car(0)["override"], "the wish is in force")
                kept = told(daemon)
            assert told(daemon) == kept, f"turn {turn}"
            assert daemon.stop() == 0
        assert accepted(provider) <= 1, "one STOP, of whichever sees first that it charges; the other repeats nothing"
        checked = daemon.kwhen("journal", "check", "--database", f"sqlite:///{daemon.database}")
        assert checked.status == 0, checked.out
        runs = [line["version"] for line in daemon.events("daemon.started")]
        assert len(runs) == 4
