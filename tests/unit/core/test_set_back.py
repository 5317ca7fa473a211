"""A wall clock that was set back: what was noted while it ran ahead is dated anew, and nothing else."""

from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.core.command import CommandState
from scheduler.core.model import Hand, Override, Session, Will
from scheduler.core.observation import ChargeFacet, Observation, Stamp
from scheduler.core.set_back import set_back
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
        voiced=(Voiced(code="GONE", cause="", of="", told_at=late),),
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
        seen_.place_since, state.voiced[0].told_at, state.refreshed_at, state.credentials_lost_at,
    } == {T0}  # fmt: skip
    assert state.price_key == ""
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
