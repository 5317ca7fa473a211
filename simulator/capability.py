"""Capabilities of devices, what unlocks them, and what a vehicle gains from the chargers beside it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.charger import Charger
    from simulator.vehicle import Vehicle

VEHICLE_CAPABILITIES = (
    "information",
    "chargeState",
    "location",
    "odometer",
    "setMaxCurrent",
    "startCharging",
    "stopCharging",
    "smartCharging",
)
CHARGER_CAPABILITIES = ("information", "chargeState", "startCharging", "stopCharging", "setMaxCurrent")
PAIRED = ("startCharging", "stopCharging", "location")


@dataclass(frozen=True, kw_only=True)
class Capability:
    """Whether a device can do something, and which interventions would change or better it."""

    capable: bool = True
    interventions: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {"isCapable": self.capable, "interventionIds": list(self.interventions)}


CAPABLE = Capability()
INCAPABLE = Capability(capable=False)

VEHICLE_CONTROL = "3f6f7b52-41a6-4d0e-9a55-6b0f6a1f0c11"
VEHICLE_LOCATION = "5a0c2f7e-7e0f-4c5f-8d0a-2f4f3a9f7b22"
VEHICLE_ODOMETER = "7d1b9c30-64d8-4f4e-8f0d-9c1a4f6e2d33"
VEHICLE_CHARGE_STATE = "8e2ca1d4-0b53-4d6c-a8f5-1f7b3c5d4e44"
CHARGER_CONTROL = "9b3db2e5-1c64-4e7d-b9a6-2a8c4d6e5f55"
CHARGER_CHARGE_STATE = "ac4ec3f6-2d75-4f8e-8ab7-3b9d5e7f6a66"
ACCOUNT_ADVICE = "bd5fd407-3e86-4a9f-9bc8-4cae6f8a7b77"


def _intervention(  # one line of the catalogue a row
    id_: str, vendor_type: str | None, title: str, *, access: str, action: str | None, domain: str
) -> dict[str, Any]:
    vendor = {"vehicle": "RENAULT", "charger": "ZAPTEC"}.get(vendor_type or "")
    return {
        "id": id_,
        "vendor": vendor,
        "vendorType": vendor_type,
        "brand": vendor.capitalize() if vendor else None,
        "introducedAt": "2024-05-01T00:00:00.000Z",
        "domain": domain,
        "resolution": {
            "title": title,
            "description": f"{title}<br><br>1. Open the **vendor's app**<br>2. Follow the steps shown there",
            "access": access,
            "agent": "User",
            "action": action,
        },
    }


INTERVENTIONS = (
    _intervention(VEHICLE_CONTROL, "vehicle", "Allow remote control", access="Remote", action=None, domain="Account"),
    _intervention(VEHICLE_LOCATION, "vehicle", "Share the position", access="Physical", action=None, domain="Device"),
    _intervention(VEHICLE_ODOMETER, "vehicle", "Link again", access="Remote", action="Link", domain="Account"),
    _intervention(VEHICLE_CHARGE_STATE, "vehicle", "Update the car", access="Physical", action=None, domain="Device"),
    _intervention(CHARGER_CONTROL, "charger", "Allow third parties", access="Remote", action=None, domain="Account"),
    _intervention(CHARGER_CHARGE_STATE, "charger", "Go on line", access="Physical", action=None, domain="Device"),
    _intervention(ACCOUNT_ADVICE, None, "Keep the account active", access="Remote", action=None, domain="Account"),
)


def charger_capabilities(charger: "Charger") -> dict[str, Capability]:
    """Return what a charger can do; control needs the scope that the user gave."""
    own = dict.fromkeys(CHARGER_CAPABILITIES, CAPABLE) | charger.capabilities
    if "charger:control:charging" not in charger.scopes:
        own |= dict.fromkeys(("startCharging", "stopCharging", "setMaxCurrent"), INCAPABLE)
    return own


def vehicle_capabilities(vehicle: "Vehicle", chargers: Iterable["Charger"]) -> dict[str, Capability]:
    """Return what a vehicle can do by itself or through a paired charger, interventions in the order to be shown."""
    own = dict.fromkeys(VEHICLE_CAPABILITIES, CAPABLE)
    own |= {"setMaxCurrent": INCAPABLE, "smartCharging": INCAPABLE}
    own |= {"odometer": Capability(capable=False, interventions=(VEHICLE_ODOMETER,))} | vehicle.capabilities
    if "vehicle:control:charging" not in vehicle.scopes:
        own |= dict.fromkeys(("startCharging", "stopCharging"), INCAPABLE)
    if "vehicle:read:location" not in vehicle.scopes:
        own["location"] = INCAPABLE
    beside = [charger_capabilities(charger) for charger in chargers] if vehicle.pair_valid else []
    if beside:
        own |= {name: _merged(own[name], [_offer(each, name) for each in beside]) for name in PAIRED}
        own["chargeState"] = Capability(
            capable=own["chargeState"].capable,
            interventions=_unique([*(i for each in beside for i in each["chargeState"].interventions)])
            + own["chargeState"].interventions,
        )
    return own


def _offer(charger: dict[str, Capability], name: str) -> Capability:
    return CAPABLE if name == "location" else charger[name]  # a charger has its place from the Location set on it


def _merged(own: Capability, offers: list[Capability]) -> Capability:
    if any(offer.capable for offer in offers):
        return CAPABLE
    from_chargers = _unique([each for offer in offers for each in offer.interventions])
    if own.capable:
        return Capability(interventions=from_chargers)  # optional: the vehicle manages without
    return Capability(capable=False, interventions=from_chargers + own.interventions)


def _unique(ids: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ids))
