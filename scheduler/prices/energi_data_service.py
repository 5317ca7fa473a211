"""Day-ahead prices of Denmark and its neighbours from Energi Data Service (Energinet): free, without a token."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, ClassVar

import msgspec

from scheduler.core.feeds import PriceSeries
from scheduler.core.publication import DayAhead
from scheduler.core.timeline import Interval
from scheduler.ports import Web
from scheduler.prices.slots import HOUR, Row, local_dates, require_one_of, series, with_ends

ZONES = {"DK1": "DK1", "DK2": "DK2", "NO2": "NO2", "SE3": "SE3", "SE4": "SE4", "DE-LU": "DE"}
QUARTERS_FROM = date(2025, 10, 1)

Utc = Annotated[datetime, msgspec.Meta(tz=False)]  # told without an offset


class _Quarter(msgspec.Struct):
    area: str = msgspec.field(name="PriceArea")
    start: Utc = msgspec.field(name="TimeUTC")
    eur: float | None = msgspec.field(name="DayAheadPriceEUR")
    dkk: float | None = msgspec.field(name="DayAheadPriceDKK")


class _Hour(_Quarter):
    start: Utc = msgspec.field(name="HourUTC")
    eur: float | None = msgspec.field(name="SpotPriceEUR")
    dkk: float | None = msgspec.field(name="SpotPriceDKK")


class _Quarters(msgspec.Struct):
    dataset: ClassVar[tuple[str, str, timedelta]] = ("DayAheadPrices", "TimeUTC", HOUR / 4)
    records: tuple[_Quarter, ...]


class _Hours(_Quarters):
    dataset: ClassVar[tuple[str, str, timedelta]] = ("Elspotprices", "HourUTC", HOUR)
    records: tuple[_Hour, ...]


@dataclass(frozen=True, kw_only=True)
class EnergiDataService:
    """Wholesale prices of `zone`: `DK1`, `DK2`, `NO2`, `SE3`, `SE4` or `DE-LU`; no VAT, no fees; CC BY 4.0.

    `currency` is `EUR` or `DKK`. Slots are hours until September 2025, and quarters from October on.
    """

    zone: str
    currency: str = "EUR"
    url: str = "https://api.energidataservice.dk"

    rhythm: ClassVar[DayAhead] = DayAhead()

    def __post_init__(self) -> None:
        require_one_of(self.zone, ZONES, "zone")
        require_one_of(self.currency, ("EUR", "DKK"), "currency")

    async def fetch(self, span: Interval, *, at: datetime, web: Web) -> PriceSeries:
        """Return the slots that touch the span. Raises PriceError."""
        days, rows = local_dates(span, "Europe/Copenhagen"), list[Row]()
        for kind in (_Hours, _Quarters):
            if asked := [day for day in days if (day < QUARTERS_FROM) is (kind is _Hours)]:
                rows += await self._rows(kind, asked, web)
        return series(rows, unit=f"{self.currency}/MWh", currency=self.currency, span=span, at=at, zone=self.zone)

    async def _rows(self, kind: type[_Quarters], days: list[date], web: Web) -> list[Row]:
        (name, key, step), area = kind.dataset, ZONES[self.zone]
        params = {"start": f"{days[0]}T00:00", "end": f"{days[-1] + timedelta(days=1)}T00:00"}  # Danish local times
        params |= {"filter": json.dumps({"PriceArea": [area]}), "sort": key, "limit": "0"}
        answer = await web.json(f"{self.url}/dataset/{name}", kind, params=params)
        ours = [one for one in answer.records if one.area == area]
        told = {one.start.replace(tzinfo=UTC): one.eur if self.currency == "EUR" else one.dkk for one in ours}
        return with_ends(told, step=step)
