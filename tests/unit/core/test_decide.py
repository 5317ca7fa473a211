"""The decision as a whole: what is asked for beside a command, and when it is due again."""

import pickle
from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.core.command import Action, Command, CommandState, Why
from scheduler.core.decide import decide
from scheduler.core.model import Desired, Hand, Mode, Override, Place, Quality, Will
from scheduler.core.observation import Delivery, Stamp
from scheduler.core.terms import Price, Target
from tests.unit.core.builders import NOW, in_hours, price_slots, situation

MIN = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
PRICES = Price(slots=price_slots([0.4, 0.3, 0.1, 0.1, 0.1, 0.2, 0.4, 0.4]))
BY = in_hours(8)


def scene(**changes):
    return situation(terms=(PRICES, Target(soc_pct=80.0, by=BY)), **changes)


def aged(now, minutes, *, heard=0.0, run=1):
    """Return the situation with evidence so old at its source, heard so long ago, in a run."""
    seen = now.observation
    at = NOW - minutes * MIN
    return replace(
        now,
        observation=replace(
            seen,
            charge=replace(seen.charge, at=at),
            battery=replace(seen.battery, at=at),
            received=Stamp(at=NOW - heard * MIN, mono_ns=-int(heard * 60e9), run=run),
        ),
    )


def pending(minutes_ago=1.0, **changes):
    return Command(
        id="c", vehicle_id="car", action=Action.START, why=Why.PLAN, epoch=1,
        **{"state": CommandState.PENDING, "sent_at": NOW - minutes_ago * MIN, "action_id": "a", **changes},
    )  # fmt: skip


def test_the_same_situation_gives_the_same_decision():
    now = scene()
    assert decide(now) == decide(pickle.loads(pickle.dumps(now)))


def test_the_first_reason_is_what_is_wanted_and_the_second_what_stands_against_it():
    codes = [r.code for r in decide(scene(charging=True, credentials_valid=False)).reasons]
    assert codes == ["wait", "credentials"]


@pytest.mark.parametrize(
    ("now", "due"),
    [
        pytest.param(scene(), NOW + 60 * MIN, id="an-hour-at-most-while-it-waits"),
        pytest.param(
            scene(charging=True, credentials_valid=False), NOW + 15 * MIN, id="a-quarter-of-an-hour-while-it-charges"
        ),
        pytest.param(
            situation(terms=(Price(slots=price_slots([0.4, 0.1, 0.1, 0.1], minutes=6)), Target(soc_pct=51.0, by=BY))),
            NOW + 6 * MIN,
            id="the-next-start",
        ),
        pytest.param(scene(plugged_for=20 * SECOND), NOW + 40 * SECOND, id="when-the-plug-has-lasted"),
        pytest.param(
            scene(override=Override(will=Will.HOLD, by=Hand.CLI, set_at=NOW, until=NOW + 3 * MIN)),
            NOW + 3 * MIN,
            id="when-the-wish-ends",
        ),
        pytest.param(scene(command=pending()), NOW + 30 * SECOND, id="the-first-look-at-a-command"),
        pytest.param(scene(command=pending(4, looked_at=NOW - MIN)), NOW + 4 * MIN, id="the-next-look-at-a-command"),
        pytest.param(scene(command=pending(20)), NOW + SECOND, id="a-look-that-is-late"),
    ],
)
def test_when_it_is_due_again(now, due):
    assert decide(now).next_due_at == due


def test_a_charging_car_does_not_wait_for_a_latest_start_that_moves_on_with_it():
    late = situation(charging=True, soc_pct=50.0, terms=(Target(soc_pct=80.0, by=in_hours(3.4)),))
    [need] = decide(late).plan.needs
    assert NOW < need.lst_at < NOW + 5 * MIN
    assert decide(late).next_due_at >= NOW + 15 * MIN


def test_a_car_whose_readings_stand_still_is_looked_at_when_it_will_be_late():
    """20 kWh at 7 kW in 2.9 h, of which 1.2 are tolerated; no power is told, so that only time shows what is lost."""
    by = in_hours(2.9)
    now = situation(charging=True, missing_kwh=20, terms=(Target(soc_pct=80.0, by=by),))
    now = elsewhere(now, power_kw=None)
    due = decide(now).next_due_at
    assert due == pytest.approx(by - timedelta(hours=18.8 / 7) + SECOND, abs=SECOND)
    for late, told in ((-2 * SECOND, False), (0 * SECOND, True)):
        codes = [alert.code for alert in decide(replace(now, at=due + late)).alerts]
        assert ("DEADLINE_AT_RISK" in codes) is told


def test_an_unplugged_car_is_due_when_its_session_ends():
    now = scene()
    seen, session = now.observation, now.session
    now = replace(
        now,
        observation=replace(seen, charge=replace(seen.charge, plugged=False)),
        session=replace(session, unplugged_since=NOW - 2 * MIN),
    )
    decision = decide(now)
    assert (decision.desired, decision.next_due_at) == (Desired.LEAVE, NOW + 3 * MIN)


def test_a_car_that_rests_unplugged_is_not_due():
    assert decide(scene(plugged=False)).next_due_at is None


def test_a_car_switched_off_is_due_only_for_its_command_in_flight():
    assert decide(scene(home={"mode": Mode.OFF})).next_due_at is None
    assert decide(scene(home={"mode": Mode.OFF}, command=pending())).next_due_at == NOW + 30 * SECOND


@pytest.mark.parametrize(
    ("now", "look"),
    [
        pytest.param(scene(), False, id="fresh"),
        pytest.param(aged(scene(), 0, heard=11), True, id="unheard"),
        pytest.param(aged(scene(), 0, run=0), True, id="not-seen-in-this-run"),
        pytest.param(scene(charging=True, clock_trusted=False), True, id="the-clock-stepped-and-a-stop-waits"),
    ],
)
def test_the_vehicle_is_read_when_reading_mends_it(now, look):
    assert decide(now).look is look


def elsewhere(now, **changes):
    seen = now.observation
    return replace(now, observation=replace(seen, charge=replace(seen.charge, **changes)))


def charged(now, delivery=Delivery.COMPLETE):
    """The car says that it is full, or at its own limit."""
    return elsewhere(now, delivery=delivery, full=delivery is not Delivery.COMPLETE or None)


WISH, HOLD = (Override(will=will, by=Hand.CLI, set_at=NOW) for will in (Will.CHARGE, Will.HOLD))
CHARGE_NOW = (Target(soc_pct=80.0, by=in_hours(3)),)


@pytest.mark.parametrize(
    ("now", "refresh"),
    [
        pytest.param(aged(scene(), 40), True, id="never-asked"),
        pytest.param(aged(scene(refreshed_at=NOW - 59 * MIN), 40), False, id="holding-asked-within-the-hour"),
        pytest.param(aged(scene(refreshed_at=NOW - 60 * MIN), 40), True, id="holding-asked-an-hour-ago"),
        pytest.param(
            aged(situation(terms=CHARGE_NOW, refreshed_at=NOW - 4 * MIN, home={"charger_ids": ()}), 40),
            False,
            id="unlisted-is-no-matter-of-age",
        ),
        pytest.param(scene(), False, id="fresh"),
        pytest.param(charged(aged(scene(), 40)), False, id="complete"),
        pytest.param(charged(aged(scene(), 40), Delivery.STOPPED), False, id="full"),
        pytest.param(charged(aged(scene(override=WISH), 40)), True, id="complete-and-a-person-wants-more"),
        pytest.param(charged(aged(scene(override=HOLD), 40)), False, id="complete-and-a-person-wants-no-more"),
        pytest.param(charged(elsewhere(scene(), charger_id=None)), False, id="complete-at-a-place-not-proven"),
        pytest.param(elsewhere(scene(), charger_id=None), True, id="a-place-not-proven"),
        pytest.param(charged(elsewhere(replace(scene(), session=None), charger_id=None)), False, id="complete-before"),
        pytest.param(elsewhere(replace(scene(), session=None), charger_id=None), True, id="before-its-session"),
    ],
)
def test_a_refresh_is_asked_for_sparingly(now, refresh):
    assert decide(now).refresh is refresh


def test_a_car_that_should_charge_is_asked_again_after_five_minutes():
    unreachable = {"reachable": False}
    for asked_min, refresh in ((4, False), (5, True)):
        now = aged(situation(terms=CHARGE_NOW, refreshed_at=NOW - asked_min * MIN), 40)
        now = replace(now, observation=replace(now.observation, **unreachable))
        decision = decide(now)
        assert (decision.verdict.why, decision.desired) == ("stale", Desired.CHARGE)
        assert decision.refresh is refresh


def test_after_a_refresh_it_is_due_when_a_sleeping_car_may_be_started():
    now = aged(situation(terms=CHARGE_NOW, plugged_for=timedelta(hours=3)), 40)
    first = decide(now)
    assert (first.refresh, first.next_due_at) == (True, NOW + MIN)
    later = replace(now, at=NOW + MIN, mono_ns=60_000_000_000, refreshed_at=NOW)
    assert decide(later).command.action is Action.START


@pytest.mark.parametrize(
    "gone",
    [
        pytest.param({"plugged": False, "charger_id": None}, id="unplugged"),
        pytest.param({"plugged": None, "charger_id": None}, id="plug-unknown"),
        pytest.param({"charger_id": "other"}, id="away"),
        pytest.param({"charger_id": None}, id="pair-not-recognised"),
    ],
)
def test_what_is_pending_is_recalled_when_the_car_is_not_proven_at_home(gone):
    now = elsewhere(scene(command=pending()), **gone)
    decision = decide(now)
    assert (decision.recall, decision.command) == (True, None)
    assert "MOVED_WHILE_PENDING" in [a.code for a in decision.alerts]
    again = replace(now, command=replace(now.command, recall_at=NOW))
    assert not decide(again).recall
    unanswered = replace(now, command=replace(now.command, action_id=None))
    assert not decide(unanswered).recall, "there is no action yet to cancel"


def test_nothing_is_recalled_for_old_evidence():
    assert not decide(aged(scene(command=pending()), 40)).recall


def test_away_nothing_is_planned():
    decision = decide(elsewhere(scene(), charger_id="other"))
    assert (decision.verdict.place, decision.plan.slots, decision.desired) == (Place.AWAY, (), Desired.LEAVE)


def test_a_car_that_is_to_be_full_and_whose_readings_stand_still_is_decided_on():
    target = Target(soc_pct=100.0, by=BY)
    now = situation(charging=True, soc_pct=90.0, soc_age=40 * MIN, session={"max_kw": 7.0}, terms=(target,))
    assert decide(now).soc_quality is Quality.ESTIMATED
    assert decide(now).next_due_at > NOW
