"""The short campaign, at full fidelity: loopback HTTP both ways, and a store on a file that is waited for."""

import msgspec
import pytest

from tests.campaign.drawing import draw
from tests.campaign.life import live
from tests.campaign.replaying import told

SEEDS = (21, 22)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_breaks_in_a_life_over_http(seed):
    outcome = live(draw(seed, folder=None, cars=6, days=3), "full")
    assert outcome.good, told(outcome)


def test_the_same_life_is_the_same_twice():
    script = draw(23, folder=None, cars=4, days=3)
    first, again = (live(script) for _ in range(2))
    assert (first.commands, first.figures) == (again.commands, again.figures)


def test_a_broken_daemon_is_noticed(monkeypatch):
    """A gate that lets everything pass is found out, so that a campaign without findings means something."""
    monkeypatch.setattr("scheduler.core.dispatch.gate", _always_home)
    script = draw(24, folder=None, cars=6, days=3)
    outcome = live(msgspec.structs.replace(script, troubles=()))
    assert {violation["rule"] for violation in outcome.violations} & {"S1", "S2"}


def _always_home(_now, **_members):
    from scheduler.core.model import Place, Verdict  # noqa: PLC0415 - only here

    return Verdict(place=Place.HOME, why="location", text="Plugged in, and the car is at the home's location.")
