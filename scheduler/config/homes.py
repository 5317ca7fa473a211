"""One home on its own: checked as the file's homes are, and written as TOML to paste."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import date, datetime, time, timedelta
from typing import Any

from pydantic import ValidationError

from scheduler.config.checks import Installed, problems_of
from scheduler.config.loading import home_of, told
from scheduler.config.settings import Settings
from scheduler.config.tables import HomeTable
from scheduler.core.errors import HomeInvalid
from scheduler.core.model import Home, VehicleSpec

FRESH = Home(id="-", user_id="-", timezone="UTC")


def checked_home(
    table: Mapping[str, Any], *, settings: Settings, beside: Mapping[str, Home], plugins: Installed
) -> Home:
    """Return the home that a table in the shape of one `[[home]]` describes.

    Args:
        table: what was handed over.
        settings: whose homes, price sources and calendars stand beside it.
        beside: the other homes made at run time, by id.
        plugins: what policies may be named.

    Raises:
        HomeInvalid: it is wrong; every problem is named with its key.
    """
    problems: list[tuple[str, str]] = []
    try:
        read = HomeTable(**table)
    except ValidationError as error:
        problems += [told(one, HomeTable) for one in error.errors(include_url=False, include_input=False)]
    except TypeError as error:
        raise HomeInvalid([f"a home must be a table: {error}"]) from error
    others = [*settings.homes, *beside.values()]
    tree = {
        "home": [*(_ids_of(home) for home in others), dict(table)],
        "prices": [{"name": spec.name} for spec in settings.prices],
        "calendar": [{"name": spec.name} for spec in settings.calendars],
    }
    own = f"home[{len(others)}]"
    problems += [
        (path.removeprefix(own).removeprefix("."), _in_words(text, others))
        for path, text in problems_of(tree, plugins)
        if path.startswith(own)
    ]
    if problems:
        raise HomeInvalid([f"{path}: {text}" if path else text for path, text in dict.fromkeys(problems)])
    return home_of(read)


def _ids_of(home: Home) -> dict[str, Any]:
    """Return as much of a home as can clash with another."""
    return {
        "id": home.id,
        "mode": "off",
        "charger_ids": list(home.charger_ids),
        "vehicle": [{"id": vehicle.id} for vehicle in home.vehicles],
    }


def _in_words(text: str, others: list[Home]) -> str:
    """Name the home instead of its number in a file that the reader does not see."""
    for number, home in enumerate(others):
        text = text.replace(f"home[{number}].", f"home {home.id}: ")
    return text


def table_of(home: Home) -> dict[str, Any]:
    """Return a home in the shape of one `[[home]]`, without what stands at its default."""
    apart = {"vehicles", "policies", "min_dwell", "slack"}
    table = {name: value for name, value in _changed(home, FRESH) if name not in apart}
    table = {"id": home.id, "user_id": home.user_id, "timezone": home.timezone} | table
    if home.min_dwell != FRESH.min_dwell:
        table["min_dwell_min"] = home.min_dwell / timedelta(minutes=1)
    if home.slack is not None:
        table["slack_min"] = home.slack / timedelta(minutes=1)
    if home.vehicles:
        table["vehicle"] = [{"id": one.id} | dict(_changed(one, VehicleSpec(id="-"))) for one in home.vehicles]
    if home.policies:
        table["policy"] = [{"name": one.name, **one.settings} for one in home.policies]
    return table


def _changed(value: Home | VehicleSpec, fresh: Home | VehicleSpec) -> Iterator[tuple[str, Any]]:
    for field in fields(value):
        own = getattr(value, field.name)
        if own != getattr(fresh, field.name):
            yield field.name, list(own) if isinstance(own, tuple) else own


def toml_of(table: Mapping[str, Any]) -> str:
    """Return a home's table as the lines of TOML that stand for it."""
    return "\n".join(_lines(table, "home")) + "\n"


def _lines(table: Mapping[str, Any], name: str) -> Iterator[str]:
    yield f"[[{name}]]"
    arrays = {key: value for key, value in table.items() if key in {"vehicle", "policy"} and name == "home"}
    for key, value in table.items():
        if key not in arrays and value is not None:
            yield f"{_key(key)} = {_value(value)}"
    for key, tables in arrays.items():
        for one in tables:
            yield ""
            yield from _lines(one, f"home.{key}")


def _key(text: str) -> str:
    plain = text.isascii() and text.replace("_", "").replace("-", "").isalnum()
    return text if plain else _value(text)


def _value(value: Any) -> str:
    match value:
        case str():
            return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case datetime() | date() | time():
            return value.isoformat()
        case Mapping():
            return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None) + " }"
        case list() | tuple():
            return "[" + ", ".join(_value(one) for one in value) + "]"
        case _:
            return _value(str(value))
