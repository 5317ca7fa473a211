"""What every kind of test may use: the recorded data and the provider's examples that lie beside a checkout."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# What judges a submission must judge the same twice; at a desk each run may look somewhere else.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")

CHECKOUT = Path(__file__).resolve().parent.parent


def beside_the_checkout(*, variable: str, default: str) -> Path:
    """Return the directory that the variable names, or skip the test and say what would let it run."""
    directory = Path(os.environ.get(variable) or CHECKOUT.parent / "shared" / default).resolve()
    if not directory.is_dir():
        pytest.skip(f"{directory} is not here: set {variable} to the directory that holds it")
    return directory


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of this repository."""
    return CHECKOUT


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Recorded prices, sessions and tariffs (`KWHEN_DATA`)."""
    return beside_the_checkout(variable="KWHEN_DATA", default="data")


@pytest.fixture(scope="session")
def reference_dir() -> Path:
    """Documentation of the provider and its example payloads (`KWHEN_REFERENCE`)."""
    return beside_the_checkout(variable="KWHEN_REFERENCE", default="reference")
