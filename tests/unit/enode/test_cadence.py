"""How often a vehicle is looked at, and when it may be woken."""

from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.enode.cadence import Outlook, may_wake, poll_every, quiet_until
from tests.web_support import NOON

MIN = timedelta(minutes=1)
TOLD = NOON - 5 * MIN
SILENT = NOON - 61 * MIN
SOON = NOON + 20 * MIN
LATER = NOON + 5 * 60 * MIN


def outlook(**members) -> Outlook:
    return Outlook(at=NOON, **members)


@pytest.mark.parametrize(
    ("look", "told_min", "silent_min"),
    [
        pytest.param({"pending": True}, 1, 0.5, id="a-command-is-followed-closely"),
        pytest.param({"pending": True, "plugged": False}, 1, 0.5, id="also-when-the-car-left"),
        pytest.param({"due_at": SOON, "plugged": True}, 2, 2, id="evidence-is-young-when-a-command-is-due"),
        pytest.param({"due_at": NOON - MIN}, 2, 2, id="overdue-is-due"),
        pytest.param({"due_at": LATER, "plugged": True, "charging": False}, 20, 5, id="held-until-later"),
        pytest.param({"plugged": True, "charging": True}, 10, 2, id="charging"),
        pytest.param({"plugged": True, "resting": True}, 30, 20, id="complete"),
        pytest.param({"plugged": False}, 30, 5, id="unplugged-is-awaited"),
        pytest.param({"plugged": None}, 2, 2, id="just-linked"),
        pytest.param({"plugged": False, "reachable": False}, 30, 20, id="asleep"),
        pytest.param({"plugged": None, "reachable": False}, 20, 20, id="nothing-known-and-asleep"),
    ],
)
def test_reading_is_as_close_as_it_is_useful(look, told_min, silent_min):
    assert poll_every(outlook(heard_at=TOLD, **look)) == told_min * MIN
    assert poll_every(outlook(heard_at=SILENT, **look)) == silent_min * MIN
    assert poll_every(outlook(heard_at=None, **look)) == silent_min * MIN


def test_silence_is_counted_from_the_last_thing_heard():
    assert outlook(heard_at=NOON - timedelta(minutes=59, seconds=59)).told
    assert not outlook(heard_at=NOON - timedelta(minutes=60)).told
    assert not outlook(heard_at=NOON - 10 * MIN, silence=10 * MIN).told


@pytest.mark.parametrize(
    ("look", "until"),
    [
        pytest.param({"plugged": False}, NOON + 3 * MIN, id="its-turn"),
        pytest.param(
            {"plugged": True, "resting": True, "due_at": NOON + 35 * MIN}, NOON + 5 * MIN, id="a-command-draws-near"
        ),
        pytest.param(
            {"plugged": True, "resting": True, "due_at": NOON + 80 * MIN}, NOON + 18 * MIN, id="a-command-is-far"
        ),
        pytest.param({"plugged": False, "heard_at": NOON}, NOON + 28 * MIN, id="webhooks-are-healthy"),
    ],
)
def test_a_vehicle_is_left_alone_until_something_is_due_by_itself(look, until):
    seen = outlook(**look)
    assert quiet_until(seen, NOON - 2 * MIN) == until
    for number in range(30):  # until then it is not due, however it is asked
        later = replace(seen, at=NOON + number * MIN)
        assert (later.at - (NOON - 2 * MIN) < poll_every(later)) or later.at >= until


@pytest.mark.parametrize(
    ("look", "ago_min", "wake"),
    [
        pytest.param({"plugged": True}, None, True, id="never-asked"),
        pytest.param({"plugged": True}, 59, False, id="idle-within-the-hour"),
        pytest.param({"plugged": True}, 60, True, id="idle-after-an-hour"),
        pytest.param({"plugged": None}, 59, False, id="unknown-within-the-hour"),
        pytest.param({"plugged": True, "due_at": SOON}, 9, False, id="due-within-ten-minutes"),
        pytest.param({"plugged": True, "due_at": SOON}, 10, True, id="due-after-ten-minutes"),
        pytest.param({"plugged": True, "due_at": LATER}, 10, False, id="due-later-is-idle"),
        pytest.param({"plugged": True, "pending": True}, 10, True, id="pending-after-ten-minutes"),
        pytest.param({"plugged": True, "resting": True}, None, False, id="complete-is-left-asleep"),
        pytest.param({"plugged": True, "resting": True, "due_at": SOON}, None, False, id="also-if-something-is-due"),
        pytest.param({"plugged": True, "resting": True, "pending": True}, 10, True, id="not-with-a-command-on-its-way"),
        pytest.param({"plugged": False, "due_at": SOON}, None, False, id="unplugged-is-left-asleep"),
        pytest.param({"plugged": True}, -5, True, id="asked-in-the-future"),
    ],
)
def test_a_vehicle_is_woken_within_its_budget(look, ago_min, wake):
    refreshed_at = None if ago_min is None else NOON - ago_min * MIN
    assert may_wake(outlook(**look), refreshed_at) is wake


def test_a_day_with_nothing_to_do_wakes_at_most_once_an_hour():
    woken, refreshed_at = 0, None
    for minute in range(24 * 60):
        look = Outlook(at=NOON + minute * MIN, plugged=True)
        if may_wake(look, refreshed_at):
            woken, refreshed_at = woken + 1, look.at
    assert woken == 24
