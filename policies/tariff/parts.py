"""What every tariff can tell: a price for each slot, the parts that one is made of, and the power it penalises."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from scheduler.core.feeds import PriceSeries
from scheduler.core.model import Situation
from scheduler.core.terms import Term


class Part(NamedTuple):
    """One summand of a price: `name` as the tariff's settings call it, `per_kwh` in the home's currency."""

    name: str
    per_kwh: float


class Tariff(Protocol):
    """A policy that states prices, and can say what they are made of."""

    @property
    def capacity_kw(self) -> float | None:
        """The power above which a monthly fee rises [kW]; None where there is no such fee."""

    def terms(self, now: Situation) -> Iterable[Term]:
        """Yield prices."""

    def parts_at(self, prices: Mapping[str, PriceSeries], at: datetime, timezone: str) -> tuple[Part, ...]:
        """Return the parts of the price at an instant, in the order of their adding; empty where none is known.

        Their `total` is the very number that `terms` states for that instant, expected prices included. A tariff names
        the same parts for every instant, those of no amount too.

        Args:
            prices: the series known, by their names in `[[prices]]`.
            at: aware UTC.
            timezone: the home's.
        """


def total(parts: Iterable[Part]) -> float:
    """Return the price that the parts add up to: one after the other, since `sum` rounds otherwise in newer Pythons."""
    paid = 0.0
    for part in parts:
        paid += part.per_kwh
    return paid


def require_finite(amount: float, name: str) -> None:
    """Refuse an amount that is infinite or no number.

    Raises:
        ValueError: it is; `name` says which setting it was.
    """
    if not math.isfinite(amount):
        raise ValueError(f"{name} must be finite, not {amount}")


def require_power(capacity_kw: float | None) -> None:
    """Refuse a power that is no power.

    Raises:
        ValueError: it is not above zero, or not finite.
    """
    if capacity_kw is not None and not (math.isfinite(capacity_kw) and capacity_kw > 0):
        raise ValueError(f"capacity_kw must be above 0, not {capacity_kw:g}")
