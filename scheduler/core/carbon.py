"""The grams of CO2 of a home's energy, by the source that its policy `carbon` names."""

from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache

from scheduler.core.calendar import local_days
from scheduler.core.feeds import GRAMS, PriceSeries
from scheduler.core.flowing import come_to
from scheduler.core.model import Flow, Plan, PlannedSlot, Situation
from scheduler.core.prices import expected
from scheduler.core.terms import PriceSlot
from scheduler.core.timeline import Interval

CARBON = "carbon"
"""The name of the policy. Its setting `source` says where the grams are; the first one of a home is reported by."""

HOUR = timedelta(hours=1)


class SameSlots:
    """Slots that equal only themselves: comparing a thousand of them would cost more than what is kept is worth."""

    def __init__(self, slots: tuple[PriceSlot, ...]) -> None:
        self.slots = slots

    def __hash__(self) -> int:
        return id(self.slots)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SameSlots) and other.slots is self.slots


def carbon_series(now: Situation) -> PriceSeries | None:
    """Return the grams per kWh of the home's grid; None where no policy names a source, or it holds no grams."""
    named = next((spec.settings.get("source") for spec in now.home.policies if spec.name == CARBON), None)
    series = now.series(named) if isinstance(named, str) else None
    return series if series is not None and series.currency == GRAMS else None


def grams_by_slot(series: PriceSeries, now: Situation) -> tuple[PriceSlot, ...]:
    """Return the grams per kWh of the local days up to the horizon: as the source tells them, then as expected.

    As long as the source tells nothing new, it is the same tuple all day.
    """
    zone = now.home.timezone
    return _by_slot(SameSlots(series.slots), local_days(now.at, now.limits.horizon, zone), zone)


def planned_grams(plan: Plan, now: Situation) -> list[float | None]:
    """Return the grams to expect of each planned slot; None where nothing tells them."""
    series = carbon_series(now)
    if series is None:
        return [None] * len(plan.slots)
    slots = grams_by_slot(series, now)
    return [come_to([_flow(planned)], slots) for planned in plan.slots]


def session_grams(flows: Iterable[Flow], now: Situation) -> float | None:
    """Return the grams of what flowed; None where they are not published for every part of it."""
    series = carbon_series(now)
    if series is None:
        return None
    return come_to(flows, [slot for slot in series.slots if slot.published])


def _flow(planned: PlannedSlot) -> Flow:
    """Return planned charging as a flow at its mean power."""
    return Flow(start=planned.start, end=planned.end, kw=planned.energy_kwh / ((planned.end - planned.start) / HOUR))


@lru_cache(maxsize=32)  # asked at every cycle of every car, changes with the source and the local day
def _by_slot(known: SameSlots, span: Interval, timezone: str) -> tuple[PriceSlot, ...]:
    slots = known.slots + expected(known.slots, start=span.start, end=span.end, timezone=timezone)
    return tuple(_within(slot, span) for slot in slots if slot.end > span.start and slot.start < span.end)


def _within(slot: PriceSlot, span: Interval) -> PriceSlot:
    low, high = max(slot.start, span.start), min(slot.end, span.end)
    return PriceSlot(start=low, end=high, per_kwh=slot.per_kwh, state=slot.state)
