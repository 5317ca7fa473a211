"""Instants as answers write them: ISO 8601 with an offset or without, seconds or milliseconds since 1970."""

import re
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from scheduler.core.calendar import zone_named
from scheduler.core.errors import PricesUnavailable
from scheduler.prices.slots import epoch, in_utc

MILLISECONDS = 1e11
"""A number above this counts them: as seconds it would lie beyond the year 5000."""


def starts(told: Sequence[object], timezone: str) -> list[datetime]:
    """Return the UTC instants of a column of starts, in order either way.

    What has no offset is a time of `timezone` (IANA). Where a local time comes twice, its second coming in the order of
    time is the later instant. One that the clock change skips means as long after the change as it pretends.

    Raises:
        PricesUnavailable: one is no instant, or at the edge of the calendar, or needs a time zone and there is none.
    """
    read = [_read(one, timezone) for one in told]
    walls = [one for one in read if one.tzinfo is None]
    backwards = bool(walls) and walls[0] > walls[-1]
    zone = zone_named(timezone or "UTC")
    seen, found = set[datetime](), list[datetime]()
    for one in reversed(read) if backwards else read:
        found.append(_instant(one, zone, second=one in seen))
        seen.add(one)
    return found[::-1] if backwards else found


def ends(told: Sequence[object], timezone: str, *, after: Sequence[datetime]) -> list[datetime]:
    """Return the UTC instants of a column of ends; of a local time that comes twice, the first one after its start.

    Raises:
        PricesUnavailable: as `starts` does.
    """
    zone, found = zone_named(timezone or "UTC"), list[datetime]()
    for one, start in zip(told, after, strict=True):
        read = _read(one, timezone)
        first = _instant(read, zone, second=False)
        found.append(first if first > start else _instant(read, zone, second=True))
    return found


def _read(told: object, timezone: str) -> datetime:
    """Return an aware instant or a wall-clock time."""
    if isinstance(told, str) and re.fullmatch("[0-9]{10}|[0-9]{13}", told.strip()):
        told = int(told)
    try:
        if isinstance(told, (int, float)) and not isinstance(told, bool):
            return epoch(told, per_second=1000 if told > MILLISECONDS else 1)
        read = datetime.fromisoformat(told.strip()) if isinstance(told, str) else None
    except (ValueError, PricesUnavailable):
        read = None
    if read is None:
        raise PricesUnavailable(f"{told!r} is no instant")
    if read.tzinfo is None and not timezone:
        raise PricesUnavailable(f"{told!r} has no offset: set timezone to where it is told")
    return read


def _instant(read: datetime, zone: ZoneInfo, *, second: bool) -> datetime:
    if read.tzinfo is None:
        read = read.replace(tzinfo=zone, fold=int(second))
    return in_utc(read)
