"""Day-ahead prices of the Nordic, Baltic and central European zones from Nord Pool's data portal, without a token."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from msgspec import Struct, field

from scheduler.core.errors import PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.core.feeds import PriceSeries
from scheduler.core.publication import DayAhead
from scheduler.core.terms import PriceState
from scheduler.core.timeline import Interval
from scheduler.ports import Web
from scheduler.prices.slots import Instant, Row, local_dates, require_one_of, series
from scheduler.prices.zones import NORD_POOL


class _Entry(Struct):
    start: Instant = field(name="deliveryStart")
    end: Instant = field(name="deliveryEnd")
    prices: dict[str, float | None] = field(name="entryPerArea")


class _State(Struct):
    state: str
    areas: list[str]


class _Prices(Struct):
    currency: str
    states: list[_State] = field(name="areaStates")
    entries: list[_Entry] = field(name="multiAreaEntries")


class _Indices(_Prices):
    entries: list[_Entry] = field(name="multiIndexEntries")


@dataclass(frozen=True, kw_only=True)
class NordPool:
    """Wholesale prices of `zone` in `currency`, by Nord Pool's own rate of the day: no VAT, no fees.

    `resolution` None: the slots of the auction. 15, 30 or 60 [min]: Nord Pool's index of that length; `SYS`, the system
    price, has only these. About two months back. The portal is free to read and promised to nobody: name a stand-in.
    """

    zone: str
    currency: str = "EUR"
    resolution: int | None = None
    url: str = "https://dataportal-api.nordpoolgroup.com"
    rhythm: ClassVar[DayAhead] = DayAhead()

    def __post_init__(self) -> None:
        require_one_of(self.zone, NORD_POOL, "zone")
        require_one_of(self.currency, ("EUR", "BGN", "DKK", "NOK", "PLN", "RON", "SEK"), "currency")
        require_one_of(self.resolution, (15, 30, 60) if self.zone == "SYS" else (None, 15, 30, 60), "resolution")

    async def fetch(self, span: Interval, *, at: datetime, web: Web) -> PriceSeries:
        """Return the slots that touch the span, by one call for each delivery day. Raises PriceError."""
        rows = [row for day in local_dates(span, "Europe/Brussels") for row in await self._day(day, web)]
        return series(rows, unit=f"{self.currency}/MWh", currency=self.currency, span=span, at=at, zone=self.zone)

    async def _day(self, day: date, web: Web) -> list[Row]:
        area, minutes = NORD_POOL[self.zone], self.resolution
        path, kind = ("DayAheadPriceIndices", _Indices) if minutes else ("DayAheadPrices", _Prices)
        own = {"indexNames": area, "resolutionInMinutes": str(minutes)} if minutes else {"deliveryArea": area}
        params = {"date": str(day), "market": "DayAhead", "currency": self.currency, **own}
        try:
            answer = await web.json(f"{self.url}/api/{path}", kind, params=params)
        except PricesNotPublished:
            return []  # the other days may be there
        if answer.currency != self.currency:
            raise PricesUnavailable(f"Nord Pool answered in {answer.currency}, asked for {self.currency}")
        if answer.entries and area not in (known := {name for one in answer.entries for name in one.prices}):
            raise PricesRefused(f"Nord Pool told nothing of {area}, only of {', '.join(sorted(known)) or 'no area'}")
        final = any(one.state == "Final" and area in one.areas for one in answer.states)
        state = PriceState.FINAL if final else PriceState.PRELIMINARY
        return [Row(one.start, one.end, one.prices.get(area), state) for one in answer.entries]
