"""Prices by the clock: day and night, weekday and weekend, summer and winter."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from policies.tariff.parts import Part, require_finite, require_power
from policies.tariff.windows import PricedWindow, amount_at, pieces
from scheduler.core.calendar import local_days
from scheduler.core.feeds import PriceSeries
from scheduler.core.model import Situation
from scheduler.core.terms import Price, PriceSlot, Term


@dataclass(frozen=True, kw_only=True)
class TimeOfUse:
    """`per_kwh` [home currency per kWh, all included] where no window matches; of several that match the last holds.

    Windows are local times of the home, also across midnight; on the day with the doubled hour a window that ends
    after it contains both. Put a meter without summer time into a home of its own zone, such as `Etc/GMT-1`.
    `capacity_kw` is as for `spot`.
    """

    per_kwh: float
    windows: tuple[PricedWindow, ...] = ()
    capacity_kw: float | None = None

    def __post_init__(self) -> None:
        require_finite(self.per_kwh, "per_kwh")
        require_power(self.capacity_kw)

    def terms(self, now: Situation) -> Iterable[Term]:
        """Yield the prices over the whole local days of the horizon, without a gap."""
        zone = now.home.timezone
        span = local_days(now.at, now.limits.horizon, zone)
        priced = pieces(self.windows, default=self.per_kwh, within=span, timezone=zone)
        slots = tuple(PriceSlot(start=piece.start, end=piece.end, per_kwh=per_kwh) for piece, per_kwh in priced)
        yield Price(slots=slots, why="time of use")

    def parts_at(self, prices: Mapping[str, PriceSeries], at: datetime, timezone: str) -> tuple[Part, ...]:
        """Return the one part, `price`; see `Tariff`."""
        del prices
        day = local_days(at, timedelta(0), timezone)
        priced = pieces(self.windows, default=self.per_kwh, within=day, timezone=timezone)
        return (Part("price", amount_at(priced, at)),)
