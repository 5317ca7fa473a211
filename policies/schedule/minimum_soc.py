"""Keep a reserve in the battery, whatever it costs."""

from collections.abc import Iterable
from dataclasses import dataclass

from scheduler.core.model import Situation
from scheduler.core.terms import Target, Term

HIGHEST_PCT = 95
"""A reserve above this would charge at any price, always."""


@dataclass(frozen=True, kw_only=True)
class MinimumSoc:
    """Below `soc_pct` [%] charge at once. The default carries most cars to a hospital and back."""

    soc_pct: float = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.soc_pct <= HIGHEST_PCT:
            raise ValueError(f"soc_pct must be above 0 and at most {HIGHEST_PCT}, not {self.soc_pct:g}")

    def terms(self, now: Situation) -> Iterable[Term]:
        """Yield the reserve, above it too: no STOP may come below it either."""
        del now
        yield Target(soc_pct=self.soc_pct, by=None, why=f"never below {self.soc_pct:g} %")
