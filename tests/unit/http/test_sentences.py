from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.core.model import Decision, Desired, Place, Plan, Reason, Verdict
from scheduler.http.sentences import localised, next_due, why
from tests.fakes_daemon import NOW, ZONE, gone_out, night_plan, planned, waiting

HOME = Verdict(place=Place.HOME, why="charger", text="Plugged in at the home's charger and location.")


def told(decision, *, charging=False, at=NOW):
    return why(decision, at=at, timezone=ZONE, charging=charging)


def test_it_names_the_cheapest_time_the_departure_and_the_start():
    assert told(waiting()) == "Waiting: cheapest 2 h 40 min before 07:30 start at 01:15."


def test_it_names_the_day_of_what_is_further_away():
    at = NOW - timedelta(hours=15)
    assert told(waiting(), at=at) == "Waiting: cheapest 2 h 40 min before Sat 07:30 start at 01:15."


def test_it_says_until_when_a_running_stretch_lasts():
    at = night_plan().slots[0].start + timedelta(minutes=15)
    decision = waiting(desired=Desired.CHARGE, reasons=(Reason(code="charge-plan", text="cheapest"),))
    assert told(decision, charging=True, at=at) == (
        "Charging: cheapest 2 h 25 min before 07:30, this stretch until 03:55."
    )


def test_it_marks_prices_that_are_only_expected():
    start = NOW + timedelta(hours=2)
    plan = replace(night_plan(), slots=(planned(start, 60, 0.4, published=False),))
    assert "cheapest expected 1 h before" in told(waiting(plan=plan))


def test_it_does_not_call_cheap_what_has_no_price():
    plan = replace(night_plan(), slots=(planned(NOW + timedelta(hours=2), 60, None),))
    assert told(waiting(plan=plan)) == "Waiting: 1 h before 07:30 start at 01:30."


def test_it_adds_what_stands_against_a_command():
    objection = Reason(code="no-slack", text="Pause not allowed: too little slack before the latest start at 03:30Z.")
    sentence = told(waiting(reasons=(*waiting().reasons, objection)), charging=True)
    assert sentence.startswith("Charging, to be paused: cheapest")
    assert sentence.endswith("pause not allowed: too little slack before the latest start at 04:30.")


def test_it_says_how_much_will_be_missing_and_why():
    plan = replace(night_plan(), shortfall_kwh=4.25, shortfall_why="too little time")
    assert told(waiting(plan=plan)).endswith("4.2 kWh will be missing: too little time.")


def test_it_does_not_repeat_what_verdict_and_reason_both_say():
    assert told(gone_out(), charging=True) == "Away from home: plugged in at a charger that is not the home's."


@pytest.mark.parametrize(
    ("desired", "verdict", "charging", "head"),
    [
        (Desired.CHARGE, HOME, False, "To be charged"),
        (Desired.CHARGE, HOME, True, "Charging"),
        (Desired.HOLD, HOME, None, "Waiting"),
        (Desired.LEAVE, HOME, True, "Left alone"),
        (Desired.LEAVE, Verdict(place=Place.UNPLUGGED), False, "Not plugged in"),
        (Desired.LEAVE, Verdict(place=Place.UNPROVEN, why="x"), False, "Not proven to be home"),
        (Desired.LEAVE, Verdict(place=Place.UNPROVEN, why="stale"), False, "Left alone"),
        (Desired.HOLD, Verdict(place=Place.UNPROVEN, text="Old."), True, "Charging, not proven to be home"),
    ],
)
def test_it_begins_with_what_the_car_does(desired, verdict, charging, head):
    decision = Decision(verdict=verdict, desired=desired, plan=Plan(), reasons=(Reason(code="x", text="So it is."),))
    assert told(decision, charging=charging).split(":")[0] == head


def test_it_does_not_say_of_a_full_car_that_it_is_to_be_charged():
    full = Reason(code="complete", text="The car says that it is full or at its own limit.")
    asked = Reason(code="user", text="Asked to charge.")
    sentence = told(waiting(desired=Desired.CHARGE, reasons=(asked, full)))
    assert sentence == "Charged: asked to charge; the car says that it is full or at its own limit."


def test_it_tells_utc_in_local_time_wherever_it_stands():
    text = "Must begin by 23:15Z; a better time comes at 2026-11-21T02:10Z."
    assert localised(text, at=NOW, timezone=ZONE) == "Must begin by 00:15; a better time comes at 03:10."


def test_it_leaves_alone_what_only_looks_like_an_instant():
    assert localised("part 2026-99-99T02:10Z", at=NOW, timezone=ZONE) == "part 2026-99-99T02:10Z"


def test_a_need_that_is_due_at_once_comes_first():
    need = night_plan().needs[0]
    plan = replace(night_plan(), needs=(need, replace(need, policy="minimum-soc", by=None)))
    found = next_due(plan, at=NOW)
    assert found is not None
    assert found.policy == "minimum-soc"


def test_it_does_not_say_twice_that_the_car_is_charging():
    charging = Reason(code="charging", text="The car is charging.")
    sentence = told(waiting(reasons=(*waiting().reasons, charging)), charging=True)
    assert "the car is charging" not in sentence.lower()
