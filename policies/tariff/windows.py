"""Recurring windows with a price: what time-of-use tariffs, grid fees and taxes are made of."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from policies.tariff.parts import require_finite
from scheduler.core.calendar import Recurring, last_match
from scheduler.core.timeline import Interval

Pieces = tuple[tuple[Interval, float], ...]
"""What a kWh costs in each piece of a span: ordered, disjoint, no gap."""


@dataclass(frozen=True, kw_only=True)
class PricedWindow(Recurring):
    """A recurring local window and what a kWh costs in it: `per_kwh` [home currency per kWh]."""

    per_kwh: float

    def __post_init__(self) -> None:
        super().__post_init__()
        require_finite(self.per_kwh, "per_kwh")


@lru_cache(maxsize=256)  # asked at every tick, changes with the local day
def pieces(windows: tuple[PricedWindow, ...], *, default: float, within: Interval, timezone: str) -> Pieces:
    """Return what a kWh costs in each piece of the span. Of several windows that match the last holds."""
    rows = [(window, window.per_kwh) for window in windows]
    return last_match(rows, default=default, within=within, timezone=timezone)


def amount_at(found: Pieces, at: datetime) -> float:
    """Return what a kWh costs at an instant of the span."""
    return next(per_kwh for piece, per_kwh in found if piece.covers(at))
