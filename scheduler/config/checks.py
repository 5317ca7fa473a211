"""What no single value shows: homes against one another, policies, prices."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.schedule.minimum_soc import MinimumSoc
from policies.schedule.ready_by import SOC_PCT, ReadyBy
from policies.tariff.carbon import Carbon
from policies.tariff.spot import Spot
from scheduler.config.places import fault_of
from scheduler.core.model import Mode
from scheduler.plugins import Registry, SettingsError
from scheduler.plugins.building import nearest

Problem = tuple[str, str]
"""The path of a key, and what is wrong with what to do about it."""


@dataclass(frozen=True, kw_only=True)
class Installed:
    """The plugins that the configuration may name."""

    policies: Registry
    price_sources: Registry


def problems_of(tree: Mapping[str, Any], installed: Installed) -> Iterator[Problem]:
    """Yield every problem of homes and price sources, as far as they are well-formed: the rest is named elsewhere."""
    homes = [(f"home[{n}]", home) for n, home in _tables(tree.get("home"))]
    sources = [(f"prices[{n}]", source) for n, source in _tables(tree.get("prices"))]
    cars = [(f"{path}.vehicle[{m}]", car) for path, home in homes for m, car in _tables(home.get("vehicle"))]
    chargers = [(f"{path}.charger_ids", one) for path, home in homes for one in _list(home.get("charger_ids"))]
    yield from _doubles([(f"{path}.id", home.get("id")) for path, home in homes], "home")
    yield from _doubles([(f"{path}.name", source.get("name")) for path, source in sources], "price source")
    yield from _doubles([(f"{path}.id", car.get("id")) for path, car in cars], "vehicle")
    yield from _doubles(chargers, "charger")
    for path, source in sources:
        yield from _built(installed.price_sources, source, path, key="source", beside=("name", "stand_in")).problems
    names = [str(source.get("name")) for _, source in sources]
    calendars = [str(one.get("name")) for _, one in _tables(tree.get("calendar"))]
    for path, home in homes:
        yield from _problems_of_place(home, path)
        yield from _problems_of_policies(home, path, names, calendars, installed)


def _tables(value: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    yield from ((index, one) for index, one in enumerate(_list(value)) if isinstance(one, Mapping))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _doubles(found: Sequence[tuple[str, Any]], what: str) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for path, name in found:
        if not isinstance(name, str):
            continue
        if name in first:
            yield path, f"{what} {name!r} stands at {first[name]} already; remove one of the two"
        first.setdefault(name, path)


def _problems_of_place(home: Mapping[str, Any], path: str) -> Iterator[Problem]:
    if home.get("location_id") is None and home.get("mode", Mode.CONTROL) == Mode.CONTROL:
        remedy = 'see `kwhen home discover`, or set mode = "observe"'
        yield f"{path}.location_id", f"is missing, and without it no car is ever at home; {remedy}"
    latitude, longitude = home.get("latitude"), home.get("longitude")
    if (latitude is None) != (longitude is None):
        yield f"{path}.latitude", "latitude and longitude need one another; give both or none"
    if not isinstance(latitude, (int, float)) or not isinstance(longitude, (int, float)):
        return
    if why := fault_of(latitude, longitude):
        yield f"{path}.latitude", why


def _problems_of_policies(
    home: Mapping[str, Any], path: str, prices: Sequence[str], calendars: Sequence[str], installed: Installed
) -> Iterator[Problem]:
    built: dict[str, Any] = {}
    for m, policy in _tables(home.get("policy")):
        here = f"{path}.policy[{m}]"
        result = _built(installed.policies, policy, here, key="name")
        yield from result.problems
        built[here] = result.instance
        if isinstance(result.instance, (Spot, Carbon)) and result.instance.source not in prices:
            source = result.instance.source
            yield f"{here}.source", f"no [[prices]] is named {source!r}; {nearest(source, prices)}"
        calendar = result.instance.calendar if isinstance(result.instance, ReadyBy) else None
        if calendar is not None and calendar not in calendars:
            yield f"{here}.calendar", f"no [[calendar]] is named {calendar!r}; {_nearest_calendar(calendar, calendars)}"
    yield from _contradictions(built)


def _nearest_calendar(name: str, calendars: Sequence[str]) -> str:
    return nearest(name, calendars) if calendars else "none is configured, see config.example.toml"


def _contradictions(policies: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield targets below the reserve (C03): the car would be charged beyond them at any price."""
    floor = max((one.soc_pct for one in policies.values() if isinstance(one, MinimumSoc)), default=0.0)
    for path, policy in policies.items():
        if not isinstance(policy, ReadyBy):
            continue
        own = SOC_PCT if policy.soc_pct is None and policy.energy_kwh is None else policy.soc_pct
        for target in [own, *(one.soc_pct for one in policy.departures)]:
            if target is not None and target < floor:
                text = f"the target of {target:g} % lies below the minimum of {floor:g} %"
                yield f"{path}.soc_pct", f"{text}; raise it or lower the minimum"


@dataclass(frozen=True, kw_only=True)
class _Built:
    instance: Any = None
    problems: tuple[Problem, ...] = ()


def _built(registry: Registry, table: Mapping[str, Any], path: str, *, key: str, beside: Sequence[str] = ()) -> _Built:
    """Build a plugin to see whether it can be. One whose package cannot be loaded is no problem: it is set aside."""
    name = table.get(key)
    if not isinstance(name, str):
        return _Built()
    if name not in registry.names:
        return _Built(problems=((f"{path}.{key}", f"{name!r} is not installed; {nearest(name, registry.names)}"),))
    plugin = registry.plugin(name)
    if plugin.cls is None:
        return _Built()
    try:
        return _Built(instance=plugin.build({k: v for k, v in table.items() if k != key and k not in beside}))
    except SettingsError as error:
        return _Built(problems=tuple((f"{path}.{at}" if at else path, text) for at, text in error.problems))
