"""Who is told of alerts: the `[[notify]]` tables with their secrets."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from scheduler.config.secrets import Found, Secret, named_secret, names_of
from scheduler.config.settings import NotifySpec
from scheduler.config.tables import NTFY_URL, NotifyTable

PORTS = {"starttls": 587, "tls": 465, "none": 25}


def problems_of_notify(tree: Mapping[str, Any], kept: Mapping[str, Found | None]) -> Iterator[tuple[str, str]]:
    """Yield names that stand twice, and users without a password."""
    first: dict[str, int] = {}
    for index, name in names_of(tree, "notify"):
        if name in first:
            yield f"notify[{index}].name", f"{name!r} stands at notify[{first[name]}] already; choose another"
        first.setdefault(name, index)
        spec = named_secret("notify", name)
        if tree["notify"][index].get("user") and kept.get(spec.key) is None:
            place = f"set {spec.variable} or write it to a file {spec.file} in $CREDENTIALS_DIRECTORY or secrets_dir"
            yield f"notify[{index}].user", f"has no password; {place}"


def notify_specs(tables: Iterable[NotifyTable], kept: Mapping[str, Found | None]) -> tuple[NotifySpec, ...]:
    """Return each notifier with its secret and the defaults of its kind."""
    return tuple(_spec(table, kept.get(named_secret("notify", table.name).key)) for table in tables)


def _spec(table: NotifyTable, found: Found | None) -> NotifySpec:
    return NotifySpec(
        name=table.name,
        by=table.by,
        least=table.least,
        ends=table.ends,
        secret=Secret(found.text if found else ""),
        url=(table.url or NTFY_URL).rstrip("/") + "/",
        topic=table.topic or "",
        host=table.host or "",
        port=table.port or PORTS[table.security],
        security=table.security,
        user=table.user or "",
        sender=table.sender or "",
        to=table.to,
    )
