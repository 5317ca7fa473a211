"""Alerts over time: told once, over when they are over, open again without a word."""

from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.core.model import AlertWish, Hand, Override, VehicleState, Will
from scheduler.core.voicing import speak, told_at
from tests.unit.core.builders import NOW, situation

MIN = timedelta(minutes=1)
RISK = AlertWish(code="DEADLINE_AT_RISK", text="3.1 kWh will be missing", severity="critical", cause="shortfall")
LOST = AlertWish(code="CREDENTIALS_LOST", text="Link it again.", severity="critical")
WISH = Override(will=Will.READY_BY, by=Hand.CLI, set_at=NOW, ready_at=NOW)


class Course:
    """The turns of one car; `ops` are what the journal says of its alerts."""

    def __init__(self):
        self.state = VehicleState(vehicle_id="car", home_id="home", user_id="user")
        self.ops = []

    def at(self, minutes, *wishes, plugged=True, **changes):
        now = replace(situation(plugged=plugged, **changes), at=NOW + minutes * MIN)
        spoken = speak(self.state, now, wishes)
        self.state = spoken.state
        self.ops += [f"{line['code']} {line['op']}" for line in spoken.events]
        assert len(spoken.raised) + len(spoken.cleared) == len(spoken.events)
        return self

    def risk(self):
        return [op.removeprefix("DEADLINE_AT_RISK ") for op in self.ops]


def test_an_alert_is_told_once_while_it_lasts():
    course = Course().at(0, LOST).at(1, LOST).at(400, LOST)
    assert course.ops == ["CREDENTIALS_LOST raised"]
    assert course.at(401).ops == ["CREDENTIALS_LOST raised", "CREDENTIALS_LOST cleared"]
    assert course.state.alerts == ()


def test_what_comes_and_goes_with_readings_stays_one_alert():
    course = Course()
    for minute in range(0, 60, 4):
        course.at(minute, RISK).at(minute + 2)
    assert course.risk() == ["raised"]
    assert course.state.alerts == ("DEADLINE_AT_RISK",)


def test_it_is_over_when_its_cause_has_been_gone_for_as_long_as_evidence_may_be_old():
    course = Course().at(0, RISK).at(10)
    assert course.at(39).risk() == ["raised"]
    assert course.at(40).risk() == ["raised", "cleared"]


def test_a_cause_that_comes_back_begins_that_time_anew():
    course = Course().at(0, RISK).at(10).at(20, RISK).at(30)
    assert course.at(59).risk() == ["raised"]
    assert course.at(60).risk() == ["raised", "cleared"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"plugged": False}, id="unplugged"),
        pytest.param({"session": {"id": "another"}}, id="another-session"),
        pytest.param({"override": WISH}, id="a-wish"),
    ],
)
def test_it_is_over_at_once_with_what_it_belongs_to(changes):
    assert Course().at(0, RISK).at(1, **changes).risk() == ["raised", "cleared"]


@pytest.mark.parametrize(
    ("minutes", "changes", "op"),
    [
        pytest.param(359, {}, "reopened", id="within-six-hours"),
        pytest.param(360, {}, "raised", id="after-six-hours"),
        pytest.param(100, {"session": {"id": "another"}}, "raised", id="another-session"),
        pytest.param(100, {"override": WISH}, "raised", id="a-wish"),
    ],
)
def test_what_comes_back_is_not_told_again(minutes, changes, op):
    course = Course().at(0, RISK).at(1).at(50).at(minutes, RISK, **changes)
    assert course.risk() == ["raised", "cleared", op]
    since = NOW if op == "reopened" else NOW + minutes * MIN
    assert told_at(course.state, "DEADLINE_AT_RISK", NOW + minutes * MIN) == since


def test_another_cause_is_told():
    course = Course().at(0, RISK).at(1).at(50).at(60, replace(RISK, cause="held"))
    assert course.risk() == ["raised", "cleared", "raised"]
    assert course.at(61).at(100).at(110, replace(RISK, text="4.0 kWh", cause="held")).risk()[-1] == "reopened"


def test_the_line_names_the_cause():
    now = situation()
    (line,) = speak(Course().state, now, [RISK]).events
    assert line == {
        "k": "ALERT", "code": "DEADLINE_AT_RISK", "sev": "critical", "op": "raised", "until": None, "cause": "shortfall",
    }  # fmt: skip
    assert "cause" not in speak(Course().state, now, [LOST]).events[0]


def test_nothing_is_remembered_for_ever():
    course = Course().at(0, RISK).at(1).at(50)
    assert [one.code for one in course.state.voiced] == ["DEADLINE_AT_RISK"]
    assert course.at(360).state.voiced == ()


def test_an_alert_of_a_state_that_knows_no_more_of_it_ends_at_once():
    course = Course()
    course.state = replace(course.state, alerts=("DEADLINE_AT_RISK",))
    assert course.at(0, RISK).at(1).risk() == ["cleared"]
    assert told_at(course.state, "DEADLINE_AT_RISK", NOW) == NOW
