"""Clocks that change or step, and clocks in other places (T01 to T10)."""

import asyncio
import os
import random
import time
from datetime import UTC, datetime, timedelta

import pytest

from scheduler.core.command import Action
from scheduler.core.model import Will
from tests.e2e.stage import DAY, Stage, perform, verified

CHEAP_EVENING = [*[0.30] * 20, *[0.10] * 4]


def test_t01_a_deadline_that_the_clock_change_skips():
    async def story(stage: Stage) -> None:
        await stage.until("14:00")
        stage.plug_in()
        await stage.until("01:20")
        deadlines = {line["deadline"] for line in await stage.journal("NEED") if line["deadline"]}
        assert int(datetime(2026, 3, 29, 1, 0, tzinfo=UTC).timestamp()) * 10**9 in deadlines
        await stage.wait(minutes=30)
        assert stage.car.true_soc_pct() >= 78

    perform(story, start_at=datetime(2026, 3, 28, 12, 0, tzinfo=UTC), ready_at="02:30", daily=CHEAP_EVENING)


def test_t02_a_deadline_that_comes_twice_means_the_first():
    async def story(stage: Stage) -> None:
        await stage.until("14:00")
        stage.plug_in()
        await stage.until("00:29")
        deadlines = {line["deadline"] for line in await stage.journal("NEED") if line["deadline"]}
        assert int(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()) * 10**9 in deadlines
        assert int(datetime(2026, 10, 25, 1, 30, tzinfo=UTC).timestamp()) * 10**9 not in deadlines
        assert stage.car.true_soc_pct() >= 78
        await stage.until("02:00")
        assert await stage.alerts("DEADLINE_AT_RISK") == []

    perform(story, start_at=datetime(2026, 10, 24, 12, 0, tzinfo=UTC), ready_at="02:30", daily=CHEAP_EVENING)


@pytest.mark.parametrize("day", [datetime(2026, 3, 28, 16, 0, tzinfo=UTC), datetime(2026, 10, 24, 16, 0, tzinfo=UTC)])
@pytest.mark.parametrize("timezone", ["Europe/Oslo", "Europe/Lisbon"])
def test_t01_t02_an_ordinary_night_across_the_change(day, timezone):
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("08:00")
        assert [c.action for c in await stage.commands()] == [Action.STOP, Action.START, Action.STOP]
        assert verified(await stage.commands())
        assert stage.car.true_soc_pct() >= 78

    perform(story, start_at=day, timezone=timezone)


@pytest.mark.parametrize("hours", [-2, 2])
def test_t03_a_wall_clock_that_steps_while_a_plan_runs(hours):
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("23:30")
        stage.clock.offset = timedelta(hours=hours)
        stepped_at = stage.now()
        await stage.until("00:30")
        assert stage.actuations(stepped_at) == [], "no slot was skipped or run through in haste"
        stage.clock.offset = timedelta(0)
        await stage.until("00:35")
        assert len([line for line in await stage.journal("CLOCK") if line["st"] == "stepped"]) == 2
        await stage.until("06:50")
        assert [c.action for c in await stage.commands()] == [Action.STOP, Action.START, Action.STOP]
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_t03_what_was_sent_while_the_clock_ran_ahead_is_followed_once_it_is_set_back():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        stage.clock.offset = timedelta(minutes=101)
        await stage.wait(minutes=5)
        await stage.wish(Will.CHARGE)
        while not [line for line in await stage.journal("SEND") if line["act"] == "START"]:
            await stage.wait(seconds=10)
        stage.clock.offset = timedelta(0)
        set_back_at = stage.now()
        await stage.wait(minutes=20)
        [start] = await stage.commands(Action.START)
        assert start.verified
        assert start.sent_at <= set_back_at < start.ended_at
        await stage.wish(Will.HOLD)
        await stage.wait(minutes=20)
        assert verified(await stage.commands())
        assert stage.car.charging is False

    perform(story)


def test_t03_what_was_under_way_when_the_clock_was_wrongly_set_back_is_followed_once_it_is_right():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        for will, action in ((Will.CHARGE, Action.START), (Will.HOLD, Action.STOP)):
            wished_at = stage.now()
            await stage.wish(will)
            while not [c for c in await stage.commands(action) if c.sent_at >= wished_at]:
                await stage.wait(seconds=1)
            sent_at = (await stage.commands(action))[-1].sent_at
            stage.clock.offset = timedelta(minutes=-101)
            stage.app.engine.poke(stage.app.loop.wake([stage.car.id]))
            await stage.wait(seconds=1)
            stage.clock.offset = timedelta(0)
            await stage.wait(minutes=20)
            sent = (await stage.commands(action))[-1]
            assert sent.verified, action
            assert abs(sent.sent_at - sent_at) < timedelta(seconds=2)
        assert stage.car.charging is False
        assert [line for line in await stage.journal("OVR") if line["from"] == "unknown"] == []

    perform(story)


def test_t03_a_webhook_path_that_falls_silent_once_the_clock_is_set_back_is_told_in_time():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        stage.clock.offset = timedelta(minutes=101)
        await stage.wait(minutes=10)
        stage.clock.offset = timedelta(0)
        await stage.wait(seconds=1)
        stage.world.faults.add("delivery_drop")
        await stage.wait(minutes=65)
        assert len(await stage.alerts("WEBHOOK_SILENT")) == 1

    perform(story, webhooks=True)


def test_t03_after_a_small_step_nothing_is_sent_on_what_was_seen_before():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:50:07")
        stage.clock.offset = timedelta(minutes=10)
        stage.app.engine.poke(stage.app.loop.wake([stage.car.id]))  # its alarm rings: by this clock the slot has begun
        await stage.until("06:50")
        stepped_ns = (stage.next("00:50:07") - DAY - stage.setup.start_at).total_seconds() * 1e9
        start = next(line for line in await stage.journal("SEND") if line["act"] == "START")
        seen = [line["m"] for line in await stage.journal("OBS") if line["ok"]]
        assert [m for m in seen if stepped_ns < m <= start["m"]], "read again before anything is sent"
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_t04_a_provider_whose_clock_runs_ahead():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        stage.car.telemetry.distortion.ahead_s = 300
        for _ in range(40):
            await stage.wait(minutes=7)
            found = stage.app.last(stage.car.id)
            assert found is not None
            ahead = (found[0].observation.charge.at or found[0].at) - found[0].at
            assert found[1].verdict.home is False or ahead <= timedelta(minutes=2), "no extra fresh"
        stage.car.telemetry.distortion.ahead_s = 0
        await stage.until("06:50")
        assert len(await stage.commands(Action.START)) == 1
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_t05_a_host_that_sleeps_for_three_hours_looks_before_it_acts():
    """The start at 01:00 falls into the sleep. All timers are late at once, and the monotonic clock stood still."""
    asleep = timedelta(hours=3)

    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("23:29:30")
        beats, monotonic_ns = stage.app.pulse.beats, stage.clock.monotonic_ns
        asyncio.get_running_loop()._jump(round(asleep.total_seconds() * 1e6))
        stage.clock.monotonic_ns = lambda: monotonic_ns() - round(asleep.total_seconds() * 1e9)
        woke_at = stage.now()
        await stage.wait(seconds=59)
        assert stage.app.pulse.beats - beats <= 2, "one tick for all those that were missed"
        await stage.until("06:50")
        (stepped,) = await stage.journal("CLOCK")
        assert stepped["d"] == pytest.approx(asleep.total_seconds() * 1e9, abs=1e9)
        start = next(line for line in await stage.journal("SEND") if line["t"] >= woke_at.timestamp() * 1e9)
        seen = [line["m"] for line in await stage.journal("OBS") if line["ok"] and line["m"] <= start["m"]]
        assert [m for m in seen if m >= stepped["m"]], "read again before anything is sent"
        assert start["t"] - woke_at.timestamp() * 1e9 <= 180e9
        assert [c.action for c in await stage.commands()] == [Action.STOP, Action.START, Action.STOP]
        assert stage.car.true_soc_pct() >= 78

    perform(story)


@pytest.mark.parametrize(
    ("home", "ready_at", "start_at"),
    [
        pytest.param("America/New_York", "01:30", datetime(2026, 1, 12, 16, 0, tzinfo=UTC), id="west"),
        pytest.param("Asia/Kolkata", "12:00", datetime(2026, 1, 12, 16, 0, tzinfo=UTC), id="half-an-hour"),
        pytest.param("Europe/Lisbon", "06:30", datetime(2026, 3, 28, 16, 0, tzinfo=UTC), id="the-day-of-the-change"),
    ],
)
def test_t07_a_home_a_host_and_a_market_in_three_zones(home, ready_at, start_at):
    """The host keeps New Zealand's time, the market Oslo's; the departure is the same instant as ever (06:30 UTC)."""

    async def story(stage: Stage) -> None:
        os.environ["TZ"] = "Pacific/Auckland"  # virtual time began with UTC, and puts back what was before
        time.tzset()
        assert time.timezone == -12 * 3600
        await stage.night()
        commands = await stage.commands()
        assert [c.action for c in commands] == [Action.STOP, Action.START, Action.STOP]
        assert commands[1].sent_at == pytest.approx(stage.next("01:00") - DAY, abs=timedelta(minutes=5))
        assert stage.car.true_soc_pct() >= 78

    perform(story, start_at=start_at, timezone=home, ready_at=ready_at, prices="nord-pool")
    assert time.timezone != -12 * 3600


def test_t09_plugged_in_ten_minutes_before_the_departure():
    async def story(stage: Stage) -> None:
        await stage.until("06:20")
        stage.plug_in()
        await stage.until("06:29:30")
        assert stage.car.charging
        (risk,) = await stage.alerts("DEADLINE_AT_RISK")
        assert risk.raised_at <= stage.now()
        await stage.until("10:00")
        assert 78 <= stage.car.true_soc_pct() <= 83, "it goes on past the departure"
        assert [c.why for c in await stage.commands(Action.STOP)] == ["target"]

    perform(story)


def test_t09_plugged_in_so_late_that_its_charger_is_not_known_at_the_departure():
    async def story(stage: Stage) -> None:
        stage.world.pairing.delay_s = (100.0, 110.0)
        await stage.until("06:29:00")
        stage.plug_in()
        await stage.until("06:30:10")
        assert stage.state().session is not None
        assert not stage.state().session.at_home
        await stage.until("10:00")
        assert 78 <= stage.car.true_soc_pct() <= 83, "it goes on past the departure"
        assert [c.why for c in await stage.commands(Action.STOP)] == ["target"]

    perform(story, webhooks=True)


def test_t10_noise_in_the_state_of_charge_does_not_put_the_start_off():
    """Every five minutes a reading up to two points off, and prices that fall all night: each replan would rather wait."""
    chance = random.Random(5)

    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        until = stage.next("02:30")
        while stage.now() < until:
            stage.car.telemetry.distortion.soc_pct = round(stage.car.true_soc_pct() + chance.uniform(-2, 2))
            stage.car.telemetry.refresher.now()
            await stage.wait(minutes=5)
        stage.car.telemetry.distortion.soc_pct = None
        await stage.until("06:29")
        starts = {slots[0][0] for slots in (line["slots"] for line in await stage.journal("PLAN")) if slots}
        (start,) = await stage.commands(Action.START)
        assert start.sent_at <= stage.next("03:10") - DAY
        assert len(starts) > 1, "the noise did reach the planner"
        assert stage.car.true_soc_pct() >= 78

    perform(story, daily=[0.50 - 0.01 * ((hour - 17) % 24) for hour in range(24)])
