"""Recurring windows with a price: what time-of-use tariffs and grid fees are made of."""

import math
from dataclasses import dataclass
from functools import lru_cache

from scheduler.core.calendar import Recurring, last_match
from scheduler.core.timeline import Interval


def require_finite(amount: float, name: str) -> None:
    """Refuse an amount that is infinite or no number.

    Raises:
        ValueError: it is; `name` says which setting it was.
    """
    if not math.isfinite(amount):
        raise ValueError(f"{name} must be finite, not {amount}")


@dataclass(frozen=True, kw_only=True)
class PricedWindow(Recurring):
    """A recurring local window and what a kWh costs in it: `per_kwh` [home currency per kWh]."""

    per_kwh: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require_finite(self.per_kwh, "per_kwh")


@lru_cache(maxsize=256)  # asked at every tick, changes with the local day
def pieces(
    windows: tuple[PricedWindow, ...], *, default: float, within: Interval, timezone: str
) -> tuple[tuple[Interval, float], ...]:
    """Return what a kWh costs in each piece of the span: ordered, disjoint, no gap. The last matching window holds."""
    rows = [(window, window.per_kwh) for window in windows]
    return last_match(rows, default=default, within=within, timezone=timezone)
