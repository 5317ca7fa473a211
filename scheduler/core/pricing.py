"""What is told of prices: how each source is, and what a kWh costs a home, in parts."""

from dataclasses import dataclass
from datetime import datetime

from scheduler.core.feeds import PriceSeries
from scheduler.core.terms import PriceSlot, PriceState
from scheduler.core.timeline import Interval

Part = tuple[str, float]
"""One summand of a price: its name, and its amount per kWh."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceStatus:
    """One table of `[[prices]]` as it is now.

    `kind` is the source it names, such as `nord-pool`. `series` is what is in force under the name, with the slots of
    the one that stands in; None as long as nothing is. `fetched_at` is when the source itself last brought prices,
    `next_fetch_at` when it is asked again (None: at once). `late` says that something is missing which should be known
    by now, `trouble` why the source's own prices are not there; empty where they are.
    """

    name: str
    kind: str
    stand_in: str = ""
    series: PriceSeries | None = None
    fetched_at: datetime | None = None
    next_fetch_at: datetime | None = None
    late: bool = False
    trouble: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PaidSlot:
    """What a kWh costs a home in `[start, end)`: its parts, in the order of their adding, come to `per_kwh`."""

    start: datetime
    end: datetime
    per_kwh: float
    state: PriceState
    parts: tuple[Part, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class GridCarbon:
    """The grams of CO2 per kWh by a policy `carbon`, and what it is worth to spare a tonne [home currency]."""

    source: str
    per_tonne: float
    slots: tuple[PriceSlot, ...]  # grams


@dataclass(frozen=True, kw_only=True, slots=True)
class HomePrices:
    """What a kWh costs a home within a span: ordered, disjoint slots. A gap between them is a price not known."""

    span: Interval
    slots: tuple[PaidSlot, ...] = ()
    carbon: tuple[GridCarbon, ...] = ()
