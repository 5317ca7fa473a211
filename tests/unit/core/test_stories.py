"""What a car's life must not come to: news that are odd, yet happen, each through the whole cycle."""

from datetime import timedelta

import pytest

from scheduler.core.command import Action, Outcome
from scheduler.core.model import Place, Will
from scheduler.core.observation import Delivery
from tests.unit.core.life import EVENING, Life

HOUR = timedelta(hours=1)


def arrived(policies="night-tariff"):
    life = Life(policies=policies)
    life.reads(Delivery.UNPLUGGED)
    life.wait(5)
    return life


def held():
    """A car that was plugged in at five in the evening, charged by its own habit, and waits for the night."""
    life = arrived()
    life.reads(Delivery.CHARGING)
    life.wait(2)
    life.reads(Delivery.CHARGING)
    life.obeys(charger="box")
    assert [one.command.action for one in life.sent] == [Action.STOP]
    return life


def starts(life):
    return [one.command for one in life.sent if one.command.action is Action.START]


def alerted(life):
    return [line["code"] for line in life.lines if line["k"] == "ALERT" and line["op"] == "raised"]


@pytest.mark.parametrize("policies", ["night-tariff", "spot-and-quiet-hours", "off-peak", "off-peak-and-departure"])
def test_a_reading_without_a_state_of_charge_starts_nothing(policies):
    life = arrived(policies)
    for soc_pct in (75.0, 75.0, None, None):
        life.wait(5)
        decision = life.reads(Delivery.STOPPED, soc_pct=soc_pct)
    assert decision.soc_pct == 75
    assert starts(life) == []


def test_a_car_that_the_provider_does_not_know_is_not_asked_again_and_again():
    life = arrived()
    life.reads(Delivery.STOPPED, soc_pct=15.0)
    life.wait(2)
    assert len(starts(life)) == 1, "below its minimum it is to charge at once"
    for _ in range(6):
        life.reports(Outcome.REJECTED, failure="HTTP_404")
        life.wait(0.5)
    assert len(starts(life)) == 1
    assert "GONE" in life.state.alerts
    life.reads(Delivery.STOPPED, soc_pct=15.0)
    assert len(starts(life)) == 1, "the list names it, but the command just now was not taken"
    life.wait(6)
    assert len(starts(life)) == 2


def test_the_cars_own_start_after_a_plug_that_was_out_for_a_moment_is_stopped_again():
    life = held()
    life.wait(30)
    life.reads(Delivery.STOPPED)
    life.reads(Delivery.UNPLUGGED)
    life.wait(1)
    life.reads(Delivery.CHARGING)
    life.wait(12)
    life.reads(Delivery.CHARGING)
    assert life.state.override is None
    assert life.sent[-1].command.action is Action.STOP


def without_place(life):
    """Let the night pass in which the provider tells neither the charger nor the place; yield each decision."""
    while life.at < EVENING + 15 * HOUR:
        life.wait(9)
        yield life.reads(Delivery.STOPPED, charger=None, location=None)


def test_a_held_car_whose_charger_lost_its_link_is_told_of_before_it_is_late():
    life = held()
    decisions = list(without_place(life))
    assert {decision.verdict.place for decision in decisions} == {Place.AWAY}
    assert len(life.sent) == 1, "not proven is not home"
    told = next(line for line in life.lines if line["k"] == "ALERT" and line["code"] == "DEADLINE_AT_RISK")
    latest = next(need.lst_at for decision in decisions for need in decision.plan.needs if need.by and need.lst_at)
    assert told["t"] <= (latest - 1.75 * HOUR).timestamp() * 1e9
    assert [line["cause"] for line in life.lines if line["k"] == "MISS"] == ["own-pause"]


def test_a_car_that_charges_at_an_unknown_place_is_none_of_ours():
    life = held()
    life.wait(9)
    assert life.reads(Delivery.STOPPED, charger=None, location=None).plan.asks
    life.wait(9)
    assert not life.reads(Delivery.CHARGING, charger=None, location=None).plan.asks
    assert not life.state.session.at_home
    assert life.state.override is None or life.state.override.will is not Will.CHARGE


@pytest.mark.parametrize(("kw", "told"), [(0.0, True), (0.3, False)])
def test_a_car_that_charges_at_no_power_is_told_of(kw, told):
    life = held()
    while not starts(life):
        life.wait(9)
        life.reads(Delivery.STOPPED)
    started_at = life.at
    life.reports(Outcome.PENDING)
    while life.at < started_at + 0.5 * HOUR:
        life.wait(4)
        life.reads(Delivery.CHARGING, kw=kw)
    assert ("STARTED_NO_POWER" in alerted(life)) is told
