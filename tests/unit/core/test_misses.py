"""A missed departure: it is on record once, by its cause, and one after a pause of ours is an alert of its own."""

from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.core.command import Action, Command, CommandState, Why
from scheduler.core.decide import decide
from scheduler.core.misses import CODE
from scheduler.core.model import Hand, Overdue, Override, VehicleState, Will
from scheduler.core.observation import Delivery
from scheduler.core.settling import settle
from scheduler.core.terms import Price, Target
from tests.unit.core.builders import NOW, in_hours, price_slots, situation

MIN, HOUR = timedelta(minutes=1), timedelta(hours=1)
DUE = Overdue(policy="p1", soc_pct=80.0, energy_kwh=None, due_at=NOW - MIN)
HOLD = Override(will=Will.HOLD, by=Hand.DASHBOARD, set_at=NOW - HOUR)


def stop(why=Why.PLAN, *, verified=True):
    return Command(
        id="stop", vehicle_id="car", action=Action.STOP, why=why, state=CommandState.VERIFIED, epoch=1,
        sent_at=NOW - 9 * HOUR, ended_at=NOW - 9 * HOUR, verified=verified,
    )  # fmt: skip


def late(**changes):
    """A car with half its battery that was paused nine hours ago, a minute after its departure with 80 %."""
    given = {
        "overdue": (DUE,),
        "recent": (stop(),),
        "plugged_for": 10 * HOUR,
        "session": {"held_since": NOW - 9 * HOUR},
    }
    given |= {"terms": (Price(slots=price_slots([0.3] * 30)), Target(soc_pct=80.0, by=in_hours(24)))}
    return situation(**(given | changes))


def charge(now, **changes):
    return replace(now, observation=replace(now.observation, charge=replace(now.observation.charge, **changes)))


def misses(now, before=()):
    state = VehicleState(
        vehicle_id="car", home_id="home", user_id="user", observation=now.observation, session=now.session,
        overdue=before, alerts=now.alerts,
    )  # fmt: skip
    settled = settle(state, now, decide(now), conf="hash", new_id=lambda: "c1")
    return [line for line in settled.events if line["k"] == "MISS"], settled.raised


@pytest.mark.parametrize(
    ("now", "cause"),
    [
        pytest.param(late(), "own-pause", id="paused-and-never-resumed"),
        pytest.param(late(charging=True, session={}), "own-pause", id="paused-and-resumed-too-late"),
        pytest.param(late(credentials_valid=False), "own-pause", id="what-kept-us-from-resuming-does-not-excuse"),
        pytest.param(late(override=HOLD), "held", id="a-person-holds"),
        pytest.param(late(charging=True, recent=(), session={}), "late", id="it-charges-all-the-time"),
        pytest.param(late(recent=(), session={}, gone=True), "gone", id="gone"),
        pytest.param(late(recent=(), session={}, credentials_valid=False), "credentials", id="credentials"),
        pytest.param(late(recent=(stop(Why.TARGET),), session={"failures": 2}), "commands-fail", id="commands-fail"),
        pytest.param(
            late(recent=(stop(verified=False),), session={"failures": 1}), "commands-fail", id="no-pause-at-all"
        ),
        pytest.param(late(session={"stops": 1}), "stopped-by-another", id="another-hand"),
        pytest.param(charge(late(recent=()), delivery=Delivery.NO_POWER), "no-power", id="no-power"),
        pytest.param(charge(late(recent=()), charger_id=None), "pair-not-recognised", id="unproven"),
    ],
)
def test_a_miss_is_on_record_with_its_cause(now, cause):
    [line], raised = misses(now)
    assert (line["cause"], line["soc"], line["target"]) == (cause, 50.0, 80.0)
    assert line["deadline"] == round(DUE.due_at.timestamp()) * 1_000_000_000
    assert (CODE in raised) is (cause == "own-pause")


def test_a_miss_is_on_record_once():
    assert misses(late(), before=(DUE,))[0] == []


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(late(soc_pct=78.5), id="within-the-tolerance"),
        pytest.param(late(soc_pct=None), id="nobody-knows"),
        pytest.param(late(overdue=()), id="nothing-was-due"),
        pytest.param(late(plugged=False), id="unplugged"),
        pytest.param(late(session={"at_home": False, "held_since": NOW}), id="elsewhere"),
    ],
)
def test_what_is_no_miss_is_not_on_record(now):
    lines, raised = misses(now)
    assert lines == []
    assert CODE not in raised


def test_an_amount_of_energy_can_be_missed_too():
    wanted = replace(DUE, soc_pct=None, energy_kwh=10.0)
    [line], raised = misses(late(overdue=(wanted,), energy_kwh=4.0))
    assert (line["kwh"], line["target"], CODE in raised) == (10.0, None, True)
    assert misses(late(overdue=(wanted,), energy_kwh=9.5))[0] == []


def test_the_alert_names_the_pause_and_lasts_until_the_miss_is_made_up_for():
    [told] = [a for a in decide(late()).alerts if a.code == CODE]
    assert told.severity == "critical"
    assert told.text.startswith(
        "At 2025-11-20T17:59Z the car had 50 %, not 80 %, for charging was paused at 2025-11-20T09"
    )
    charging = late(charging=True, soc_pct=79.0, alerts=(CODE,))
    assert CODE in {a.code for a in decide(charging).alerts}
    assert CODE not in {a.code for a in decide(replace(charging, overdue=())).alerts}
