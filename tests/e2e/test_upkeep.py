"""What the running daemon does for itself: it prunes, it stays awake, and it ends when a part of it has died."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from scheduler.app import App
from scheduler.core.command import Action
from scheduler.core.model import Will
from scheduler.process import EXIT_FAULT, EXIT_GOOD, serve
from tests.e2e.stage import Stage, perform


def test_what_is_old_goes_and_what_is_open_stays():
    """Every table is kept for two hours; the car is held all night long, and its departure is missed."""

    async def story(stage: Stage) -> None:
        app = stage.app
        app.settings = replace(app.settings, retention=dict.fromkeys(app.settings.retention, timedelta(hours=2)))
        await stage.until("17:00")
        stage.plug_in()
        await stage.wait(minutes=10)
        await stage.wish(Will.HOLD)
        began, session = stage.now(), stage.state().session
        await stage.until("06:50")
        oldest = stage.now() - timedelta(hours=2 + 6)  # it prunes every six hours
        assert all(line["t"] >= oldest.timestamp() * 1e9 for line in await stage.journal())
        assert await stage.commands(Action.STOP) == []  # that of the evening is old
        (alert,) = await app.store.alerts(open_only=True)
        assert (alert.code, alert.cleared_at) == ("DEADLINE_AT_RISK", None)
        assert alert.raised_at < began + timedelta(hours=1)
        await stage.restart()
        state = stage.state()
        assert state.override is not None
        assert state.override.will is Will.HOLD
        assert session is not None
        assert state.session is not None
        assert state.session.id == session.id

    perform(story, storage="sqlite:///{}/kwhen.db")


def test_it_ends_with_a_fault_when_a_part_of_it_has_died():
    async def story(stage: Stage) -> None:
        await stage.app.stop()
        stage.app = App(stage.settings, clock=stage.clock, alarm_cap_s=60.0)
        running = asyncio.create_task(serve(stage.app, stop=asyncio.Event()))
        await stage.wait(minutes=2)

        def broken(_: object) -> set[int]:
            raise RuntimeError("a bug")

        stage.app.loop.wake = broken
        stage.app.alarm.set(stage.car.id, stage.now())
        async with asyncio.timeout(60):
            assert await running == EXIT_FAULT
        assert "a bug" in next(line["why"] for line in stage.logs if line["event"] == "daemon.fault")

    perform(story)


def test_a_reload_that_cannot_be_kept_changes_nothing_and_ends_nothing():
    async def story(stage: Stage) -> None:
        await stage.app.stop()
        stage.app = App(stage.settings, clock=stage.clock, alarm_cap_s=60.0)
        stop, hup = asyncio.Event(), asyncio.Event()
        running = asyncio.create_task(serve(stage.app, stop=stop, hup=hup))
        await stage.wait(minutes=2)
        mend = stage.lose_store()
        hup.set()
        await stage.wait(seconds=10)
        assert not running.done()
        assert "cannot be kept" in next(line["problem"] for line in stage.logs if line["event"] == "config.refused")
        mend()
        stop.set()
        assert await running == EXIT_GOOD

    perform(story)
