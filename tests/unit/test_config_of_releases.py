"""The configuration of each earlier release still loads, or says of each key what became of it (C08)."""

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scheduler import __version__
from scheduler.config import former, load, warnings
from scheduler.config.former import explained
from scheduler.core.errors import ConfigError

KEPT = Path(__file__).with_name("configurations")
ENVIRON = {"KWHEN_ENODE__CLIENT_SECRET": "s3cr3t-of-the-client", "HOME": "/home/ada"}
RELEASES = sorted(KEPT.glob("*.toml"))
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def problems_of(path: Path) -> list[str]:
    try:
        load(path, ENVIRON)
    except ConfigError as error:
        return list(error.problems)
    return []


def unexplained(path: Path) -> list[str]:
    """Return the problems of a file that do not say what became of a key."""
    return [one for one in problems_of(path) if not any(text in one for text in former.FORMER.values())]


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "kwhen.toml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("kept", RELEASES, ids=lambda path: path.stem)
def test_c08_the_example_of_each_release_loads_or_is_told_why_not(kept):
    assert unexplained(kept) == []


@pytest.mark.parametrize("kept", RELEASES, ids=lambda path: path.stem)
def test_c08_what_a_release_only_showed_is_still_known(kept, written):
    """The settings without a default stand there behind a #: each is set in turn, with its own table alone."""
    lines = kept.read_text(encoding="utf-8").splitlines()
    shown = [number for number, line in enumerate(lines) if re.match(r"#[a-z_]+ = ", line)]
    assert len(shown) > 10
    for number in shown:
        one = [*lines[:number], lines[number][1:], *lines[number + 1 :]]
        told = [text for text in unexplained(written("\n".join(one))) if "is unknown" in text]
        assert told == [], lines[number]


def test_the_example_of_this_release_is_kept():
    """When the version is raised: cp config.example.toml tests/unit/configurations/VERSION.toml."""
    assert __version__ in {path.stem for path in RELEASES}


def test_c08_what_came_later_has_its_default(written):
    """A file that says nothing of them: a home and its car, as the first release wanted them."""
    text = """
        [enode]
        environment = "sandbox"
        client_id = "me"
        [[home]]
        id = "oslo"
        user_id = "u1"
        timezone = "Europe/Oslo"
        location_id = "l1"
        [[home.vehicle]]
        id = "v1"
        capacity_kwh = 58.0
        charge_power_kw = 11.0
        [[home.policy]]
        name = "ready-by"
        at = "07:30"
        [[home.policy]]
        name = "flat"
        per_kwh = 0.3
    """
    settings = load(written(text), ENVIRON)
    assert warnings(settings, at=NOW) == ()
    assert settings.storage_copies == 2
    assert settings.webhook.previous_secret is None


def test_c08_a_key_that_was_renamed_or_removed_is_explained(written, monkeypatch):
    """In a table, in a list of tables, and among the settings of a policy; a misspelling is still told as one."""
    became = {
        "control.reserve_min": "was renamed in 0.2: write control.r_out_min",
        "home.vehicle.battery_kwh": "was renamed in 0.2: write capacity_kwh",
        "home.policy.cents": "was removed in 0.3: write per_kwh",
    }
    monkeypatch.setattr(former, "FORMER", became)
    text = (KEPT / "0.1.0.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["control"]
    for line, more in (
        ("[control]", "reserve_min = 3\nr_out_mni = 3"),
        ("[[home.vehicle]]", "battery_kwh = 3"),
        ('name = "ready-by"', "cents = 3"),
    ):
        text = text.replace(f"\n{line}\n", f"\n{line}\n{more}\n", 1)
    told = problems_of(written(text))
    assert len(told) == 4
    for key, what in became.items():
        (one,) = [line for line in told if what in line]
        assert re.search(rf"kwhen\.toml:\d+: [\w.\[\]]*{key.rpartition('.')[2]}: was re", one)
    (misspelt,) = [line for line in told if "r_out_mni" in line]
    assert "is unknown; did you mean 'r_out_min'?" in misspelt


def test_what_is_wrong_with_a_known_key_stays_as_it_is():
    problems = [("control.t_tick_s", "must be at least 1"), ("a.b", "is unknown; known are c")]
    assert list(explained(problems, {"control.t_tick_s": "was renamed", "a.b": "was removed"})) == [
        ("control.t_tick_s", "must be at least 1"),
        ("a.b", "was removed"),
    ]
