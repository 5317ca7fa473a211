"""Day-ahead prices of European bidding zones from Energy-Charts (Fraunhofer ISE): free, without a token."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

import msgspec

from scheduler.core.errors import PricesUnavailable
from scheduler.core.feeds import PriceSeries
from scheduler.core.publication import DayAhead
from scheduler.core.timeline import Interval
from scheduler.ports import Web
from scheduler.prices.slots import epoch, series, with_ends

LOCAL = ZoneInfo("Europe/Brussels")


class _Answer(msgspec.Struct):
    unix_seconds: list[int]
    price: list[float | None]
    unit: str


@dataclass(frozen=True, kw_only=True)
class EnergyCharts:
    """Wholesale prices of `zone`, such as `DE-LU`, `AT`, `FR` or `SE3`: EUR, no VAT, no fees.

    Most zones are CC BY 4.0 (SMARD.de); those of the Nordic and Baltic countries are for private use.
    """

    zone: str
    url: str = "https://api.energy-charts.info"

    rhythm: ClassVar[DayAhead] = DayAhead()

    async def fetch(self, span: Interval, *, at: datetime, web: Web) -> PriceSeries:
        """Return the slots that touch the span. Raises PriceError."""
        first, last = (instant.astimezone(LOCAL).date() for instant in (span.start, span.end - timedelta(seconds=1)))
        params = {"bzn": self.zone, "start": str(first), "end": str(last)}  # both days are included
        answer = await web.json(f"{self.url}/price", _Answer, params=params, absent=(404,))
        if len(answer.unix_seconds) != len(answer.price):
            raise PricesUnavailable("the answer has more instants than prices, or fewer")
        prices = {epoch(start): price for start, price in zip(answer.unix_seconds, answer.price, strict=True)}
        return series(with_ends(prices), unit=answer.unit, currency="EUR", span=span, at=at, zone=self.zone)
