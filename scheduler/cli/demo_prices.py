"""A small day-ahead market of the demonstration's own: made from a seed, published as a real one is.

Nights are cheap, evenings dear, weekends milder, and some days dearer than others. Today's prices are known; those of
tomorrow come at 13:00 local time.
"""

import csv
import io
import math
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from scheduler.core.calendar import local_instant, zone_named
from scheduler.core.model import PriceSeries
from scheduler.core.terms import PriceSlot

NAME = "market"
CURRENCY = "NOK"
ZONE = "NO1"
TIMEZONE = "Europe/Oslo"
SLOT = timedelta(hours=1)
PUBLISHED_AT = time(13, 0)
KEPT_DAYS = 14
"""So many days before today stay in the file: they say what a coming day may cost."""

SHAPE = (
    0.62, 0.55, 0.50, 0.48, 0.50, 0.60, 0.85, 1.15, 1.25, 1.15, 1.05, 1.00,
    0.97, 0.95, 0.97, 1.05, 1.25, 1.55, 1.65, 1.50, 1.25, 1.05, 0.85, 0.72,
)  # fmt: skip
"""The price of each local hour of a working day as a multiple of the day's level."""

LEVEL_PER_KWH = 0.80
DEAR_SHARE, DEAR_FACTOR = 0.2, 1.9
WEEKEND_FACTOR = 0.82
FIRST_WEEKEND_DAY = 5


def day_of(at: datetime) -> date:
    """Return the local date of the market."""
    return at.astimezone(zone_named(TIMEZONE)).date()


def slots_of(day: date, *, seed: int) -> Iterator[PriceSlot]:
    """Yield the prices of a local day, which may have 23 or 25 hours; the same for a seed, in whatever order asked."""
    rng = random.Random(f"prices:{seed}:{day}")  # noqa: S311 - a stage market, no secret
    level = LEVEL_PER_KWH * rng.uniform(0.75, 1.25) * (DEAR_FACTOR if rng.random() < DEAR_SHARE else 1.0)
    weekend = day.weekday() >= FIRST_WEEKEND_DAY
    at, end = (local_instant(each, time(0), TIMEZONE) for each in (day, day + timedelta(days=1)))
    while at < end:
        wall = at.astimezone(zone_named(TIMEZONE))
        shape = _shape(wall.hour + wall.minute / 60)
        factor = WEEKEND_FACTOR * (0.5 + 0.5 * shape) if weekend else shape
        per_kwh = round(level * factor * rng.uniform(0.96, 1.04), 4)
        yield PriceSlot(start=at, end=at + SLOT, per_kwh=per_kwh)
        at += SLOT


def _shape(hour: float) -> float:
    """Return the shape between two whole hours, on the straight line from one to the next."""
    whole = math.floor(hour)
    share = hour - whole
    return SHAPE[whole] * (1 - share) + SHAPE[(whole + 1) % len(SHAPE)] * share


def series(*, first: date, last: date, seed: int) -> PriceSeries:
    """Return the prices of the days from `first` to `last`, both included."""
    days = [first + timedelta(days=ahead) for ahead in range((last - first).days + 1)]
    slots = tuple(slot for day in days for slot in slots_of(day, seed=seed))
    return PriceSeries(name=NAME, currency=CURRENCY, zone=ZONE, slots=slots, fetched_at=slots[0].start)


def known_at(at: datetime, *, seed: int) -> PriceSeries:
    """Return what is published at an instant: today's prices, from 13:00 on tomorrow's, and those of late."""
    today = day_of(at)
    last = today + timedelta(days=1) if at >= local_instant(today, PUBLISHED_AT, TIMEZONE) else today
    return series(first=today - timedelta(days=KEPT_DAYS), last=last, seed=seed)


def next_publication(at: datetime) -> datetime:
    """Return when the file changes next."""
    today = local_instant(day_of(at), PUBLISHED_AT, TIMEZONE)
    return today if today > at else local_instant(day_of(at) + timedelta(days=1), PUBLISHED_AT, TIMEZONE)


def publish(path: Path, at: datetime, *, seed: int) -> None:
    """Write what is known at the instant where the price source `file` looks; readers never see half of it."""
    text = io.StringIO()
    text.write(f"# currency: {CURRENCY}\n# unit: {CURRENCY}/kWh\n# zone: {ZONE}\n")
    rows = csv.writer(text)
    rows.writerow(["start_utc", "end_utc", "price"])
    rows.writerows(
        (slot.start.astimezone(UTC).isoformat(), slot.end.astimezone(UTC).isoformat(), slot.per_kwh)
        for slot in known_at(at, seed=seed).slots
    )
    partial = path.with_suffix(".partial")
    partial.write_text(text.getvalue(), encoding="utf-8")
    partial.replace(path)
