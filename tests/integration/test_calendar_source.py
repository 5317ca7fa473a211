"""Calendars where they lie: an address on the web, a file; and what is said when they cannot be read."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from scheduler.calendars.source import LARGEST_BYTES, Calendar, FilePlace, WebPlace
from scheduler.core.errors import CalendarUnread
from scheduler.core.timeline import Interval
from scheduler.web_client import WebClient
from tests.unit.calendars.writing import event, ics
from tests.web_support import StepClock, app_of, serving

WEEK = Interval(start=datetime(2026, 1, 5, tzinfo=UTC), end=datetime(2026, 1, 12, tzinfo=UTC))
OSLO = "Europe/Oslo"
WORK, AIRPORT = (ics(event("DTSTART:20260106T060000Z", f"SUMMARY:{title}")) for title in ("Work", "Airport"))
SECRET_PATH = "/private-canary0a1b2c3d/basic.ics?key=canary"


def calendar(place) -> Calendar:
    return Calendar(name="family", product="p", place=place, every=timedelta(minutes=15))


async def titles(one: Calendar, *, anew: bool = False) -> list[str] | None:
    read = await one.fetch(WEEK, timezones=[OSLO], anew=anew)
    return None if read is None else [departure.title for departure in read.departures[OSLO]]


class Server:
    """Answers as it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.body, self.tag, self.status, self.headers = WORK, "", 200, {}
        self.asked: list[web.Request] = []

    async def take(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        if self.tag and request.headers.get("If-None-Match") == self.tag:
            return web.Response(status=304)
        headers = self.headers | ({"ETag": self.tag} if self.tag else {})
        return web.Response(status=self.status, body=self.body, headers=headers)


@pytest.fixture
async def server():
    one = Server()
    async with serving(app_of(one.take)) as address, WebClient(StepClock()) as client:
        one.calendar = calendar(
            WebPlace(address=f"{address}{SECRET_PATH}", address_at="KWHEN_CALENDAR_SECRET__FAMILY", web=client)
        )
        yield one


async def why(one: Calendar) -> str:
    with pytest.raises(CalendarUnread) as caught:
        await titles(one)
    assert "canary" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("tag", ["", '"1"'], ids=["untagged", "tagged"])
async def test_it_is_read_again_only_where_it_changed(server, tag):
    server.tag = tag
    assert await titles(server.calendar) == ["Work"]
    assert await titles(server.calendar) is None
    assert await titles(server.calendar, anew=True) == ["Work"]
    server.body, server.tag = AIRPORT, tag and '"2"'
    assert await titles(server.calendar) == ["Airport"]


async def test_it_asks_for_a_calendar(server):
    await titles(server.calendar)
    assert server.asked[0].headers["Accept"].startswith("text/calendar")
    assert server.asked[0].query["key"] == "canary"


async def test_what_was_not_understood_is_looked_at_again(server):
    server.tag, server.body = '"1"', WORK[:-30]
    assert await why(server.calendar) == "it is cut off or broken"
    server.body = WORK
    assert await titles(server.calendar) == ["Work"]


@pytest.mark.parametrize(
    ("status", "told", "refused"),
    [
        (404, "the server answered 404: look at the address (KWHEN_CALENDAR_SECRET__FAMILY)", True),
        (401, "the server answered 401: look at the address (KWHEN_CALENDAR_SECRET__FAMILY)", True),
        (
            302,
            "the server answered 302: the calendar has moved; set its new address (KWHEN_CALENDAR_SECRET__FAMILY)",
            True,
        ),
        (500, "the server answered 500", False),
    ],
)
async def test_what_it_refuses_is_said_with_the_remedy(server, status, told, refused):
    server.status, server.body = status, b"canary"
    server.headers = {"Location": "/private-canary-of-another-place"} if status == 302 else {}
    with pytest.raises(CalendarUnread) as caught:
        await titles(server.calendar)
    assert (str(caught.value), caught.value.refused) == (told, refused)
    assert len(server.asked) == (3 if status == 500 else 1)


async def test_it_waits_as_long_as_it_is_asked_to(server):
    server.status, server.headers = 429, {"Retry-After": "3600"}
    with pytest.raises(CalendarUnread, match="the server answered 429") as caught:
        await titles(server.calendar)
    assert caught.value.retry_after_s >= 3600


async def test_a_login_page_is_no_calendar(server):
    server.body = b"<html>canary</html>"
    assert await why(server.calendar) == "it is no iCalendar text"


async def test_a_calendar_without_end_is_not_taken_in(server):
    server.body = b" " * (LARGEST_BYTES + 1)
    assert "more than 8388608 bytes" in await why(server.calendar)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/canary-private-path?key=canary", "http://canary.invalid/"])
async def test_no_connection_is_told_without_the_address(address):
    async with WebClient(StepClock()) as client:
        assert "no connection" in await why(calendar(WebPlace(address=address, address_at="x", web=client)))


async def test_a_file_is_read_again_when_it_changes(tmp_path):
    path = tmp_path / "family.ics"
    one = calendar(FilePlace(path=str(path)))
    with pytest.raises(CalendarUnread, match=r"family\.ics cannot be read: No such file"):
        await titles(one)
    path.write_bytes(WORK)
    assert await titles(one) == ["Work"]
    assert await titles(one) is None
    path.write_bytes(AIRPORT)
    os.utime(path, ns=(1, 1))
    assert await titles(one) == ["Airport"]


async def test_a_file_without_end_is_refused(tmp_path):
    path = tmp_path / "family.ics"
    with path.open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    with pytest.raises(CalendarUnread, match="more than 8 MiB"):
        await titles(calendar(FilePlace(path=str(path))))
