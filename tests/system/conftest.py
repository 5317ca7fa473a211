"""The environment that every box of a run mounts."""

import fcntl
import subprocess
from pathlib import Path

import pytest

from tests.system import box


@pytest.fixture(scope="session")
def environment(pytestconfig: pytest.Config) -> Path:
    """kwhen, installed with the system's own Python, to be mounted at /opt/kwhen."""
    if (why := box.obstacle()) is not None:
        pytest.skip(f"no systemd box: {why}")
    cache = Path(pytestconfig.cache.mkdir("box-environment"))
    with cache.with_suffix(".lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # the runner's workers build it once between them
        try:
            made = box.dependencies(cache)
        except subprocess.CalledProcessError:
            pytest.skip("no systemd box: the dependencies of its environment could not be fetched (pip said why above)")
        box.install(made)
    return made
