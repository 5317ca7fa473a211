"""What is doubtful about what a home pays: prices in another currency, and power that lifts a monthly fee."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policies.tariff.flat import Flat
from policies.tariff.spot import Spot
from policies.tariff.time_of_use import TimeOfUse
from scheduler.config.settings import Settings
from scheduler.core.errors import KwhenError
from scheduler.core.model import Home, Mode, VehicleSpec
from scheduler.plugins import Registry

TARIFFS = (Flat, TimeOfUse, Spot)


def currencies_of(settings: Settings, registry: Registry) -> dict[str, str]:
    """Return the currency of each of `[[prices]]` whose source says it as a setting, by their names."""
    told: dict[str, str] = {}
    for spec in settings.prices:
        try:
            currency = getattr(registry.plugin(spec.source).build(spec.settings), "currency", None)
        except KwhenError:  # set aside: said already
            continue
        if isinstance(currency, str):
            told[spec.name] = currency
    return told


def about_costs(home: Home, policies: Sequence[Any], currencies: Mapping[str, str]) -> Iterator[str]:
    """Yield the doubts about a home's tariffs.

    Args:
        home: its cars and powers.
        policies: the home's, as far as they could be built.
        currencies: of the sources, as far as known.
    """
    for policy in policies:
        currency = currencies.get(policy.source) if isinstance(policy, Spot) else None
        if currency not in (None, home.currency):
            yield f"its prices {policy.source} are in {currency}, it reckons in {home.currency}: set the same currency"
    fees = [policy.capacity_kw for policy in policies if isinstance(policy, TARIFFS)]
    yield from _about_capacity(home, min((power for power in fees if power is not None), default=math.inf))


def _about_capacity(home: Home, capacity_kw: float) -> Iterator[str]:
    """Name the cars that can lift the home over a step of the grid company's monthly fee: no plan avoids it."""
    cars = [(car.name or car.id, _power_kw(car, home)) for car in home.vehicles if car.mode is not Mode.OFF]
    known = [(name, power) for name, power in cars if power is not None]
    together = min(sum(power for _, power in known), home.max_kw or math.inf)
    above = [one for one in known if one[1] > capacity_kw]
    if not above and together > capacity_kw:
        above = [("its cars together", together)]
    for name, power in above:
        yield (
            f"{name} can charge with {power:g} kW, and above {capacity_kw:g} kW (capacity_kw) the monthly fee rises; "
            "kwhen sets no power: limit the car or the charger, then write its power here"
        )


def _power_kw(car: VehicleSpec, home: Home) -> float | None:
    return min((power for power in (car.charge_power_kw, home.max_kw) if power is not None), default=None)
