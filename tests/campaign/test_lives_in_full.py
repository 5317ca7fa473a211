"""The short campaign, at full fidelity: loopback HTTP both ways, and a store on a file that is waited for."""

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
