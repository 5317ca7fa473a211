"""Clocks that change or step, prices that are late, missing or gone (T01 to T05, D01 to D10)."""

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.core.command import Action
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


def test_d01_tomorrows_prices_never_come():
    async def story(stage: Stage) -> None:
        stage.publish_prices(until=stage.setup.start_at + timedelta(hours=7))
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("06:50")
        (start,) = await stage.commands(Action.START)
        assert stage.next("23:00") - DAY - timedelta(days=1) < start.sent_at
        assert start.sent_at <= stage.next("03:40") - DAY
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_d01_tomorrows_prices_come_late():
    async def story(stage: Stage) -> None:
        stage.publish_prices(until=stage.setup.start_at + timedelta(hours=7))
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("22:00")
        stage.publish_prices()
        await stage.until("06:50")
        assert [c.action for c in await stage.commands()] == [Action.STOP, Action.START, Action.STOP]
        (start,) = await stage.commands(Action.START)
        assert start.sent_at >= stage.next("00:59") - DAY
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_d05_a_missing_hour_is_neither_free_nor_in_the_way():
    async def story(stage: Stage) -> None:
        gap = stage.next("02:00")
        stage.publish_prices(without=lambda start: start == gap)
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("06:50")
        stops = await stage.commands(Action.STOP)
        assert not any(gap <= c.sent_at < gap + timedelta(hours=1) and c.why == "plan" for c in stops)
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_d06_negative_prices_charge_no_further_than_the_target():
    async def story(stage: Stage) -> None:
        await stage.night()
        assert 78 <= stage.car.true_soc_pct() <= 83

    perform(story, daily=[-0.05, -0.10, -0.10, 0.0, 0.0, *[0.2] * 19])


def test_d10_a_price_source_that_is_gone_for_days():
    async def story(stage: Stage) -> None:
        stage.publish_prices(until=stage.setup.start_at)
        await stage.wait(minutes=20)
        stage.price_file.unlink()
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("06:50")
        assert stage.car.true_soc_pct() >= 78
        assert [c for c in await stage.commands(Action.STOP) if c.why == "plan"] == []
        stage.car.drive_to(stage.car.home.moved(north_m=15_000), used_kwh=20)
        await stage.until("17:00")
        stage.car.drive_to(stage.car.home)
        stage.plug_in()
        await stage.until("06:50")
        assert stage.car.true_soc_pct() >= 78
        assert len(await stage.app.store.alerts(open_only=False)) <= 1

    perform(story)


def test_d12_equal_prices_make_one_plan():
    async def story(stage: Stage) -> None:
        await stage.night()
        assert len(await stage.commands(Action.START)) <= 1
        assert stage.car.true_soc_pct() >= 78

    perform(story, daily=[0.25] * 24)
