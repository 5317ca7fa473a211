"""What ComEd's hourly pricing (Illinois) has come to, and what recent days let expect of the hours ahead."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite
from statistics import fmean
from typing import ClassVar
from zoneinfo import ZoneInfo

from scheduler.core.errors import PricesNotPublished, PricesUnavailable
from scheduler.core.feeds import PriceSeries
from scheduler.core.publication import Rolling
from scheduler.core.terms import PriceState
from scheduler.core.timeline import Interval
from scheduler.ports import Web
from scheduler.prices.slots import HOUR, Row, epoch, floored, series

LOCAL = ZoneInfo("America/Chicago")
STEP, RECENT, AGAIN = timedelta(minutes=5), timedelta(days=15), 3 * HOUR


@dataclass(frozen=True, kw_only=True)
class Comed:
    """Prices of energy alone in USD (no delivery, no capacity, no taxes): the hour's mean of its twelve. Public.

    These are NO day-ahead prices: the service tells only of the past, so nobody has fixed the hours ahead. They are
    forecasts of ours: the mean of the same hour on the workdays, or the weekends, of the last fifteen days.
    """

    url: str = "https://hourlypricing.comed.com/api"
    _cents: dict[datetime, float] = field(default_factory=dict, init=False, repr=False, compare=False)

    rhythm: ClassVar[Rolling] = Rolling(every=STEP, back=RECENT)

    async def fetch(self, span: Interval, *, at: datetime, web: Web) -> PriceSeries:
        """Return the hours of the span. Asks for recent days once, then for the last hours again. Raises PriceError."""
        oldest = min(span.start, at - RECENT)
        since = max(oldest, min(max(self._cents, default=oldest), at) - AGAIN)
        edges = {"datestart": floored(since, HOUR), "dateend": at + HOUR}
        params = {name: f"{edge.astimezone(LOCAL):%Y%m%d%H%M}" for name, edge in edges.items()}
        told = await web.json(self.url, list[dict[str, str | None]], params={"type": "5minutefeed", **params})
        try:
            new = {
                epoch(int(one["millisUTC"] or ""), per_second=1000): float(price)
                for one in told
                if (price := one.get("price"))
            }
        except (KeyError, ValueError, PricesUnavailable):
            raise PricesUnavailable("the feed holds an instant or a price that is no number") from None
        if not new:
            raise PricesNotPublished("the feed holds no price")
        kept = {start: cents for start, cents in self._cents.items() if start >= at - RECENT}
        self._cents.clear()
        self._cents.update(kept | {start: cents for start, cents in new.items() if isfinite(cents)})
        return series(_hours(self._cents, span, at), unit="c/kWh", currency="USD", span=span, at=at, zone="COMED")


def _hours(cents: Mapping[datetime, float], span: Interval, at: datetime) -> Iterator[Row]:
    known, usual = defaultdict[datetime, list[float]](list), defaultdict[tuple[bool, int], list[float]](list)
    for start in sorted(cents):
        known[floored(start, HOUR)].append(cents[start])
    for start, values in known.items():
        if over := start + HOUR <= at:
            usual[_kind(start)].append(fmean(values))
        final = over and len(values) >= HOUR / STEP
        yield Row(start, start + HOUR, fmean(values), PriceState.FINAL if final else PriceState.PRELIMINARY)
    start = floored(at, HOUR)
    while start < span.end:
        weekend, hour = _kind(start)
        if start not in known and (values := usual[weekend, hour] or usual[not weekend, hour]):
            yield Row(start, start + HOUR, fmean(values), PriceState.FORECAST)
        start += HOUR


def _kind(start: datetime) -> tuple[bool, int]:
    local = start.astimezone(LOCAL)
    return local.weekday() >= 5, local.hour  # noqa: PLR2004 - Saturday and Sunday
