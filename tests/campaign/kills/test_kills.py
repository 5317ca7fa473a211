"""A daemon killed 25 times in a row, at moments drawn from a seed: nothing is lost, nothing doubled (S5, S6, L10, W13)."""

import pytest

from tests.campaign.kills.life import Life

KILLS = 25
PACE = 0.4
"""Lives are short here; those of the campaign (`python -m tests.campaign.kills`) are longer."""


@pytest.mark.timeout(240)  # it takes some 40 s, and waits for other processes on a busy machine
async def test_a_daemon_killed_25_times_loses_nothing_and_doubles_nothing(tmp_path):
    outcome = await Life(tmp_path, seed="7", pace=PACE).live(KILLS)
    assert outcome.faults == []
    assert outcome.kills.total() >= KILLS
    assert outcome.actions >= 5, "commands were sent"
    assert outcome.events >= 20, "events were delivered"
    assert outcome.overrides >= 5, "wishes were heard"
