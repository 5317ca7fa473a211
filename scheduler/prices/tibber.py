"""What Tibber charges in Norway, Sweden, Germany and the Netherlands: today and tomorrow, with a personal token."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import ClassVar

import msgspec

from scheduler.core.errors import PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.core.feeds import PriceSeries
from scheduler.core.publication import DayAhead
from scheduler.core.timeline import Interval
from scheduler.ports import Web
from scheduler.prices.graphql import asked
from scheduler.prices.slots import Instant, require_one_of, series, with_ends

STEPS = {"QUARTER_HOURLY": timedelta(minutes=15), "HOURLY": timedelta(hours=1)}
DAYS = "{today{total startsAt currency} tomorrow{total startsAt currency}}"


class _Price(msgspec.Struct, rename="camel"):
    total: float | None
    starts_at: Instant
    currency: str


class _Days(msgspec.Struct):
    today: list[_Price] | None
    tomorrow: list[_Price] | None


class _Contract(msgspec.Struct, rename="camel"):
    price_info: _Days | None


class _Home(msgspec.Struct, rename="camel"):
    id: str
    current_subscription: _Contract | None


@dataclass(frozen=True, kw_only=True)
class Tibber:
    """Retail prices in the home's currency, with VAT and levies, without the grid company's fee; for one's own use.

    `home_id` is needed when several homes have a subscription; `resolution` is `QUARTER_HOURLY` or `HOURLY`.
    """

    home_id: str = ""
    resolution: str = "QUARTER_HOURLY"
    url: str = "https://api.tibber.com"

    rhythm: ClassVar[DayAhead] = DayAhead(asked_from=time(13), again=timedelta(hours=1))
    needs_token: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_one_of(self.resolution, STEPS, "resolution")

    async def fetch(self, span: Interval, *, at: datetime, web: Web) -> PriceSeries:
        """Return the slots of today and tomorrow that touch the span. Raises PriceError."""
        query = "{viewer{homes{id currentSubscription{priceInfo(resolution:" + self.resolution + ")" + DAYS + "}}}}"
        address, path = f"{self.url}/v1-beta/gql", ("viewer", "homes")
        homes = await asked(web, address, query, list[_Home], path=path, token=web.token())
        days = self._chosen(homes).price_info or _Days([], [])
        prices = [*(days.today or ()), *(days.tomorrow or ())]
        currencies = sorted({price.currency for price in prices})
        if not currencies:
            raise PricesNotPublished("it tells of no prices today, nor of tomorrow's")
        if len(currencies) > 1:
            raise PricesUnavailable(f"one home's prices are in {' and '.join(currencies)}")
        rows = with_ends({price.starts_at: price.total for price in prices}, step=STEPS[self.resolution])
        return series(rows, unit=f"{currencies[0]}/kWh", currency=currencies[0], span=span, at=at)

    def _chosen(self, homes: list[_Home]) -> _Contract:
        contracts = {home.id: home.current_subscription for home in homes if home.current_subscription is not None}
        found = [contract for name, contract in contracts.items() if self.home_id in ("", name)]
        if len(found) != 1:
            have = ", ".join(sorted(contracts)) or "none"
            raise PricesRefused(f"home_id must be one of the homes with a subscription ({have}), not {self.home_id!r}")
        return found[0]
