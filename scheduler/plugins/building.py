"""Settings become an instance: checked against the types of the class's fields, every problem at once."""

import json
import math
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation

from scheduler.core.errors import KwhenError

T = TypeVar("T")

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class SettingsError(KwhenError):
    """Settings that do not fit the class. `problems` pairs each key path with what is wrong and what to do."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{path}: {text}" if path else text for path, text in problems))
        self.problems = tuple(problems)


def build(cls: type[T], settings: Mapping[str, Any]) -> T:
    """Return `cls(**settings)` with every value checked and converted.

    Times of day are written `"07:30"` (or TOML's `07:30:00`), members called `days` hold `"mon"` to `"sun"`, spans such
    as `"mon-fri"`, or 0 to 6, members called `months` hold `"jan"` to `"dec"`, spans, or 1 to 12. A number is never
    taken from a string, nor the other way round.

    Raises:
        SettingsError: a key is unknown, missing, or its value does not fit.
    """
    wanted: Any = cls
    problems: list[tuple[str, str]] = []
    plain = _plain(dict(settings), "", problems)
    problems.extend(_unknown_keys(cls, plain, ""))
    if problems:
        raise SettingsError(problems)
    try:
        built: T = _adapter(wanted).validate_json(json.dumps(plain), strict=True)
    except ValidationError as error:
        raise SettingsError([(dotted(one["loc"]), reason(one)) for one in error.errors(include_url=False)]) from error
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation, NameError) as error:
        raise SettingsError([("", f"its fields have types that settings cannot fill: {_first_line(error)}")]) from error
    return built


def as_json(value: Any) -> Any:
    """Return settings as they were written, with TOML's dates and times as text, so that JSON can keep them."""
    if isinstance(value, Mapping):
        return {str(key): as_json(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(one) for one in value]
    return value.isoformat() if isinstance(value, (datetime, date, time)) else value


def nearest(key: str, valid: Sequence[str]) -> str:
    """Return the remedy for an unknown key or name: the nearest valid one, or all of them."""
    close = get_close_matches(key, valid, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"valid are: {', '.join(sorted(valid))}" if valid else "nothing may be set here"


def dotted(location: Sequence[str | int]) -> str:
    """Return a location such as `("windows", 0, "start")` as `windows[0].start`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def reason(error: Mapping[str, Any]) -> str:
    """Return what pydantic found wrong with one value, in our words where its own speak of Python."""
    if error["type"] == "missing":
        return "is missing; give it a value"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    text = str(error["msg"]).removeprefix("Input ").partition(" or instance of ")[0]
    for python, toml in (("array", "list"), ("tuple", "list"), ("object", "table"), ("dictionary", "table")):
        text = text.replace(python, toml)
    return text[0].lower() + text[1:]


@lru_cache(maxsize=128)  # of a class: as dear as a hundred uses. Plugins that are loaded anew are other classes
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _plain(value: Any, path: str, problems: list[tuple[str, str]]) -> Any:
    """Return the settings as JSON can hold them, with the names of weekdays and months as numbers."""
    if isinstance(value, Mapping):
        return {key: _member(key, one, f"{path}.{key}" if path else str(key), problems) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one, f"{path}[{index}]", problems) for index, one in enumerate(value)]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        problems.append((path, f"must be a finite number, not {value}"))
        return 0
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    problems.append((path, f"cannot be set to a {type(value).__name__}"))
    return None


def _member(key: Any, value: Any, path: str, problems: list[tuple[str, str]]) -> Any:
    names = {"days": WEEKDAYS, "months": MONTHS}.get(key)
    if names is None or not isinstance(value, (list, tuple, set, frozenset, str)):
        return _plain(value, path, problems)
    first = 0 if key == "days" else 1
    numbers: list[Any] = []
    for one in [value] if isinstance(value, str) else value:
        try:
            numbers.extend(_numbers(one, names, first) if isinstance(one, str) else [one])
        except ValueError as error:
            problems.append((path, str(error)))
    return numbers


def _numbers(text: str, names: Sequence[str], first: int) -> list[int]:
    """Read `fri` or `fri-mon`; a span may go over the end of the week or year."""
    ends = [part.strip().lower()[:3] for part in text.split("-")]
    if not 1 <= len(ends) <= 2 or any(end not in names for end in ends):  # noqa: PLR2004 - a span has two ends
        raise ValueError(f"{text!r} is none of {', '.join(names)} nor a span such as {names[0]}-{names[4]}")
    low, high = names.index(ends[0]), names.index(ends[-1])
    return [(low + step) % len(names) + first for step in range((high - low) % len(names) + 1)]


def _unknown_keys(wanted: Any, value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the keys that no field of a dataclass bears, at every depth."""
    if isinstance(wanted, type) and is_dataclass(wanted) and isinstance(value, dict):
        hints = _hints(wanted)
        names = [field.name for field in fields(wanted) if field.init]
        for key, one in value.items():
            here = f"{path}.{key}" if path else str(key)
            if key in names:
                yield from _unknown_keys(hints.get(key), one, here)
            else:
                yield here, f"is unknown; {nearest(str(key), names)}"
    elif get_origin(wanted) in {Union, types.UnionType}:
        for one in get_args(wanted):
            if isinstance(one, type) and is_dataclass(one):
                yield from _unknown_keys(one, value, path)
    elif isinstance(value, list) and get_args(wanted):
        for index, one in enumerate(value):
            yield from _unknown_keys(get_args(wanted)[0], one, f"{path}[{index}]")


def _hints(cls: type) -> dict[str, Any]:
    look_up: Callable[[Any], dict[str, Any]] = get_type_hints
    try:
        return look_up(cls)
    except NameError:  # an annotation that means nothing; building says so
        return {}
