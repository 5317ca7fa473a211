"""How much carbon a kWh carries in most grids of the world, from Electricity Maps."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from msgspec import Struct, field

from scheduler.core.feeds import GRAMS, PriceSeries
from scheduler.core.publication import Rolling
from scheduler.core.timeline import Interval
from scheduler.ports import Web
from scheduler.prices.slots import HOUR, Instant, Row, floored, series, sureness

ZONE = re.compile("[A-Z]{2}(-[A-Z0-9]+)*|(DK|NO|SE)[0-9]")
DAY = timedelta(days=1)


class _Hour(Struct, rename="camel"):
    start: Instant = field(name="datetime")
    carbon_intensity: float | None = None
    is_estimated: bool = False


class _History(Struct):
    history: list[_Hour]


class _Forecast(Struct):
    forecast: list[_Hour]


@dataclass(frozen=True, kw_only=True)
class ElectricityMaps:
    """Grams of CO2 equivalent per kWh used in `zone`, over the plants' lives; no price, no VAT. Licence: by your plan.

    Hours. `zone` is as they write it (`DE`, `GB`, `US-CAL-CISO`); `DK1`, `NO1`, `SE3` and the like are understood, and
    `DE-LU` as Germany. `forecast = true` asks for the three days ahead as well, which wants a paid plan.
    """

    zone: str
    forecast: bool = False
    url: str = "https://api.electricitymaps.com"

    rhythm: ClassVar[Rolling] = Rolling(every=HOUR / 2, ahead=3 * DAY, back=DAY)
    needs_token: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not ZONE.fullmatch(self.zone):
            raise ValueError(f"zone must be a name such as DE, SE3 or US-CAL-CISO, not {self.zone!r}")

    async def fetch(self, span: Interval, *, at: datetime, web: Web) -> PriceSeries:
        """Return the hours that touch the span: of the last day, the latest, the forecast. Raises PriceError."""
        headers = {"auth-token": web.token()}
        params = {"zone": "DE" if self.zone == "DE-LU" else re.sub("^(DK|NO|SE)[0-9]$", r"\1-\g<0>", self.zone)}
        root = f"{self.url}/v3/carbon-intensity"
        rows: list[Row] = []
        if self.forecast:
            ahead = await web.json(f"{root}/forecast", _Forecast, params=params, headers=headers)
            rows += [_row(one, at, measured=False) for one in ahead.forecast]
        if span.start < floored(at, HOUR):
            past = await web.json(f"{root}/history", _History, params=params, headers=headers)
            rows += [_row(one, at) for one in past.history]
        rows.append(_row(await web.json(f"{root}/latest", _Hour, params=params, headers=headers), at))
        known = {row.start: row for row in rows if row.price is not None}  # what came later in this list is surer
        return series(known.values(), unit="gCO2/kWh", currency=GRAMS, span=span, at=at, zone=self.zone)


def _row(hour: _Hour, at: datetime, *, measured: bool = True) -> Row:
    start = floored(hour.start, HOUR)
    state = sureness(start, at=at, final=measured and not hour.is_estimated)
    return Row(start, start + HOUR, hour.carbon_intensity, state)
