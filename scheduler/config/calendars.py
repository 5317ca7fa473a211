"""Where calendars come from: the `[[calendar]]` tables with their addresses, which may be secret."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from scheduler.config.secrets import Found, Secret, named_secret, names_of
from scheduler.config.settings import CalendarSpec
from scheduler.config.tables import CalendarTable, on_this_machine


def problems_of_calendars(tree: Mapping[str, Any], kept: Mapping[str, Found | None]) -> Iterator[tuple[str, str]]:
    """Yield names that stand twice, calendars with no place or several, and addresses that are not safe."""
    first: dict[str, int] = {}
    for index, name in names_of(tree, "calendar"):
        table, path, spec = tree["calendar"][index], f"calendar[{index}]", named_secret("calendar", name)
        if name in first:
            yield f"{path}.name", f"{name!r} stands at calendar[{first[name]}] already; choose another"
        first.setdefault(name, index)
        found = kept.get(spec.key)
        given = [key for key in ("url", "path") if key in table] + ([found.origin or spec.file] if found else [])
        if not given and "secret" not in table:
            place = f"set {spec.variable} or write it to a file {spec.file} in $CREDENTIALS_DIRECTORY or secrets_dir"
            yield path, f"says nowhere to read it; give url or path, or keep its private address secret: {place}"
        elif len(given) > 1:
            yield path, f"{given[0]} and {given[1]} exclude one another; remove one"
        url = table.get("url")
        if isinstance(url, str) and (why := _unfit(url)):
            yield f"{path}.url", why
        elif isinstance(url, str) and "@" in urlsplit(url).netloc:
            yield f"{path}.url", f"a password must not stand in this file; set {spec.variable} to the whole address"
        if found and found.text and (why := _unfit(found.text)):
            yield spec.key, f"the address in {found.origin} {why}"


def calendar_specs(tables: Iterable[CalendarTable], kept: Mapping[str, Found | None]) -> tuple[CalendarSpec, ...]:
    """Return each calendar with its address, be it in the file or secret."""
    return tuple(_spec(table, kept.get(named_secret("calendar", table.name).key)) for table in tables)


def host_of(url: str) -> str:
    """Return as much of an address as may be shown: whoever knows the rest may read the calendar."""
    address = urlsplit(url)
    return f"{address.scheme}://{address.netloc.rpartition('@')[2]}/…"


def _spec(table: CalendarTable, found: Found | None) -> CalendarSpec:
    address = table.url or (found.text if found else "")
    at = "calendar.url in the configuration" if table.url else found.origin if found else ""
    return CalendarSpec(name=table.name, address=Secret(_as_https(address)), address_at=at, path=table.path or "")


def _as_https(address: str) -> str:
    """Return an address as it is asked for: `webcal` only says that a calendar lies there."""
    scheme, colon, rest = address.partition(":")
    return f"https:{rest}" if colon and scheme.lower() in {"webcal", "webcals"} else address


def _unfit(url: str) -> str:
    """Say what is wrong with an address, and nothing of what it is; empty when it may be asked."""
    try:
        address = urlsplit(_as_https(url))
        host, _ = address.hostname, address.port
    except ValueError:
        return "is no address such as https://calendar.example.org/family.ics"
    if address.scheme != "https" and not (address.scheme == "http" and on_this_machine(host)):
        return "must begin with https:// or webcal:// (http:// on this machine alone)"
    if not host or any(c.isspace() or not c.isprintable() for c in url):
        return "must name a host and hold no blanks, as in https://calendar.example.org/family.ics"
    return ""
