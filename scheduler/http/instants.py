"""Instants at the border: RFC 3339 out; in comes also what a person types, read in the home's time zone."""

import re
from datetime import UTC, datetime, time, timedelta

from scheduler.core.calendar import EVERY_DAY, local_instant, next_local, zone_named
from scheduler.http.problem import Problem

NEAR = timedelta(hours=20)
"""A time of day this near can only mean one day."""

TIME_OF_DAY = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


def rfc3339(at: datetime | None) -> str | None:
    """Return the instant as `2026-11-21T02:10:00Z`; a fraction only where there is one."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def instant(text: str, *, timezone: str, now: datetime, past: bool = False) -> datetime:
    """Read an instant: with an offset as it stands, without one as the local time of the zone.

    A time of day alone (`07:30`) means its next coming, or with `past` its last one. `now` is the present instant.

    Raises:
        Problem: it is none of these (400).
    """
    text = text.strip()
    if text == "now":
        return now
    try:
        if (match := TIME_OF_DAY.fullmatch(text)) is not None:
            hour, minute, second = (int(part or 0) for part in match.groups())
            return _time_of_day(time(hour, minute, second), timezone=timezone, now=now, past=past)
        read = datetime.fromisoformat(text)
        if read.tzinfo is not None:
            return read.astimezone(UTC)
        return local_instant(read.date(), read.time(), timezone)
    except (ValueError, OverflowError) as error:
        remedy = f"Write 2026-11-21T03:10 (local time in {timezone}), 2026-11-21T02:10:00Z, or 03:10."
        raise Problem(400, f"{text!r} is no instant", detail=str(error), remedy=remedy) from error


def _time_of_day(at: time, *, timezone: str, now: datetime, past: bool) -> datetime:
    if not past:
        return next_local(now, at, EVERY_DAY, timezone)
    today = now.astimezone(zone_named(timezone)).date()
    days = (today - timedelta(days=back) for back in range(3))
    return next(found for day in days if (found := local_instant(day, at, timezone)) <= now)


def local(at: datetime, timezone: str, *, now: datetime | None = None) -> str:
    """Return the instant in local words: `01:15`, further from `now` with the weekday, still further with the date."""
    there = at.astimezone(zone_named(timezone))
    distance = abs(at - now) if now is not None else timedelta(0)
    if distance < NEAR:
        return f"{there:%H:%M}"
    return f"{there:%a %H:%M}" if distance < timedelta(days=6) else f"{there:%Y-%m-%d %H:%M}"


def span(duration: timedelta) -> str:
    """Return a duration in words: `2 h 40 min`, `35 min`, `20 s`."""
    seconds = round(duration.total_seconds())
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds} s"
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
