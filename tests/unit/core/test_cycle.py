"""One turn of the cycle: what is kept of a decision, what is sent, and what the journal is told, once."""

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from scheduler.core.command import Action, Command, CommandState, Failure, Why
from scheduler.core.cycle import Gone, Lost, observe, situation_of
from scheduler.core.decide import decide
from scheduler.core.feeds import PriceSeries, StandIn
from scheduler.core.keys import decision_key, input_key, stands
from scheduler.core.model import Decision, Desired, Hand, Overdue, Override, Plan, VehicleState, Will
from scheduler.core.observation import BatteryFacet, ChargeFacet, Delivery, PlaceFacet, Reading, Source, Stamp
from scheduler.core.settling import settle
from scheduler.core.terms import Price, Target
from scheduler.core.timeline import Interval, merge
from tests.unit.core.builders import NOW, in_hours, price_slots, situation, stated

MIN = timedelta(minutes=1)
PRICES = (0.4, 0.3, 0.1, 0.1, 0.1, 0.2, 0.4, 0.4)
BY = in_hours(8)


def scene(*, prices=PRICES, by=BY, published=True, terms=(), **changes):
    tariff = Price(slots=price_slots(prices, published=published))
    return situation(terms=(tariff, Target(soc_pct=80.0, by=by), *terms), **changes)


def kept(now, **changes):
    """Return the state that leads to a situation."""
    state = VehicleState(
        vehicle_id="car", home_id="home", user_id="user", observation=now.observation, session=now.session,
        command=now.command, recent=now.recent, override=now.override, overdue=now.overdue, refreshed_at=now.refreshed_at,
    )  # fmt: skip
    return replace(state, **changes)


def turn(now, state=None, decision=None):
    """Settle a situation; the ids of commands are c1, c2, …"""
    ids = (f"c{n}" for n in count(1))
    state = kept(now) if state is None else state
    return settle(state, now, decision or decide(now), conf="hash", new_id=lambda: next(ids))


def lines(settled, kind):
    return [line for line in settled.events if line["k"] == kind]


def kinds(settled):
    return [line["k"] for line in settled.events]


def ns(at):
    return round(at.timestamp() * 1_000_000) * 1000


def pending(action=Action.STOP, minutes_ago=15.0, **changes):
    return Command(
        id="old", vehicle_id="car", action=action, why=Why.PLAN, epoch=1,
        **{"state": CommandState.PENDING, "sent_at": NOW - minutes_ago * MIN, "action_id": "a", **changes},
    )  # fmt: skip


# The intent


def test_an_intent_tells_all_that_the_rules_ask_of_it_and_precedes_its_send():
    settled = turn(scene(charging=True))
    intent, send = lines(settled, "INTENT")[0], lines(settled, "SEND")[0]
    assert kinds(settled)[-2:] == ["INTENT", "SEND"]
    assert intent == {
        "k": "INTENT", "cmd": "c1", "act": "STOP", "why": "plan", "epoch": 1, "durable": True, "conf": "hash",
        "resume": ns(in_hours(2)), "rests": "price",
    }  # fmt: skip
    assert send == {"k": "SEND", "cmd": "c1", "act": "STOP"}


def test_the_command_that_is_kept_is_the_one_that_is_sent():
    now = scene(charging=True)
    settled = turn(now)
    assert settled.intent == settled.state.command
    assert settled.commands == (settled.intent,)
    assert (settled.intent.state, settled.intent.sent_at, settled.intent.resume_at) == (
        CommandState.SENT, NOW, in_hours(2),
    )  # fmt: skip


def test_an_intent_that_the_store_cannot_keep_says_so():
    now = scene(by=in_hours(3), store_durable=False)
    assert lines(turn(now), "INTENT")[0] | {"resume": None} == {
        "k": "INTENT", "cmd": "c1", "act": "START", "why": "deadline", "epoch": 1, "durable": False, "conf": "hash",
        "resume": None, "rests": "",
    }  # fmt: skip


def test_without_a_command_nothing_is_intended():
    settled = turn(scene())
    assert settled.intent is None
    assert not {"INTENT", "SEND"} & set(kinds(settled))


def test_a_command_that_is_superseded_ends_before_the_new_one_begins():
    now = scene(by=in_hours(3), command=pending())
    settled = turn(now)
    assert [k for k in kinds(settled) if k in ("RESULT", "INTENT", "SEND")] == ["RESULT", "INTENT", "SEND"]
    assert lines(settled, "RESULT")[0]["out"] == "superseded"
    assert settled.state.command.action is Action.START
    ended = settled.state.recent[-1]
    assert (ended.id, ended.state, ended.failure.type) == ("old", CommandState.CANCELLED, "SUPERSEDED")
    assert [c.id for c in settled.commands] == ["old", "c1"]


def test_a_correction_is_counted_when_it_worked_not_when_it_was_tried():
    now = scene(by=in_hours(3), session={"stopped_at": NOW - 20 * MIN, "stops": 1})
    settled = turn(now)
    assert settled.intent.action is Action.START
    assert settled.state.session.corrections == 0
    shown = reading(NOW + 2 * MIN, delivery=Delivery.CHARGING)
    seen = observe(settled.state, [shown], home=now.home, limits=now.limits, now=stamp(NOW + 2 * MIN))
    assert (seen.state.session.corrections, seen.state.session.stopped_at) == (1, None)


# The recall and the looks


def test_a_recall_asks_once_for_the_cancellation():
    now = scene(command=pending(Action.START))
    charge = replace(now.observation.charge, plugged=False, charger_id=None)
    now = replace(now, observation=replace(now.observation, charge=charge))
    settled = turn(now)
    assert settled.cancel == "a"
    assert lines(settled, "CANCEL") == [{"k": "CANCEL", "cmd": "old", "pid": "a"}]
    again = replace(now, command=settled.state.command)
    assert turn(again, settled.state).cancel is None


def test_an_action_is_looked_at_when_its_look_is_due():
    settled = turn(scene(prices=[0.1] * 8, command=pending(Action.START, 2)))
    assert (settled.watch, settled.look) == ("a", True)
    assert settled.state.command.looked_at == NOW
    again = turn(scene(prices=[0.1] * 8, command=settled.state.command), settled.state)
    assert (again.watch, again.look) == (None, False)


def test_a_lost_command_is_looked_for_at_the_vehicle_when_it_is_due():
    lost = pending(Action.START, 4, state=CommandState.AMBIGUOUS, action_id=None, ambiguous_at=NOW - 2 * MIN)
    settled = turn(scene(prices=[0.1] * 8, command=lost))
    assert (settled.watch, settled.look) == (None, True)
    again = turn(scene(prices=[0.1] * 8, command=settled.state.command), settled.state)
    assert not again.look, "not at every turn"
    fresh = replace(lost, ambiguous_at=NOW - MIN)
    assert not turn(scene(prices=[0.1] * 8, command=fresh)).look


def test_a_refresh_is_remembered_and_told():
    now = scene(soc_age=40 * MIN, plugged_for=timedelta(hours=2))
    settled = turn(now)
    assert settled.refresh
    assert settled.state.refreshed_at == NOW
    assert "REFRESH" in kinds(settled)


@pytest.mark.parametrize(("delivery", "asked"), [(Delivery.STOPPED, True), (Delivery.COMPLETE, False)])
def test_a_car_that_was_not_as_thought_is_asked_anew_unless_it_rests(delivery, asked):
    now = scene()
    seen = replace(now.observation, charge=replace(now.observation.charge, delivery=delivery))
    failed = Command(
        id="c", vehicle_id="car", action=Action.START, why=Why.PLAN, state=CommandState.FAILED, sent_at=NOW - MIN,
        epoch=1, ended_at=NOW, failure=Failure(type="FAILED_PRECONDITION"),
    )  # fmt: skip
    settled = turn(replace(now, observation=seen, recent=(failed,)))
    assert settled.refresh is asked


# What is told, once


def test_need_plan_and_prices_are_told_when_they_are_new():
    now = scene()
    first = turn(now)
    assert kinds(first) == ["PRICE", "NEED", "PLAN"]
    need = lines(first, "NEED")[0]
    assert (need["target"], need["deadline"], need["soc"], need["soc_q"]) == (80.0, ns(BY), 50.0, "fresh")
    assert lines(first, "PRICE")[0]["spans"] == [[ns(NOW), ns(in_hours(8))]]
    assert kinds(turn(now, first.state)) == []


def test_a_new_need_is_told_and_prices_are_not_told_again():
    first = turn(scene())
    assert kinds(turn(scene(soc_pct=60.0), first.state)) == ["NEED", "PLAN"]


def test_a_target_that_moves_is_told_though_both_are_met():
    first = turn(scene(soc_pct=95.0))
    second = turn(scene(soc_pct=95.0, terms=[Target(soc_pct=90.0, by=BY)]), first.state)
    assert lines(second, "NEED")[0]["target"] == 90.0


def test_that_nothing_asks_any_more_is_told_once():
    first = turn(scene())
    alone = situation(terms=(Price(slots=price_slots(PRICES)),))
    second = turn(alone, first.state)
    need = lines(second, "NEED")[0]
    assert (need["target"], need["lst"], need["deadline"], need["kwh"]) == (None, None, None, 0.0)
    assert kinds(turn(alone, second.state)) == []


def test_where_nothing_ever_asked_no_need_is_told():
    assert "NEED" not in kinds(turn(situation(terms=(Price(slots=price_slots(PRICES)),))))


def test_prices_that_are_only_expected_are_no_published_span():
    assert lines(turn(scene(published=False)), "PRICE")[0]["spans"] == []


def test_a_minimum_is_told_as_the_floor_and_not_as_the_target():
    need = lines(turn(scene(terms=[Target(soc_pct=20.0)])), "NEED")[0]
    assert (need["min_soc"], need["target"]) == (20.0, 80.0)


def test_why_the_target_stops_nothing_is_noted_once():
    now = scene(soc_pct=85.0, charging=True, credentials_valid=False)
    first = turn(now)
    assert lines(first, "NOTE") == [{"k": "NOTE", "code": "no_stop", "why": "credentials"}]
    assert lines(turn(now, first.state), "NOTE") == []


def test_an_alert_is_raised_once_and_cleared_once():
    bad, good = scene(credentials_valid=False), scene()
    first = turn(bad)
    assert (first.raised, first.cleared) == (("CREDENTIALS_LOST",), ())
    assert [a["op"] for a in lines(first, "ALERT")] == ["raised"]
    second = turn(bad, first.state)
    assert (second.raised, second.cleared, lines(second, "ALERT")) == ((), (), [])
    third = turn(good, second.state)
    assert (third.raised, third.cleared) == ((), ("CREDENTIALS_LOST",))
    assert [a["op"] for a in lines(third, "ALERT")] == ["cleared"]
    assert turn(good, third.state).cleared == ()


# What is kept


def test_what_was_desired_planned_and_due_is_kept():
    now = scene()
    decision = decide(now)
    state = turn(now).state
    assert (state.desired, state.next_due_at) == (Desired.HOLD, decision.next_due_at)
    assert state.committed == merge(s.interval for s in decision.plan.slots)
    assert state.committed_to == turn(replace(now, at=NOW + MIN)).state.committed_to != ""
    assert state.committed_to != turn(scene(by=BY + MIN)).state.committed_to


def test_coming_targets_are_watched_and_become_overdue_when_they_are_not_met():
    now = scene()
    state = turn(now).state
    assert state.watched == (Overdue(policy="p1", soc_pct=80.0, energy_kwh=None, due_at=BY),)
    assert overdue(state, now, BY - MIN) == ()
    assert overdue(state, now, BY) == state.watched


def test_a_target_that_comes_due_while_the_place_is_not_known_is_overdue_once_it_is():
    now = scene(session={"at_home": False})
    nowhere = replace(
        now, observation=replace(now.observation, charge=replace(now.observation.charge, charger_id=None))
    )
    before = turn(nowhere).state
    assert [one.due_at for one in before.watched] == [BY]
    assert overdue(before, now, BY) == ()
    after = turn(replace(nowhere, at=BY + MIN), before).state
    assert after.watched == before.watched
    known = replace(after, session=replace(after.session, at_home=True))
    assert overdue(known, now, BY + MIN) == before.watched
    elsewhere = replace(now.observation.charge, charger_id="other")
    away = replace(now, at=BY + MIN, observation=replace(now.observation, charge=elsewhere))
    assert turn(away, after).state.watched == ()


def overdue(state, now, at, **observed):
    seen = replace(state.observation, **observed)
    later = situation_of(
        replace(state, observation=seen),
        home=now.home,
        vehicle=now.vehicle,
        limits=now.limits,
        prices=(),
        now=stamp(at),
    )
    return later.overdue


@pytest.mark.parametrize(
    ("soc_pct", "is_overdue"),
    [
        pytest.param(79.0, True, id="short"),
        pytest.param(79.5, False, id="within-rounding"),
        pytest.param(None, True, id="unknown"),
    ],
)
def test_a_target_is_overdue_until_it_is_met(soc_pct, is_overdue):
    now = scene()
    state = turn(now).state
    assert bool(overdue(state, now, BY, battery=BatteryFacet(at=BY, soc_pct=soc_pct, capacity_kwh=60.0))) is is_overdue


def test_a_car_that_takes_no_more_owes_nothing():
    now = scene()
    state = turn(now).state
    full = replace(now.observation.charge, at=BY, delivery=Delivery.COMPLETE)
    assert overdue(state, now, BY, charge=full) == ()


def test_an_overdue_target_stays_through_later_turns_and_ends_with_the_session():
    now = scene()
    state = turn(now).state
    due = overdue(state, now, BY)
    later = replace(now, at=BY + MIN, overdue=due, terms=stated([Target(soc_pct=80.0, by=BY + timedelta(days=1))]))
    state = turn(later, state).state
    assert due[0] in state.overdue
    assert overdue(state, now, BY + 30 * MIN) == due
    unplugged = replace(state, session=None)
    assert overdue(unplugged, now, BY + 30 * MIN) == ()


def test_a_hold_forgives_what_is_overdue_a_charge_does_not():
    owed = (Overdue(policy="p1", soc_pct=80.0, energy_kwh=None, due_at=NOW - MIN),)
    for will, left in ((Will.HOLD, ()), (Will.CHARGE, owed), (Will.AUTO, owed)):
        wish = Override(will=will, by=Hand.CLI, set_at=NOW)
        state = heard(kept(scene(), overdue=owed), wish).state
        assert state.overdue == left


# What is heard


def stamp(at=NOW, run=1):
    return Stamp(at=at, mono_ns=round((at - NOW) / timedelta(microseconds=1)) * 1000, run=run)


def reading(at=NOW, *, delivery=Delivery.STOPPED, soc_pct=50.0, seen_at=None):
    charging = delivery is Delivery.CHARGING
    return Reading(
        vehicle_id="car", user_id="user", source=Source.POLL, received=stamp(at), digest="d",
        charge=ChargeFacet(
            at=at, plugged=True, charging=charging, delivery=delivery, power_kw=7.0 * charging, charger_id="charger"
        ),
        place=PlaceFacet(at=at, location_id="location"),
        battery=BatteryFacet(at=at, soc_pct=soc_pct, capacity_kwh=60.0), seen_at=seen_at,
    )  # fmt: skip


def heard(state, *news, at=NOW):
    now = scene()
    return observe(state, news, home=now.home, limits=now.limits, now=stamp(at))


def test_a_reading_is_told_with_the_merged_state():
    line = heard(kept(scene()), reading(NOW + MIN), at=NOW + MIN).events[0]
    assert (line["k"], line["ok"], line["facets"]) == ("OBS", True, ["charge", "location", "battery"])
    assert (line["plugged"], line["chg"], line["loc"], line["soc"]) == (True, "charger", "location", 50.0)
    assert line["ts"]["charge"] == ns(NOW + MIN)


def test_an_older_reading_is_told_and_changes_nothing():
    state = kept(scene())
    seen = heard(state, reading(NOW - 5 * MIN, soc_pct=10.0, delivery=Delivery.CHARGING))
    line = seen.events[0]
    assert (line["ok"], line["facets"]) == (False, [])
    assert "older" in line["why"]
    assert seen.state.observation.charge == state.observation.charge
    assert seen.state.observation.battery == state.observation.battery


def test_a_wish_is_told_and_auto_clears_it():
    wish = Override(will=Will.HOLD, by=Hand.CLI, set_at=NOW, until=in_hours(1))
    seen = heard(kept(scene()), wish)
    assert seen.events == ({"k": "OVR", "op": "set", "will": "hold", "from": "cli", "until": ns(in_hours(1))},)
    cleared = heard(seen.state, Override(will=Will.AUTO, by=Hand.API, set_at=NOW))
    assert cleared.state.override is None
    assert (cleared.events[0]["op"], cleared.events[0]["will"], cleared.events[0]["from"]) == ("clear", "hold", "api")


def test_of_wishes_that_come_together_each_is_recorded_with_its_end():
    hold, charge = (
        Override(will=will, by=hand, set_at=NOW + at)
        for will, hand, at in ((Will.HOLD, Hand.CLI, 0 * MIN), (Will.CHARGE, Hand.API, MIN))
    )
    auto = Override(will=Will.AUTO, by=Hand.DASHBOARD, set_at=NOW + 2 * MIN)
    told = heard(kept(scene()), hold, charge, auto, at=NOW + 3 * MIN).wishes
    at = NOW + 3 * MIN
    assert [(one.override, one.ended_at, one.ended_by) for one in told] == [
        (hold, None, ""),
        (hold, at, "api"),
        (charge, None, ""),
        (charge, at, "dashboard"),
    ]


def test_the_end_of_a_wish_is_recorded_once_it_is_over():
    wish = Override(will=Will.HOLD, by=Hand.CLI, set_at=NOW, until=in_hours(1))
    state = heard(kept(scene()), wish).state
    assert heard(state, at=NOW + MIN).wishes == ()
    ended = heard(state, at=in_hours(2)).wishes
    assert [(one.override, one.ended_at, one.ended_by) for one in ended] == [(wish, in_hours(2), "cli")]


def test_a_wish_answers_the_stop_that_nobody_claimed():
    now = scene(session={"stopped_at": NOW - MIN, "stops": 1, "corrections": 1, "retry_at": in_hours(1)})
    session = heard(kept(now), Override(will=Will.CHARGE, by=Hand.CLI, set_at=NOW)).state.session
    assert (session.stopped_at, session.stops, session.corrections, session.retry_at) == (None, 0, 0, None)


def test_lost_credentials_are_regained_when_the_vendor_is_heard_of_again():
    lost = heard(kept(scene()), Lost(at=NOW)).state
    assert lost.credentials_lost_at == NOW
    assert heard(lost, reading(NOW + MIN, seen_at=NOW - MIN), at=NOW + MIN).state.credentials_lost_at == NOW
    assert heard(lost, reading(NOW + MIN, seen_at=NOW + MIN), at=NOW + MIN).state.credentials_lost_at is None


def test_a_vehicle_that_is_gone_is_back_when_it_is_read():
    gone = heard(kept(scene()), Gone()).state
    assert gone.gone
    assert not heard(gone, reading(NOW + MIN), at=NOW + MIN).state.gone


def test_a_wish_made_after_the_plug_was_pulled_is_for_the_next_session():
    now = scene(session={"unplugged_since": NOW - 35 * MIN})
    charge = replace(now.observation.charge, plugged=False, at=NOW - 35 * MIN)
    now = replace(now, observation=replace(now.observation, charge=charge))
    for set_min_ago, survives in ((34, True), (36, False)):
        wish = Override(will=Will.CHARGE, by=Hand.CLI, set_at=NOW - set_min_ago * MIN)
        seen = heard(kept(replace(now, override=wish)))
        assert seen.closed is not None
        assert (seen.state.override is not None) is survives


# While nothing but time passes


def later(now, minutes):
    return replace(now, at=now.at + minutes * MIN, mono_ns=now.mono_ns + round(minutes * 60e9))


def test_a_decision_stands_while_nothing_but_time_has_passed():
    now = scene()
    decision = decide(now)
    assert stands(later(now, 5), now, decision)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda now: later(now, 60), id="it-is-due"),
        pytest.param(lambda now: later(now, -1), id="time-went-back"),
        pytest.param(lambda _: scene(soc_pct=51.0), id="state-of-charge"),
        pytest.param(lambda _: scene(capacity_kwh=62.0), id="capacity"),
        pytest.param(lambda _: scene(charging=True), id="charging"),
        pytest.param(lambda now: replace(now, override=Override(will=Will.HOLD, by=Hand.CLI, set_at=NOW)), id="wish"),
        pytest.param(lambda now: replace(now, command=pending()), id="command"),
        pytest.param(lambda now: replace(now, credentials_valid=False), id="credentials"),
        pytest.param(lambda now: replace(now, client_refused=True), id="client"),
        pytest.param(lambda now: replace(now, clock_trusted=False), id="clock"),
        pytest.param(lambda now: replace(now, store_durable=False), id="store"),
        pytest.param(lambda now: replace(now, claimed_elsewhere=True), id="claim"),
        pytest.param(lambda now: replace(now, run=2), id="run"),
        pytest.param(lambda _: scene(session={"failed_resumes": 1}), id="a-failed-resume"),
        pytest.param(lambda _: scene(session={"held_since": NOW}), id="held"),
        pytest.param(
            lambda now: replace(now, prices=(PriceSeries(name="m", currency="EUR", slots=(), fetched_at=NOW),)),
            id="prices",
        ),
        pytest.param(
            lambda now: replace(now, overdue=(Overdue(policy="p", soc_pct=80.0, energy_kwh=None, due_at=NOW),)),
            id="overdue",
        ),
    ],
)
def test_a_decision_does_not_outlive_its_inputs(changed):
    now = scene()
    decision = decide(now)
    assert not stands(changed(now), now, decision)


def test_evidence_may_grow_old_while_nothing_is_to_be_sent():
    waiting, charging = scene(), scene(charging=True, credentials_valid=False)
    assert stands(later(waiting, 11), waiting, decide(waiting))
    assert (decide(charging).desired, decide(charging).command) == (Desired.HOLD, None)
    assert not stands(later(charging, 11), charging, decide(charging))


def test_a_decision_that_sends_or_recalls_never_stands():
    now = scene(charging=True)
    assert not stands(later(now, 0.1), now, decide(now))


def test_a_reading_that_becomes_trustworthy_is_a_new_input():
    now = scene()
    old = replace(now, observation=replace(now.observation, battery=replace(now.observation.battery, at=in_hours(-2))))
    assert input_key(old) != input_key(now)


@pytest.mark.parametrize(
    "change",
    [{"product": "other"}, {"stand_ins": (StandIn(interval=Interval(start=NOW, end=in_hours(1)), name="backup"),)}],
)
def test_prices_of_something_else_are_a_new_input_though_they_were_fetched_together(change):
    series = PriceSeries(name="m", currency="EUR", slots=(), fetched_at=NOW)
    before, now = (replace(scene(), prices=(one,)) for one in (series, replace(series, **change)))
    assert not stands(now, before, decide(before))


def test_a_decision_is_stored_again_only_when_its_content_changes():
    now = scene()
    decision = decide(now)
    assert decision_key(now, decision) == decision_key(later(now, 1), decide(later(now, 1)))
    assert decision_key(now, decision) != decision_key(now, replace(decision, desired=Desired.LEAVE))


def test_a_decision_without_a_plan_settles():
    now = scene(plugged=False)
    settled = turn(now, decision=Decision(verdict=decide(now).verdict, desired=Desired.LEAVE, plan=Plan(), reasons=()))
    assert settled.state.committed == ()
