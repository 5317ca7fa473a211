"""Restarts in the midst of things, parts that die, a store that fails, and a change of mind (X01 to X07, B01 to B09, C06)."""

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from scheduler.app import App
from scheduler.config import load
from scheduler.core.command import Action
from scheduler.core.model import Will
from scheduler.ports import Batch
from scheduler.process import EXIT_FAULT, serve
from tests.e2e.stage import DAY, Stage, perform, verified

MINUTE = 60 * 10**9
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


def test_b03_a_daemon_that_is_killed_just_after_its_store_took_what_was_owed():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("17:30:05")
        mend, store = stage.lose_store(), stage.app.store
        await stage.until("18:30:05")
        mend()
        commit = store.commit

        async def last(batch: Batch) -> None:
            await commit(batch)
            stage.lose_store()  # before any tick

        store.commit = last  # type: ignore[method-assign]
        await stage.wait(seconds=30)
        await stage.restart()
        await stage.until("06:50")
        lines = await stage.journal()
        of_first_run = [line for line in lines if line["run"] == lines[0]["run"]]
        late = [line["t"] for line in of_first_run if line.get("late")]
        assert max(late) - min(late) > 50 * MINUTE
        assert max(line["t"] for line in of_first_run if line["k"] == "TICK") < min(late)
        assert stage.car.true_soc_pct() >= 78

    perform(story, storage=ON_DISK)


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


def test_b09_a_disk_that_takes_five_seconds_for_each_commit():
    async def story(stage: Stage) -> None:
        store = stage.app.store
        for name in ("commit", "put"):
            setattr(store, name, slowed(getattr(store, name)))
        await stage.night()
        assert [c.action for c in await stage.commands()] == [Action.STOP, Action.START, Action.STOP]
        ticks = [line["m"] for line in await stage.journal("TICK")]
        assert all(later - earlier <= 120e9 for earlier, later in pairwise(ticks))
        assert stage.car.true_soc_pct() >= 78

    def slowed(write: Any) -> Any:
        async def late(*args: Any, **members: Any) -> Any:
            await asyncio.sleep(5)
            return await write(*args, **members)

        return late

    perform(story)


def test_x01_a_stop_in_the_middle_of_a_command():
    """The provider is still at the START when the daemon is told to stop; the next run finds out what became of it."""

    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("00:59")
        stage.world.faults.add("slow", method="POST", path="/vehicles/*/charging", count=1, delay_s=15)
        await stage.until("01:00:05")
        told_at = stage.now()
        assert len(stage.actuations(stage.next("00:59") - DAY)) == 1
        await stage.app.stop()
        assert stage.now() - told_at <= timedelta(seconds=30)
        await stage.wait(minutes=1)
        assert len(stage.actuations(told_at)) == 0
        await stage.start_daemon()
        await stage.until("06:50")
        (start,) = await stage.commands(Action.START)
        assert start.verified
        assert [line["found"] for line in await stage.journal("READBACK") if line["cmd"] == start.id] == [True]
        assert stage.world.actions.accepted[stage.car.id] == 3
        assert stage.car.true_soc_pct() >= 78

    perform(story, storage=ON_DISK)


def test_x03_the_task_that_drains_has_died():
    """The one that rings is in test_upkeep.py; these two are all that the daemon cannot live without."""

    async def story(stage: Stage) -> None:
        await stage.app.stop()
        stage.app = App(stage.settings, clock=stage.clock, alarm_cap_s=60.0)
        running = asyncio.create_task(serve(stage.app, stop=asyncio.Event()))
        await stage.wait(minutes=2)
        stage.app.engine._draining = None
        stage.app.engine.poke([0])
        async with asyncio.timeout(60):
            assert await running == EXIT_FAULT

    perform(story)


@pytest.mark.parametrize("name", ["poll", "prices", "calendars", "prune", "notify", "links", "accounts"])
def test_x03_a_job_that_fails_for_an_hour_does_its_work_again_afterwards(name):
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        healed_at = stage.now() + timedelta(hours=1)
        rounds = stage.app.engine._rounds
        (every_s, job), *_ = [(every_s, jobs[name]) for every_s, jobs in rounds.items() if name in jobs]

        async def broken() -> None:
            if stage.now() < healed_at:
                raise RuntimeError("a bug")
            worked.append(stage.now())
            await job()

        worked: list[Any] = []
        stage.app.engine.periodic(name, min(every_s, 600.0), broken)
        await stage.until("06:50")
        assert {line["job"] for line in stage.logs if line["event"] == "job.failed"} == {name}
        assert worked
        assert [c.action for c in await stage.commands()] == [Action.STOP, Action.START, Action.STOP]
        assert stage.car.true_soc_pct() >= 78

    perform(story)


def test_c06_a_target_raised_while_the_car_charges():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("02:30")
        assert stage.car.charging
        path = stage.directory / "kwhen.toml"
        path.write_text(path.read_text().replace("soc_pct = 80.0", "soc_pct = 95.0"))
        secrets = {"KWHEN_ENODE__CLIENT_SECRET": stage.world.client_secret}
        stage.app._reread = lambda: load(path, secrets)
        await stage.app.reload()
        changed_at = stage.now()
        await stage.wait(seconds=5)
        needs = [line["target"] for line in await stage.journal("NEED") if line["t"] >= changed_at.timestamp() * 1e9]
        assert needs[0] == 95, "planned at once"
        await stage.until("03:55")
        assert [c.action for c in await stage.commands()] == [Action.STOP, Action.START], "and nothing dropped"
        await stage.until("06:50")
        assert stage.car.true_soc_pct() >= 93

    perform(story)
