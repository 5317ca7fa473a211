"""One price, always."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from policies.tariff.parts import Part, require_finite, require_power
from scheduler.core.calendar import local_days
from scheduler.core.feeds import PriceSeries
from scheduler.core.model import Situation
from scheduler.core.terms import Price, PriceSlot, Term


@dataclass(frozen=True, kw_only=True)
class Flat:
    """The same price at every hour: `per_kwh` [home currency per kWh, all included].

    `capacity_kw` is as for `spot`.
    """

    per_kwh: float
    capacity_kw: float | None = None

    def __post_init__(self) -> None:
        require_finite(self.per_kwh, "per_kwh")
        require_power(self.capacity_kw)

    def terms(self, now: Situation) -> Iterable[Term]:
        """Yield one slot over the whole local days of the horizon."""
        span = local_days(now.at, now.limits.horizon, now.home.timezone)
        yield Price(slots=(PriceSlot(start=span.start, end=span.end, per_kwh=self.per_kwh),), why="flat")

    def parts_at(self, prices: Mapping[str, PriceSeries], at: datetime, timezone: str) -> tuple[Part, ...]:
        """Return the one part, `price`; see `Tariff`."""
        del prices, at, timezone
        return (Part("price", self.per_kwh),)
