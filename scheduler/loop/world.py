"""What is configured, as one value: replaced whole on reload, or not at all (S21)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from scheduler.core.model import Home, Limits, Mode, VehicleSpec, VehicleState
from scheduler.ports import Policies

Owned = tuple[Home, VehicleSpec]
"""A vehicle's settings with its home."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Homes with their policies, the parameters, and the hash of the configuration they came from."""

    homes: tuple[Home, ...] = ()
    policies: Mapping[str, Policies] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    conf: str = ""
    _limits: Mapping[str, Limits] = field(init=False, repr=False, default_factory=dict)
    _owners: Mapping[str, Owned] = field(init=False, repr=False, default_factory=dict)
    _shards: Mapping[int, Sequence[Owned]] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        dwelling = {h.id: replace(self.limits, t_dwell=max(self.limits.t_dwell, h.min_dwell)) for h in self.homes}
        object.__setattr__(self, "_limits", dwelling)
        owners: dict[str, Owned] = {}
        shards: dict[int, list[Owned]] = defaultdict(list)
        for home, vehicle in self.vehicles():
            owners.setdefault(vehicle.id, (home, vehicle))
            shards[home.shard].append((home, vehicle))
        object.__setattr__(self, "_owners", owners)
        object.__setattr__(self, "_shards", dict(shards))

    def owner(self, vehicle_id: str) -> Owned | None:
        """Return the home and the settings of a vehicle; None for one that is not configured."""
        return self._owners.get(vehicle_id)

    def of_shard(self, shard: int) -> Sequence[Owned]:
        """Return the configured vehicles of a shard, each with its home, in the order of the configuration."""
        return self._shards.get(shard, ())

    def vehicles(self) -> Iterator[Owned]:
        """Yield every configured vehicle with its home."""
        for home in self.homes:
            for vehicle in home.vehicles:
                yield home, vehicle

    def limits_of(self, home: Home) -> Limits:
        """Return the parameters for a home: its own minimum dwell where it is longer."""
        return self._limits[home.id]

    def fresh_state(self, home: Home, vehicle: VehicleSpec) -> VehicleState:
        """Return the state of a vehicle never seen before."""
        return VehicleState(vehicle_id=vehicle.id, home_id=home.id, user_id=home.user_id)

    def as_event(self) -> dict[str, Any]:
        """Return the journal's CONF line."""
        return {
            "k": "CONF",
            "hash": self.conf,
            "params": _params(self.limits),
            "homes": [
                {
                    "id": home.id,
                    "user": home.user_id,
                    "loc": home.location_id,
                    "chargers": list(home.charger_ids),
                    "trust": home.trust_charger,
                    "kw_max": home.max_kw,
                    "mode": home.mode,
                    "slack": None if home.slack is None else home.slack // timedelta(microseconds=1) * 1000,
                    "vehicles": [
                        {
                            "id": vehicle.id,
                            "mode": vehicle.mode if home.mode is Mode.CONTROL else home.mode,
                            "no_pause": vehicle.no_pause,
                            "energy_per_session_kwh": vehicle.energy_per_session_kwh,
                            "hold_mode": home.hold_mode,
                        }
                        for vehicle in home.vehicles
                    ],
                }
                for home in self.homes
            ],
        }


_NAMES = {"x_rx": "X_rx", "x_src": "X_src", "x_parked": "X_parked", "n_hour": "N_hour", "n_day": "N_day",
          "r_out": "R_out", "r_stop": "R_stop"}  # fmt: skip


def _params(limits: Limits) -> dict[str, float]:
    """Return the parameters by their names in the invariants; durations in nanoseconds."""
    params: dict[str, float] = {}
    for name in limits.__dataclass_fields__:
        value = getattr(limits, name)
        known = _NAMES.get(name, "T_" + name[2:] if name.startswith("t_") else name)
        params[known] = value // timedelta(microseconds=1) * 1000 if isinstance(value, timedelta) else value
    return params
