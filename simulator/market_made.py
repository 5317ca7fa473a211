"""Prices of our own making: nights are cheap, evenings dear, weekends milder, some days dearer than others."""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from simulator.market import DELIVERY, Prices, Slot, bounds

SHAPE = (
    0.62, 0.55, 0.50, 0.48, 0.50, 0.60, 0.85, 1.15, 1.25, 1.15, 1.05, 1.00,
    0.97, 0.95, 0.97, 1.05, 1.25, 1.55, 1.65, 1.50, 1.25, 1.05, 0.85, 0.72,
)  # fmt: skip
"""The price of each local hour of a working day as a multiple of the day's level."""

LEVEL_PER_KWH = 0.80
DEAR_SHARE, DEAR_FACTOR = 0.2, 1.9
WEEKEND_FACTOR = 0.82
FIRST_WEEKEND_DAY = 5


def made(*, seed: int, step: timedelta = timedelta(hours=1), level_per_kwh: float = LEVEL_PER_KWH) -> Prices:
    """Return prices drawn from a seed: the same for every day, in whatever order days are asked for."""

    @lru_cache(maxsize=64)
    def prices(day: date) -> Sequence[Slot]:
        rng = random.Random(f"prices:{seed}:{day}")
        level = level_per_kwh * rng.uniform(0.75, 1.25) * (DEAR_FACTOR if rng.random() < DEAR_SHARE else 1.0)
        weekend = day.weekday() >= FIRST_WEEKEND_DAY
        at, end = bounds(day)
        slots = []
        while at < end:
            wall = at.astimezone(ZoneInfo(DELIVERY))
            shape = _shape(wall.hour, wall.minute / 60)
            factor = WEEKEND_FACTOR * (0.5 + 0.5 * shape) if weekend else shape
            per_kwh = round(level * factor * rng.uniform(0.96, 1.04), 4)
            slots.append(Slot(start=at, end=at + step, per_kwh=per_kwh))
            at += step
        return slots

    return prices


def _shape(hour: int, share: float) -> float:
    """Return the shape at a share of an hour, on the straight line from one hour to the next."""
    return SHAPE[hour] * (1 - share) + SHAPE[(hour + 1) % len(SHAPE)] * share
