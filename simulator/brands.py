"""What a person can link: brands, and the device that an account there holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from simulator.capability import Capability
from simulator.intervention_texts import CHARGER_CONTROL, VEHICLE_CONTROL

PARKED: Final = "parked"  # stands at home, unplugged
PLUGGED: Final = "plugged"  # stands at home, plugged in
COMING: Final = "coming"  # comes home within minutes and is plugged in


@dataclass(frozen=True, kw_only=True)
class Brand:
    """The device behind every account of a brand; `device` are members of `Vehicle` or `Charger`."""

    label: str
    device: Mapping[str, Any] = field(default_factory=dict)
    capacity_kwh: float = 58.0
    soc_pct: float = 50.0
    arrival: str = PARKED
    lives: bool = False  # the owner leaves for work and comes back, day after day


Brands = Mapping[str, Mapping[str, Brand]]
"""By kind of device, `vehicle` or `charger`, and by the provider's name of the vendor."""

ID3: Final[dict[str, Any]] = {"brand": "Volkswagen", "model": "ID.3 Pro", "max_power_kw": 11.0}
MODEL_3: Final[dict[str, Any]] = {"brand": "Tesla", "model": "Model 3", "max_power_kw": 11.0}
ZOE: Final[dict[str, Any]] = {
    "brand": "Renault",
    "model": "Zoe",
    "max_power_kw": 7.4,
    "native_control": False,  # only a paired charger can start, stop and place it
    "has_gps": False,
    "reports_power": False,
}
GO: Final[dict[str, Any]] = {"brand": "Zaptec", "model": "Go"}
EASEE_HOME: Final[dict[str, Any]] = {"brand": "Easee", "model": "Home", "serial": "EAS000001"}

BRANDS: Final[Brands] = {
    "vehicle": {
        "VOLKSWAGEN": Brand(label="Volkswagen", device=ID3),
        "TESLA": Brand(label="Tesla", device=MODEL_3, capacity_kwh=75.0),
        "RENAULT": Brand(label="Renault", device=ZOE, capacity_kwh=52.0),
    },
    "charger": {"ZAPTEC": Brand(label="Zaptec", device=GO), "EASEE": Brand(label="Easee", device=EASEE_HOME)},
}
"""Cars that stand at home unplugged, and chargers that can do everything."""


def _locked(intervention_id: str) -> dict[str, Capability]:
    """Return control that a person can unlock."""
    return dict.fromkeys(("startCharging", "stopCharging"), Capability(capable=False, interventions=(intervention_id,)))


OWNERS_BRANDS: Final[Brands] = {
    "vehicle": {
        # Has its own position and control; waits for a command, so that nothing charges before somebody says so.
        "VOLKSWAGEN": Brand(
            label="Volkswagen", device=ID3 | {"auto_start": False}, soc_pct=41.0, arrival=PLUGGED, lives=True
        ),
        # Has its own position; control is locked until the owner allows it.
        "TESLA": Brand(
            label="Tesla",
            device=MODEL_3 | {"capabilities": _locked(VEHICLE_CONTROL)},
            capacity_kwh=75.0,
            soc_pct=46.0,
            arrival=COMING,
            lives=True,
        ),
        # Has neither: useless without a charger.
        "RENAULT": Brand(label="Renault", device=ZOE, capacity_kwh=52.0, soc_pct=38.0, arrival=COMING, lives=True),
    },
    "charger": {
        "ZAPTEC": Brand(label="Zaptec", device=GO | {"capabilities": _locked(CHARGER_CONTROL)}),
        "EASEE": Brand(label="Easee", device=EASEE_HOME),
    },
}
"""Accounts for an owner who begins with nothing: each path of linking has one."""
