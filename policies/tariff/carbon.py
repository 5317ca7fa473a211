"""The carbon of the grid beside the price: greener hours are chosen as far as a tonne is worth it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite

from scheduler.core.carbon import SameSlots, grams_by_slot
from scheduler.core.feeds import GRAMS
from scheduler.core.model import Situation
from scheduler.core.terms import Price, PriceSlot, Term

GRAMS_A_TONNE = 1e6


@dataclass(frozen=True, kw_only=True)
class Carbon:
    """What a kWh's carbon weighs in a plan, and the grams of CO2 that plans and sessions tell of.

    `source` is a name from `[[prices]]` whose series holds grams of CO2 per kWh (currency `gCO2`). `per_tonne` is what
    it is worth to spare a tonne [home currency, 0 or more]: at 100, an hour with 300 g less per kWh may cost 0.03 more.
    With 0 it weighs nothing, and the grams are told all the same. It is no money that anybody pays: costs, savings,
    price limits and opportunities leave it out. Of several such policies all weigh; the first says the grams.
    """

    source: str
    per_tonne: float

    def __post_init__(self) -> None:
        if not (isfinite(self.per_tonne) and self.per_tonne >= 0):
            raise ValueError(f"per_tonne must be 0 or more, not {self.per_tonne:g}")

    def terms(self, now: Situation) -> Iterable[Term]:
        """Yield the weight of every slot from the local day's start on, and of expected ones after the last known.

        Raises:
            ValueError: the source holds something else than grams.
        """
        series = now.series(self.source)
        if series is None:
            return
        if series.currency != GRAMS:
            raise ValueError(
                f"{self.source} is in {series.currency} per kWh, not in {GRAMS}: name a source of grams of CO2"
            )
        weight = _weight(self, SameSlots(grams_by_slot(series, now))) if self.per_tonne else None
        if weight is not None and weight.slots:
            yield weight


@lru_cache(maxsize=64)  # asked at every cycle of every car, changes with the grams and the local day
def _weight(policy: Carbon, grams: SameSlots) -> Price:
    slots = tuple(
        PriceSlot(
            start=slot.start,
            end=slot.end,
            per_kwh=slot.per_kwh * policy.per_tonne / GRAMS_A_TONNE,
            state=slot.state,
        )
        for slot in grams.slots
    )
    return Price(slots=slots, billed=False, why=f"carbon {policy.source}, {policy.per_tonne:g} a tonne")
