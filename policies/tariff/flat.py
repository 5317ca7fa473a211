"""One price, always."""

from collections.abc import Iterable
from dataclasses import dataclass

from policies.tariff.windows import require_finite
from scheduler.core.calendar import local_days
from scheduler.core.model import Situation
from scheduler.core.terms import Price, PriceSlot, Term


@dataclass(frozen=True, kw_only=True)
class Flat:
    """The same price at every hour: `per_kwh` [home currency per kWh, all included]."""

    per_kwh: float

    def __post_init__(self) -> None:
        require_finite(self.per_kwh, "per_kwh")

    def terms(self, now: Situation) -> Iterable[Term]:
        """Yield one slot over the whole local days of the horizon."""
        span = local_days(now.at, now.limits.horizon, now.home.timezone)
        yield Price(slots=(PriceSlot(start=span.start, end=span.end, per_kwh=self.per_kwh),), why="flat")
