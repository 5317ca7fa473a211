"""Plug sessions: opening and closing, metering, and whose hand moved."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scheduler.core.command import Action, Command, CommandState, Why
from scheduler.core.cycle import observe
from scheduler.core.model import Desired, Hand, Home, Limits, Override, VehicleState, Will
from scheduler.core.observation import BatteryFacet, ChargeFacet, Delivery, PlaceFacet, Reading, Source, Stamp

T0 = datetime(2026, 3, 1, 17, 0, tzinfo=UTC)
MIN = timedelta(minutes=1)
HOME = Home(id="home", user_id="user", timezone="Europe/Oslo", location_id="location", charger_ids=("charger",))
LIMITS = Limits()


class Story:
    """What the provider says next, and next; the state of the car in our eyes after it."""

    def __init__(self) -> None:
        self.state = VehicleState(vehicle_id="car", home_id="home", user_id="user")
        self.events: list[dict] = []
        self.closed = None

    def says(
        self,
        minutes: float,
        delivery: Delivery,
        *,
        kw=None,
        soc=50.0,
        charger="charger",
        full=None,
        limit=None,
        heard_min=None,
    ):
        at = T0 + minutes * MIN
        heard_min = minutes if heard_min is None else heard_min
        received = Stamp(at=T0 + heard_min * MIN, mono_ns=0, run=1)
        plugged = delivery is not Delivery.UNPLUGGED
        news = Reading(
            vehicle_id="car", user_id="user", source=Source.POLL, received=received,
            charge=ChargeFacet(
                at=at, plugged=plugged, charging=delivery is Delivery.CHARGING, delivery=delivery, power_kw=kw,
                charger_id=charger if plugged else None, full=full, limit_pct=limit,
            ),
            place=PlaceFacet(at=at, location_id="location" if charger == "charger" else None),
            battery=BatteryFacet(at=at, soc_pct=soc),
        )  # fmt: skip
        return self.hears(heard_min, news)

    def hears(self, minutes: float, *news):
        now = Stamp(at=T0 + minutes * MIN, mono_ns=0, run=1)
        seen = observe(self.state, news, home=HOME, limits=LIMITS, now=now)
        self.state, self.events = seen.state, list(seen.events)
        self.closed = seen.closed or self.closed
        return self

    def desiring(self, desired: Desired):
        self.state = replace(self.state, desired=desired)
        return self

    def sent(self, minutes: float, action: Action, state=CommandState.VERIFIED):
        command = Command(
            id=f"{action}{minutes}", vehicle_id="car", action=action, why=Why.PLAN, state=state,
            sent_at=T0 + minutes * MIN, epoch=1,
        )  # fmt: skip
        self.state = replace(self.state, recent=(*self.state.recent, command))
        return self

    @property
    def will(self):
        return self.state.override.will if self.state.override else None


def test_a_session_opens_at_the_source_time_of_the_plug():
    story = Story().says(0, Delivery.UNPLUGGED).says(5, Delivery.STOPPED)
    assert story.state.session.plugged_at == T0 + 5 * MIN
    assert {"k": "PLUG", "op": "in"} in story.events
    assert story.state.session.at_home


def test_a_flapping_plug_does_not_close_the_session():
    story = Story().says(0, Delivery.STOPPED)
    opened = story.state.session.id
    for minute in range(2, 30, 4):
        story.says(minute, Delivery.UNPLUGGED).says(minute + 2, Delivery.STOPPED)
    assert story.state.session.id == opened


def test_a_session_closes_when_the_unplug_has_lasted():
    story = Story().says(0, Delivery.STOPPED).says(10, Delivery.UNPLUGGED)
    story.says(12, Delivery.UNPLUGGED).hears(14.9)
    assert story.state.session is not None
    story.hears(15)
    assert story.state.session is None
    assert story.closed is not None


def test_one_reading_without_the_plug_closes_no_session_until_long_silence():
    story = Story().says(0, Delivery.STOPPED).says(10, Delivery.UNPLUGGED).hears(39)
    assert story.state.session is not None
    assert story.hears(40).state.session is None


@pytest.mark.parametrize(("again_min", "closes"), [(11, True), (10, False)], ids=["two-readings", "one-told-twice"])
def test_readings_that_come_together_close_the_session_as_two_do(again_min, closes):
    story = Story().says(0, Delivery.STOPPED).says(10, Delivery.UNPLUGGED, heard_min=13)
    story.says(again_min, Delivery.UNPLUGGED, heard_min=13).hears(17.9)
    assert story.state.session is not None
    assert (story.hears(18).state.session is None) is closes


def test_a_session_that_ended_over_a_restart_ends_before_the_news():
    story = Story().says(0, Delivery.STOPPED).says(10, Delivery.UNPLUGGED)
    opened = story.state.session.id
    story.says(600, Delivery.STOPPED)
    assert story.closed.id == opened
    assert story.state.session.id != opened


def test_a_state_of_charge_of_before_the_trip_that_comes_alive_in_mid_charge_is_no_beginning():
    """It fell by less than one sample must prove; and what it tells then, near the first word by chance, moves."""
    story = Story().says(0, Delivery.UNPLUGGED, soc=84)
    for minute in range(5, 65, 10):
        story.says(minute, Delivery.CHARGING, kw=3.7, soc=84)
    assert story.state.session.soc_at_start_pct == 84
    story.says(65, Delivery.CHARGING, kw=3.7, soc=81).says(80, Delivery.CHARGING, kw=3.7, soc=83)
    assert story.state.session.soc_at_start_pct is None


def test_what_the_provider_said_before_the_trip_is_not_where_the_session_began():
    story = Story().says(0, Delivery.STOPPED, soc=75).says(5, Delivery.STOPPED, soc=40)
    assert story.state.session.soc_at_start_pct == 75, "one sample proves no fall"
    story.says(7, Delivery.STOPPED, soc=40)
    assert story.state.session.soc_at_start_pct == 40


def test_an_override_ends_with_the_session():
    story = Story().says(0, Delivery.STOPPED).hears(1, Override(will=Will.HOLD, by=Hand.CLI, set_at=T0))
    assert story.will is Will.HOLD
    story.says(10, Delivery.UNPLUGGED).says(11, Delivery.UNPLUGGED).hears(16)
    assert story.will is None
    assert [e["op"] for e in story.events if e["k"] == "OVR"] == ["clear"]


def test_a_wish_in_the_instant_of_the_unplug_ends_with_the_session():
    wish = Override(will=Will.CHARGE, by=Hand.CLI, set_at=T0 + 10 * MIN)
    story = Story().says(0, Delivery.STOPPED).hears(10, wish).says(10, Delivery.UNPLUGGED).says(11, Delivery.UNPLUGGED)
    assert story.will is Will.CHARGE
    assert story.hears(16).will is None


def test_a_wish_made_while_the_clock_ran_ahead_ends_with_the_session_too():
    wish = Override(will=Will.HOLD, by=Hand.CLI, set_at=T0 + 60 * MIN)
    story = Story().says(0, Delivery.STOPPED).hears(1, wish).says(10, Delivery.UNPLUGGED).says(11, Delivery.UNPLUGGED)
    assert story.will is Will.HOLD
    assert story.hears(16).will is None


def test_a_wish_for_the_next_session_outlasts_this_one():
    story = Story().says(0, Delivery.STOPPED).says(10, Delivery.UNPLUGGED).says(11, Delivery.UNPLUGGED)
    wish = Override(will=Will.HOLD, by=Hand.CLI, set_at=T0 + 12 * MIN)
    assert story.hears(12, wish).hears(16).will is Will.HOLD


def test_an_override_ends_at_its_until():
    wish = Override(will=Will.HOLD, by=Hand.CLI, set_at=T0, until=T0 + 30 * MIN)
    story = Story().says(0, Delivery.STOPPED).hears(1, wish).hears(29)
    assert story.will is Will.HOLD
    assert story.hears(30).will is None


def test_energy_is_the_power_seen_held_until_the_next_reading():
    story = Story().says(0, Delivery.CHARGING, kw=6.0).says(30, Delivery.CHARGING, kw=12.0).says(40, Delivery.STOPPED)
    assert story.state.session.energy_kwh == pytest.approx(3.0 + 2.0)
    story.says(90, Delivery.CHARGING, kw=6.0).says(180, Delivery.STOPPED)
    assert story.state.session.energy_kwh == pytest.approx(5.0), "a long silence is not metered"


def test_the_power_is_learned_quickly_downwards_and_not_in_the_taper():
    story = Story()
    for minute in range(0, 20, 2):
        story.says(minute, Delivery.CHARGING, kw=11.0)
    for minute in range(20, 34, 2):
        story.says(minute, Delivery.CHARGING, kw=1.4)
    assert story.state.learned.power_kw == pytest.approx(1.4, abs=0.15), "within 15 min"
    assert story.says(40, Delivery.CHARGING, kw=0.4, soc=95).state.learned.power_kw > 1.3


# Whose hand was it?


def plugged_and_held():
    story = Story().says(0, Delivery.UNPLUGGED).says(5, Delivery.CHARGING, kw=7.0)
    return story.sent(6, Action.STOP).says(8, Delivery.STOPPED).desiring(Desired.HOLD)


@pytest.mark.parametrize("minutes", [6, 14])
def test_a_start_soon_after_the_plug_in_is_the_cars_habit(minutes):
    story = Story().says(0, Delivery.UNPLUGGED).says(5, Delivery.STOPPED).desiring(Desired.HOLD)
    assert story.says(minutes, Delivery.CHARGING, kw=7.0).will is None


def test_a_later_start_while_we_hold_is_the_person():
    story = plugged_and_held().says(60, Delivery.CHARGING, kw=7.0)
    assert story.will is Will.CHARGE
    assert story.state.override.by is Hand.CAR


@pytest.mark.parametrize(
    ("start_min", "will"),
    [pytest.param(61, None, id="with-the-plug"), pytest.param(66, None, id="soon-after"), (80, Will.CHARGE)],
)
def test_a_start_soon_after_a_plug_that_was_out_for_a_moment_is_the_cars_habit_too(start_min, will):
    story = plugged_and_held().says(60, Delivery.UNPLUGGED)
    if start_min > 61:
        story.says(61, Delivery.STOPPED)
    assert story.says(start_min, Delivery.CHARGING, kw=7.0).will is will


def test_a_later_start_while_nothing_is_asked_is_nobodys_business():
    assert plugged_and_held().desiring(Desired.LEAVE).says(60, Delivery.CHARGING, kw=7.0).will is None


def test_a_start_after_our_own_is_ours():
    assert plugged_and_held().sent(58, Action.START).says(60, Delivery.CHARGING, kw=7.0).will is None


def test_a_start_long_after_our_own_is_not_ours():
    story = plugged_and_held().sent(20, Action.START, CommandState.FAILED)
    assert story.says(20 + 36, Delivery.CHARGING, kw=7.0).will is Will.CHARGE


def test_the_first_unclaimed_stop_is_noted_and_the_second_is_the_persons_hold():
    story = Story().says(0, Delivery.UNPLUGGED).says(5, Delivery.CHARGING, kw=7.0).desiring(Desired.CHARGE)
    story.says(60, Delivery.STOPPED)
    assert story.will is None
    assert story.state.session.stopped_at == T0 + 60 * MIN
    story.sent(70, Action.START).says(72, Delivery.CHARGING, kw=7.0).desiring(Desired.CHARGE)
    assert story.state.session.stopped_at is None
    assert story.says(120, Delivery.STOPPED).will is Will.HOLD


def test_our_own_stop_is_not_unclaimed():
    story = Story().says(0, Delivery.CHARGING, kw=7.0).sent(55, Action.STOP).says(60, Delivery.STOPPED)
    assert story.state.session.stops == 0


@pytest.mark.parametrize("delivery", [Delivery.NO_POWER, Delivery.FAULT, Delivery.COMPLETE])
def test_a_fault_or_a_full_battery_is_nobodys_hand(delivery):
    story = Story().says(0, Delivery.CHARGING, kw=7.0).desiring(Desired.CHARGE).says(60, delivery)
    assert story.state.session.stops == 0
    assert story.will is None


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        pytest.param([60.0], 60.0, id="at-its-own-limit"),
        pytest.param([60.0, 100.0], 60.0, id="which-was-raised-since"),
        pytest.param([None, 60.0], 60.0, id="that-was-told-later"),
    ],
)
@pytest.mark.parametrize("opened", [Delivery.CHARGING, Delivery.COMPLETE])
def test_the_limit_at_which_the_car_ended_is_kept(opened, limits, expected):
    story = Story().says(0, opened, limit=limits[0])
    for number, limit in enumerate(limits, start=1):
        story.says(10 * number, Delivery.COMPLETE, limit=limit)
    assert story.state.session.ended_at_pct == expected
    story.says(50, Delivery.CHARGING, limit=100.0).says(60, Delivery.COMPLETE, limit=90.0)
    assert story.state.session.ended_at_pct == 90.0


def test_nothing_is_read_from_what_happens_away_from_home():
    story = Story().says(0, Delivery.UNPLUGGED).says(5, Delivery.STOPPED, charger="public").desiring(Desired.HOLD)
    assert story.says(60, Delivery.CHARGING, kw=50.0, charger="public").will is None


def test_the_highest_power_is_kept_of_readings_of_one_instant_too():
    story = Story().says(0, Delivery.STOPPED).says(5, Delivery.CHARGING, kw=7.0)
    same = T0 + 5 * MIN
    again = Reading(
        vehicle_id="car", user_id="user", source=Source.POLL, received=Stamp(at=same, mono_ns=0, run=1),
        charge=ChargeFacet(at=same, plugged=True, charging=True, delivery=Delivery.CHARGING, power_kw=15.0, charger_id="charger"),
    )  # fmt: skip
    assert story.hears(6, again).state.session.max_kw == 15.0
