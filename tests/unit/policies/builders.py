"""Situations for policies: everything a test does not speak of is filled in."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from scheduler.core.feeds import CalendarDeparture, PriceSeries
from scheduler.core.model import Home, Limits, Situation, VehicleSpec
from scheduler.core.observation import Observation
from scheduler.core.terms import PriceSlot

AT = datetime(2026, 1, 5, 11, 20, tzinfo=UTC)  # a Monday, 12:20 in Oslo


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def situation(
    *,
    at: datetime = AT,
    timezone: str = "Europe/Oslo",
    currency: str = "EUR",
    prices: Iterable[PriceSeries] = (),
    horizon: timedelta = timedelta(days=8),
    departures: Iterable[CalendarDeparture] = (),
) -> Situation:
    """A car about which nothing is known yet, at a home in Oslo."""
    return Situation(
        at=at,
        mono_ns=0,
        run=1,
        home=Home(id="h", user_id="u", timezone=timezone, currency=currency),
        vehicle=VehicleSpec(id="v"),
        observation=Observation(),
        limits=Limits(horizon=horizon),
        prices=tuple(prices),
        departures=tuple(departures),
    )


def market(
    *per_kwh: float, start: datetime, step: timedelta = timedelta(hours=1), name: str = "spot", currency: str = "EUR"
) -> PriceSeries:
    """Prices one after another from an instant on."""
    slots = tuple(
        PriceSlot(start=start + n * step, end=start + (n + 1) * step, per_kwh=price) for n, price in enumerate(per_kwh)
    )
    return PriceSeries(name=name, currency=currency, slots=slots, fetched_at=start)
