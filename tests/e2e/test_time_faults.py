"""Clocks that change or step (T01 to T05)."""

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
