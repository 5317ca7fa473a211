"""Reads calendars: from an address on the web or a file, again only where something has changed.

An address may be a secret (the private link of an online calendar): no text here holds one.
"""

import asyncio
import hashlib
import importlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from scheduler.core.errors import CalendarUnread
from scheduler.core.timeline import Interval
from scheduler.ports import CalendarRead
from scheduler.web_client import Answer, Throttled, WebClient, WebError

LARGEST_BYTES = 8 * 1024 * 1024
"""A larger calendar is refused."""

REMEDY = "the packages of the extra kwhen[calendar] are missing; run: pip install icalendar recurring-ical-events"

WEB_EVERY, FILE_EVERY = timedelta(minutes=15), timedelta(minutes=1)
"""How often an address is asked, and a file looked at."""

Reader = Callable[..., CalendarRead]


@dataclass(frozen=True, kw_only=True)
class Content:
    """A calendar's text. Equal marks are of equal texts."""

    body: bytes = field(repr=False)
    mark: str


class Place(Protocol):
    """Where a calendar is."""

    async def read(self, name: str, *, seen: str) -> Content | None:
        """Return the text; None where it still has the mark that was seen last. Raises CalendarUnread."""


@dataclass(kw_only=True)
class Calendar:
    """A calendar under its name in the configuration (the `CalendarSource` of the ports).

    `product` changes with the place, and tells nothing of it.
    """

    name: str
    product: str
    place: Place
    every: timedelta
    _seen: str = ""

    async def fetch(self, span: Interval, *, timezones: Collection[str], anew: bool = False) -> CalendarRead | None:
        """Return what begins in the span; None where nothing has changed since the last fetch (never with `anew`).

        Raises:
            CalendarUnread: it cannot be had, or not be understood.
        """
        read = reader()
        content = await self.place.read(self.name, seen="" if anew else self._seen)
        if content is None:
            return None
        understood = await asyncio.to_thread(read, content.body, calendar=self.name, span=span, timezones=timezones)
        self._seen = content.mark  # only now: what was not understood is looked at again
        return understood


def missing_packages() -> str:
    """Say what is missing for reading calendars, with the remedy; empty when nothing is."""
    try:
        reader()
    except CalendarUnread as error:
        return str(error)
    return ""


def unreadable(path: str) -> str:
    """Say why a file cannot be read; empty when it can."""
    try:
        with Path(path).open("rb"):
            return ""
    except OSError as error:
        return error.strerror or type(error).__name__


def reader() -> Reader:
    """Return what understands calendars. Raises CalendarUnread with the remedy where its packages are missing."""
    try:
        read: Reader = importlib.import_module("scheduler.calendars.ics").read_calendar
    except ImportError as error:
        raise CalendarUnread(REMEDY, refused=True) from error
    return read


@dataclass(kw_only=True)
class WebPlace:
    """An address on the web. `address_at` says where it is configured, for who has to mend it."""

    address: str = field(repr=False)
    address_at: str
    web: WebClient = field(repr=False)

    async def read(self, name: str, *, seen: str) -> Content | None:
        """Ask for the calendar; the server may answer that it has not changed."""
        headers = {"Accept": "text/calendar, */*;q=0.5"}
        if seen.startswith(_TAG):
            headers["If-None-Match"] = seen.removeprefix(_TAG)
        try:
            answer = await self.web.call(
                "GET", self.address, bucket=f"calendar:{name}", idempotent=True, headers=headers, called="the server"
            )
        except Throttled as error:
            raise CalendarUnread(str(error), retry_after_s=error.retry_after_s) from None
        except WebError as error:
            raise CalendarUnread(str(error)) from None
        if answer.status == 304:  # noqa: PLR2004 - not modified
            return None
        if not answer.ok:
            raise self._refusal(answer)
        tag = answer.headers.get("ETag", "")
        mark = f"{_TAG}{tag}" if tag else hashlib.sha256(answer.body).hexdigest()
        return None if mark == seen else Content(body=answer.body, mark=mark)

    def _refusal(self, answer: Answer) -> CalendarUnread:
        told, moved = f"the server answered {answer.status}", answer.status < 400  # noqa: PLR2004 - a redirection
        if moved:
            return CalendarUnread(
                f"{told}: the calendar has moved; set its new address ({self.address_at})", refused=True
            )
        if answer.status < 500:  # noqa: PLR2004 - it is our request that is wrong
            return CalendarUnread(f"{told}: look at the address ({self.address_at})", refused=True)
        return CalendarUnread(told)


_TAG = "tag "


@dataclass(frozen=True, kw_only=True)
class FilePlace:
    """A file on this machine."""

    path: str

    async def read(self, name: str, *, seen: str) -> Content | None:
        """Read the file where its time or size has changed."""
        del name
        try:
            return await asyncio.to_thread(self._read, seen)
        except OSError as error:
            raise CalendarUnread(f"{self.path} cannot be read: {error.strerror or type(error).__name__}") from error

    def _read(self, seen: str) -> Content | None:
        path = Path(self.path)
        about = path.stat()
        mark = f"{about.st_mtime_ns} {about.st_size}"
        if mark == seen:
            return None
        with path.open("rb") as file:
            return Content(body=file.read(LARGEST_BYTES + 1), mark=mark)
