"""The settings in force as a person may see them: each with where it came from, and nothing that must stay secret."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

HIDDEN = "[hidden]"
DEFAULT = "default"

SECRET_NAME = re.compile(r"(secret|token|password|passphrase|credential|api_?key)s?$", re.IGNORECASE)
POSITION_NAME = re.compile(r"\.(latitude|longitude)$")


@dataclass(frozen=True, kw_only=True)
class ShownSetting:
    """One setting: its key, its value as text, and where it came from (`default` where nobody set it)."""

    key: str
    value: str
    origin: str


def shown_settings(tree: Mapping[str, Any], origins: Mapping[str, str]) -> tuple[ShownSetting, ...]:
    """Return every leaf of the effective settings, in the order of the tables.

    Passwords and keys are hidden by their names, addresses lose user, password and query, and a home's position is
    rounded to a tenth of a degree (some ten kilometres). What has no value is left out.
    """
    return tuple(
        ShownSetting(key=key, value=_told(key, value), origin=origins.get(key, DEFAULT))
        for key, value in _leaves(tree)
        if value is not None
    )


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _leaves(one, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(one, Mapping) for one in value):
        for index, one in enumerate(value):
            yield from _leaves(one, f"{path}[{index}]")
    else:
        yield path, value


def _told(key: str, value: Any) -> str:
    if SECRET_NAME.search(key):
        return HIDDEN
    if POSITION_NAME.search(key) and isinstance(value, int | float):
        return f"about {value:.1f}"
    if isinstance(value, str):
        return _without_password(value) if "://" in value else value
    return json.dumps(value, ensure_ascii=False)


def _without_password(text: str) -> str:
    try:
        address = urlsplit(text)
    except ValueError:
        return HIDDEN
    query = "…" if address.query else ""
    return urlunsplit(address._replace(netloc=address.netloc.rpartition("@")[2], query=query, fragment=""))
