"""How instants are written on the wire, and how local times of day become instants."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def zulu(at: datetime) -> str:
    """Write an instant as ISO 8601 in UTC with milliseconds and a `Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def zulu_or_none(at: datetime | None) -> str | None:
    """Write an instant, or None where there is none."""
    return None if at is None else zulu(at)


def nanoseconds(at: datetime) -> int:
    """Return an instant as whole nanoseconds since 1970."""
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000


def at_local(day: date, clock_time: time, timezone: str) -> datetime:
    """Return the instant of a local time of day; a doubled one means the first, a missing one the hour after."""
    local = datetime.combine(day, clock_time, tzinfo=ZoneInfo(timezone))
    return local.astimezone(UTC)


def next_departure(after: datetime, departure: time, days: frozenset[int], timezone: str) -> datetime | None:
    """Return the first local departure later than `after` on the weekdays (0 is Monday), or None without days."""
    today = after.astimezone(ZoneInfo(timezone)).date()
    for ahead in range(9):
        day = today + timedelta(days=ahead)
        at = at_local(day, departure, timezone)
        if day.weekday() in days and at > after:
            return at
    return None
