"""What policies say. A policy states terms; the one planner honours them all, or says which broke for which."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from scheduler.core.timeline import Interval, require_utc


class PriceState(StrEnum):
    """How sure a price is: published for good, published and still to be confirmed, or only expected."""

    FINAL = "final"
    PRELIMINARY = "preliminary"
    FORECAST = "forecast"


def least_sure(states: Iterable[PriceState]) -> PriceState:
    """Return the state of a sum: that of its least sure part."""
    return max(states, key=list(PriceState).index)


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceSlot:
    """What a kWh costs in `[start, end)`."""

    start: datetime
    end: datetime
    per_kwh: float
    state: PriceState = PriceState.FINAL

    def __post_init__(self) -> None:
        require_utc(self.start, "start")
        require_utc(self.end, "end")
        if self.end <= self.start:
            raise ValueError(f"a price slot must end after it starts: {self.start} .. {self.end}")
        if self.per_kwh != self.per_kwh or self.per_kwh in (float("inf"), float("-inf")):
            raise ValueError(f"a price must be finite, not {self.per_kwh} at {self.start}")

    @property
    def published(self) -> bool:
        """Tell whether somebody has fixed this price; False for an expected or assumed one."""
        return self.state is not PriceState.FORECAST


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """What a kWh costs in each slot: ordered, disjoint, may have gaps (a gap is an unknown price, never a free one).

    Several prices add up where all of them have a slot (market price, grid fee by hour). One that is not `billed` is no
    money that anybody pays: it weighs in the planner's choice (carbon at a price per tonne), and is left out wherever a
    cost is told or a price is compared with one. Beside billed prices it counts as published or expected alike, and its
    gaps are filled by what is expected there: where it fails, no price is unknown for that.
    """

    slots: tuple[PriceSlot, ...]
    billed: bool = True
    why: str = "price"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Reach a state of charge, or take an amount of energy, by an instant; `by=None` is at once, whatever it costs.

    `energy_kwh` is counted on the grid side from the plug-in on. Exactly one of `soc_pct` and `energy_kwh` is given.
    """

    soc_pct: float | None = None
    energy_kwh: float | None = None
    by: datetime | None = None
    why: str = "target"

    def __post_init__(self) -> None:
        if (self.soc_pct is None) == (self.energy_kwh is None):
            raise ValueError("a target needs soc_pct or energy_kwh, and not both")
        if self.soc_pct is not None and not 0 <= self.soc_pct <= 100:  # noqa: PLR2004
            raise ValueError(f"soc_pct must be within 0 and 100, not {self.soc_pct}")
        if self.energy_kwh is not None and not self.energy_kwh >= 0:
            raise ValueError(f"energy_kwh must not be negative, not {self.energy_kwh}")
        if self.by is not None:
            require_utc(self.by, "by")


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Do not charge in the interval. With `even_below_minimum` it may withhold a START below the minimum SoC too."""

    interval: Interval
    even_below_minimum: bool = False
    why: str = "blocked"


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Charge in the interval, whatever it costs. A run counts as asking for energy."""

    interval: Interval
    why: str = "run"


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceLimit:
    """Energy that no target needs is bought only at or below `per_kwh`: the sum of the billed prices."""

    per_kwh: float
    why: str = "price limit"


@dataclass(frozen=True, kw_only=True, slots=True)
class Opportunity:
    """Go on to `soc_pct` wherever the price is at or below `per_kwh`: the sum of the billed prices.

    What else weighs does not forbid it; it only says which of the cheap hours are taken first.
    """

    soc_pct: float
    per_kwh: float
    why: str = "opportunity"


@dataclass(frozen=True, kw_only=True, slots=True)
class StartCost:
    """What one more start costs, in the home's currency."""

    amount: float
    why: str = "start cost"


@dataclass(frozen=True, kw_only=True, slots=True)
class MinDwell:
    """The shortest run and the shortest pause."""

    duration: timedelta
    why: str = "minimum dwell"


@dataclass(frozen=True, kw_only=True, slots=True)
class RandomDelay:
    """Put off what begins or ends by the plan by a random time of up to `longest`. Of several the longest counts.

    The time is drawn once for each edge of the plan and each vehicle, by the core.
    """

    longest: timedelta
    why: str = "random delay"


T = TypeVar("T")

Term = Price | Target | Block | Run | PriceLimit | Opportunity | StartCost | MinDwell | RandomDelay

TERM_TYPES: dict[str, type[Term]] = {
    "price": Price, "target": Target, "block": Block, "run": Run, "price-limit": PriceLimit,
    "opportunity": Opportunity, "start-cost": StartCost, "min-dwell": MinDwell, "random-delay": RandomDelay,
}  # fmt: skip
"""The name of each term wherever one is written down (stored situations, `kwhen plan --json`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stated:
    """A term with who stated it. A lower rank has precedence: a term gives way only to one of a lower rank."""

    rank: int
    policy: str
    term: Term


def of_type(stated: Iterable[Stated], kind: type[T]) -> list[T]:
    """Return the terms of one kind, in precedence order."""
    return [s.term for s in sorted(stated, key=lambda s: s.rank) if isinstance(s.term, kind)]


def billed(stated: Iterable[Stated]) -> list[Price]:
    """Return the prices that make what a person pays, in precedence order."""
    return [price for price in of_type(stated, Price) if price.billed]


def decisive(stated: Iterable[Stated]) -> list[Price]:
    """Return the prices by which it is told whether a price is published (S10): the billed ones, or all without any."""
    stated = tuple(stated)
    return billed(stated) or of_type(stated, Price)
