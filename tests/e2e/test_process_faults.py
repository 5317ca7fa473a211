"""Restarts in the midst of things, and a store that fails (X07, B01, B08)."""

from datetime import timedelta

import pytest

from scheduler.core.command import Action
from scheduler.core.model import Will
from tests.e2e.stage import DAY, Stage, perform, verified

ON_DISK = "sqlite:///{}/kwhen.db"


@pytest.mark.parametrize("at", ["17:02:30", "17:03:30", "20:00", "00:59:50", "01:00:10", "02:00", "03:20:30"])
def test_x07_a_restart_changes_nothing(at):
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until(at)
        session = stage.state().session
        await stage.restart(down_for=timedelta(seconds=20))
        if session is not None:
            assert (kept := stage.state().session) is not None
            assert kept.id == session.id
        await stage.until("06:50")
        assert [c.action for c in await stage.commands()] == [Action.STOP, Action.START, Action.STOP]
        assert stage.world.actions.accepted[stage.car.id] == 3
        assert stage.car.true_soc_pct() >= 78

    perform(story, storage=ON_DISK)


def test_x07_a_restart_keeps_what_a_person_asked_for():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        await stage.wish(Will.HOLD)
        await stage.wait(minutes=1)
        await stage.restart(down_for=timedelta(minutes=10))
        await stage.until("06:50")
        assert await stage.commands(Action.START) == []
        override = stage.state().override
        assert override is not None
        assert override.will is Will.HOLD
        assert [a.vehicle_id for a in await stage.alerts("HELD_WHILE_STOPPING")] == [stage.car.id]

    perform(story, storage=ON_DISK)


def test_x07_a_daemon_that_was_away_all_night_starts_the_car():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        await stage.restart(down_for=timedelta(hours=7))
        await stage.until("06:50")
        assert [c.action for c in await stage.commands()] == [Action.STOP, Action.START, Action.STOP]
        assert stage.car.true_soc_pct() >= 78

    perform(story, storage=ON_DISK)


def test_x07_another_car_session_after_a_day_away_is_a_new_one():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        await stage.wish(Will.HOLD)
        await stage.until("20:30")
        stage.car.unplug()
        await stage.until("20:36")
        await stage.restart(down_for=timedelta(hours=2))
        stage.plug_in()
        await stage.until("06:50")
        assert stage.state().override is None
        assert stage.car.true_soc_pct() >= 78

    perform(story, storage=ON_DISK)


@pytest.mark.parametrize("step", ["before-intent", "after-intent", "after-reply"])
def test_b01_a_crash_at_each_step_of_the_start(step):
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:59:59")
        stage.crash_at(step)
        await stage.wait(minutes=2)
        await stage.restart()
        await stage.until("06:50")
        assert stage.world.actions.accepted[stage.car.id] == 3
        assert verified([c for c in await stage.commands() if c.failure is None])
        assert stage.car.true_soc_pct() >= 78

    perform(story, storage=ON_DISK)


def test_b08_a_store_that_keeps_nothing_stops_no_car():
    async def story(stage: Stage) -> None:
        await stage.until("16:55")
        mend = stage.lose_store()
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        assert stage.actuations(stage.setup.start_at) == []
        assert stage.car.true_soc_pct() >= 70
        mend()
        await stage.wait(minutes=3)
        assert len(await stage.alerts("STORE_TROUBLE")) == 1
        await stage.until("06:50")
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_l11_a_store_that_keeps_nothing_starts_the_car_when_it_cannot_wait():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:30")
        mend = stage.lose_store()
        await stage.until("03:00")
        lost_at = stage.next("00:30") - DAY
        assert stage.actuations(lost_at) == [], "a START that can wait does"
        await stage.until("03:45")
        (start,) = stage.actuations(lost_at)
        assert start["body"] == {"action": "START"}
        assert stage.car.charging
        await stage.until("05:00")
        assert len(stage.actuations(lost_at)) == 1, "once is enough"
        mend()
        await stage.until("06:50")
        assert stage.car.true_soc_pct() >= 78
        (kept,) = await stage.commands(Action.START)
        assert kept.verified, "what happened meanwhile is told later"
        assert [i["durable"] for i in await stage.journal("INTENT") if i["act"] == "START"] == [False]

    perform(story)
