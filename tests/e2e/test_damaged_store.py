"""A database that is damaged in mid-life: the run ends, the next one recovers, and every rule holds (B04)."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from scheduler.app import App
from scheduler.core.command import Action
from scheduler.core.errors import StoreError
from scheduler.core.model import HoldMode, Will
from scheduler.process import EXIT_FAULT, serve
from storage.copies import copies, take_copy
from tests.e2e.stage import Stage, perform
from tests.unruly import damage

ON_DISK = "sqlite:///{}/kwhen.db"


def database(stage: Stage) -> Path:
    return stage.directory / "kwhen.db"


async def lives_until_damaged(stage: Stage) -> None:
    """Start the daemon anew, as a service does, so that all is in the file; damage that, and see the run end."""
    await stage.app.stop()
    stage.app = App(stage.settings, clock=stage.clock, alarm_cap_s=60.0)
    running = asyncio.create_task(serve(stage.app, stop=asyncio.Event()))
    await stage.wait(minutes=2)
    damage(database(stage))
    with suppress(StoreError):
        await stage.journal()  # as a page would read it
    async with asyncio.timeout(90):
        assert await running == EXIT_FAULT
    await stage.wait(seconds=15)


def aside(stage: Stage) -> list[str]:
    return sorted(str(one) for one in stage.directory.glob("kwhen.db.damaged-*Z"))


@pytest.mark.parametrize("copied", [True, False], ids=["from-a-copy", "afresh"])
def test_b04_pages_damaged_while_it_runs(copied):
    """The car is held when it happens, and for a day after it no car is stopped."""

    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("20:00")
        assert [c.action for c in await stage.commands()] == [Action.STOP]
        if copied:
            take_copy(database(stage), at=stage.now(), keep=2)
        else:
            stage.settings = replace(stage.settings, storage_copies=0)
            for one in copies(database(stage)):
                one.unlink()
            await stage.restart()
        await stage.wait(minutes=7)
        await lives_until_damaged(stage)
        damaged_at = stage.now()
        await stage.start_daemon()
        assert stage.app.homes()[0].hold_mode is HoldMode.NEVER_STOP
        await stage.wait(minutes=3)
        (alert,) = await stage.alerts("STORE_RECOVERED")
        (put_aside,) = aside(stage)
        assert put_aside in alert.text
        assert ("begun afresh" in alert.text) is not copied
        assert alert.severity == "critical"
        await stage.until("06:50")
        assert stage.car.true_soc_pct() >= 78
        assert len(stage.actuations(damaged_at)) == 1, "the START alone"
        await stage.restart()
        assert len(aside(stage)) == 1, "it is over"
        await stage.until("21:00")
        assert stage.app.homes()[0].hold_mode is HoldMode.STOP
        assert (await stage.alerts("STORE_RECOVERED"))[0].cleared_at is not None

    perform(story, storage=ON_DISK)


def test_b04_damage_that_comes_again_is_no_circle():
    """The same copy is not restored again; what a person asks for after a recovery holds."""

    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("17:30")
        assert len(copies(database(stage))) == 1
        texts = []
        for _ in range(2):
            await lives_until_damaged(stage)
            await stage.start_daemon()
            await stage.wait(minutes=2)
            texts += [a.text for a in await stage.alerts("STORE_RECOVERED")]
        assert ["The copy of" in text for text in texts] == [True, False]
        assert len(aside(stage)) == 2
        await stage.wish(Will.CHARGE)
        await stage.until("19:00")
        assert stage.car.charging
        await stage.until("06:50")

    perform(story, storage=ON_DISK)
