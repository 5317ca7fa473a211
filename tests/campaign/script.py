"""A life as a value: homes, cars, what their owners do, and what goes wrong. The same script, the same life.

Times are whole seconds from the start. A script is written as JSON, drawn from a seed (`drawing`), lived through
(`life`), and made smaller while it still fails (`shrinking`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

DAY_S = 86_400


class Stay(msgspec.Struct, frozen=True, kw_only=True):
    """One time at a plug: from `plugs_s` to `leaves_s`, after a drive that took `used_kwh`; at home, unless `away`."""

    plugs_s: int
    leaves_s: int
    used_kwh: float
    away: bool = False


class Car(msgspec.Struct, frozen=True, kw_only=True):
    """A car, and its owner's stays in their order. While it charges its maker tells of it every `seen_every_s`."""

    capacity_kwh: float
    power_kw: float
    soc_pct: float
    limit_pct: float = 100.0
    auto_start: bool = True
    reports_power: bool = True
    no_pause: bool = False
    seen_every_s: float = 120.0
    taper: bool = True
    stays: tuple[Stay, ...] = ()


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """A home with its cars and what is wanted of them. `policies` come after `minimum-soc`, `ready-by` and `spot`."""

    timezone: str
    cars: tuple[Car, ...]
    chargers: bool = True
    mode: str = "control"
    ready_at: str = "07:00"
    days: tuple[str, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    target_pct: float = 80.0
    minimum_pct: float = 20.0
    policies: tuple[Mapping[str, Any], ...] = ()


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Something that goes wrong for a while. `car` counts the cars of all homes; -1: it strikes all of them.

    `dose` (0 to 1) says how badly, where that can differ.
    """

    code: str
    at_s: int
    for_s: int
    car: int = -1
    dose: float = 0.5


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a life consists of. `prices` names a recorded series of the shared data, or is `made`."""

    seed: int
    start_at: datetime
    days: int
    homes: tuple[Home, ...]
    troubles: tuple[Trouble, ...] = ()
    prices: str = "made"
    webhooks: bool = True

    @property
    def end_at(self) -> datetime:
        """When it ends."""
        return self.start_at + timedelta(days=self.days)

    @property
    def vehicle_days(self) -> int:
        """How many days of how many cars."""
        return self.days * sum(len(home.cars) for home in self.homes)

    @property
    def kinds(self) -> frozenset[str]:
        """Which kinds of trouble strike in it."""
        return frozenset(trouble.code for trouble in self.troubles)

    def combinations(self) -> frozenset[str]:
        """Return which kinds of trouble are there together at some moment, as `N01+P05`."""
        edges = sorted({it.at_s for it in self.troubles})
        together = ({it.code for it in self.troubles if it.at_s <= at < it.at_s + it.for_s} for at in edges)
        return frozenset("+".join(sorted(codes)) for codes in together)


def written(script: Script) -> bytes:
    """Return a script as JSON."""
    return msgspec.json.format(msgspec.json.encode(script), indent=1)


def read(text: bytes) -> Script:
    """Return the script that a JSON text holds.

    Raises:
        msgspec.ValidationError: it holds none.
    """
    script = msgspec.json.decode(text, type=Script)
    return msgspec.structs.replace(script, start_at=script.start_at.astimezone(UTC))
