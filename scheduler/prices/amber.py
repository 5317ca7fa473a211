"""What Amber Electric of Australia charges per kWh, now and, as far as it can tell, in the next two days."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from msgspec import Struct

from scheduler.core.feeds import PriceSeries
from scheduler.core.publication import Rolling
from scheduler.core.terms import PriceState
from scheduler.core.timeline import Interval
from scheduler.ports import Web
from scheduler.prices.slots import Instant, Row, floored, require_one_of, series

CHANNELS = ("general", "controlledLoad", "feedIn")
GRID = timedelta(minutes=5)
MOST = 2048
FINAL, PRELIMINARY, FORECAST = PriceState.FINAL, PriceState.PRELIMINARY, PriceState.FORECAST


class _Advanced(Struct):
    predicted: float | None = None


class _Interval(Struct, rename="camel"):
    type: Literal["ActualInterval", "CurrentInterval", "ForecastInterval"]
    channel_type: str
    start_time: Instant
    end_time: Instant
    per_kwh: float | None
    estimate: bool = True
    advanced_price: _Advanced | None = None

    def row(self, sign: int) -> Row:
        cents = self.per_kwh
        state = FINAL if self.type == "ActualInterval" or not self.estimate else PRELIMINARY
        if self.type == "ForecastInterval":
            better = self.advanced_price.predicted if self.advanced_price else None
            cents, state = cents if better is None else better, FORECAST
        # Each begins one second after its boundary.
        return Row(floored(self.start_time, GRID), self.end_time, None if cents is None else sign * cents, state)


@dataclass(frozen=True, kw_only=True)
class Amber:
    """Retail prices in AUD with GST and the network's charges; of `feedIn`, what a kWh fed in earns. For customers.

    `site_id` is the site's own, `channel` is `general`, `controlledLoad` or `feedIn`, `resolution` 5 or 30 minutes.
    """

    site_id: str
    channel: str = "general"
    resolution: int = 30
    url: str = "https://api.amber.com.au/v1"

    rhythm: ClassVar[Rolling] = Rolling(every=GRID, ahead=timedelta(days=2), back=timedelta(0))
    needs_token: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_one_of(self.channel, CHANNELS, "channel")
        require_one_of(self.resolution, (5, 30), "resolution")
        if not re.fullmatch("[0-9A-Za-z]+", self.site_id):
            raise ValueError(f"site_id must be letters and digits, as Amber shows it, not {self.site_id!r}")

    async def fetch(self, span: Interval, *, at: datetime, web: Web) -> PriceSeries:
        """Return the intervals that touch the span, as far as Amber tells of them. Raises PriceError."""
        step = timedelta(minutes=self.resolution)
        counts = {"next": -((at - span.end) // step), "previous": -((span.start - floored(at, step)) // step)}
        params = {name: str(min(max(count, 0), MOST)) for name, count in counts.items()}
        params["resolution"] = str(self.resolution)
        address, headers = f"{self.url}/sites/{self.site_id}/prices/current", {"Authorization": f"Bearer {web.token()}"}
        told = await web.json(address, list[_Interval], params=params, headers=headers)
        rows = [one.row(-1 if self.channel == "feedIn" else 1) for one in told if one.channel_type == self.channel]
        return series(rows, unit="c/kWh", currency="AUD", span=span, at=at, zone="AU")
