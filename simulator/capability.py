"""Capabilities of devices, what unlocks them, and what a vehicle gains from the chargers beside it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.intervention_texts import CREDENTIALS, VEHICLE_ODOMETER

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
CONTROL = ("startCharging", "stopCharging")
PAIRED = (*CONTROL, "location")


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


def charger_capabilities(charger: "Charger") -> dict[str, Capability]:
    """Return what a charger can do; control needs the scope that the user gave."""
    own = dict.fromkeys(CHARGER_CAPABILITIES, CAPABLE) | charger.capabilities
    if "charger:control:charging" not in charger.scopes:
        own |= dict.fromkeys(("startCharging", "stopCharging", "setMaxCurrent"), INCAPABLE)
    return own | _lost(charger, ("startCharging", "stopCharging", "setMaxCurrent", "chargeState"))


def own_capabilities(vehicle: "Vehicle") -> dict[str, Capability]:
    """Return what a vehicle can do by itself, no charger being asked."""
    own = dict.fromkeys(VEHICLE_CAPABILITIES, CAPABLE) | {"setMaxCurrent": INCAPABLE}
    own |= {"odometer": Capability(capable=False, interventions=(VEHICLE_ODOMETER,))}
    if not vehicle.native_control:
        own |= dict.fromkeys(CONTROL, INCAPABLE)
    if not vehicle.has_gps:
        own["location"] = INCAPABLE
    own |= vehicle.capabilities
    if "vehicle:control:charging" not in vehicle.scopes:
        own |= dict.fromkeys(CONTROL, INCAPABLE)
    if "vehicle:read:location" not in vehicle.scopes:
        own["location"] = INCAPABLE
    own |= _lost(vehicle, (*PAIRED, "chargeState"))
    if not all(own[name].capable for name in PAIRED):
        own["smartCharging"] = INCAPABLE
    return own


def vehicle_capabilities(vehicle: "Vehicle", chargers: Iterable["Charger"]) -> dict[str, Capability]:
    """Return what a vehicle can do by itself or through a paired charger, interventions in the order to be shown."""
    own = own_capabilities(vehicle)
    beside = [charger_capabilities(charger) for charger in chargers] if vehicle.pair_valid else []
    if beside:
        own |= {name: _merged(own[name], [_offer(each, name) for each in beside]) for name in PAIRED}
        from_chargers = [each["chargeState"] for each in beside]
        own["chargeState"] = Capability(
            capable=own["chargeState"].capable,
            interventions=_unique([*_asked(from_chargers), *own["chargeState"].interventions]),
        )
    return own


def _lost(device: "Charger | Vehicle", names: Iterable[str]) -> dict[str, Capability]:
    """Return what a lost sign-in takes away, if it is lost; linking again brings it back."""
    if device.vendor not in device.world.users[device.user_id].invalid_vendors:
        return {}
    return dict.fromkeys(names, Capability(capable=False, interventions=(CREDENTIALS,)))


def _offer(charger: dict[str, Capability], name: str) -> Capability:
    return CAPABLE if name == "location" else charger[name]  # a charger has its place from the Location set on it


def _merged(own: Capability, offers: list[Capability]) -> Capability:
    """Join what a vehicle can do with what chargers offer: theirs comes first, and what they provide hides its own."""
    asked = _asked(offers)
    if any(offer.capable for offer in offers):
        return Capability(interventions=_unique(asked))  # optional: one charger provides it already
    return Capability(capable=own.capable, interventions=_unique([*asked, *own.interventions]))


def _asked(offers: Iterable[Capability]) -> list[str]:
    return [each for offer in offers for each in offer.interventions]


def _unique(ids: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ids))
