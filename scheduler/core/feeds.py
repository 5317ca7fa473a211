"""What arrives from outside beside the car: the prices of a source, the departures of a calendar."""

from dataclasses import dataclass
from datetime import date, datetime

from scheduler.core.terms import PriceSlot
from scheduler.core.timeline import Interval

GRAMS = "gCO2"
"""The currency of carbon: such series hold grams of CO2 per kWh. No home reckons in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StandIn:
    """A stretch of time in which another source speaks for one that is silent."""

    interval: Interval
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceSeries:
    """Prices of one source: slots ordered by start, disjoint, may have gaps. Unit: `currency` per kWh.

    `product` tells apart what the same name has meant before (source and settings): prices of two products never mix.
    `stand_ins` says where the slots of another source stand.
    """

    name: str
    currency: str
    slots: tuple[PriceSlot, ...]
    fetched_at: datetime
    zone: str = ""
    product: str = ""
    stand_ins: tuple[StandIn, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class CalendarDeparture:
    """The start of an event in a calendar of the person's. `soc_pct` [%] or `energy_kwh` [kWh] where the event says it.

    `day` is the local date of an event that lasts all day; `at` then is where that date begins at the home.
    """

    calendar: str
    at: datetime
    title: str = ""
    day: date | None = None
    soc_pct: float | None = None
    energy_kwh: float | None = None
