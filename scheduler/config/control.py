"""The table `[control]`: the parameters of the rules, each with a unit in its name and the bounds of sense."""

from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from scheduler.core.model import Limits

UNITS = {
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "days": timedelta(days=1),
}

_BOUNDS: dict[str, tuple[str, float, float]] = {
    # parameter: unit of its setting, least, most
    "x_rx": ("min", 1, 60),
    "x_src": ("min", 1, 240),
    "x_parked": ("h", 0, 72),
    "t_unplug": ("min", 0, 60),
    "t_verify": ("min", 5, 120),
    "t_probe": ("s", 10, 600),
    "t_probe_again": ("min", 1, 30),
    "t_dwell": ("min", 1, 120),
    "n_hour": ("", 1, 60),
    "n_day": ("", 1, 500),
    "r_out": ("min", 0, 480),
    "r_stop": ("min", 0, 480),
    "t_stable": ("s", 0, 600),
    "t_auto": ("min", 0, 120),
    "t_alert": ("min", 1, 120),
    "t_hb": ("min", 5, 1440),
    "t_conv": ("min", 5, 240),
    "t_tick": ("s", 1, 300),
    "eps_soc": ("pct", 0, 10),
    "p_overshoot": ("pct", 0, 20),
    "future_max": ("min", 0, 30),
    "horizon": ("days", 1, 14),
}


def _key(name: str) -> str:
    unit = _BOUNDS[name][0]
    return f"{name}_{unit}" if unit else name


def _setting(name: str) -> tuple[Any, Any]:
    unit, least, most = _BOUNDS[name]
    default = getattr(Limits(), name)
    number = default / UNITS[unit] if isinstance(default, timedelta) else default
    return (int if isinstance(default, int) else float), Field(default=number, ge=least, le=most)


_SETTINGS: dict[str, Any] = {_key(name): _setting(name) for name in _BOUNDS}

ControlTable: type[BaseModel] = create_model(
    "ControlTable", __config__=ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False), **_SETTINGS
)


def limits_of(table: BaseModel) -> Limits:
    """Return the parameters that a `[control]` table sets."""
    found: dict[str, Any] = {}
    for name, (unit, _, _) in _BOUNDS.items():
        number = getattr(table, _key(name))
        found[name] = number * UNITS[unit] if unit in UNITS else number
    return Limits(**found)
