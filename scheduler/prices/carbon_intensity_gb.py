"""How much carbon a kWh of Great Britain's grid carries, from the Carbon Intensity API: free, without a token."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from msgspec import Struct

from scheduler.core.errors import PricesUnavailable
from scheduler.core.feeds import GRAMS, PriceSeries
from scheduler.core.publication import Rolling
from scheduler.core.timeline import Interval
from scheduler.ports import Web
from scheduler.prices.slots import Row, floored, instant, require_one_of, series, sureness

HALF_HOUR, REACH = timedelta(minutes=30), timedelta(hours=48)


class _Grams(Struct):
    forecast: float | None = None
    actual: float | None = None


class _HalfHour(Struct, rename={"start": "from", "end": "to"}):
    start: str
    end: str
    intensity: _Grams

    def row(self, at: datetime) -> Row:
        grams, start = self.intensity, instant(self.start)
        state = sureness(start, at=at, final=grams.actual is not None)
        return Row(start, instant(self.end), grams.forecast if grams.actual is None else grams.actual, state)


class _Region(Struct):
    data: list[_HalfHour]


class _Answer(Struct):
    data: list[_HalfHour] | _Region | None = None
    error: dict[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class CarbonIntensityGb:
    """Grams of CO2 per kWh (no price, no VAT): half hours, as measured, else as forecast for two days. CC BY 4.0.

    Of a part, as forecast alone: `postcode`, an outward code such as `RG10`, or `region_id`, the service's 1 to 17.
    """

    postcode: str = ""
    region_id: int | None = None
    url: str = "https://api.carbonintensity.org.uk"

    rhythm: ClassVar[Rolling] = Rolling(every=HALF_HOUR, ahead=REACH - HALF_HOUR, back=timedelta(0))  # one answer

    def __post_init__(self) -> None:
        require_one_of(self.region_id, (None, *range(1, 18)), "region_id")
        if not re.fullmatch("([A-Z]{1,2}[0-9][0-9A-Z]?)?", self.postcode):
            raise ValueError(f"postcode must be an outward code such as RG10, not {self.postcode!r}")
        if self.postcode and self.region_id:
            raise ValueError("either postcode or region_id may be set, not both")

    async def fetch(self, span: Interval, *, at: datetime, web: Web) -> PriceSeries:
        """Return the half hours that touch the span, a call for each two days. Raises PriceError."""
        name, part = ("postcode", self.postcode) if self.postcode else ("regionid", self.region_id)
        start, found = floored(span.start, HALF_HOUR), dict[str, _HalfHour]()
        while start < span.end:
            where = f"intensity/{start:%Y-%m-%dT%H:%MZ}/fw48h"
            address = f"{self.url}/regional/{where}/{name}/{part}" if part else f"{self.url}/{where}"
            answer = await web.json(address, _Answer)
            if answer.data is None:
                raise PricesUnavailable(f"the service answered: {(answer.error or {}).get('message', 'nothing')}")
            told = answer.data.data if isinstance(answer.data, _Region) else answer.data
            found |= {one.start: one for one in told}
            start += REACH
        rows, zone = [one.row(at) for one in found.values()], f"GB-{part}" if part else "GB"
        return series(rows, unit="gCO2/kWh", currency=GRAMS, span=span, at=at, zone=zone)
