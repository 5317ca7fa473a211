"""Take what is offered cheaply: nothing needs it, but at that price it is welcome."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from scheduler.core.model import Situation
from scheduler.core.terms import Opportunity as Offer
from scheduler.core.terms import Term

FULL_PCT = 100.0


@dataclass(frozen=True, kw_only=True)
class Opportunity:
    """Go on to `soc_pct` [%] wherever a published price is at or below `per_kwh` [home currency, all included].

    By default that is what costs nothing, or less; a car stops at its own charge limit before 100 %. It is no target:
    where no price is low enough, nothing is charged for it, and targets are met without it.
    """

    soc_pct: float = FULL_PCT
    per_kwh: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.soc_pct <= FULL_PCT:
            raise ValueError(f"soc_pct must be above 0 and at most 100, not {self.soc_pct:g}")
        if not math.isfinite(self.per_kwh):
            raise ValueError(f"per_kwh must be finite, not {self.per_kwh}")

    def terms(self, now: Situation) -> Iterable[Term]:
        """Yield the opportunity, with or without a price that is low enough in sight."""
        why = f"up to {self.soc_pct:g} % at or below {self.per_kwh:g} {now.home.currency}/kWh"
        yield Offer(soc_pct=self.soc_pct, per_kwh=self.per_kwh, why=why)
