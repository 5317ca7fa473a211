"""The price sources of the configuration: each with a name, a time-out and a check of what it returns."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from scheduler.core.errors import PriceError, PricesUnavailable
from scheduler.core.model import PriceSeries
from scheduler.core.timeline import Interval
from scheduler.plugins.isolation import described
from scheduler.ports import PriceSource

TIMEOUT_S = 60.0
"""How long a source may take for one fetch [s], its own retries included."""


@dataclass(frozen=True, kw_only=True)
class PriceFeed:
    """A price source under the name that `[[prices]]` gives it; itself a `PriceSource`."""

    name: str
    source: PriceSource
    timeout_s: float = TIMEOUT_S

    async def fetch(self, span: Interval, *, at: datetime) -> PriceSeries:
        """Return what is published in the span, under this feed's name.

        Raises:
            PricesNotPublished: nothing yet, which is normal.
            PricesUnavailable: the source failed, hung, or returned something else than prices.
        """
        try:
            async with asyncio.timeout(self.timeout_s):
                series = await self.source.fetch(span, at=at)
        except PriceError:
            raise
        except TimeoutError as error:
            raise PricesUnavailable(f"prices {self.name}: no answer within {self.timeout_s:g} s") from error
        except Exception as error:
            raise PricesUnavailable(f"prices {self.name}: {described(error)}") from error
        if why := _unfit(series):
            raise PricesUnavailable(f"prices {self.name}: {why}")
        return replace(series, name=self.name)


def _unfit(series: object) -> str:
    if type(series) is not PriceSeries:
        return f"the source returned a {type(series).__name__}, no PriceSeries"
    late = next((b for a, b in pairwise(series.slots) if b.start < a.end), None)
    return f"the source's slots overlap or are out of order at {late.start}" if late else ""
