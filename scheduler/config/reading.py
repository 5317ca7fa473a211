"""Reads what was written: the TOML file, `KWHEN_…` variables over it, and where each setting came from."""

import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_settings import EnvSettingsSource
from pydantic_settings.exceptions import SettingsError as VariableError

from scheduler.config.positions import Positions
from scheduler.config.secrets import NAMED, SECRETS, names_of
from scheduler.config.strays import is_setting, strays
from scheduler.config.tables import PREFIX, File
from scheduler.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Written:
    """The settings as they were written, and where each came from.

    `notes` are oddities that do no harm; those of them that are `misspelt` may be why something else is missing.
    """

    tree: dict[str, Any]
    path: Path | None
    origins: Mapping[str, str]
    positions: Positions
    notes: tuple[str, ...] = ()
    misspelt: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def said(self, problems: Iterable[tuple[str, str]]) -> list[str]:
        """Return the problems in the order of the file, each with the place where it can be put right."""
        found = sorted(dict.fromkeys(problems), key=lambda problem: self.positions.line(problem[0]) or sys.maxsize)
        return [self._said(key, text) for key, text in found]

    def _said(self, key: str, text: str) -> str:
        variable = next((at for path, at in self.origins.items() if _within(path, key) and at.startswith(PREFIX)), "")
        if variable:
            return f"{variable}: {key}: {text}"
        line = self.positions.line(key)
        place = "" if self.path is None else f"{self.path}:{line}: " if line else f"{self.path}: "
        return f"{place}{key}: {text}"


def read(path: Path | None, environ: Mapping[str, str]) -> Written:
    """Read the file and the variables.

    Raises:
        ConfigError: the file is not there, or is no TOML.
    """
    text = _text(path)
    try:
        tree = tomllib.loads(text)
    except ValueError as error:  # a TOMLDecodeError; or a number of thousands of digits
        raise ConfigError([f"{path}: {error}; this is no TOML, see https://toml.io"]) from error
    except RecursionError:
        raise ConfigError([f"{path}: {_DEEP}"]) from None
    if _is_deep(tree):
        raise ConfigError([f"{path}: {_DEEP}"])
    problems = list(_secrets_in(tree, path))
    for key in [key for key in tree if key.startswith("_")]:  # pydantic-settings would take it for an option of its own
        problems.append(f"{path}: {key}: is unknown; no setting begins with _")
        del tree[key]
    try:
        variables = _Variables({name: value for name, value in environ.items() if is_setting(name)})()
    except VariableError as error:
        variables = {}
        problems.append(f"{PREFIX}…: {error}; a variable that holds a whole table must be JSON")
    origins = dict.fromkeys(_leaves(tree), str(path)) | {leaf: _variable(leaf) for leaf in _leaves(variables)}
    whole = _merged(tree, variables)
    odd = tuple(strays(environ, {kind: [name for _, name in names_of(whole, kind)] for kind in NAMED}))
    return Written(
        tree=whole,
        path=path,
        origins=origins,
        positions=Positions(text),
        notes=tuple(text for text, _ in odd),
        misspelt=tuple(text for text, likely in odd if likely),
        problems=tuple(problems),
    )


DEEPEST = 30
"""No setting lies so deep; far beyond it, whoever reads the tree would fall over its depth."""

_DEEP = "tables or lists are nested too deeply; no setting needs that"


def _is_deep(tree: Mapping[str, Any]) -> bool:
    """Tell whether something lies deeper than any setting does."""
    level: list[Any] = [tree]
    for _ in range(DEEPEST):
        members = (one for each in level for one in (each.values() if isinstance(each, Mapping) else each))
        level = [one for one in members if isinstance(one, (Mapping, list))]
    return bool(level)


def _text(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError([f"{path}: there is no such file; copy config.example.toml to begin with"]) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from error


class _Variables(EnvSettingsSource):
    """The variables of an environment that is handed over, not the process's own."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = {name.lower(): value for name, value in environ.items()}
        super().__init__(File)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return dict(self._environ)


def _secrets_in(tree: dict[str, Any], path: Path | None) -> Iterator[str]:
    """Take secrets out of what the file says, and say that they must not stand there."""
    for spec in SECRETS:
        table, _, key = spec.key.partition(".")
        if isinstance(tree.get(table), dict) and tree[table].pop(key, None) is not None:
            yield (
                f"{path}: {spec.key}: a secret must not stand in this file; take it out and set {spec.variable} "
                f"or write it to a file {spec.file} in secrets_dir"
            )


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _leaves(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _leaves(one, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        for index, one in enumerate(value):
            yield from _leaves(one, f"{path}[{index}]")
    else:
        yield path


def _variable(leaf: str) -> str:
    return PREFIX + leaf.partition("[")[0].replace(".", "__").upper()


def _within(path: str, key: str) -> bool:
    return path == key or path.startswith((f"{key}.", f"{key}["))
