"""Prices of easyEnergy in the Netherlands: free, without a token."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo

import msgspec

from scheduler.core.errors import PricesUnavailable
from scheduler.core.feeds import PriceSeries
from scheduler.core.publication import DayAhead
from scheduler.core.timeline import Interval
from scheduler.ports import Web
from scheduler.prices.slots import HOUR, Row, in_utc, local_dates, require_one_of, series

LOCAL = "Europe/Amsterdam"
STEPS = {"QUARTER_HOURLY": ("quarter", HOUR / 4), "HOURLY": ("hour", HOUR)}


class _Price(msgspec.Struct, rename="camel"):
    start: Annotated[datetime, msgspec.Meta(tz=False)] = msgspec.field(name="from")  # wall time
    price: float | None
    price_inc_vat: float | None
    invoice_price: float | None
    granularity: str
    unit: Literal["kWh"]


class _Answer(msgspec.Struct):
    prices: list[_Price]


@dataclass(frozen=True, kw_only=True)
class EasyEnergy:
    """Prices of the zone `NL` in EUR: the market's, or with `all_in` also energy tax and easyEnergy's own cost.

    `vat = false` takes VAT out, of the market's alone. `resolution` is the contract's: `QUARTER_HOURLY` or `HOURLY`. No
    licence is stated.
    """

    resolution: str = "QUARTER_HOURLY"
    vat: bool = True
    all_in: bool = False
    url: str = "https://price-graph.mijn.easyenergy.com"

    rhythm: ClassVar[DayAhead] = DayAhead(asked_from=time(13))

    def __post_init__(self) -> None:
        require_one_of(self.resolution, STEPS, "resolution")
        if self.all_in and not self.vat:
            raise ValueError("vat must be true with all_in: what is told as all in has it in it")

    async def fetch(self, span: Interval, *, at: datetime, web: Web) -> PriceSeries:
        """Return the slots that touch the span. Raises PriceError."""
        days, (granularity, step) = local_dates(span, LOCAL), STEPS[self.resolution]
        params = {"start": str(days[0]), "end": str(days[-1] + timedelta(days=1))}  # the end is not included
        params |= {"type": "electricity", "granularity": granularity}
        prices = (await web.json(f"{self.url}/api/prices", _Answer, params=params)).prices
        if other := {price.granularity for price in prices} - {granularity}:
            raise PricesUnavailable(f"asked for slots of one {granularity}, it told some of one {' and '.join(other)}")
        name = "invoice_price" if self.all_in else "price_inc_vat" if self.vat else "price"
        rows = [
            Row(start, start + step, getattr(one, name)) for start, one in zip(_starts(prices), prices, strict=True)
        ]
        return series(rows, unit="EUR/kWh", currency="EUR", span=span, at=at, zone="NL")


def _starts(prices: list[_Price]) -> Iterator[datetime]:
    """Yield when each begins: a wall time that comes twice, in autumn, is one of summer first and then of winter."""
    seen: set[datetime] = set()
    for price in prices:
        yield in_utc(price.start.replace(tzinfo=ZoneInfo(LOCAL), fold=int(price.start in seen)))
        seen.add(price.start)
