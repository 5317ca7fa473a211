"""Prices of EnergyZero and of those in the Netherlands who resell it (ANWB, Mijndomein, …): free, without a token."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import ClassVar

import msgspec

from scheduler.core.calendar import local_instant
from scheduler.core.errors import PricesUnavailable
from scheduler.core.feeds import PriceSeries
from scheduler.core.publication import DayAhead
from scheduler.core.timeline import Interval
from scheduler.ports import Web
from scheduler.prices.slots import Instant, Row, local_dates, require_one_of, series

LOCAL = "Europe/Amsterdam"
INTERVALS = {"QUARTER_HOURLY": "INTERVAL_QUARTER", "HOURLY": "INTERVAL_HOUR"}
NOT_FOUND = 404


class _Worth(msgspec.Struct):
    value: float | None


class _Slot(msgspec.Struct):
    start: Instant
    end: Instant
    price: _Worth


class _Answer(msgspec.Struct):
    message: str = ""  # of an error
    base: list[_Slot] | None = None
    base_with_vat: list[_Slot] | None = None
    all_in: list[_Slot] | None = None
    all_in_with_vat: list[_Slot] | None = None


@dataclass(frozen=True, kw_only=True)
class EnergyZero:
    """Prices of the zone `NL` in EUR: the market's, or with `all_in` also energy tax and EnergyZero's own cost.

    `vat = false` takes VAT out. `resolution` is the contract's: `QUARTER_HOURLY` or `HOURLY`. No licence is stated.
    """

    resolution: str = "QUARTER_HOURLY"
    vat: bool = True
    all_in: bool = False
    url: str = "https://public.api.energyzero.nl"

    rhythm: ClassVar[DayAhead] = DayAhead(asked_from=time(13, 30), late_from=time(15, 30))

    def __post_init__(self) -> None:
        require_one_of(self.resolution, INTERVALS, "resolution")

    async def fetch(self, span: Interval, *, at: datetime, web: Web) -> PriceSeries:
        """Return the slots that touch the span. Raises PriceError."""
        rows: list[Row] = []
        for day in local_dates(span, LOCAL):  # one is asked for at a time, and its neighbours may come with it
            end = local_instant(day + timedelta(days=1), time(0), LOCAL)
            if not rows or max(row.end for row in rows) < end:
                rows += await self._rows(f"{day:%d-%m-%Y}", web)
        return series(rows, unit="EUR/kWh", currency="EUR", span=span, at=at, zone="NL")

    async def _rows(self, day: str, web: Web) -> list[Row]:
        params = {"energyType": "ENERGY_TYPE_ELECTRICITY", "date": day, "interval": INTERVALS[self.resolution]}
        body = await web.raw(f"{self.url}/public/v1/prices", params=params, but=(NOT_FOUND,))
        try:
            answer = msgspec.json.decode(body, type=_Answer, strict=False)  # prices are texts
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # ValueError: a year beyond 9999
            raise PricesUnavailable(f"EnergyZero answered something else than prices: {error}") from None
        slots = getattr(answer, ("all_in" if self.all_in else "base") + ("_with_vat" if self.vat else ""))
        if slots is None and "not found" not in answer.message:
            raise PricesUnavailable(f"EnergyZero answered something else than prices: {answer.message[:200]}")
        return [Row(slot.start, slot.end, slot.price.value) for slot in slots or ()]
