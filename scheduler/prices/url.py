"""Prices from any address that answers with JSON, picked out of the answer by JMESPath expressions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import ClassVar

from scheduler.core.calendar import zone_named
from scheduler.core.errors import PricesNotPublished, PricesRefused
from scheduler.core.feeds import PriceSeries
from scheduler.core.publication import Rolling
from scheduler.core.timeline import Interval
from scheduler.ports import Web
from scheduler.prices.columns import Columns
from scheduler.prices.placeholders import filled, require_known
from scheduler.prices.slots import Row, local_dates, require_currency, require_unit, series

DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class UrlSource:
    """Prices in your `unit` (such as `EUR/MWh`) and `currency`, with the VAT, fees and licence the address has.

    JMESPath (jmespath.org) says where: `rows` finds the list; in each of it `start`, `price` and `end`, without which a
    slot lasts to the next. Instants: ISO 8601, by `timezone` (IANA) if without offset; or (milli)seconds since 1970.
    In `url` and `params`, `{from}`, `{to}` are the instants asked for (UTC), `{date}` each local date, a call for each;
    `{date:%Y/%m-%d}` has a form of its own. `auth_header` names the header for the secret, after `auth_prefix`.
    """

    url: str
    rows: str
    start: str
    price: str
    unit: str
    currency: str
    end: str = ""
    zone: str = ""
    timezone: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    auth_header: str = ""
    auth_prefix: str = ""

    rhythm: ClassVar[Rolling] = Rolling(every=DAY / 48, ahead=2 * DAY, back=DAY)

    def __post_init__(self) -> None:
        require_currency(self.currency)
        require_unit(self.unit, self.currency)
        zone_named(self.timezone or "UTC")
        _ = self._columns  # it refuses what is no expression
        for name, text in {"url": self.url, **{f"params.{name}": text for name, text in self.params.items()}}.items():
            require_known(text, name)

    @property
    def _columns(self) -> Columns:
        return Columns(rows=self.rows, start=self.start, end=self.end, price=self.price, timezone=self.timezone)

    async def fetch(self, span: Interval, *, at: datetime, web: Web) -> PriceSeries:
        """Return the slots that touch the span; of several dates, those that are there. Raises PriceError."""
        dates = local_dates(span, self.timezone or "UTC")
        rows, missing = list[Row](), list[PricesNotPublished | PricesRefused]()
        for day in dates if any("{date" in text for text in (self.url, *self.params.values())) else dates[:1]:
            try:
                rows += await self._asked({"from": span.start, "to": span.end, "date": day}, web)
            except (PricesNotPublished, PricesRefused) as error:
                missing.append(error)
        if missing and not rows:
            raise missing[0]
        return series(rows, unit=self.unit, currency=self.currency, span=span, at=at, zone=self.zone)

    async def _asked(self, values: Mapping[str, date], web: Web) -> list[Row]:
        headers = {self.auth_header: f"{self.auth_prefix}{web.token()}"} if self.auth_header else None
        params = {name: filled(text, values) for name, text in self.params.items()} or None
        return self._columns.of(await web.json(filled(self.url, values), object, params=params, headers=headers))
