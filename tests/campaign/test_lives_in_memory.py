"""The short campaign, in memory: generated owners and prices, every kind of trouble, no rule broken."""

import pytest

from tests.campaign.drawing import draw
from tests.campaign.life import live
from tests.campaign.replaying import found_lives, told

SEEDS = (11, 12, 13, 14, 15, 16)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_breaks_in_a_life(seed):
    outcome = live(draw(seed, folder=None, cars=6, days=3))
    assert outcome.good, told(outcome)


@pytest.mark.parametrize("script", found_lives())
def test_what_a_campaign_found_stays_mended(script):
    outcome = live(script)
    assert outcome.good, told(outcome)
