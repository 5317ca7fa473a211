"""The demonstration's market: where the daemon asks for its prices, and all of them for the books afterwards."""

import os
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from scheduler.core.feeds import PriceSeries
from scheduler.core.terms import PriceSlot

NAME = "market"
TIMEZONE = "Europe/Oslo"
"""The home in this time zone buys at the market's price."""

SOURCE, PATH = "nord-pool", "/prices/nord-pool"
"""The simulated price service speaks as Nord Pool's data portal does, at this path."""

BEFORE, AFTER = timedelta(days=1), timedelta(days=9)
"""The books want the prices of so many days around those of the demonstration."""

Told = Iterable[tuple[str, str, float]]
"""Start and end in ISO 8601, and a price per kWh."""


def prices_in() -> Path | None:
    """Return the directory of recorded prices, if `KWHEN_DATA` names one that has some."""
    directory = Path(os.environ.get("KWHEN_DATA", "")) / "prices"
    return directory if os.environ.get("KWHEN_DATA") and directory.is_dir() else None


def span(first: datetime, last: datetime) -> tuple[date, date]:
    """Return from which day to which the books want prices for a demonstration between two instants."""
    return (first - BEFORE).date(), (last + AFTER).date()


def series(told: Told, *, currency: str) -> PriceSeries:
    """Return the market's prices under the name that the configuration gives them."""
    slots = tuple(PriceSlot(start=_instant(start), end=_instant(end), per_kwh=per_kwh) for start, end, per_kwh in told)
    return PriceSeries(name=NAME, currency=currency, slots=slots, fetched_at=slots[0].start)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
