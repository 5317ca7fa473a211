"""iCalendar text becomes departures: where each event begins, for a span and the time zone of a home. Pure.

* An event departs where it begins; when it ends, and whether it stands as busy or free, does not matter.
* A cancelled event, or a cancelled instance of one that recurs, is none.
* A time without a zone is local to the home, and so is the date of an event that lasts all day.
* A local time that a clock change skips means the first instant after it; one that comes twice means the first.
* What an event asks for may stand anywhere in its title, or on a line of its own in its description: `80 %`, `12 kWh`.
* An event that cannot be read is left out and counted; a calendar that is cut off or none at all is refused whole.

Needs the packages of the extra `kwhen[calendar]`.
"""

import html
import re
import threading
import time
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta

import icalendar
import recurring_ical_events
from icalendar.timezone import tzp

from scheduler.calendars.scan import Scanned, Series, scan
from scheduler.calendars.source import LARGEST_BYTES
from scheduler.core.calendar import MIDNIGHT, local_instant
from scheduler.core.errors import CalendarUnread
from scheduler.core.feeds import CalendarDeparture
from scheduler.core.timeline import Interval
from scheduler.ports import CalendarRead

MOST = 2000
"""Of so many departures the nearest are known."""

BUDGET_S = 30.0
"""A calendar that takes longer to read is refused: a rule may be written so that it takes for ever [s]."""

LONGEST_TITLE = 80
FULL_PCT, MOST_KWH = 100.0, 300.0

_MARGIN = timedelta(days=2)
"""Zones lie so far apart at most, and what is left of a day at both ends."""

_AMOUNT = r"(\d{1,3}(?:[.,]\d+)?)\s*(%|kwh)"
_IN_TITLE = re.compile(rf"(?<![\w.,-]){_AMOUNT}(?!\w)", re.IGNORECASE)
_LINE = re.compile(rf"\s*{_AMOUNT}\s*", re.IGNORECASE)
_BREAK, _TAG = re.compile(r"<(?:br|/p|/div|/li)\b[^>]*>", re.IGNORECASE), re.compile(r"<[^>]*>")

_one_at_a_time = threading.Lock()
"""The library keeps the zones that calendars define for the whole process, by their names."""


def read_calendar(
    content: bytes, *, calendar: str, span: Interval, timezones: Collection[str], budget_s: float = BUDGET_S
) -> CalendarRead:
    """Return the departures that begin in the span, ordered, for each time zone of a home.

    Raises:
        CalendarUnread: it is too large, no iCalendar text, cut off, or takes too long to read.
    """
    if len(content) > LARGEST_BYTES:
        raise CalendarUnread(f"it has more than {LARGEST_BYTES // 1024**2} MiB", refused=True)
    try:
        scanned = scan(content)
    except ValueError as error:
        raise CalendarUnread(str(error)) from error
    until = time.monotonic() + budget_s
    first, last = (f"{at:%Y%m%d}" for at in (span.start - _MARGIN, span.end + _MARGIN))
    near = [one for one in scanned.series if one.may_touch(first, last)]
    found: dict[str, set[CalendarDeparture]] = {timezone: set() for timezone in timezones}
    unread = 0
    for series in near:
        try:
            events = _occurrences(scanned, series, span)
            for timezone in timezones:
                found[timezone] |= set(_departures(events, calendar, span, timezone))
        except Exception:  # noqa: BLE001 - a foreign text in a foreign parser: whatever it raises costs this event alone
            unread += 1
        if time.monotonic() > until:
            raise CalendarUnread(f"it takes longer than {budget_s:g} s to read")
    ordered = {timezone: sorted(some, key=lambda one: (one.at, one.title)) for timezone, some in found.items()}
    return CalendarRead(
        departures={timezone: tuple(some[:MOST]) for timezone, some in ordered.items()},
        left_out="; ".join(_left_out(unread, most=max(map(len, ordered.values()), default=0))),
    )


def _left_out(unread: int, *, most: int) -> Iterator[str]:
    if unread:
        yield f"{unread} of its events cannot be read"
    if most > MOST:
        yield f"only its next {MOST} departures are known"


def _occurrences(scanned: Scanned, series: Series, span: Interval) -> list[icalendar.Event]:
    """Return what begins in or near the span, each instance as an event of its own. Raises as the library does."""
    if series.too_frequent():
        raise ValueError("it comes again too often")
    with _one_at_a_time:
        tzp.use_default()  # forgets the zones of the calendar before
        whole = icalendar.Calendar.from_ical(scanned.text(series))
        if any(event.errors or "DTSTART" not in event for event in whole.walk("VEVENT")):
            raise ValueError("one of its lines cannot be read")
        found = recurring_ical_events.of(whole).between(span.start - _MARGIN, span.end + _MARGIN)
    return [event for event in found if str(event.get("STATUS", "")).upper() != "CANCELLED"]


def _departures(
    events: Collection[icalendar.Event], calendar: str, span: Interval, timezone: str
) -> Iterator[CalendarDeparture]:
    for event in events:
        start = event.start
        day = None if isinstance(start, datetime) else start
        at = _instant(start, timezone)
        if span.start <= at < span.end:
            title = str(event.get("SUMMARY", ""))
            soc_pct, energy_kwh = amount_in(title, str(event.get("DESCRIPTION", "")))
            yield CalendarDeparture(
                calendar=calendar, at=at, title=_one_line(title), day=day, soc_pct=soc_pct, energy_kwh=energy_kwh
            )


def _instant(start: date | datetime, timezone: str) -> datetime:
    if not isinstance(start, datetime):
        return local_instant(start, MIDNIGHT, timezone)
    zone = timezone if start.tzinfo is None else getattr(start.tzinfo, "key", None)
    if zone is None:  # a zone that the calendar itself defines
        return start.astimezone(UTC)
    return local_instant(start.date(), start.time(), zone)


def amount_in(title: str, description: str) -> tuple[float | None, float | None]:
    """Return the state of charge [%] or the energy [kWh] that an event asks for; neither where it says none.

    In a description only a line that holds nothing else counts: invitations speak of discounts, too.
    """
    lines = (_LINE.fullmatch(line) for line in _plain(description).splitlines())
    for found in (*_IN_TITLE.finditer(title), *(line for line in lines if line)):
        value = float(found[1].replace(",", "."))
        if found[2] == "%" and 0 < value <= FULL_PCT:
            return value, None
        if found[2] != "%" and 0 < value <= MOST_KWH:
            return None, value
    return None, None


def _plain(text: str) -> str:
    """Return a description as its reader sees it: some calendars write HTML."""
    if "<" not in text and "&" not in text:
        return text
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", text)))


def _one_line(title: str) -> str:
    words = " ".join("".join(c if c.isprintable() else " " for c in title).split())
    return words if len(words) <= LONGEST_TITLE else f"{words[: LONGEST_TITLE - 1]}…"
