"""A wall clock that was set back: what was noted while it ran ahead is dated anew, and nothing else."""

from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.core.command import CommandState
from scheduler.core.model import Hand, Override, Session, Will
from scheduler.core.observation import ChargeFacet, Observation, Stamp
from scheduler.core.set_back import set_back, set_right
from scheduler.core.tracking import BACK_OFF
from scheduler.core.voicing import Voiced
from tests.unit.core.test_tracking import LIMITS, MIN, T0, look, next_look, seen, waiting

HOUR = timedelta(hours=1)
NOW = T0 + 5 * MIN
"""The clock ran an hour ahead until now: what happened at T0 was noted as an hour later."""


def ahead(state):
    """The state with all that the daemon notes, noted an hour ahead."""
    late = T0 + HOUR
    return replace(
        state,
        command=replace(state.command, sent_at=late, answered_at=late, looked_at=late),
        recent=(replace(state.command, state=CommandState.FAILED, sent_at=late - MIN, ended_at=late),),
        session=replace(state.session, opened_at=late, unplugged_since=late, stopped_at=late, retry_at=late + 5 * MIN),
        observation=Observation(
            charge=ChargeFacet(at=T0, plugged=True),
            received=Stamp(at=late, mono_ns=0, run=1),
            plug_since=late,
            place_since=late,
        ),
        voiced=(Voiced(code="GONE", cause="", of="", told_at=late, gone_at=late),),
        price_key="told",
        refreshed_at=late,
        credentials_lost_at=late,
    )


def test_what_was_noted_ahead_is_dated_when_it_was():
    state = set_back(ahead(waiting(state=CommandState.PENDING)), at=NOW, by=HOUR)
    assert state == set_back(state, at=NOW, by=HOUR)
    session, seen_ = state.session, state.observation
    assert {
        state.command.sent_at, state.command.answered_at, state.command.looked_at, state.recent[0].ended_at,
        session.opened_at, session.unplugged_since, session.stopped_at, seen_.received.at, seen_.plug_since,
        seen_.place_since, state.voiced[0].gone_at, state.refreshed_at, state.credentials_lost_at,
    } == {T0}  # fmt: skip
    assert state.price_key == ""
    assert state.voiced[0].told_at == T0 + HOUR  # the record of the alert goes by it
    assert (state.recent[0].sent_at, session.retry_at) == (T0 - MIN, T0 + 5 * MIN)


def test_after_a_restart_what_lies_ahead_counts_as_of_now():
    state = set_back(ahead(waiting()), at=NOW)
    assert {state.command.sent_at, state.session.opened_at, state.refreshed_at} == {NOW}
    assert state.session.retry_at == NOW + 5 * MIN  # as long as it was to be after the command's end


def test_what_lies_in_the_past_or_is_meant_to_lie_ahead_stays():
    wish = Override(will=Will.HOLD, by=Hand.DASHBOARD, set_at=T0, until=T0 + 2 * HOUR)
    before = replace(
        waiting(),
        override=wish,
        price_key="told",
        session=Session(id="s", plugged_at=T0, opened_at=T0, retry_at=T0 + HOUR),
    )
    assert set_back(before, at=NOW, by=HOUR) == before


def test_what_lies_only_slightly_ahead_was_noted_just_now():
    state = ahead(waiting())
    state = replace(state, session=replace(state.session, unplugged_since=NOW + timedelta(seconds=30)))
    assert set_back(state, at=NOW, by=HOUR).session.unplugged_since == NOW


@pytest.mark.parametrize("charging", [True, False])
def test_a_command_sent_ahead_has_its_result_in_time(charging):
    state = replace(waiting(state=CommandState.PENDING, action_id="a1"), session=None)
    state = replace(state, command=replace(state.command, sent_at=T0 + HOUR, answered_at=T0 + HOUR))
    assert look(seen(state, 5, charging=True), 5).state.command is not None  # nothing is newer than the future
    state = set_back(state, at=NOW, by=HOUR)
    assert next_look(state.command, LIMITS) <= T0 + LIMITS.t_verify
    [ended] = [look(seen(state, 6, charging=charging), 36).state.recent[-1].state]
    assert ended is (CommandState.VERIFIED if charging else CommandState.FAILED)


def test_a_back_off_that_was_not_counted_from_the_future_stays():
    state = waiting()
    last = replace(state.command, state=CommandState.FAILED, ended_at=T0)
    state = replace(state, recent=(last,), session=replace(state.session, retry_at=T0 + BACK_OFF[-1]))
    assert set_back(state, at=NOW, by=HOUR).session.retry_at == T0 + BACK_OFF[-1]


RIGHT = Stamp(at=T0 + HOUR + 5 * MIN, mono_ns=10 * 60 * 10**9, run=1)
"""The clock showed T0 when it was an hour later, five minutes ago, and is right again."""


def behind(**changes):
    """A command sent while the clock ran an hour behind, and one before it that had failed."""
    state = waiting(state=CommandState.PENDING, sent_ns=5 * 60 * 10**9, answered_at=T0 + MIN, **changes)
    failed = replace(
        state.command, id="c0", state=CommandState.FAILED, sent_at=T0 - MIN, sent_ns=4 * 60 * 10**9, answered_at=None,
        ended_at=T0,
    )  # fmt: skip
    return replace(state, recent=(failed,), session=replace(state.session, retry_at=T0 + BACK_OFF[0]))


def righted(state, *, within=35 * MIN):
    return set_right(state, now=RIGHT, within=within)


def test_what_was_sent_while_the_clock_was_behind_is_dated_when_it_was():
    state = righted(behind())
    assert (state.command.sent_at, state.command.answered_at) == (T0 + HOUR, T0 + HOUR + MIN)
    assert (state.recent[0].sent_at, state.recent[0].ended_at) == (T0 + HOUR - MIN, T0 + HOUR)
    assert state.session.retry_at == T0 + HOUR + BACK_OFF[0]
    assert righted(state) is state


def test_nothing_of_it_comes_to_lie_in_the_future():
    state = behind(looked_at=T0 + HOUR)  # noted after the clock was right again, by a turn that was under way
    assert righted(state).command.looked_at == RIGHT.at


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"epoch": 2}, id="another-run-whose-monotonic-clock-was-another"),
        pytest.param({"sent_ns": None}, id="no-monotonic-clock"),
        pytest.param({"sent_at": RIGHT.at - 5 * MIN + timedelta(seconds=1)}, id="dated-right"),
    ],
)
def test_a_command_of_which_nothing_better_is_known_stays(changes):
    state = replace(behind(), recent=())
    state = replace(state, command=replace(state.command, **changes))
    assert righted(state) is state


def test_a_command_too_old_to_matter_stays():
    assert righted(behind(), within=5 * MIN).command.sent_at == T0 + HOUR
    assert righted(behind(), within=5 * MIN - timedelta(seconds=1)).command.sent_at == T0


@pytest.mark.parametrize("charging", [True, False])
def test_a_command_sent_behind_is_not_too_old_for_its_effect(charging):
    state = replace(behind(), recent=())
    assert look(seen(state, 64, charging=False), 65).state.command is None  # its time seems to be over
    ended = look(seen(righted(state), 64, charging=charging), 65).state
    assert (ended.command is None, [c.state for c in ended.recent]) == (
        (True, [CommandState.VERIFIED]) if charging else (False, [])
    )
