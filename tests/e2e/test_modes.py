"""The modes of a home, on the whole daemon: what is decided, what is sent, and what a reload changes."""

from dataclasses import replace
from typing import Any

from scheduler.core.command import Action
from scheduler.core.model import Desired, Place
from tests.e2e.stage import Stage, perform, verified

READS = "/users/*/vehicles"


async def reload(stage: Stage, **home: Any) -> list[str]:
    """Change settings of the home in the file, and have the daemon read it again."""
    stage.setup = replace(stage.setup, home=home)
    stage.app._reread = stage._settings
    return await stage.app.reload()


def test_observing_decides_and_shows_but_sends_nothing():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        before = stage.now()
        await stage.until("18:00")
        situation, decision = stage.app.last(stage.car.id)
        assert (decision.desired, decision.verdict.place) == (Desired.HOLD, Place.HOME)
        assert situation.observation.charge.charging is True
        await stage.until("06:50")
        assert stage.requests("POST", "/vehicles/*/charging", since=before) == []
        assert stage.requests("POST", "/actions/*", since=before) == []
        assert await stage.commands() == []
        assert [line for line in await stage.journal() if line["k"] in ("INTENT", "SEND")] == []

    perform(story, home={"mode": "observe"})


def test_off_neither_reads_nor_sends():
    async def story(stage: Stage) -> None:
        before = stage.now()
        await stage.night()
        assert stage.requests("GET", READS, since=before) == []
        assert stage.actuations(before) == []
        assert await stage.commands() == []

    perform(story, home={"mode": "off"})


def test_never_stop_leaves_the_car_its_own_start_and_sends_no_stop():
    async def story(stage: Stage) -> None:
        await stage.night()
        assert await stage.commands(Action.STOP) == []
        assert stage.car.true_soc_pct() >= 78

    perform(story, home={"hold_mode": "never-stop"})


def test_never_stop_starts_a_car_that_waits_in_its_cheap_hours():
    async def story(stage: Stage) -> None:
        await stage.night()
        commands = await stage.commands()
        assert [c.action for c in commands] == [Action.START]
        assert verified(commands)
        assert commands[0].sent_at.hour == 1

    perform(story, home={"hold_mode": "never-stop"}, car={"auto_start": False})


def test_a_reload_takes_the_reins_and_lays_them_down_again():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("19:00")
        assert await stage.commands() == []
        await reload(stage, mode="control")
        await stage.until("19:30")
        assert [c.action for c in await stage.commands()] == [Action.STOP]
        await reload(stage, mode="observe")
        await stage.until("03:30")
        assert [c.action for c in await stage.commands()] == [Action.STOP]
        await reload(stage, mode="off")
        await stage.until("04:00")
        before = stage.now()
        await stage.until("05:00")
        assert stage.requests("GET", READS, since=before) == []
        await reload(stage)
        await stage.until("05:10")
        assert [c.action for c in await stage.commands()] == [Action.STOP, Action.START]
        confs = [line["hash"] for line in await stage.journal("CONF")]
        assert len(confs) == 5
        assert len(set(confs)) == 3  # the usual mode is "control", said or not

    perform(story, home={"mode": "observe"})
