"""Faults between the daemon and the provider (N01 to N11)."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from scheduler.core.command import Action, CommandState
from scheduler.ports import Event
from tests.e2e.stage import Stage, perform, verified

CONTROL = "/vehicles/*/charging"


def test_n01_six_hours_without_provider_across_the_planned_start():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:45")
        stage.world.set_outage(down=True, for_s=6 * 3600)
        went_down = stage.now()
        await stage.until("02:45")
        assert 6 * 30 < len(asked_of(stage, went_down)) < 6 * 200, "again and again, at growing intervals"
        assert stage.actuations(went_down) == []
        assert not [line for line in await stage.journal("SEND") if line["t"] > went_down.timestamp() * 1e9]
        (risk,) = await stage.alerts("DEADLINE_AT_RISK")
        assert risk.raised_at < stage.next("03:15")
        (down,) = await stage.alerts("PROVIDER_DOWN")
        assert timedelta(minutes=5) <= down.raised_at - went_down <= timedelta(minutes=12)
        await stage.wait(minutes=3)
        first, *others = [r for r in asked_of(stage, went_down) if "status" in r and "token" not in r["path"]]
        assert first["method"] == "GET", "read first, then command"
        assert [r for r in others if r["method"] == "POST"]
        await stage.until("06:50")
        assert stage.car.true_soc_pct() >= 78
        assert (await stage.alerts("DEADLINE_AT_RISK"))[-1].cleared_at is not None

    perform(story)


def test_n01_an_outage_beyond_the_deadline_ends_in_charging_all_the_same():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:30")
        stage.world.set_outage(down=True, for_s=6.5 * 3600)
        await stage.until("07:05")
        (risk,) = await stage.alerts("DEADLINE_AT_RISK")
        assert risk.raised_at < stage.next("03:15")
        assert stage.car.charging, "what was missed is charged at once (L9)"
        await stage.until("10:00")
        assert 78 <= stage.car.true_soc_pct() <= 83

    perform(story)


def test_n04_a_reply_lost_after_the_start_was_applied():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:55")
        stage.world.faults.add("lost_reply", method="POST", path=CONTROL, count=1)
        await stage.until("06:50")
        (lost,) = await stage.journal("AMBIG")
        assert [line["found"] for line in await stage.journal("READBACK") if line["cmd"] == lost["cmd"]] == [True]
        (start,) = await stage.commands(Action.START)
        assert start.id == lost["cmd"]
        assert stage.world.actions.accepted[stage.car.id] == 3
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_n04_a_request_lost_before_it_was_applied():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:55")
        stage.world.faults.add("drop", method="POST", path=CONTROL, count=1)
        await stage.until("06:50")
        (lost,) = await stage.journal("AMBIG")
        (read,) = [line for line in await stage.journal("READBACK") if line["cmd"] == lost["cmd"]]
        assert read["found"] is False
        assert read["t"] - lost["t"] >= 120e9, "an answer is waited for"
        first, second = await stage.commands(Action.START)
        assert (first.state, second.state) == (CommandState.FAILED, CommandState.VERIFIED)
        assert len(stage.requests("GET", f"/vehicles/{stage.car.id}")) < 20, "read back, not besieged"
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_n05_a_command_that_takes_ninety_seconds_delays_no_other_car():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        stage.plug_in(1)
        await stage.until("00:55")
        stage.world.faults.add("slow", path=f"/vehicles/{stage.car.id}*", for_s=3600, delay_s=90)
        await stage.until("06:50")
        (start,) = await stage.commands(Action.START, car=1)
        assert start.verified
        assert start.sent_at - stage.setup.start_at < timedelta(hours=9, minutes=2)
        assert (start.answered_at or start.sent_at) - start.sent_at < timedelta(seconds=20)
        assert min(car.true_soc_pct() for car in stage.cars) >= 78
        assert _ticks_on(await stage.journal("TICK"))

    perform(story, cars=2)


def test_n05_slow_answers_to_everything():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:30")
        stage.world.faults.add("slow", for_s=7200, delay_s=60)
        await stage.until("06:50")
        assert _ticks_on(await stage.journal("TICK"))
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_n06_connections_that_stay_silent():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:30")
        stage.world.faults.add("hang", for_s=7200, delay_s=900)
        await stage.until("06:50")
        assert _ticks_on(await stage.journal("TICK"))
        assert stage.car.true_soc_pct() >= 78

    perform(story)


@pytest.mark.parametrize("kind", ["truncate", "html"])
def test_n07_answers_that_cannot_be_read_change_no_state(kind):
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        stage.world.faults.add(kind, method="GET", for_s=3600)
        before = stage.state().observation
        await stage.until("20:59")
        assert stage.state().observation == before
        assert len(await stage.alerts("PROVIDER_DOWN")) == 1
        await stage.until("06:50")
        assert [c.action for c in await stage.commands()] == [Action.STOP, Action.START, Action.STOP]
        assert not any("<html>" in str(entry) for entry in stage.logs)

    perform(story)


def test_n08_half_of_all_calls_fail_for_two_hours():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:30")
        stage.world.faults.add("status", status=503, share=0.25, for_s=7200)
        stage.world.faults.add("drop", share=0.15, for_s=7200)
        stage.world.faults.add("lost_reply", share=0.1, for_s=7200)
        await stage.until("06:50")
        sends = await stage.journal("SEND")
        assert stage.world.actions.accepted[stage.car.id] <= len(sends) <= 8
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_n09_dead_webhooks_are_noticed_and_polling_takes_over():
    async def story(stage: Stage) -> None:
        await stage.until("18:00")
        stage.world.faults.add("delivery_drop")
        await stage.until("19:30")
        (silent,) = await stage.alerts("WEBHOOK_SILENT")
        assert silent.raised_at <= stage.setup.start_at + timedelta(hours=3, minutes=5)
        stage.plug_in()
        await stage.wait(minutes=8)
        (stop,) = await stage.commands()
        assert stop.action is Action.STOP
        await stage.until("06:50")
        assert len(await stage.alerts("WEBHOOK_SILENT")) == 1
        assert verified(await stage.commands())
        assert stage.car.true_soc_pct() >= 78

    perform(story, webhooks=True)


def test_n10_webhooks_arrive_while_nothing_can_be_asked():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        stage.world.faults.add("drop", for_s=3600)
        stage.car.set_soc(45)
        await stage.wait(minutes=30)
        assert stage.state().observation.battery.soc_pct == 45
        assert len(await stage.alerts("PROVIDER_DOWN")) == 1
        await stage.until("06:50")
        assert stage.car.true_soc_pct() >= 78

    perform(story, webhooks=True)


def test_n11_the_network_comes_up_five_minutes_after_the_daemon():
    async def story(stage: Stage) -> None:
        assert stage.app.ready
        assert await stage.journal("OBS") == []
        await stage.wait(minutes=7)
        first, *_ = await stage.journal("OBS")
        assert first["t"] / 1e9 - stage.setup.start_at.timestamp() <= 7 * 60
        await stage.night()
        assert verified(await stage.commands())

    perform(story, network_first_up_after_s=300)


def asked_of(stage: Stage, since: datetime) -> list[dict[str, Any]]:
    """Return every call since an instant, in order; those that were answered have a status."""
    return [r for r in stage.world.requests if datetime.fromisoformat(r["at"]) >= since]


def _ticks_on(ticks: list[Event]) -> bool:
    return all(later["m"] - earlier["m"] <= 120e9 for earlier, later in pairwise(ticks))
