"""Scripts drawn from seeds: homes in six time zones, owners, prices, dates across clock changes, troubles."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from tests.campaign.markets import LONG_SERIES, SERIES, span_of
from tests.campaign.owners import MadeOwners, Owners, real_owners
from tests.campaign.script import DAY_S, Home, Script, Trouble
from tests.campaign.troubles import drawn

ZONES = (
    "Europe/Oslo", "Europe/London", "America/New_York", "America/St_Johns", "Australia/Adelaide", "Pacific/Auckland",
)  # fmt: skip
"""Six time zones that change their clocks, two of them by half hours off the full ones."""

CHANGES = (
    "2023-03-26", "2023-10-29", "2024-03-31", "2025-10-26", "2026-03-29",  # Europe
    "2023-03-12", "2023-11-05", "2024-03-10", "2025-11-02", "2026-03-08",  # America
    "2023-04-01", "2023-09-23", "2023-09-30", "2024-04-06", "2025-10-04",  # Australia and New Zealand
)  # fmt: skip
"""Days on which clocks change somewhere."""

CARS, DAYS = (16, 24), 10
LONG_EVERY, LONG_DAYS, LONG_CARS = 50, 200, 2
"""Now and then a life of two cars that is longer than 2**24 seconds, at which clocks of floats have stopped."""

QUIET_SHARE, CHANGE_SHARE = 0.2, 0.4
TROUBLES_PER_CAR_DAY = 0.12
MINIMUMS, TARGETS = (0.0, 20.0, 20.0, 30.0), (60.0, 80.0, 80.0, 80.0, 90.0, 100.0)
READY = ("05:30", "06:30", "07:00", "07:15", "07:30", "08:00", "09:00", "02:30")


def draw(seed: int, *, folder: Path | None, cars: int | None = None, days: int | None = None) -> Script:
    """Return the script of a seed, with real owners and prices where there is a folder of them."""
    dice = random.Random(f"life:{seed}")
    if days is None:
        cars, days = (LONG_CARS, LONG_DAYS) if seed % LONG_EVERY == 0 else (cars, DAYS)
    prices = (
        "made" if folder is None or dice.random() < 0.1 else dice.choice(SERIES if days < LONG_DAYS else LONG_SERIES)
    )
    start_at = _start(dice, prices, days)
    owners: Owners = MadeOwners() if folder is None else real_owners(folder)
    homes = _homes(dice, owners, start_at, days, cars or dice.randint(*CARS))
    count = sum(len(home.cars) for home in homes)
    quiet = dice.random() < QUIET_SHARE
    return Script(
        seed=seed,
        start_at=start_at,
        days=days,
        homes=homes,
        troubles=() if quiet else _troubles(dice, cars=count, days=days),
        prices=prices,
        webhooks=dice.random() < 0.8,
    )


def _start(dice: random.Random, prices: str, days: int) -> datetime:
    """Return when a life begins: often some days before clocks change."""
    first, last = span_of("made_60min" if prices == "made" else prices)
    last -= timedelta(days=days + 1)
    days_of_change = (datetime.combine(date.fromisoformat(day), time(0), tzinfo=UTC) for day in CHANGES)
    changes = [at for at in days_of_change if first <= at - timedelta(days=max(2, days - 2)) and at <= last]
    if changes and dice.random() < CHANGE_SHARE:
        return dice.choice(changes) - timedelta(days=dice.randrange(1, max(2, days - 2)), hours=-dice.randrange(24))
    hours = (last - first) // timedelta(hours=1)
    return (first + timedelta(hours=dice.randrange(hours))).astimezone(UTC)


def _homes(dice: random.Random, owners: Owners, start_at: datetime, days: int, count: int) -> tuple[Home, ...]:
    homes: list[Home] = []
    left = count
    while left > 0:
        here = min(left, 2 if dice.random() < 0.2 else 1)
        left -= here
        timezone = ZONES[len(homes) % len(ZONES)]
        cars = tuple(owners.car(dice, start_at=start_at, days=days, timezone=timezone) for _ in range(here))
        homes.append(
            Home(
                timezone=timezone,
                cars=cars,
                chargers=dice.random() < 0.7,
                mode="observe" if dice.random() < 0.03 else "control",
                ready_at=dice.choice(READY),
                days=_days(dice),
                target_pct=dice.choice(TARGETS),
                minimum_pct=dice.choice(MINIMUMS),
            )
        )
    return tuple(homes)


def _days(dice: random.Random) -> tuple[str, ...]:
    week: Sequence[str] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    return tuple(week if dice.random() < 0.6 else week[:5])


def _troubles(dice: random.Random, *, cars: int, days: int) -> tuple[Trouble, ...]:
    mean = TROUBLES_PER_CAR_DAY * cars * days * dice.choice((0.3, 1.0, 1.0, 2.0))
    count = max(1, round(dice.gauss(mean, mean**0.5)))
    return tuple(sorted((drawn(dice, cars=cars, end_s=days * DAY_S) for _ in range(count)), key=lambda it: it.at_s))
