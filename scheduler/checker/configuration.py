"""Rules on what is configured: whole and traceable (S21), and no secret of it in the journal (S19)."""

# ruff: noqa: ARG002 - all rules have the same hooks, whether or not one reads the record

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from scheduler.checker.present import SIMULATED
from scheduler.checker.record import Event, Record
from scheduler.checker.rule import Rule, Violation, kinds

SECRET_NAME = re.compile(r"secret|token|passw|api_?key|authorization|latitude|longitude", re.IGNORECASE)
SECRET_TEXT = re.compile(
    r"\bbearer\s+[\w.~+/=-]{8,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}"
    r"|://[^/\s:@]+:[^/\s@]+@"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|(?:secret|token|passw(?:or)?d|api_?key)[\"']?\s*[=:]\s*[\"']?[^\s\"'&]{6,}",
    re.IGNORECASE,
)
SHORTEST = 12
"""A shorter text holds no secret that could be told from a word. A pattern needs more than letters and digits, too."""

PLAIN = frozenset({int, float, bool, type(None)})
"""Types that hold no text."""


class Whole(Rule):
    """Every intent names the configuration in force, and one hash means one configuration."""

    code = "S21"
    judges = kinds("CONF INTENT")

    def __init__(self) -> None:
        self._said: dict[tuple[Any, str], tuple[Any, Any]] = {}
        self._in_force: dict[Any, str] = {}

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield an intent that cannot be traced, and a hash that stands for two configurations."""
        run = event.get("run")
        if event["k"] == "CONF":
            content = event.get("params"), event.get("homes")
            if self._said.setdefault((run, event["hash"]), content) != content:
                yield self.broken(event, "the same hash stood for another configuration")
            self._in_force[run] = event["hash"]
        elif event["k"] == "INTENT" and run in self._in_force and event.get("conf") != self._in_force[run]:
            known = (run, event.get("conf")) in self._said
            yield self.broken(event, f"the configuration it names is {'not in force any more' if known else 'unknown'}")


class Secrets(Rule):
    """No line holds what looks like a secret, or coordinates. Which secrets are configured, the checker cannot know."""

    code = "S19"

    def judge(self, event: Event, record: Record) -> Iterator[Violation]:
        """Yield the members that give something away; their content is not repeated."""
        if event["k"] not in SIMULATED and not _clean(event):
            for where in _given_away(event, ""):
                yield self.broken(event, f"{where} looks like a secret")


def _clean(value: Any) -> bool:
    """Tell in haste that nothing in a value looks like a secret; what is not clean is looked at again."""
    kind = type(value)
    if kind is str:
        return len(value) < SHORTEST or value.isalnum() or not _is_secret(value)
    if kind is dict:
        return not _name_a_secret(tuple(value)) and _all_clean(value.values())
    return kind in PLAIN or (kind is list and _all_clean(value))


def _all_clean(values: Iterable[Any]) -> bool:
    longer = [one for one in values if type(one) not in PLAIN and not (type(one) is str and len(one) < SHORTEST)]
    return not longer or all(map(_clean, longer))


def _given_away(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, str):
        if len(value) >= SHORTEST and _is_secret(value):
            yield where
    elif isinstance(value, Mapping):
        for name, member in value.items():
            if member is not None and _names_a_secret(name):
                yield f"{where}.{name}" if where else name
            else:
                yield from _given_away(member, f"{where}.{name}" if where else name)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _given_away(member, where)


@lru_cache(maxsize=10_000)
def _is_secret(text: str) -> bool:
    return SECRET_TEXT.search(text) is not None


@lru_cache(maxsize=1000)
def _name_a_secret(names: tuple[str, ...]) -> bool:
    return any(_names_a_secret(name) for name in names)


@lru_cache(maxsize=1000)
def _names_a_secret(name: str) -> bool:
    return SECRET_NAME.search(name) is not None
