"""Commands followed to their end: answers, looks, observations, time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scheduler.core.command import Action, ActionReport, Command, CommandState, Failure, Outcome, Why
from scheduler.core.model import Limits, Session, VehicleState, Will
from scheduler.core.observation import ChargeFacet, Delivery, Observation, Stamp
from scheduler.core.tracking import next_look, percentile_95, track, track_report

T0 = datetime(2026, 3, 1, 1, 0, tzinfo=UTC)
MIN = timedelta(minutes=1)
LIMITS = Limits()


def waiting(action=Action.START, state=CommandState.SENT, **changes):
    command = Command(
        id="c1", vehicle_id="car", action=action, why=Why.PLAN, state=state, sent_at=T0, epoch=1, **changes
    )
    return VehicleState(
        vehicle_id="car", home_id="home", user_id="user", command=command,
        session=Session(id="s", plugged_at=T0 - 60 * MIN, opened_at=T0 - 60 * MIN, at_home=True),
    )  # fmt: skip


def report(outcome, *, minutes=0.1, action_id="a1", failure=None, **changes):
    kind = None if failure is None else Failure(type=failure, detail="words")
    return ActionReport(
        outcome=outcome, received_at=T0 + minutes * MIN, action_id=action_id, failure=kind, command_id="c1", **changes
    )


def seen(state, minutes, *, charging, kw=None):
    at = T0 + minutes * MIN
    delivery = Delivery.CHARGING if charging else Delivery.STOPPED
    charge = ChargeFacet(at=at, plugged=True, charging=charging, power_kw=kw, delivery=delivery)
    return replace(state, observation=Observation(charge=charge, received=Stamp(at=at, mono_ns=0, run=1)))


def look(state, minutes, *, run=1):
    return track(state, run=run, limits=LIMITS, at=T0 + minutes * MIN)


def kinds(tracked):
    return [e["k"] for e in tracked.events]


def test_a_pending_answer_is_acknowledged_and_watched():
    tracked = track_report(waiting(), report(Outcome.PENDING))
    assert tracked.state.command.state is CommandState.PENDING
    assert tracked.state.command.action_id == "a1"
    assert kinds(tracked) == ["ACK"]
    assert next_look(tracked.state.command, LIMITS) == T0 + timedelta(seconds=96)


def test_confirmed_is_not_charging():
    state = track_report(waiting(), report(Outcome.CONFIRMED)).state
    assert state.command.state is CommandState.CONFIRMED
    assert look(state, 2).state.command is not None


@pytest.mark.parametrize(
    ("action", "charging", "kw"),
    [
        pytest.param(Action.START, True, None, id="start-charging"),
        pytest.param(Action.START, False, 3.0, id="start-power"),
        pytest.param(Action.STOP, False, 0.0, id="stop"),
    ],
)
def test_a_newer_observation_verifies(action, charging, kw):
    state = seen(track_report(waiting(action), report(Outcome.PENDING)).state, 1, charging=charging, kw=kw)
    tracked = look(state, 1.5)
    assert tracked.state.command is None
    assert tracked.state.recent[-1].verified
    assert tracked.events[-1]["out"] == "verified"


def test_an_older_observation_verifies_nothing():
    state = seen(track_report(waiting(), report(Outcome.CONFIRMED)).state, -1, charging=True, kw=7.0)
    assert look(state, 1).state.command is not None


def test_acknowledged_without_effect_ends_unverified_and_backs_off():
    state = track_report(waiting(), report(Outcome.CONFIRMED)).state
    assert look(seen(state, 4, charging=False), 4).state.command is not None, "not yet"
    tracked = look(seen(state, 5.2, charging=False), 5.2)
    assert tracked.state.recent[-1].state is CommandState.UNVERIFIED
    assert tracked.state.session.retry_at == T0 + (5.2 + 5) * MIN


def test_every_command_has_a_result_within_the_time():
    state = track_report(waiting(), report(Outcome.PENDING)).state
    assert look(state, 33).state.command is not None
    tracked = look(state, 34)
    assert tracked.state.command is None
    assert tracked.events[-1] == {
        "k": "RESULT", "cmd": "c1", "out": "failed",
        "failure": {"type": "NOT_SEEN", "detail": "Nothing showed the command within the time."},
    }  # fmt: skip


def test_failures_in_a_row_back_off_further():
    state, waits = waiting(), []
    for _ in range(5):
        state = track_report(state, report(Outcome.FAILED, failure="NO_RESPONSE")).state
        waits.append((state.session.retry_at - (T0 + 0.1 * MIN)) / MIN)
        state = replace(state, command=waiting().command)
    assert waits == [5, 10, 20, 30, 30]


def test_success_forgives_the_failures():
    state = replace(waiting(), session=replace(waiting().session, failures=3, retry_at=T0 + 30 * MIN))
    state = look(seen(state, 1, charging=True, kw=7.0), 1.5).state
    assert (state.session.failures, state.session.retry_at) == (0, None)


def test_a_wait_that_the_provider_asked_for_is_kept():
    state = track_report(waiting(), report(Outcome.NOT_SENT, action_id=None, retry_after_s=900)).state
    assert state.session.retry_at == T0 + 15.1 * MIN


def test_a_lost_answer_is_read_back_before_anything_else():
    state = track_report(waiting(), report(Outcome.AMBIGUOUS, action_id=None)).state
    assert state.command.state is CommandState.AMBIGUOUS
    assert look(seen(state, 1, charging=False), 1).state.command is not None, "two minutes are waited"
    tracked = look(seen(state, 2.5, charging=False), 2.5)
    assert kinds(tracked) == ["READBACK", "RESULT"]
    assert tracked.events[0]["found"] is False


def test_a_lost_answer_whose_effect_is_seen_was_found():
    state = track_report(waiting(), report(Outcome.AMBIGUOUS, action_id=None)).state
    tracked = look(seen(state, 0.5, charging=True, kw=7.0), 0.5)
    assert [e.get("found", e.get("out")) for e in tracked.events] == [True, "verified"]


def test_a_lost_answer_found_by_its_action_event():
    state = track_report(waiting(), report(Outcome.AMBIGUOUS, action_id=None)).state
    event = ActionReport(
        outcome=Outcome.PENDING, received_at=T0 + MIN, action_id="a9", vehicle_id="car", kind=Action.START
    )
    tracked = track_report(state, event)
    assert tracked.state.command.action_id == "a9"
    assert kinds(tracked) == ["ACK", "READBACK"]


def test_a_command_of_an_earlier_run_is_ambiguous():
    tracked = look(waiting(), 0.2, run=2)
    assert kinds(tracked) == ["AMBIG"]
    assert look(waiting(), 0.2, run=1).state.command.state is CommandState.SENT


def test_a_foreign_action_changes_nothing():
    state = track_report(waiting(), report(Outcome.PENDING)).state
    foreign = ActionReport(outcome=Outcome.FAILED, received_at=T0 + MIN, action_id="other", kind=Action.START)
    assert track_report(state, foreign).state == state


def test_422_takes_the_hands_off():
    state = track_report(waiting(), report(Outcome.REJECTED, action_id=None, failure="HTTP_422")).state
    assert state.override.will is Will.HANDS_OFF


@pytest.mark.parametrize("failure", ["HTTP_404", "NOT_FOUND"])
def test_a_vehicle_that_is_gone_is_managed_no_more(failure):
    state = track_report(waiting(), report(Outcome.REJECTED, action_id=None, failure=failure)).state
    assert state.gone
    assert state.session.retry_at > T0 + 4 * MIN, "the list of vehicles may still name it: not asked again at once"


def test_our_own_recall_is_no_failure():
    state = waiting(state=CommandState.PENDING, action_id="a1", recall_at=T0 + MIN)
    state = track_report(state, report(Outcome.CANCELLED, failure="REQUESTED_CANCELLATION")).state
    assert state.session.failures == 0


def test_a_car_that_does_not_resume_twice_is_not_paused_again():
    state = waiting()
    held = replace(state.session, held_since=T0 - 10 * MIN)
    state = replace(state, session=held)
    for _ in range(2):
        assert not state.learned.no_pause
        state = track_report(state, report(Outcome.FAILED, failure="NO_RESPONSE")).state
        state = replace(state, command=waiting().command)
    assert state.learned.no_pause


def test_a_start_that_never_left_says_nothing_of_the_car():
    state = waiting()
    state = replace(state, session=replace(state.session, held_since=T0 - 10 * MIN))
    for _ in range(3):
        state = track_report(
            state, report(Outcome.NOT_SENT, action_id=None, failure="THROTTLED", retry_after_s=60)
        ).state
        state = replace(state, command=waiting().command)
    assert (state.session.failed_resumes, state.learned.no_pause) == (0, False)


def test_start_latency_is_learned():
    state = look(seen(waiting(), 3, charging=True, kw=7.0), 3).state
    assert state.learned.start_latency_s == 180
    assert percentile_95(tuple(float(n) for n in range(1, 101))) == 95
    assert percentile_95((7.0,)) == 7


def test_a_command_is_due_when_its_time_is_over():
    command = waiting(state=CommandState.PENDING, action_id="a1", looked_at=T0 + 32 * MIN).command
    assert next_look(command, LIMITS) == T0 + 34 * MIN
