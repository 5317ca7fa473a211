"""What a person is told: each alert holds in its case and not in the one beside it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.core.alerts import CODES
from scheduler.core.command import Action, Command, CommandState, Why
from scheduler.core.decide import decide
from scheduler.core.model import Hand, Learned, Override, Will
from scheduler.core.observation import Delivery, Stamp
from scheduler.core.terms import Price, Target
from tests.unit.core.builders import NOW, in_hours, price_slots, situation

MIN = timedelta(minutes=1)
FLAT = Price(slots=price_slots([0.3] * 12))
HOLD = Override(will=Will.HOLD, by=Hand.DASHBOARD, set_at=NOW)


def scene(*, by_h=12.0, **changes):
    """20 kWh are missing, three hours at 7 kW: the latest start is three and a half hours before the departure."""
    return situation(terms=(FLAT, Target(soc_pct=80.0, by=in_hours(by_h))), **changes)


def frozen(kwh, **changes):
    """A car that has said 50 % since the plug-in, whatever it took: 30 kWh from the grid are 45 points."""
    return scene(soc_pct=50.0, energy_kwh=kwh, session={"soc_at_start_pct": 50.0}, **changes)


def seen(now, **changes):
    return replace(now, observation=replace(now.observation, **changes))


def charge(now, **changes):
    return seen(now, charge=replace(now.observation.charge, **changes))


def codes(now):
    told = decide(now).alerts
    assert all(a.code in CODES and a.text for a in told)
    return {a.code for a in told}


def command(action, state, minutes_ago=10.0):
    return Command(
        id="c", vehicle_id="car", action=action, why=Why.PLAN, state=state, sent_at=NOW - minutes_ago * MIN, epoch=1,
        ended_at=NOW - MIN, action_id="a",
    )  # fmt: skip


def silent(now, minutes, *, run=1):
    return seen(now, received=Stamp(at=NOW - minutes * MIN, mono_ns=-int(minutes * 60e9), run=run))


UNPROVEN = {"charger_id": None}


@pytest.mark.parametrize(
    ("now", "told"),
    [
        pytest.param(scene(), False, id="all-is-well"),
        pytest.param(scene(by_h=2), True, id="out-of-reach"),
        pytest.param(scene(by_h=3.35), False, id="inside-the-reserve-and-just-in-time"),
        pytest.param(scene(override=HOLD), True, id="a-person-holds"),
        pytest.param(scene(by_h=5, session={"failures": 1}), True, id="commands-fail-and-the-latest-start-is-near"),
        pytest.param(scene(by_h=9, session={"failures": 1}), False, id="commands-fail-and-there-is-time"),
        pytest.param(scene(by_h=5, credentials_valid=False), True, id="credentials-lost"),
        pytest.param(scene(by_h=3.5, gone=True), True, id="the-provider-knows-it-no-more"),
        pytest.param(scene(by_h=5, charging=True, credentials_valid=False), False, id="it-charges-all-the-same"),
        pytest.param(charge(scene(by_h=5), **UNPROVEN), True, id="place-unproven"),
        pytest.param(charge(scene(by_h=9), **UNPROVEN), False, id="place-unproven-and-there-is-time"),
        pytest.param(scene(by_h=5, plugged_for=timedelta(seconds=5)), False, id="just-plugged-in"),
        pytest.param(silent(scene(by_h=5), 11), False, id="not-heard-of-for-a-moment"),
        pytest.param(silent(scene(by_h=5), 31), True, id="not-heard-of-for-long"),
        pytest.param(silent(scene(by_h=5), 5, run=0), False, id="just-restarted"),
        pytest.param(silent(scene(by_h=5), 31, run=0), True, id="never-heard-of-since-the-restart"),
    ],
)
def test_a_deadline_at_risk_is_told_in_time(now, told):
    assert ("DEADLINE_AT_RISK" in codes(now)) is told


def asleep(**changes):
    """A held car that has slept for two hours; the dear hour now makes it wait."""
    prices = Price(slots=price_slots([0.9, 0.3, 0.3, 0.3, 0.3]))
    now = situation(
        terms=(prices, Target(soc_pct=80.0, by=in_hours(5))), soc_age=timedelta(hours=2),
        plugged_for=timedelta(hours=3), **changes,
    )  # fmt: skip
    return seen(now, seen_at=NOW)


def test_a_held_car_that_sleeps_within_reach_is_no_risk():
    assert codes(asleep()) == set()
    assert codes(seen(asleep(), reachable=False)) == {"DEADLINE_AT_RISK"}


@pytest.mark.parametrize(
    ("now", "told"),
    [
        pytest.param(scene(), set(), id="all-is-well"),
        pytest.param(scene(credentials_valid=False), {"CREDENTIALS_LOST"}, id="credentials"),
        pytest.param(scene(plugged=False, credentials_valid=False), {"CREDENTIALS_LOST"}, id="credentials-unplugged"),
        pytest.param(
            charge(scene(credentials_valid=False), charger_id="other"), {"CREDENTIALS_LOST"}, id="credentials-away"
        ),
        pytest.param(scene(home={"charger_ids": ()}), {"UNLISTED_CHARGER"}, id="unlisted-charger"),
        pytest.param(seen(scene(), smart_charging=True), {"FOREIGN_CONTROLLER"}, id="smart-charging"),
        pytest.param(
            scene(override=Override(will=Will.HANDS_OFF, by=Hand.UNKNOWN, set_at=NOW)),
            {"FOREIGN_CONTROLLER"},
            id="taken-over",
        ),
        pytest.param(
            scene(override=Override(will=Will.HANDS_OFF, by=Hand.DASHBOARD, set_at=NOW)), set(), id="a-person-knows"
        ),
        pytest.param(scene(set_aside=("ready-by: raised",)), {"PLUGIN_SET_ASIDE"}, id="policy"),
        pytest.param(scene(charge_power_kw=None), {"SETUP"}, id="power-unknown"),
        pytest.param(scene(capacity_kwh=None), {"SETUP"}, id="capacity-unknown"),
        pytest.param(scene(claimed_elsewhere=True), {"CLAIMED_TWICE"}, id="claimed"),
        pytest.param(scene(claimed_elsewhere=True, plugged_for=14 * MIN), set(), id="claimed-a-moment-ago"),
        pytest.param(scene(learned=Learned(no_pause=True)), {"NO_PAUSE"}, id="no-pause"),
        pytest.param(scene(session={"stopped_at": NOW - MIN, "stops": 1}), {"STOPPED_BY_ANOTHER"}, id="stopped"),
        pytest.param(charge(scene(by_h=4), delivery=Delivery.FAULT), {"STARTED_NO_POWER"}, id="fault"),
        pytest.param(
            charge(scene(), delivery=Delivery.COMPLETE), {"COMPLETE_BELOW_TARGET"}, id="complete-below-the-target"
        ),
        pytest.param(charge(scene(soc_pct=80.0), delivery=Delivery.COMPLETE), set(), id="complete-at-the-target"),
        pytest.param(scene(limit_pct=60.0), {"COMPLETE_BELOW_TARGET"}, id="limit-below-the-target"),
        pytest.param(scene(limit_pct=78.0), set(), id="limit-about-at-the-target"),
        pytest.param(frozen(30.0), {"SOC_FROZEN"}, id="the-meter-says-enough"),
        pytest.param(frozen(20.0), set(), id="the-meter-says-not-yet"),
        pytest.param(
            frozen(30.0, override=replace(HOLD, will=Will.CHARGE)), set(), id="a-person-knows-better-than-the-meter"
        ),
        pytest.param(frozen(30.0, limit_pct=52.0), {"COMPLETE_BELOW_TARGET"}, id="the-reading-is-about-at-the-limit"),
        pytest.param(
            scene(by_h=4, recent=(command(Action.START, CommandState.UNVERIFIED),)),
            {"STARTED_NO_POWER"},
            id="acknowledged-and-no-power",
        ),
    ],
)
def test_what_is_told(now, told):
    assert codes(now) == told


def test_a_command_at_the_provider_while_the_car_is_elsewhere_is_told():
    pending = replace(command(Action.START, CommandState.PENDING), ended_at=None)
    for gone in ({"plugged": False, "charger_id": None}, {"charger_id": "other"}, {"charger_id": None}):
        assert codes(charge(scene(command=pending), **gone)) == {"MOVED_WHILE_PENDING"}
    assert codes(scene(command=pending)) == set()


def test_a_car_that_cannot_be_started_is_told_when_it_should():
    now = scene(by_h=4)
    able = replace(now.observation.capabilities, start=False)
    assert codes(seen(now, capabilities=able)) == {"INCAPABLE", "DEADLINE_AT_RISK"}


@pytest.mark.parametrize(
    ("now", "told"),
    [
        pytest.param(scene(by_h=5, credentials_valid=False), "the account link is lost", id="credentials"),
        pytest.param(scene(by_h=5, session={"failures": 1}), "commands fail", id="failures"),
        pytest.param(charge(scene(by_h=5), **UNPROVEN), "recognised at the home's charger", id="place"),
    ],
)
def test_what_keeps_a_car_from_charging_is_named(now, told):
    (text,) = (alert.text for alert in decide(now).alerts if alert.code == "DEADLINE_AT_RISK")
    assert told in text


def test_the_person_who_holds_is_named_as_the_cause():
    told = next(a for a in decide(scene(by_h=5, override=replace(HOLD, until=NOW + 20 * MIN))).alerts)
    assert told.severity == "critical"
    assert "a person asked to hold" in told.text
