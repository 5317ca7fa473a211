"""What Octopus Energy (Great Britain) charges, by Agile, Go, Tracker and its other tariffs: free, without a token."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import ClassVar

import msgspec

from scheduler.core.errors import PricesUnavailable
from scheduler.core.feeds import PriceSeries
from scheduler.core.publication import DayAhead
from scheduler.core.timeline import Interval
from scheduler.ports import Web
from scheduler.prices.slots import Instant, Row, require_one_of, series

RATES = ("standard-unit-rates", "day-unit-rates", "night-unit-rates")
PAYMENTS = ("DIRECT_DEBIT", "NON_DIRECT_DEBIT")
TARIFF = re.compile(r"E-[12]R-[A-Z0-9-]+-[A-HJ-NP]")
HALF_HOUR, NEVER = timedelta(minutes=30), datetime.max.replace(tzinfo=UTC)
MOST_PAGES = 20


class _Price(msgspec.Struct):
    value_inc_vat: float | None
    value_exc_vat: float | None
    valid_from: Instant
    valid_to: Instant | None
    payment_method: str | None = None


class _Page(msgspec.Struct):
    results: list[_Price]
    next: str | None


@dataclass(frozen=True, kw_only=True)
class Octopus:
    """Retail prices in GBP, network included; `vat = false` takes VAT out. Public facts, no licence stated.

    Set `product` (`AGILE-24-10-01`) and `region` (the letter of the grid supply point), or the contract's `tariff`.
    `rates` names the register of a day and night meter; `payment` matters where the price depends on it.
    """

    product: str = ""
    region: str = ""
    tariff: str = ""
    rates: str = RATES[0]
    payment: str = PAYMENTS[0]
    vat: bool = True
    url: str = "https://api.octopus.energy"

    rhythm: ClassVar[DayAhead] = DayAhead(asked_from=time(17), late_from=time(21, 30))  # Agile's day is the market's

    def __post_init__(self) -> None:
        require_one_of(self.rates, RATES, "rates")
        require_one_of(self.payment, PAYMENTS, "payment")
        if bool(self.tariff) == bool(self.product or self.region) or not TARIFF.fullmatch(self._code):
            raise ValueError(f"set product and region (A to P, no I or O), or tariff; now it would be {self._code!r}")

    @property
    def _code(self) -> str:
        return self.tariff or f"E-{1 if self.rates == RATES[0] else 2}R-{self.product}-{self.region}"

    async def fetch(self, span: Interval, *, at: datetime, web: Web) -> PriceSeries:
        """Return the slots that touch the span; those longer than half an hour end at its edges. Raises PriceError."""
        code = self._code
        url = f"{self.url}/v1/products/{code[5:-2]}/electricity-tariffs/{code}/{self.rates}/"
        params = {f"period_{of}": f"{edge:%Y-%m-%dT%H:%MZ}" for of, edge in (("from", span.start), ("to", span.end))}
        params, pages = {**params, "page_size": "1500"}, list[_Page]()
        while url.startswith(f"{self.url}/") and len(pages) < MOST_PAGES:
            pages.append(await web.json(url, _Page, params=params))
            url, params = pages[-1].next or "", {}  # which brings its own query
        if url:
            raise PricesUnavailable("the answer goes on at another address than url, or without an end")
        ours = (one for page in pages for one in page.results if one.payment_method in (None, self.payment))
        rows = (Row(p.valid_from, p.valid_to or NEVER, p.value_inc_vat if self.vat else p.value_exc_vat) for p in ours)
        return series(rows, unit="p/kWh", currency="GBP", span=span, at=at, zone=f"GB-{code[-1]}", whole=HALF_HOUR)
