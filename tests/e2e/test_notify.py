"""The running daemon tells a person: of what it finds, and with its last words that a car stays held."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from aiohttp import web

from scheduler.config import NotifySpec, Secret
from tests.e2e.stage import Stage, perform
from tests.web_support import app_of, serving

TOKEN = "tk_correct-horse-battery"
HELD = "the daemon stopped while it was holding a car"
DOWN = "The provider cannot be reached"


class Phone:
    """An ntfy server with one listener; while `dead` it answers nothing of use."""

    def __init__(self) -> None:
        self.shown: list[dict[str, Any]] = []
        self.refused = 0
        self.dead = False

    async def take(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        if self.dead:
            self.refused += 1
            return web.Response(status=502)
        self.shown.append(await request.json())
        return web.json_response({})

    @property
    def titles(self) -> list[str]:
        return [one["title"] for one in self.shown]


async def ring(stage: Stage, address: str) -> None:
    """Have the daemon use the phone from now on, by a reload."""
    spec = NotifySpec(
        name="phone", by="ntfy", least="warning", ends=True, secret=Secret(TOKEN), url=f"{address}/", topic="mine"
    )
    stage.settings = replace(stage.settings, notify=(spec,))
    stage.app._reread = lambda: stage.settings
    await stage.app.reload()


def test_last_words_tell_of_a_held_car_and_its_end_comes_after_the_restart():
    async def story(stage: Stage) -> None:
        phone = Phone()
        async with serving(app_of(phone.take)) as address:
            await ring(stage, address)
            await stage.until("17:00")
            stage.plug_in()
            await stage.until("20:00")
            assert phone.titles == []
            await stage.app.stop()
            assert phone.titles == [f"Car 1: {HELD}"]
            assert "the latest start is 04:" in phone.shown[0]["message"]
            await stage.wait(minutes=1)
            await stage.start_daemon()
            await stage.wait(minutes=2)
            assert phone.titles == [f"Car 1: {HELD}", f"Over: Car 1: {HELD}"]

    perform(story, storage="sqlite:///{}/kwhen.db")


def test_an_outage_is_told_once_and_later_where_the_phone_was_dead_too():
    async def story(stage: Stage) -> None:
        phone = Phone()
        async with serving(app_of(phone.take)) as address:
            await ring(stage, address)
            await stage.until("17:00")
            phone.dead = True
            stage.world.set_outage(down=True, for_s=timedelta(minutes=60).total_seconds())
            await stage.wait(minutes=30)
            assert phone.titles == []
            assert 2 <= phone.refused <= 8
            phone.dead = False
            await stage.wait(minutes=15)
            assert phone.titles == [DOWN]
            await stage.wait(minutes=30)
            assert phone.titles == [DOWN, f"Over: {DOWN}"]
            assert phone.shown[0]["priority"] == 5
            assert TOKEN not in str(stage.logs)

    perform(story)
