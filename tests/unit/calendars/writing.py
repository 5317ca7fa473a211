"""Calendars of our own making."""

from datetime import UTC, datetime

from scheduler.core.timeline import Interval


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def span(start: str, end: str) -> Interval:
    return Interval(start=utc(start), end=utc(end))


def event(*lines: str, uid: str = "1@test") -> str:
    """Write one event; `lines` say when it is and what else of it matters."""
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT", ""])


def ics(*parts: str, head: str = "") -> bytes:
    """Write a calendar of events and time zones."""
    top = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n"
    return f"{top}{head}{''.join(parts)}END:VCALENDAR\r\n".encode()
