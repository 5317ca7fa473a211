"""Every scenario file: one situation, and the decision that follows from it."""

from dataclasses import replace
from pathlib import Path

import pytest

from scheduler.core.decide import decide
from tests.scenarios.reading import differences, read

FILES = sorted(Path(__file__).parent.glob("*.toml"))


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_scenario(file):
    assert differences(read(file)) == []


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_the_same_situation_gives_the_same_decision(file):
    now = read(file).now
    assert decide(now) == decide(replace(now))


def test_there_are_many():
    assert len(FILES) >= 60


def test_a_key_that_nobody_knows_is_refused(tmp_path):
    file = tmp_path / "typo.toml"
    file.write_text('[car]\nsock_pct = 50\n[expect]\nverdict = "HOME"\n', encoding="utf-8")
    with pytest.raises(ValueError, match="sock_pct"):
        read(file)
