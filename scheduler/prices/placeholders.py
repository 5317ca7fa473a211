"""What an address that is asked again and again leaves open: `{from}`, `{to}` and `{date}`."""

import re
from collections.abc import Mapping
from datetime import date

FORMS = {"from": "%Y-%m-%dT%H:%M:%SZ", "to": "%Y-%m-%dT%H:%M:%SZ", "date": "%Y-%m-%d"}
"""The names, and how each is written where no form of its own follows, as in `{from:%Y%m%d%H%M}`."""

_PLACEHOLDER = re.compile(r"\{(\w+)(?::([^{}]*))?\}")


def require_known(text: str, name: str) -> None:
    """Refuse a setting with a placeholder that nothing fills. Other braces are left alone.

    Raises:
        ValueError: and `name` says which setting it was.
    """
    for found in _PLACEHOLDER.finditer(text):
        if found[1] not in FORMS:
            raise ValueError(f"{name} has the placeholder {found[0]}; known are {', '.join(FORMS)}")


def filled(text: str, values: Mapping[str, date]) -> str:
    """Return a text with its placeholders replaced. Instants are written as they are given: in UTC."""
    return _PLACEHOLDER.sub(lambda found: format(values[found[1]], found[2] or FORMS[found[1]]), text)
