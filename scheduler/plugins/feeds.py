"""The price sources of the configuration: each with a name, its web, a time-out and a check of what it returns."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from scheduler.core.errors import PriceError, PricesNotPublished, PricesUnavailable
from scheduler.core.feeds import GRAMS, PriceSeries
from scheduler.core.publication import DayAhead, Rhythm, Rolling
from scheduler.core.terms import PriceSlot
from scheduler.core.timeline import Interval
from scheduler.plugins.isolation import described
from scheduler.ports import PriceSource, Web

TIMEOUT_S = 120.0
"""How long a source may take for one fetch [s], its own retries included."""

LONGEST = 400
"""Of what a service says of its trouble no more is told [characters]."""


@dataclass(frozen=True, kw_only=True)
class PriceFeed:
    """A price source under the name that `[[prices]]` gives it.

    `product` changes with the source and its settings, so that what the store keeps under the name is not mixed with
    what the name has meant before. `stand_in` names the feed that speaks where this one is silent. `redact` takes
    secrets out of a text.
    """

    name: str
    source: PriceSource
    web: Web
    kind: str = ""
    product: str = ""
    stand_in: str = ""
    timeout_s: float = TIMEOUT_S
    redact: Callable[[str], str] = str

    @property
    def rhythm(self) -> Rhythm:
        """When it is to be asked."""
        rhythm = getattr(self.source, "rhythm", None)
        return rhythm if isinstance(rhythm, (DayAhead, Rolling)) else Rolling()

    async def fetch(self, span: Interval, *, at: datetime) -> PriceSeries:
        """Return what is published in the span, under this feed's name.

        Raises:
            PricesNotPublished: nothing yet, which is normal; also where the source returned no slot.
            PricesUnavailable: the source failed, hung, or returned something else than prices.
        """
        try:
            async with asyncio.timeout(self.timeout_s):
                series = await self.source.fetch(span, at=at, web=self.web)
        except PriceError as error:
            error.args = (_shortened(self.redact(str(error))),)  # a service may repeat what it was asked with (S19)
            raise
        except TimeoutError as error:
            raise PricesUnavailable(f"no answer within {self.timeout_s:g} s") from error
        except Exception as error:
            raise PricesUnavailable(_shortened(self.redact(described(error)))) from error
        if why := _unfit(series):
            raise PricesUnavailable(why)
        if not series.slots:
            raise PricesNotPublished("the source returned no slot")
        return replace(series, name=self.name, product=self.product, fetched_at=at)


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _unfit(series: object) -> str:
    if type(series) is not PriceSeries:
        return f"the source returned a {type(series).__name__}, no PriceSeries"
    if series.currency != GRAMS and not re.fullmatch("[A-Z]{3}", str(series.currency)):
        return f"the source's currency is {series.currency!r}, which is none of ISO 4217 such as EUR"
    if type(series.zone) is not str:
        return f"the source's zone is a {type(series.zone).__name__}, no text"
    if type(series.slots) is not tuple or any(type(slot) is not PriceSlot for slot in series.slots):
        return "the source's slots are no tuple of PriceSlot"
    late = next((b for a, b in pairwise(series.slots) if b.start < a.end), None)
    return f"the source's slots overlap or are out of order at {late.start}" if late else ""
