"""Buy what no target needs only when it is cheap."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from scheduler.core.model import Situation
from scheduler.core.terms import PriceLimit as Limit
from scheduler.core.terms import Term


@dataclass(frozen=True, kw_only=True)
class PriceLimit:
    """Energy that no target needs is bought only at or below `per_kwh` [home currency per kWh, all included].

    Targets are met above it too. Zero and negative limits are allowed: prices can be negative.
    """

    per_kwh: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.per_kwh):
            raise ValueError(f"per_kwh must be finite, not {self.per_kwh}")

    def terms(self, now: Situation) -> Iterable[Term]:
        """Yield the limit."""
        yield Limit(per_kwh=self.per_kwh, why=f"not above {self.per_kwh:g} {now.home.currency}/kWh")
