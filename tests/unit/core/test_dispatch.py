"""From desired and observed state to a command, or to the rule that speaks against it: one rule at a time."""

from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.core.battery import estimate_soc
from scheduler.core.command import Action, Command, CommandState, Why
from scheduler.core.desire import ceiling, charge_why, latest_start, want
from scheduler.core.dispatch import dispatch, published_now
from scheduler.core.model import Desired, Hand, HoldMode, Mode, Need, Override, Plan, PlannedSlot, Quality, Will
from scheduler.core.observation import Delivery
from scheduler.core.planner import UNKNOWN_POWER
from scheduler.core.terms import Block, Price, Run, Target
from tests.unit.core.builders import NOW, in_hours, price_slots, situation, span

MIN = timedelta(minutes=1)
NIGHT = in_hours(12)


def need(**changes):
    due = {"policy": "ready-by", "energy_kwh": 14.0, "by": NIGHT, "lst_at": in_hours(9), "soc_pct": 80.0}
    return Need(**{**due, **changes})


def slot(start_h, end_h):
    return PlannedSlot(
        start=in_hours(start_h), end=in_hours(end_h), energy_kwh=7.0, per_kwh=0.1, published=True, why="cheap"
    )


LATER = Plan(slots=(slot(4, 6),), needs=(need(),), asks=True)
AT_ONCE = Plan(slots=(slot(0, 2),), needs=(need(),), asks=True)
MET = Plan(needs=(need(energy_kwh=0.0, lst_at=None),), asks=True)


def scene(*, charging=False, terms=(), **changes):
    """A plugged-in car under a price that is published, and a departure."""
    price = Price(slots=price_slots([0.4] * 13))
    return situation(charging=charging, terms=(price, Target(soc_pct=80.0, by=NIGHT), *terms), **changes)


def sent(action, *, minutes_ago=60.0, state=CommandState.VERIFIED, **changes):
    at = NOW - minutes_ago * MIN
    return Command(
        id=f"{action}-{minutes_ago}", vehicle_id="car", action=action, why=Why.PLAN, state=state, sent_at=at, epoch=1,
        **{"ended_at": at + MIN, **changes},
    )  # fmt: skip


def decided(now, plan):
    charge = estimate_soc(now)
    return dispatch(now, plan, charge, want(now, plan, charge))


def outcome(now, plan):
    """Return the command that leaves, or the code of what stands against it, or None."""
    done = decided(now, plan)
    return f"{done.command.action} {done.command.why}" if done.command else done.blocked_by or None


@pytest.mark.parametrize(
    ("plan", "charging", "expected"),
    [
        pytest.param(AT_ONCE, False, "START plan", id="should-and-does-not"),
        pytest.param(AT_ONCE, True, None, id="should-and-does"),
        pytest.param(LATER, True, "STOP plan", id="should-not-and-does"),
        pytest.param(LATER, False, None, id="should-not-and-does-not"),
        pytest.param(MET, True, "STOP target", id="met-and-charging"),
        pytest.param(MET, False, None, id="met-and-idle"),
        pytest.param(Plan(), True, None, id="nothing-asked"),
        pytest.param(Plan(asks=True, shortfall_why=UNKNOWN_POWER), True, None, id="set-aside"),
    ],
)
def test_only_a_difference_is_commanded(plan, charging, expected):
    assert outcome(scene(charging=charging), plan) == expected


def test_a_stop_says_when_charging_goes_on_and_on_what_it_rests():
    proposal = decided(scene(charging=True), LATER).command
    assert (proposal.resume_at, proposal.rests_on) == (in_hours(4), "price")
    proposal = decided(scene(charging=True, terms=[Block(interval=span(-1, 3))]), LATER).command
    assert proposal.rests_on == "window"


DEFECTS = {
    "not-home": {"claimed_elsewhere": True},
    "credentials": {"credentials_valid": False},
    "gone": {"gone": True},
    "clock": {"clock_trusted": False},
    "off": {"home": {"mode": Mode.OFF}},
    "observe-only": {"vehicle": {"mode": Mode.OBSERVE}},
    "store": {"store_durable": False},
}


@pytest.mark.parametrize("plan", [pytest.param(AT_ONCE, id="START"), pytest.param(LATER, id="STOP")])
@pytest.mark.parametrize(("code", "defect"), [*DEFECTS.items(), ("credentials", {"client_refused": True})])
def test_what_forbids_every_command_forbids_either(plan, code, defect):
    assert outcome(scene(charging=plan is LATER, **defect), plan) == code


@pytest.mark.parametrize("will", [Will.CHARGE, Will.HOLD])
@pytest.mark.parametrize(("code", "defect"), DEFECTS.items(), ids=DEFECTS)
def test_a_person_goes_before_policies_not_before_safety(will, code, defect):
    override = Override(will=will, by=Hand.CLI, set_at=NOW)
    assert outcome(scene(charging=will is Will.HOLD, override=override, **defect), LATER) == code


@pytest.mark.parametrize("action", list(Action))
def test_a_car_is_asked_only_for_what_it_can_do(action):
    now = scene(charging=action is Action.STOP)
    plan = AT_ONCE if action is Action.START else LATER
    able = now.observation.capabilities
    for can, expected in ((False, "incapable"), (True, f"{action} plan"), (None, f"{action} plan")):
        changed = replace(able, start=can) if action is Action.START else replace(able, stop=can)
        assert outcome(replace(now, observation=replace(now.observation, capabilities=changed)), plan) == expected


@pytest.mark.parametrize(
    ("state", "why", "expected"),
    [
        pytest.param(CommandState.PENDING, Why.PLAN, "in-flight", id="plan-waits"),
        pytest.param(CommandState.PENDING, Why.MIN_SOC, "in-flight", id="minimum-waits"),
        pytest.param(CommandState.PENDING, Why.DEADLINE, "START deadline", id="deadline-supersedes"),
        pytest.param(CommandState.CONFIRMED, Why.DEADLINE, "START deadline", id="deadline-supersedes-the-confirmed"),
        pytest.param(CommandState.SENT, Why.DEADLINE, "in-flight", id="nothing-overtakes-the-unanswered"),
        pytest.param(CommandState.AMBIGUOUS, Why.DEADLINE, "in-flight", id="nothing-overtakes-the-lost"),
    ],
)
def test_one_command_at_a_time(state, why, expected):
    needs = {
        Why.PLAN: need(),
        Why.MIN_SOC: need(policy="minimum-soc", by=None, lst_at=NOW),
        Why.DEADLINE: need(lst_at=NOW),
    }
    plan = replace(AT_ONCE, needs=(needs[why],))
    now = scene(command=sent(Action.STOP, minutes_ago=15, state=state, ended_at=None))
    assert outcome(now, plan) == expected


def test_the_same_action_is_never_sent_again_while_pending():
    override = Override(will=Will.CHARGE, by=Hand.CLI, set_at=NOW)
    pending = sent(Action.START, minutes_ago=15, state=CommandState.PENDING, ended_at=None)
    assert outcome(scene(command=pending, override=override), LATER) == "in-flight"


@pytest.mark.parametrize(
    ("delivery", "full", "expected"),
    [
        pytest.param(Delivery.COMPLETE, None, "complete", id="complete"),
        pytest.param(Delivery.STOPPED, True, "complete", id="full"),
        pytest.param(Delivery.INITIALIZING, None, "initializing", id="initializing"),
        pytest.param(Delivery.NO_POWER, None, "START plan", id="no-power"),
        pytest.param(Delivery.FAULT, None, "START plan", id="fault"),
        pytest.param(Delivery.UNKNOWN_PLUGGED, None, "START plan", id="a-state-we-do-not-know"),
    ],
)
def test_a_start_is_sent_where_it_may_help(delivery, full, expected):
    now = scene()
    charge = replace(now.observation.charge, delivery=delivery, full=full)
    assert outcome(replace(now, observation=replace(now.observation, charge=charge)), AT_ONCE) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"limit_pct": 60.0, "session": {"ended_at_pct": 50.0}}, "START plan", id="raised-since"),
        pytest.param({"limit_pct": 60.0, "session": {"ended_at_pct": 60.0}}, "complete", id="it-told-so-when-it-ended"),
        pytest.param(
            {"limit_pct": 51.0, "session": {"ended_at_pct": 50.0}}, "complete", id="raised-by-next-to-nothing"
        ),
        pytest.param({"limit_pct": 60.0}, "complete", id="not-known-where-it-ended"),
        pytest.param({"session": {"ended_at_pct": 50.0}}, "complete", id="no-limit-told"),
        pytest.param(
            {"limit_pct": 60.0, "soc_pct": None, "session": {"ended_at_pct": 50.0}}, "complete", id="soc-unknown"
        ),
    ],
)
def test_a_car_whose_limit_was_raised_is_not_complete_any_more(changes, expected):
    now = scene(**changes)
    charge = replace(now.observation.charge, delivery=Delivery.COMPLETE)
    assert outcome(replace(now, observation=replace(now.observation, charge=charge)), AT_ONCE) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"soc_pct": None}, "soc-unknown", id="unknown-soc"),
        pytest.param({"soc_pct": None, "vehicle": {"energy_per_session_kwh": 14.0}}, "STOP plan", id="energy-is-given"),
        pytest.param({"soc_pct": 19.9, "terms": [Target(soc_pct=20.0)]}, "reserve", id="below-the-minimum"),
        pytest.param({"soc_pct": 20.0, "terms": [Target(soc_pct=20.0)]}, "STOP plan", id="at-the-minimum"),
        pytest.param({"home": {"hold_mode": HoldMode.NEVER_STOP}}, "never-stop", id="never-stop"),
        pytest.param({"vehicle": {"no_pause": True}}, "no-pause", id="no-pause-configured"),
        pytest.param({"session": {"failed_resumes": 1}}, "no-pause", id="a-resume-failed"),
        pytest.param({"recent": (sent(Action.START, state=CommandState.FAILED),)}, "path", id="the-last-failed"),
        pytest.param(
            {"recent": (sent(Action.START, state=CommandState.FAILED), sent(Action.START, minutes_ago=50))},
            "STOP plan",
            id="it-worked-since",
        ),
        pytest.param(
            {"recent": (sent(Action.START, minutes_ago=20, ambiguous_at=NOW - 19 * MIN),)}, "path", id="lost-lately"
        ),
        pytest.param(
            {"recent": (sent(Action.START, minutes_ago=40, ambiguous_at=NOW - 39 * MIN),)}, "STOP plan", id="lost-then"
        ),
    ],
)
def test_a_pause_passes_every_rule(changes, expected):
    assert outcome(scene(charging=True, **changes), LATER) == expected


@pytest.mark.parametrize(
    ("lst_h", "resume_h", "expected"),
    [
        pytest.param(4.5, 4, "STOP plan", id="half-an-hour"),
        pytest.param(4.49, 4, "no-slack", id="less"),
        pytest.param(3, 4, "no-slack", id="after-it"),
    ],
)
def test_a_pause_leaves_slack_before_the_latest_start(lst_h, resume_h, expected):
    plan = replace(LATER, slots=(slot(resume_h, 6),), needs=(need(lst_at=in_hours(lst_h)),))
    assert outcome(scene(charging=True), plan) == expected


def test_a_pause_with_an_open_need_and_no_resume_is_none():
    assert outcome(scene(charging=True), replace(LATER, slots=())) == "no-slack"


def test_a_pause_too_short_for_a_start_is_not_made():
    assert outcome(scene(charging=True), replace(LATER, slots=(slot(0.1, 6),))) == "short-pause"


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        pytest.param([price_slots([0.4])], True, id="published"),
        pytest.param([price_slots([0.4], published=False)], False, id="expected"),
        pytest.param([price_slots([0.4], start=in_hours(1))], False, id="not-yet"),
        pytest.param([price_slots([0.4], start=in_hours(-1))], False, id="over"),
        pytest.param([price_slots([0.4]), price_slots([0.1], published=False)], False, id="one-of-two"),
        pytest.param([], False, id="none"),
    ],
)
def test_a_stop_rests_on_published_prices_that_cover_now(prices, expected):
    terms = [Price(slots=slots) for slots in prices]
    assert published_now(situation(terms=terms)) is expected
    done = outcome(situation(terms=[*terms, Target(soc_pct=80.0, by=NIGHT)], charging=True), LATER)
    assert done == ("STOP plan" if expected else "unpublished")


def test_a_stop_for_the_target_asks_for_neither_price_nor_slack_nor_pause():
    now = situation(terms=[Target(soc_pct=80.0, by=NIGHT)], charging=True, vehicle={"no_pause": True})
    assert outcome(now, MET) == "STOP target"


def test_a_target_in_points_is_not_known_to_be_met_without_a_reading():
    met = replace(MET, needs=(need(energy_kwh=0.0, lst_at=None, quality=Quality.UNKNOWN),))
    assert outcome(scene(charging=True, soc_pct=None), met) == "soc-unknown"
    in_energy = replace(MET, needs=(need(energy_kwh=0.0, lst_at=None, soc_pct=None, quality=Quality.UNKNOWN),))
    assert outcome(scene(charging=True, soc_pct=None), in_energy) == "STOP target"


@pytest.mark.parametrize(
    ("needs", "why"),
    [
        pytest.param([need()], Why.PLAN, id="time-is-left"),
        pytest.param([need(lst_at=NOW)], Why.DEADLINE, id="latest-start"),
        pytest.param([need(lst_at=NOW, energy_kwh=0.01)], Why.PLAN, id="met"),
        pytest.param([need(policy="minimum-soc", by=None, lst_at=NOW)], Why.MIN_SOC, id="minimum"),
        pytest.param([need(policy="overdue", by=None, lst_at=NOW)], Why.DEADLINE, id="overdue"),
        pytest.param(
            [need(policy="minimum-soc", by=None, lst_at=NOW), need(lst_at=NOW)], Why.DEADLINE, id="both-press"
        ),
    ],
)
def test_why_it_charges_now(needs, why):
    assert charge_why(Plan(needs=tuple(needs)), NOW) is why


def test_the_latest_start_is_that_of_the_most_pressing_open_need():
    needs = (need(lst_at=in_hours(5)), need(lst_at=in_hours(3)), need(lst_at=in_hours(1), energy_kwh=0.0))
    assert latest_start(Plan(needs=needs)) == in_hours(3)
    assert latest_start(Plan()) is None


MINIMUM = need(policy="minimum-soc", by=None, soc_pct=20.0, energy_kwh=0.0)


@pytest.mark.parametrize(
    ("needs", "run", "expected"),
    [
        pytest.param([need()], False, 80.0, id="departure"),
        pytest.param([need(), need(soc_pct=90.0)], False, 90.0, id="highest-departure"),
        pytest.param([MINIMUM, need()], False, 80.0, id="a-minimum-is-a-floor"),
        pytest.param([MINIMUM], False, 20.0, id="a-minimum-alone"),
        pytest.param([MINIMUM], True, None, id="a-window-goes-beyond-the-minimum"),
        pytest.param([need()], True, 80.0, id="a-departure-ends-the-window"),
        pytest.param([need(), need(soc_pct=None)], False, None, id="energy-has-no-ceiling"),
        pytest.param([need(policy="overdue", by=None)], True, 80.0, id="overdue"),
        pytest.param([], False, None, id="nothing"),
    ],
)
def test_where_starting_ends(needs, run, expected):
    now = situation(terms=[Run(interval=span(0, 4))] if run else [])
    assert ceiling(now, Plan(needs=tuple(needs))) == expected


def test_opposite_commands_are_far_apart():
    for minutes_ago, expected in ((9.9, "dwell"), (10.0, "START plan")):
        done = decided(scene(recent=(sent(Action.STOP, minutes_ago=minutes_ago),)), AT_ONCE)
        assert (done.blocked_by or f"{done.command.action} {done.command.why}") == expected
        if done.blocked_by:
            assert done.wait_until == NOW - minutes_ago * MIN + 10 * MIN


@pytest.mark.parametrize(
    ("count", "minutes_apart", "expected"),
    [
        pytest.param(5, 9, "START plan", id="five-in-an-hour"),
        pytest.param(6, 9, "limit", id="six-in-an-hour"),
        pytest.param(23, 59, "START plan", id="twenty-three-in-a-day"),
        pytest.param(24, 59, "limit", id="twenty-four-in-a-day"),
    ],
)
def test_commands_are_few(count, minutes_apart, expected):
    recent = tuple(sent(Action.START, minutes_ago=minutes_apart * n) for n in range(count, 0, -1))
    assert outcome(scene(recent=recent), AT_ONCE) == expected


@pytest.mark.parametrize("minimum", [False, True], ids=["deadline", "minimum-at-the-latest-start-too"])
def test_no_limit_refuses_a_start_at_the_latest_start(minimum):
    recent = tuple(sent(Action.STOP, minutes_ago=n) for n in range(50, 0, -2))
    needs = (need(lst_at=NOW), *((replace(MINIMUM, energy_kwh=3.0, lst_at=NOW),) if minimum else ()))
    assert outcome(scene(recent=recent), replace(AT_ONCE, needs=needs)) == "START deadline"


def test_a_persons_start_at_the_latest_start_is_not_limited_either():
    recent = tuple(sent(Action.STOP, minutes_ago=n) for n in range(50, 0, -2))
    override = Override(will=Will.CHARGE, by=Hand.CLI, set_at=NOW)
    assert outcome(scene(recent=recent, override=override), replace(AT_ONCE, needs=(need(lst_at=NOW),))) == "START user"
    assert outcome(scene(recent=recent, override=override), AT_ONCE) == "limit"


def test_back_off_is_for_the_machine():
    session = {"failures": 2, "retry_at": NOW + 10 * MIN}
    late = replace(AT_ONCE, needs=(need(lst_at=NOW),))
    override = Override(will=Will.CHARGE, by=Hand.CLI, set_at=NOW)
    assert outcome(scene(session=session), late) == "back-off"
    assert outcome(scene(session=session, override=override), late) == "START user"


def test_hands_off_is_off():
    now = scene(override=Override(will=Will.HANDS_OFF, by=Hand.UNKNOWN, set_at=NOW))
    assert want(now, AT_ONCE, estimate_soc(now)).desired is Desired.LEAVE
    assert outcome(now, AT_ONCE) is None


def test_without_the_store_only_what_presses_starts():
    late = replace(AT_ONCE, needs=(need(lst_at=NOW),))
    below = replace(AT_ONCE, needs=(replace(MINIMUM, energy_kwh=3.0, lst_at=NOW),))
    assert outcome(scene(store_durable=False), late) == "START deadline"
    assert outcome(scene(store_durable=False), below) == "START min_soc"
    assert outcome(scene(store_durable=False), AT_ONCE) == "store"


def stopped_by_another(minutes_ago, **changes):
    return scene(session={"stopped_at": NOW - minutes_ago * MIN, "stops": 1, **changes})


def test_a_stop_that_nobody_claims_is_corrected_once_after_a_while():
    assert outcome(stopped_by_another(9), AT_ONCE) == "dwell"
    assert outcome(stopped_by_another(10), AT_ONCE) == "START plan"
    assert outcome(stopped_by_another(10, corrections=1), AT_ONCE) == "corrected"


@pytest.mark.parametrize(
    ("sent_min_ago", "epoch", "expected"),
    [
        pytest.param(2, 1, "dwell", id="the-wall-clock-was-put-forward"),
        pytest.param(12, 1, "START plan", id="the-wall-clock-agrees"),
        pytest.param(2, 0, "START plan", id="another-run-has-another-clock"),
        pytest.param(10 - 1e-9 / 60, 1, "dwell", id="a-nanosecond-too-soon"),
    ],
)
def test_restraint_is_measured_by_the_clock_that_cannot_step(sent_min_ago, epoch, expected):
    stop = sent(Action.STOP, minutes_ago=90, sent_ns=-round(sent_min_ago * 60_000_000_000))
    assert outcome(scene(recent=(replace(stop, epoch=epoch),)), AT_ONCE) == expected
