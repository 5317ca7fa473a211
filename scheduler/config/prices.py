"""Where prices come from: what the `[[prices]]` tables say of one another, and their secrets."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from scheduler.config.checks import Installed, Problem
from scheduler.config.secrets import Found, named_secret, names_of
from scheduler.config.tables import on_this_machine
from scheduler.plugins.building import nearest


def problems_of_prices(
    tree: Mapping[str, Any], kept: Mapping[str, Found | None], installed: Installed
) -> Iterator[Problem]:
    """Yield stand-ins that are none, addresses that are not safe, and sources without the token they need."""
    names = [name for _, name in names_of(tree, "prices")]
    places: dict[str, str] = {}
    for index, name in names_of(tree, "prices"):
        table, path = tree["prices"][index], f"prices[{index}]"
        if (first := places.setdefault(named_secret("prices", name).file, name)) != name:
            yield f"{path}.name", f"{name!r} and {first!r} would share one place for their secrets; choose another name"
        other = table.get("stand_in")
        if other == name:
            yield f"{path}.stand_in", "cannot stand in for itself; name another of [[prices]]"
        elif isinstance(other, str) and other not in names:
            yield f"{path}.stand_in", f"no [[prices]] is named {other!r}; {nearest(other, names)}"
        if isinstance(url := table.get("url"), str) and (why := _unsafe(url)):
            yield f"{path}.url", why
        if _needs_token(table, installed) and kept.get(named_secret("prices", name).key) is None:
            spec = named_secret("prices", name)
            place = f"set {spec.variable} or write it to a file {spec.file} in $CREDENTIALS_DIRECTORY or secrets_dir"
            yield f"{path}.source", f"{table['source']} needs a token; {place}"


def _unsafe(url: str) -> str:
    try:
        address = urlsplit(url)
        host = address.hostname
    except ValueError as error:
        return f"is no address: {error}"
    if address.scheme != "https" and not (address.scheme == "http" and on_this_machine(host)):
        return "must begin with https:// (http:// on this machine alone)"
    return "" if host else "must name a host, as in https://prices.example.org/today.json"


def _needs_token(table: Mapping[str, Any], installed: Installed) -> bool:
    source = table.get("source")
    if source not in installed.price_sources.names:
        return False
    return bool(getattr(installed.price_sources.plugin(str(source)).cls, "needs_token", False))
