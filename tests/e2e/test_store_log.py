"""A program that reads the database for hours while the daemon writes (B06)."""

import contextlib

from scheduler import keeper
from scheduler.core.command import Action
from storage.sqlite import driver
from tests.e2e.stage import Stage, perform, verified


def test_b06_a_long_read_keeps_the_log_from_being_folded_in(monkeypatch):
    """A night's writes are less than in a life, so the sizes that count are too."""
    monkeypatch.setattr(keeper, "LOG_GROWN", 2**19)
    monkeypatch.setattr(keeper, "LOG_LARGE", 2**20)

    async def story(stage: Stage) -> None:
        path = stage.directory / "kwhen.db"
        await stage.until("17:00")
        stage.plug_in()
        await stage.until("18:00")
        assert keeper.log_bytes(path) <= keeper.LOG_GROWN + 2**19
        with contextlib.closing(driver.connect(path, isolation_level=None)) as tool:
            tool.execute("BEGIN")
            tool.execute("SELECT * FROM journal").fetchall()
            await stage.until("06:50")
            grown = keeper.log_bytes(path)
            assert grown > keeper.LOG_LARGE
            (alert,) = await stage.alerts("STORE_LOG_LARGE")
            assert (alert.severity, alert.cleared_at) == ("warning", None)
        await stage.wait(minutes=3)
        assert keeper.log_bytes(path) < keeper.LOG_GROWN
        (alert,) = await stage.alerts("STORE_LOG_LARGE")
        assert alert.cleared_at is not None
        assert [c.action for c in await stage.commands()] == [Action.STOP, Action.START, Action.STOP]
        assert verified(await stage.commands())

    perform(story, storage="sqlite:///{}/kwhen.db")
