"""What is allowed and yet probably not meant."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from policies.schedule.minimum_soc import MinimumSoc
from policies.schedule.price_limit import PriceLimit
from policies.schedule.quiet_hours import QuietHours
from policies.schedule.random_delay import RandomDelay
from policies.schedule.ready_by import ReadyBy
from policies.tariff.carbon import Carbon
from policies.tariff.spot import Spot
from scheduler.calendars.source import missing_packages, unreadable
from scheduler.config.checks import Installed
from scheduler.config.costs import TARIFFS, about_costs, currencies_of
from scheduler.config.loading import installed
from scheduler.config.places import doubt_of
from scheduler.config.settings import Settings
from scheduler.config.tables import on_this_machine
from scheduler.core.errors import KwhenError
from scheduler.core.model import Home, Mode
from scheduler.plugins import Registry

ASK_FOR_NOTHING = (MinimumSoc, PriceLimit, QuietHours, RandomDelay, Carbon, *TARIFFS)
"""These alone never make a car charge beyond its reserve."""


def warnings(settings: Settings, *, at: datetime, plugins: Installed | None = None) -> tuple[str, ...]:
    """Return one sentence for each thing that an owner should look at; the daemon runs all the same.

    Args:
        settings: the configuration.
        at: the present instant, for departures that are over.
        plugins: what is installed, when the caller knows it already.
    """
    found = plugins or installed()
    return (
        *settings.notes,
        *_about_nothing(settings),
        *_about_the_port(settings),
        *_about_plugins(settings, found),
        *_about_prices(settings, found.policies),
        *_about_calendars(settings),
        *(f"home {home.id}: {text}" for home in settings.homes for text in _about_home(home, found.policies, at)),
        *_about_costs(settings, found),
        *_about_places(settings),
    )


def _about_nothing(settings: Settings) -> Iterator[str]:
    if not settings.homes:
        yield "no home is configured: the daemon runs and does nothing; `kwhen home discover` prints one to paste"


def _about_the_port(settings: Settings) -> Iterator[str]:
    if settings.http.enabled and not on_this_machine(settings.http.host):
        yield (
            f"http.listen: {settings.http.host} can be reached from other machines, and without a proxy with TLS the "
            "password goes there in the clear"
        )


def _about_plugins(settings: Settings, found: Installed) -> Iterator[str]:
    named = {(spec.name, found.policies) for home in settings.homes for spec in home.policies}
    named |= {(spec.source, found.price_sources) for spec in settings.prices}
    for name, registry in sorted(named, key=lambda pair: pair[0]):
        plugin = registry.plugin(name)
        if plugin.cls is None:
            yield f"{name} (from {plugin.package}) is set aside: {plugin.why}"


def _about_prices(settings: Settings, registry: Registry) -> Iterator[str]:
    policies = [policy for home in settings.homes for policy in _policies(home, registry)]
    used = {policy.source for policy in policies if isinstance(policy, (Spot, Carbon))}
    used |= {spec.stand_in for spec in settings.prices if spec.name in used}
    strangers = any(not registry.plugin(spec.name).ours for home in settings.homes for spec in home.policies)
    for spec in settings.prices:
        if spec.name not in used and not strangers:
            yield f"prices {spec.name}: no policy reads them"


def _about_calendars(settings: Settings) -> Iterator[str]:
    read = {name for home in settings.homes for name in home.calendars}
    for spec in settings.calendars:
        if spec.name not in read:
            yield f"calendar {spec.name}: no policy reads it"
        if spec.path and (why := unreadable(spec.path)):
            yield f"calendar {spec.name}: {spec.path} cannot be read: {why}; it is tried again"
    if settings.calendars and (why := missing_packages()):
        names = ", ".join(spec.name for spec in settings.calendars)
        yield f"calendar {names} is set aside: {why}"


def _about_home(home: Home, registry: Registry, at: datetime) -> Iterator[str]:
    if not home.vehicles:
        yield "it has no vehicle"
    if home.location_id is None:
        yield "it has no location_id, so no car is ever at home; `kwhen home discover` shows it"
    if home.trust_charger and not home.charger_ids:
        yield "trust_charger does nothing without charger_ids"
    if home.mode is Mode.OFF:
        return
    policies = _policies(home, registry)
    ready = [policy for policy in policies if isinstance(policy, ReadyBy)]
    single = [policy for policy in ready if policy.at is None and policy.calendar is None]
    for policy in single:
        if all(one.instant(home.timezone) <= at for one in policy.departures):
            yield "every departure of ready-by is over; give a weekly `at`, or the next departure"
    if all(isinstance(policy, ASK_FOR_NOTHING) for policy in policies):
        yield "no policy gives a target, so nothing is charged beyond a minimum; add ready-by or off-peak"
    ours = all(registry.plugin(spec.name).ours for spec in home.policies)
    if home.policies and ours and not any(map(_tells_hours_apart, policies)):
        yield "no policy gives a price, so every hour costs the same"


def _about_costs(settings: Settings, found: Installed) -> Iterator[str]:
    currencies = currencies_of(settings, found.price_sources)
    for home in settings.homes:
        if home.mode is not Mode.OFF:
            doubts = about_costs(home, _policies(home, found.policies), currencies)
            yield from (f"home {home.id}: {text}" for text in doubts)


def _tells_hours_apart(policy: Any) -> bool:
    return isinstance(policy, TARIFFS) or (isinstance(policy, Carbon) and policy.per_tonne > 0)


def _about_places(settings: Settings) -> Iterator[str]:
    for home in settings.homes:
        if home.id in settings.coordinates and (doubt := doubt_of(*settings.coordinates[home.id], home.timezone)):
            yield f"home {home.id}: {doubt}"


def _policies(home: Home, registry: Registry) -> list[Any]:
    """Return the policies of a home as far as they can be built."""
    built: list[Any] = []
    for spec in home.policies:
        try:
            built.append(registry.plugin(spec.name).build(spec.settings))
        except KwhenError:  # set aside: said already
            continue
    return built
