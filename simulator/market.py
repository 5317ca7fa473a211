"""A day-ahead market: each zone's prices become known on the day before, at a time of its own; faults on demand."""

import bisect
import csv
import gzip
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from simulator.instants import at_local

DELIVERY = "Europe/Brussels"
"""Whose days the delivery days are, in every zone of the coupled market and for those who sell its prices on."""

DAY = timedelta(days=1)
KEPT = 10_000

UNITS = {"MWh": 0.001, "kWh": 1.0}
HUNDREDTHS = {"p": "GBP", "ct": "EUR"}


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A price [currency per kWh] from `start` until `end`."""

    start: datetime
    end: datetime
    per_kwh: Any  # a number, unless somebody spoils it


Prices = Callable[[date], Sequence[Slot]]
"""The prices of a delivery day, whether they are known yet or not."""


@dataclass(kw_only=True)
class Zone:
    """One zone of the market.

    The prices of a delivery day are published on the day before at `publish_at` (local to `timezone`); `late` moves
    that for single days, None being never. `spoil` changes what is told of a day, `preliminary` says until when it is
    not final. `corrections` are slots that hold in the place of others from an instant on.
    """

    name: str
    currency: str
    prices: Prices
    publish_at: time = time(12, 57)
    timezone: str = DELIVERY
    late: dict[date, datetime | None] = field(default_factory=dict)
    spoil: Callable[[list[Slot]], list[Slot]] | None = None
    preliminary: dict[date, datetime] = field(default_factory=dict)
    corrections: list[tuple[datetime, Slot]] = field(default_factory=list)

    def published_at(self, day: date) -> datetime | None:
        """Return when the prices of a delivery day become known; None for never."""
        if day in self.late:
            return self.late[day]
        return at_local(day - DAY, self.publish_at, self.timezone)

    def known(self, day: date, now: datetime) -> list[Slot]:
        """Return what is told of a delivery day at an instant; nothing before it is published."""
        at = self.published_at(day)
        if at is None or now < at:
            return []
        held = {slot.start: slot for from_at, slot in self.corrections if from_at <= now}
        slots = [held.get(slot.start, slot) for slot in self.prices(day)]
        return self.spoil(slots) if self.spoil is not None else slots

    def final(self, day: date, now: datetime) -> bool:
        """Tell whether what is told of a day will not change."""
        return now >= self.preliminary.get(day, now)

    def told(self, first: date, last: date) -> list[tuple[str, str, float]]:
        """Return every price of the delivery days from `first` to `last`: start and end in ISO 8601, and per kWh."""
        days = [first + n * DAY for n in range((last - first).days + 1)]
        return [(s.start.isoformat(), s.end.isoformat(), s.per_kwh) for day in days for s in self.prices(day)]

    def correct(self, start: datetime, per_kwh: float, *, from_at: datetime) -> None:
        """Let another price be told for the slot that starts at an instant, from an instant on."""
        slot = next(slot for slot in self.prices(delivery_day(start)) if slot.start == start)
        self.corrections.append((from_at, replace(slot, per_kwh=per_kwh)))

    def between(self, start: datetime, end: datetime, now: datetime) -> list[Slot]:
        """Return what is told, at an instant, of the slots that touch a span, in order of their days."""
        first, last = delivery_day(start), delivery_day(end)
        days = [first + n * DAY for n in range((last - first).days + 1)]
        return [slot for day in days for slot in self.known(day, now) if slot.start < end and slot.end > start]


class Market:
    """The zones by name; `tibber` is the one whose prices Tibber's customer pays. `requests` are the calls received."""

    def __init__(self) -> None:
        self.zones: dict[str, Zone] = {}
        self.tibber: Zone | None = None
        self.requests: deque[tuple[datetime, str]] = deque(maxlen=KEPT)

    def add(self, zone: Zone) -> Zone:
        """Add a zone, in the place of the one of that name."""
        self.zones[zone.name] = zone
        return zone


def delivery_day(at: datetime) -> date:
    """Return the delivery day of an instant."""
    return at.astimezone(ZoneInfo(DELIVERY)).date()


def bounds(day: date) -> tuple[datetime, datetime]:
    """Return where a delivery day begins and ends."""
    return at_local(day, time(0), DELIVERY), at_local(day + DAY, time(0), DELIVERY)


def recorded(path: Path, *, shift: timedelta = timedelta(0), factor: float = 1.0) -> Prices:
    """Return the prices of a gzipped CSV file: notes (`# unit: EUR/MWh`), `start_utc,end_utc,price`, rows by time.

    Args:
        path: the file.
        shift: is added to every instant.
        factor: multiplies every price, as an exchange rate.
    """
    slots = list(_rows(path, shift=shift, factor=factor))
    starts = [slot.start for slot in slots]

    def prices(day: date) -> Sequence[Slot]:
        start, end = bounds(day)
        return slots[bisect.bisect_left(starts, start) : bisect.bisect_left(starts, end)]

    return prices


def _rows(path: Path, *, shift: timedelta, factor: float) -> Iterator[Slot]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        unit = 1.0
        rows: list[str] = []
        for line in lines:
            if line.startswith("# unit:"):
                money, _, energy = line.partition(":")[2].strip().partition("/")
                unit = UNITS[energy] / (100 if money in HUNDREDTHS else 1)
            elif not line.startswith("#"):
                rows.append(line)
    for row in csv.DictReader(rows):
        start, end = (datetime.fromisoformat(row[name]).astimezone(UTC) + shift for name in ("start_utc", "end_utc"))
        yield Slot(start=start, end=end, per_kwh=float(row["price"]) * unit * factor)
