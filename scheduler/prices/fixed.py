"""One price at every hour: for a flat contract, or to stand in for a source that is silent."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from scheduler.core.feeds import PriceSeries
from scheduler.core.publication import Rolling
from scheduler.core.timeline import Interval
from scheduler.ports import Web
from scheduler.prices.slots import Row, floored, require_currency, series

DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """`price` per kWh in `currency` (ISO 4217; `gCO2` for grams of carbon), with the VAT and the fees you put into it.

    `zone` must be that of the source it stands in for, or nothing.
    """

    price: float
    currency: str
    zone: str = ""

    rhythm: ClassVar[Rolling] = Rolling(every=DAY / 4, ahead=10 * DAY)  # beyond the farthest plan at any time

    def __post_init__(self) -> None:
        require_currency(self.currency)
        if not math.isfinite(self.price):
            raise ValueError(f"price must be a finite number, not {self.price}")

    async def fetch(self, span: Interval, *, at: datetime, web: Web) -> PriceSeries:
        """Return a slot for each day (UTC) that touches the span: they stay the same from one fetch to the next."""
        del web  # nobody is asked
        first = floored(span.start, DAY)
        starts = (first + n * DAY for n in range(-((first - span.end) // DAY)))
        rows = [Row(start, start + DAY, self.price) for start in starts]
        return series(rows, unit=f"{self.currency}/kWh", currency=self.currency, span=span, at=at, zone=self.zone)
