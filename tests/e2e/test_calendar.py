"""A departure out of a calendar on the running daemon: taken up, met after the calendar has died, its address unseen."""

import sqlite3
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import aiohttp
from aiohttp import web

from scheduler.config import load
from scheduler.core.decide import decide
from scheduler.core.model import Situation
from storage.mapping import decode_decision, decode_situation, encode_decision, situation_refs
from tests.e2e.stage import Stage, perform
from tests.unit.calendars.writing import event, ics
from tests.web_support import app_of, serving

CANARY, KEY = "/ical/me/private-canary0a1b2c3d4e5f/basic.ics", "canary-of-the-query"
FLIGHT = event("DTSTART;TZID=Europe/Oslo:20260113T040000", "SUMMARY:Airport 90 %", uid="flight")
SCHOOL = event("DTSTART;TZID=Europe/Oslo:20260101T160000", "RRULE:FREQ=DAILY", "SUMMARY:School run 50 %", uid="school")
KWHEN = "http://kwhen/api/v1"


class Diary:
    """A calendar on the web, behind an address that nobody should learn; while `dead` it answers nothing of use."""

    def __init__(self, *, dead: bool) -> None:
        self.text = ics(SCHOOL)
        self.dead = dead
        self.answers: list[int] = []

    async def take(self, request: web.Request) -> web.Response:
        assert (request.path, request.query.get("key")) == (CANARY, KEY)
        tag = f'"{hash(self.text)}"'
        if self.dead:
            answer = web.Response(status=503, text=f"{request.url} is not well")
        elif request.headers.get("If-None-Match") == tag:
            answer = web.Response(status=304)
        else:
            answer = web.Response(body=self.text, headers={"ETag": tag}, content_type="text/calendar")
        self.answers.append(answer.status)
        return answer


@asynccontextmanager
async def reading(stage: Stage, *, dead: bool = False) -> AsyncIterator[Diary]:
    """Have the daemon read a diary from now on, by a reload."""
    diary = Diary(dead=dead)
    async with serving(app_of(diary.take)) as address:
        path = stage.directory / "kwhen.toml"
        text = path.read_text().replace('name = "ready-by"', 'name = "ready-by"\ncalendar = "family"')
        path.write_text(f'{text}\n[[calendar]]\nname = "family"\n')
        secrets = {
            "KWHEN_ENODE__CLIENT_SECRET": stage.world.client_secret,
            "KWHEN_CALENDAR_SECRET__FAMILY": f"{address}{CANARY}?key={KEY}",
        }
        stage.settings = load(path, secrets)
        stage.app._reread = lambda: stage.settings
        await stage.app.reload()
        yield diary


async def asked(stage: Stage, *paths: str) -> list[Any]:
    """Ask the daemon by its socket, as the command does."""
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(stage.settings.socket))) as session:
        return [await (await session.get(KWHEN + path)).json() for path in paths]


def targets(plan: dict[str, Any]) -> list[tuple[str, float, str]]:
    """Return the first two departures of a plan."""
    due = sorted((need["by"][5:16], need["soc_pct"], need["why"]) for need in plan["needs"] if need["by"])
    return due[:2]


def test_an_early_flight_moves_the_departure_and_is_met_though_the_calendar_dies_and_the_daemon_restarts():
    async def story(stage: Stage) -> None:
        async with reading(stage) as diary:
            await stage.until("17:00")
            stage.plug_in()
            await stage.until("19:00")
            (plan,) = await asked(stage, f"/vehicles/{stage.car.id}/plan")
            assert targets(plan)[0] == ("01-13T06:30", 80.0, "ready by 07:30")
            diary.text = ics(SCHOOL, FLIGHT)
            await stage.wait(minutes=20)
            (plan,) = await asked(stage, f"/vehicles/{stage.car.id}/plan")
            assert targets(plan) == [
                ("01-13T03:00", 90.0, "calendar family: Airport 90 %"),
                ("01-13T06:30", 80.0, "ready by 07:30"),
            ]
            assert 304 in diary.answers
            diary.dead = True
            await stage.wait(minutes=30)
            await stage.restart()
            assert stage.app.calendars.trouble["family"].startswith("the server answered 503 (last read 2026-01-12 19:")
            assert await stage.alerts("CALENDAR_UNREAD") == []
            await stage.until("23:30")
            (alert,) = await stage.alerts("CALENDAR_UNREAD")
            assert alert.cleared_at is None
            await stage.until("03:00")
            assert 89 <= stage.car.true_soc_pct() <= 93
            diary.dead = False
            await stage.until("06:50")
            (alert,) = await stage.alerts("CALENDAR_UNREAD")
            assert alert.cleared_at is not None
            assert stage.app.health()["calendars"] == "ok"
            await replay(stage)
            await stay_secret(stage)

    perform(story, storage="sqlite:///{}/kwhen.db")


def test_an_event_that_is_called_off_no_longer_holds():
    async def story(stage: Stage) -> None:
        async with reading(stage) as diary:
            diary.text = ics(SCHOOL, FLIGHT)
            await stage.until("17:00")
            stage.plug_in()
            await stage.until("20:00")
            diary.text = ics(SCHOOL, FLIGHT.replace("END:VEVENT", "STATUS:CANCELLED\r\nEND:VEVENT"))
            await stage.until("03:00")
            assert stage.car.true_soc_pct() < 80
            await stage.until("06:50")
            assert 78 <= stage.car.true_soc_pct() <= 83

    perform(story)


def test_a_calendar_that_was_never_read_leaves_the_weekly_departure_alone():
    async def story(stage: Stage) -> None:
        async with reading(stage, dead=True) as diary:
            await stage.wait(minutes=10)
            (alert,) = await stage.alerts("CALENDAR_UNREAD")
            assert "family: the server answered 503 (never read)" in alert.text
            assert 2 <= len(diary.answers) <= 12
            await stage.night()
            assert 78 <= stage.car.true_soc_pct() <= 83

    perform(story)


async def replay(stage: Stage) -> None:
    """Decide every kept situation again; those of the flight are among them."""
    seen: list[Situation] = []
    async for kept in await stage.app.store.decisions(vehicle_id=stage.car.id):
        blobs = {digest: await stage.app.store.blob(digest) for digest in situation_refs(kept.situation)}
        situation = decode_situation(kept.situation, blobs.get)
        assert encode_decision(decide(situation)) == encode_decision(decode_decision(kept.decision))
        seen.append(situation)
    assert any(one.title == "Airport 90 %" for situation in seen for one in situation.departures)
    assert any(not any(one.title == "Airport 90 %" for one in situation.departures) for situation in seen)


async def stay_secret(stage: Stage) -> None:
    """Look for the address, or a part of it, in all that the daemon wrote and answers."""
    car = stage.car.id
    answers = await asked(
        stage, "/status", "/homes", f"/vehicles/{car}", f"/vehicles/{car}/plan", f"/vehicles/{car}/explain",
        "/alerts?all=1", "/decisions", "/policies", "/journal?limit=5000", "/webhook",
    )  # fmt: skip
    said = [str(stage.logs), str(answers), str(await stage.journal()), str(stage.app.settings_shown())]
    assert "calendar.unread" in said[0]
    said.append(repr(stage.settings))
    with closing(sqlite3.connect(stage.directory / "kwhen.db")) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        cells = [cell for table in tables for row in connection.execute(f"SELECT * FROM {table}") for cell in row]
    said.append(" ".join(opened(cell) for cell in cells))
    assert "School run 50 %" in said[-1], "the search finds nothing at all"
    for text in said:
        assert "canary" not in text


def opened(cell: object) -> str:
    """Return a cell as text; what is packed is unpacked."""
    if isinstance(cell, bytes):
        return (zlib.decompress(cell) if cell[:1] == b"\x78" else cell).decode(errors="replace")
    return str(cell)
