"""Day-ahead prices of Austria and Germany from aWATTar: free, hourly, without a token."""

from dataclasses import dataclass
from datetime import datetime, time
from typing import ClassVar

import msgspec

from scheduler.core.errors import PricesUnavailable
from scheduler.core.feeds import PriceSeries
from scheduler.core.publication import DayAhead
from scheduler.core.timeline import Interval
from scheduler.ports import Web
from scheduler.prices.slots import Row, epoch, require_one_of, series

ROOTS = {"AT": "https://api.awattar.at", "DE": "https://api.awattar.de"}
ZONES = {"AT": "AT", "DE": "DE-LU"}


class _Hour(msgspec.Struct):
    start_timestamp: int
    end_timestamp: int
    unit: str
    marketprice: float | None


class _Answer(msgspec.Struct):
    data: list[_Hour]


@dataclass(frozen=True, kw_only=True)
class Awattar:
    """Wholesale prices of `country`, `AT` or `DE` (its zone is DE-LU): EUR, no VAT, no fees.

    Hours, though the market has quarters since October 2025: such an hour is the mean of its quarters. Fair use is 100
    calls a day from one address. `url` is another root than that of the country.
    """

    country: str
    url: str = ""

    rhythm: ClassVar[DayAhead] = DayAhead(asked_from=time(13))

    def __post_init__(self) -> None:
        require_one_of(self.country, ROOTS, "country")

    async def fetch(self, span: Interval, *, at: datetime, web: Web) -> PriceSeries:
        """Return the slots that touch the span. Raises PriceError."""
        # Both edges must be said: from a start alone it tells 24 hours, which is no day when the clocks change.
        edges = {"start": span.start, "end": span.end}
        params = {name: str(round(edge.timestamp() * 1000)) for name, edge in edges.items()}
        answer = await web.json(f"{self.url or ROOTS[self.country]}/v1/marketdata", _Answer, params=params)
        if others := {row.unit for row in answer.data if row.unit.replace(" ", "").upper() != "EUR/MWH"}:
            raise PricesUnavailable(f"aWATTar told prices in {', '.join(sorted(others))}, not in EUR/MWh")
        rows = [
            Row(epoch(row.start_timestamp, per_second=1000), epoch(row.end_timestamp, per_second=1000), row.marketprice)
            for row in answer.data
        ]
        return series(rows, unit="EUR/MWh", currency="EUR", span=span, at=at, zone=ZONES[self.country])
