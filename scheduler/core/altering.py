"""Values that seldom change are copied only when they do: most readings say what was known."""

from dataclasses import replace
from typing import Any, TypeVar

T = TypeVar("T")


def altered(value: T, **members: Any) -> T:
    """Return a dataclass's value with other members; the value itself where it has them already."""
    if all(getattr(value, name) == member for name, member in members.items()):
        return value
    return replace(value, **members)  # type: ignore[type-var]
