"""Instants, durations and masses in words. Standard library and core only: every command of the CLI imports it."""

from datetime import UTC, datetime, timedelta

from scheduler.core.calendar import zone_named

NEAR = timedelta(hours=20)
"""A time of day this near can only mean one day."""


def rfc3339(at: datetime | None) -> str | None:
    """Return the instant as `2026-11-21T02:10:00Z`; a fraction only where there is one."""
    if at is None:
        return None
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


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


def mass(grams: float) -> str:
    """Return a mass in words: `14 kg`, `1.2 kg`, `850 g`."""
    if abs(grams) < 999.5:  # noqa: PLR2004 - from there on it rounds to a kilogram
        return f"{grams:.0f} g"
    kilograms = grams / 1000
    return f"{kilograms:.1f} kg" if abs(kilograms) < 9.95 else f"{kilograms:.0f} kg"  # noqa: PLR2004
