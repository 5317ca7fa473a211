"""Commands that the provider refuses, loses or carries out late, and cars that do not obey (P01 to P10, P26 to P32)."""

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from scheduler.core.command import Action, CommandState
from scheduler.core.model import Will
from simulator.capability import INCAPABLE
from tests.e2e.stage import DAY, Stage, perform, verified

CONTROL = "/vehicles/*/charging"


def test_p01_commands_held_back_for_fifteen_minutes_at_the_planned_start():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:59")
        stage.world.faults.add("status", path=CONTROL, count=1, status=429, retry_after_s=900)
        await stage.until("06:50")
        first, second, *_ = [datetime.fromisoformat(r["at"]) for r in stage.actuations(stage.next("01:00") - DAY)]
        assert second - first >= timedelta(seconds=900)
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_p01_reads_held_back_do_not_hold_back_the_start():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:59")
        stage.world.faults.add("status", method="GET", path="/users/*", count=1, status=429, retry_after_s=900)
        await stage.wait(minutes=30)
        reads = [datetime.fromisoformat(r["at"]) for r in stage.requests("GET", "/users/*")]
        assert max(later - earlier for earlier, later in pairwise(reads)) >= timedelta(seconds=900)
        await stage.until("06:50")
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_p03_a_token_that_ends_in_mid_command_costs_one_refresh_and_no_second_action():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:59:30")
        stage.world.faults.add("expired_token", path=CONTROL, count=1)
        await stage.until("01:05")
        calls = [r for r in stage.world.requests if r["method"] == "POST"]
        refused = next(
            n for n, call in enumerate(calls) if call["path"].endswith("/charging") and call["status"] == 401
        )
        assert calls[refused + 1]["path"] == "/oauth2/token", "one refresh"
        assert calls[refused + 2]["path"] == calls[refused]["path"], "one replay"
        assert stage.world.actions.accepted[stage.car.id] == 2
        await stage.until("06:50")
        assert verified(await stage.commands())

    perform(story)


@pytest.mark.parametrize("webhooks", [True, False])
def test_p05_a_lost_account_link_stops_commands_until_it_is_back(webhooks):
    async def story(stage: Stage) -> None:
        stage.cars[1].vendor = "TESLA"
        await stage.until("17:00")
        stage.plug_in()
        stage.plug_in(1)
        await stage.until("20:00")
        stage.world.invalidate_credentials("user", stage.car.vendor)
        lost_at = stage.now()
        await stage.until("02:00")
        assert [c.action for c in await stage.commands()] == [Action.STOP]
        if webhooks:
            told = [a for a in await stage.alerts("CREDENTIALS_LOST") if a.vehicle_id == stage.car.id]
            assert [a.raised_at - lost_at <= timedelta(minutes=5) for a in told] == [True]
        stage.world.accounts.restore("user", stage.car.vendor)
        await stage.until("06:50")
        assert [c.action for c in await stage.commands(car=1)][:2] == [Action.STOP, Action.START]
        assert min(car.true_soc_pct() for car in stage.cars) >= 78

    perform(story, cars=2, webhooks=webhooks)


def test_p06_a_car_that_takes_fifteen_minutes_to_wake():
    async def story(stage: Stage) -> None:
        mood = stage.car.mood
        mood.asleep_latency_s, mood.latency_s, mood.window_s = (900.0, 900.0), (900.0, 900.0), 1800.0
        await stage.night()
        starts = await stage.commands(Action.START)
        assert verified(starts)
        assert len(starts) == 1
        learned = stage.state().learned.start_latency_s
        assert learned is not None
        assert learned >= 900
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_p07_an_action_pending_for_half_an_hour_that_then_fails():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:55")
        stage.car.mood.window_s, stage.car.mood.silent_commands = 1800.0, 1
        await stage.until("06:50")
        first, second = await stage.commands(Action.START)
        assert first.state is CommandState.FAILED
        assert first.ended_at is not None
        assert first.ended_at - first.sent_at >= timedelta(minutes=29)
        assert second.sent_at - first.ended_at >= timedelta(minutes=5)
        assert second.state is CommandState.VERIFIED
        assert stage.world.actions.accepted[stage.car.id] == len(await stage.commands())
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_p07_actions_that_fail_past_the_latest_start_are_told_and_tried_again():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:55")
        stage.car.mood.window_s, stage.car.mood.silent_commands = 1800.0, 4
        await stage.until("06:50")
        starts = await stage.commands(Action.START)
        assert [c.state for c in starts] == [*[CommandState.FAILED] * 4, CommandState.VERIFIED]
        risk, *_ = await stage.alerts("DEADLINE_AT_RISK")
        assert risk.raised_at <= stage.next("03:30") - DAY
        assert stage.car.true_soc_pct() >= 78, "asked for past the deadline, too (L9)"

    perform(story)


def test_p08_confirmed_is_not_charging():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:55")
        stage.car.mood.no_power_starts = 1
        await stage.until("06:50")
        first, second = await stage.commands(Action.START)
        assert first.confirmed_at is not None
        assert first.state is CommandState.UNVERIFIED
        assert second.state is CommandState.VERIFIED
        (told,) = await stage.alerts("STARTED_NO_POWER")
        assert told.cleared_at is not None
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_p08_power_that_stays_away_for_hours_is_told_once():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:55")
        stage.car.mood.no_power_starts = 4
        await stage.until("06:50")
        starts = await stage.commands(Action.START)
        assert [c.state for c in starts] == [*[CommandState.UNVERIFIED] * 4, CommandState.VERIFIED]
        assert len(await stage.alerts("STARTED_NO_POWER")) == 1
        assert len(await stage.alerts("DEADLINE_AT_RISK")) == 1
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_p09_cancelled_for_a_pulled_plug_does_not_end_the_asking():
    async def story(stage: Stage) -> None:
        stage.car.auto_start = False
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:59:50")
        stage.car.unplug()
        await stage.until("01:30")
        (cancelled,) = await stage.commands(Action.START)
        assert cancelled.state is CommandState.CANCELLED
        stage.plug_in()
        await stage.until("06:50")
        _, again = await stage.commands(Action.START)
        assert again.verified
        assert again.sent_at < stage.next("01:45") - DAY
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_p10_a_foreign_schedule_ends_the_asking():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:55")
        stage.car.controlled_elsewhere = True
        await stage.until("06:50")
        refused = await stage.commands(Action.START)
        assert [c.failure and c.failure.type for c in refused] == ["HTTP_422"]
        assert len(await stage.alerts("FOREIGN_CONTROLLER")) == 1
        override = stage.state().override
        assert override is not None
        assert override.will is Will.HANDS_OFF
        assert len(await stage.alerts("DEADLINE_AT_RISK")) == 1

    perform(story)


def test_p25_a_capability_that_is_lost_and_comes_back():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        stage.posts[0].scopes = ()
        stage.car.capabilities = {"startCharging": INCAPABLE}
        await stage.until("02:00")
        assert await stage.commands(Action.START) == []
        (told,) = await stage.alerts("INCAPABLE")
        assert told.cleared_at is None
        stage.car.capabilities = {}
        await stage.until("06:50")
        assert verified(await stage.commands(Action.START))
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_p26_a_car_that_does_not_resume_is_paused_no_more():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        stage.car.mood.resumes_left, stage.car.mood.window_s = 0, 600.0
        await stage.until("04:00")
        failed = await stage.commands(Action.START)
        assert len(failed) >= 2
        assert {c.state for c in failed} == {CommandState.FAILED}
        assert stage.state().learned.no_pause
        assert len(await stage.alerts("NO_PAUSE")) == 1
        assert len(await stage.alerts("DEADLINE_AT_RISK")) == 1
        stage.car.mood.resumes_left = None
        await stage.until("08:00")
        stage.car.drive_to(stage.car.home.moved(north_m=15_000), used_kwh=15)
        before = len(await stage.commands())
        await stage.until("17:00")
        stage.car.drive_to(stage.car.home)
        stage.plug_in()
        await stage.until("06:50")
        later = (await stage.commands())[before:]
        assert [c for c in later if c.action is Action.STOP and c.why != "target"] == []
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_p27_a_person_who_starts_a_moment_before_us():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:59:57")
        stage.car.person_starts()
        await stage.until("06:50")
        starts = await stage.commands(Action.START)
        assert len(starts) <= 1
        assert stage.state().session is None or stage.state().session.failed_resumes == 0
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_p27_a_full_car_is_left_asleep():
    async def story(stage: Stage) -> None:
        await stage.night()
        assert await stage.commands() == []
        assert len(stage.requests("POST", "/vehicles/*/refresh-hint")) <= 14

    perform(story, soc_pct=90, car={"charge_limit_pct": 90})


def test_p28_half_the_power_moves_the_start():
    async def story(stage: Stage) -> None:
        stage.car.weakness_kw = 3.7
        await stage.night()
        start, *_ = await stage.commands(Action.START)
        assert start.sent_at <= stage.next("00:00") - DAY
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_p28_power_lost_in_mid_charge_is_told():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("01:30")
        stage.car.settle()
        stage.car.weakness_kw = 1.4
        stage.car.limit_changed()
        await stage.until("02:00")
        (told,) = await stage.alerts("DEADLINE_AT_RISK")
        assert told.raised_at <= stage.next("01:45") - DAY
        await stage.until("06:50")
        assert stage.car.charging

    perform(story)


def test_p29_the_cars_own_limit_below_the_target():
    async def story(stage: Stage) -> None:
        await stage.night()
        starts = await stage.commands(Action.START)
        assert verified(starts)
        assert len(starts) == 1
        (told,) = await stage.alerts("COMPLETE_BELOW_TARGET")
        assert told.cleared_at is None

    perform(story, car={"charge_limit_pct": 60})


def test_p29_the_cars_own_limit_is_raised_when_it_has_ended_there():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("04:30")
        assert (stage.car.delivery, round(stage.car.true_soc_pct())) == ("PLUGGED_IN:COMPLETE", 60)
        stage.car.charge_limit_pct = 100.0
        stage.car.limit_changed()
        await stage.until("06:50")
        assert stage.car.true_soc_pct() >= 78
        starts = await stage.commands(Action.START)
        assert verified(starts)
        assert len(starts) == 2
        (told,) = await stage.alerts("COMPLETE_BELOW_TARGET")
        assert told.cleared_at is not None

    perform(story, car={"charge_limit_pct": 60})


def test_p29_a_car_that_stays_full_under_a_higher_limit_is_started_once():
    async def story(stage: Stage) -> None:
        stage.hinder(0)
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("04:00")
        stage.car.charge_limit_pct = 100.0  # it tells the limit, and goes on to say that it is complete
        await stage.until("06:50")
        starts = await stage.commands(Action.START)
        assert [c.failure.type for c in starts if c.failure is not None] == ["HTTP_400"]
        assert len(starts) == 2

    perform(story, car={"charge_limit_pct": 60})


def test_p30_an_outage_right_after_the_pause():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.wait(minutes=8)
        assert [c.action for c in await stage.commands()] == [Action.STOP]
        stage.world.set_outage(down=True, for_s=10 * 3600)
        await stage.until("06:50")
        (risk,) = await stage.alerts("DEADLINE_AT_RISK")
        assert risk.raised_at <= stage.next("01:45") - DAY  # two hours before the latest start
        start, *_ = await stage.commands(Action.START)
        assert start.sent_at <= stage.next("03:11") - DAY
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_p32_a_car_unplugged_while_the_start_is_pending():
    async def story(stage: Stage) -> None:
        mood = stage.car.mood
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:55")
        mood.asleep_latency_s, mood.latency_s, mood.window_s = (900.0, 900.0), (900.0, 900.0), 1800.0
        await stage.until("01:01")
        stage.car.unplug()
        await stage.until("06:50")
        (start,) = await stage.commands(Action.START)
        assert start.state is CommandState.CANCELLED
        (cancel,) = await stage.journal("CANCEL")
        unplugged = next(
            o for o in await stage.journal("OBS") if o["plugged"] is False and o["t"] > start.sent_at.timestamp() * 1e9
        )
        assert cancel["t"] - unplugged["t"] <= 60e9
        assert len(stage.requests("POST", "/vehicles/actions/*/cancel")) == 1
        assert await stage.journal("SEND") == (await stage.journal("SEND"))[:2]

    perform(story)
