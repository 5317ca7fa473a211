"""Each alert: raised once and in time, delivered once, silent while its cause lasts, and over by itself (L5, S24)."""

import asyncio
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from scheduler.core.alerts import CODES
from scheduler.loop.herald import Post
from scheduler.ports import AlertChange, Message
from tests.e2e.alert_stories import STORIES, Scene, Story
from tests.e2e.stage import Stage, perform

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([A-Z_]+)` \| .+ \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
SPAN = re.compile(r"(a day|\d+) ?(min|h)?")
TELLING = timedelta(seconds=35)
"""How long after an alert a notifier has it: it is looked for every 30 seconds."""


class Times(NamedTuple):
    """Within what an alert is raised, and cleared."""

    raised: timedelta
    cleared: timedelta


def span_of(text: str) -> timedelta:
    """Read the span that a cell begins with: `5 min`, `4 h`, `a day`."""
    found = SPAN.match(text.strip())
    assert found is not None, text
    if found[1] == "a day":
        return timedelta(days=1, minutes=2)
    return int(found[1]) * (timedelta(hours=1) if found[2] == "h" else timedelta(minutes=1))


TIMES = {code: Times(span_of(raised), span_of(cleared)) for code, raised, cleared in ROW.findall(PAGE)}


@dataclass
class Ear:
    """A notifier that keeps what it hears."""

    heard: list[tuple[datetime, Message]] = field(default_factory=list)
    stage: Stage | None = None

    async def send(self, message: Message) -> None:
        assert self.stage is not None
        if "Car 2" not in message.title:  # a story is about the first car: of two in trouble each has its own alert
            self.heard.append((self.stage.now(), message))

    def of(self, code: str) -> list[bool]:
        """Return of each message of a code whether it told of the end."""
        return [message.over for _, message in self.heard if f"({code})" in message.text]

    def first_at(self, code: str) -> datetime:
        return next(at for at, message in self.heard if f"({code})" in message.text)

    def listen(self, stage: Stage) -> None:
        """Have the daemon that runs now tell this notifier everything."""
        self.stage = stage
        stage.app.herald.replace([Post(name="ear", notifier=self, least="info")])


def test_every_code_has_a_story_and_its_times():
    assert {story.code for story in STORIES} == set(CODES)
    assert set(TIMES) == set(CODES)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: f"{story.code}-{story.begin.__name__}")
def test_an_alert_comes_once_in_time_and_ends_by_itself(story):
    async def play(stage: Stage) -> None:
        async with AsyncExitStack() as undo:
            await _played(story, Scene(stage=stage, undo=undo))

    perform(play, broken=story.broken, **story.setup)


async def _played(story: Story, scene: Scene) -> None:
    stage, ear, times = scene.stage, Ear(), TIMES[story.code]
    ear.listen(stage)
    assert await stage.alerts(story.code) == []
    known_at = await story.begin(scene)
    ear.listen(stage)  # a reload or a restart makes a new herald
    await _until(stage, known_at + times.raised + TELLING)
    if not story.heard:
        told = await _only(stage, story.code)
        assert told.raised_at - known_at <= times.raised
        assert told.cleared_at is None
    assert ear.first_at(story.code) - known_at <= times.raised + TELLING
    assert ear.of(story.code) == [False]
    await asyncio.sleep(story.lasts.total_seconds())
    assert ear.of(story.code) == [False], "told once, however long it lasts"
    await story.end(scene)
    ear.listen(stage)
    await asyncio.sleep((times.cleared + TELLING).total_seconds())
    assert ear.of(story.code) == [False, True]
    if not story.heard:
        assert (await _only(stage, story.code)).cleared_at is not None


async def _only(stage: Stage, code: str) -> AlertChange:
    """Return the one alert of a code that there ever was, other cars than the first left out."""
    (told,) = [a for a in await stage.alerts(code) if a.vehicle_id not in {car.id for car in stage.cars[1:]}]
    return told


async def _until(stage: Stage, at: datetime) -> None:
    await asyncio.sleep(max(0.0, (at - stage.now()).total_seconds()))
