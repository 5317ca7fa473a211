"""Instants as a person types them, read in the time zone of the home."""

import re
from datetime import UTC, datetime, time, timedelta

from scheduler.core.calendar import EVERY_DAY, local_instant, next_local, zone_named
from scheduler.http.problem import Problem

TIME_OF_DAY = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


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
