"""Enode's JSON to the core's values. Pure.

What the API leaves open is decided here:

* A time without offset is UTC. A time that cannot be read is unknown.
* `isPluggedIn` and `powerDeliveryState` each say whether the vehicle is plugged in. Where one is silent the other
  counts; where they contradict each other it is unknown. Likewise `isCharging`.
* A member of the wrong type is unknown. Where it carries the plug (`isPluggedIn`, `pluggedInChargerId`) the whole plug
  is unknown: nothing is inferred around it.
* A figure outside its range (a percentage above 100, a negative power) is unknown.
"""

import hashlib
import math
from datetime import UTC, datetime

import msgspec

from scheduler.core.command import Action, ActionReport, Failure, Outcome
from scheduler.core.errors import ProviderProtocolError
from scheduler.core.observation import (
    BatteryFacet,
    Capabilities,
    ChargeFacet,
    Delivery,
    PlaceFacet,
    Reading,
    Source,
    Stamp,
)
from scheduler.enode import wire
from scheduler.enode.values import ChargerReport, NeededIntervention, VehicleCard

LONGEST_NAME = 100
LONGEST_DETAIL = 500
GREATEST_KW = 1_000.0
GREATEST_KWH = 2_000.0

_NOT_CHARGING = frozenset(
    {
        Delivery.UNPLUGGED,
        Delivery.COMPLETE,
        Delivery.STOPPED,
        Delivery.NO_POWER,
        Delivery.FAULT,
        Delivery.DISCHARGING,
    }
)
_any = msgspec.json.Decoder()
_sorted = msgspec.json.Encoder(order="sorted")

_OUTCOMES = {
    "CONFIRMED": Outcome.CONFIRMED,
    "FAILED": Outcome.FAILED,
    "CANCELLED": Outcome.CANCELLED,
}


def reading_of(
    raw: bytes | msgspec.Raw, *, source: Source, received: Stamp, user_id: str = "", digest: str | None = None
) -> Reading:
    """Return a vehicle object as a reading.

    Args:
        raw: the object's JSON.
        source: how it reached us.
        received: when.
        user_id: whose it is if the object does not say.
        digest: of the event that brought it; by default that of the object.

    Raises:
        ProviderProtocolError: not an object, or without an id.
    """
    vehicle = wire.read(wire.VehicleJson, raw)
    if not vehicle.id:
        raise ProviderProtocolError("a vehicle without an id")
    charge = vehicle.charge_state
    return Reading(
        vehicle_id=vehicle.id,
        user_id=vehicle.user_id or user_id,
        source=source,
        received=received,
        charge=_charge(charge) if charge else _unread_charge(vehicle),
        battery=_battery(charge) if charge else None,
        place=_place(vehicle.location),
        capabilities=_capabilities(vehicle.capabilities),
        reachable=vehicle.is_reachable,
        seen_at=instant(vehicle.last_seen),
        smart_charging=vehicle.smart_charging_policy.is_enabled if vehicle.smart_charging_policy else None,
        name=_name(vehicle.information),
        digest=digest or digest_of(raw),
    )


def card_of(raw: bytes | msgspec.Raw) -> VehicleCard:
    """Return what a person sees of a vehicle object.

    Raises:
        ProviderProtocolError: as `reading_of`.
    """
    vehicle = wire.read(wire.VehicleJson, raw)
    if not vehicle.id:
        raise ProviderProtocolError("a vehicle without an id")
    place = vehicle.location or wire.Place()
    return VehicleCard(
        vehicle_id=vehicle.id,
        user_id=vehicle.user_id or "",
        vendor=vehicle.vendor or "",
        name=_name(vehicle.information),
        needs=_needs(vehicle.capabilities),
        located_at=instant(place.last_updated),
        latitude=place.latitude,
        longitude=place.longitude,
    )


def charger_of(raw: bytes | msgspec.Raw, *, received_at: datetime, charger_id: str = "") -> ChargerReport:
    """Return a charger object as a report.

    Raises:
        ProviderProtocolError: not an object, or without an id and none given.
    """
    charger = wire.read(wire.ChargerJson, raw)
    if not (charger.id or charger_id):
        raise ProviderProtocolError("a charger without an id")
    charge = charger.charge_state or wire.ChargerCharge()
    delivery = delivery_of(charge.power_delivery_state)
    spoilt = bool(charge.spoilt & {"is_plugged_in", "plugged_in_vehicle_id"})
    return ChargerReport(
        charger_id=charger.id or charger_id,
        user_id=charger.user_id or "",
        received_at=received_at,
        at=instant(charge.last_updated),
        plugged=None if spoilt else plugged_of(charge.is_plugged_in, delivery),
        charging=charging_of(charge.is_charging, delivery, spoilt="is_charging" in charge.spoilt),
        delivery=delivery,
        power_kw=_within(charge.charge_rate, GREATEST_KW),
        vehicle_id=charge.plugged_in_vehicle_id or None,
        location_id=(charger.location.id or None) if charger.location else None,
        reachable=charger.is_reachable,
        seen_at=instant(charger.last_seen),
        vendor=charger.vendor or "",
        name=_name(charger.information),
        needs=_needs(charger.capabilities),
    )


def action_of(raw: bytes | msgspec.Raw, *, received_at: datetime) -> ActionReport:
    """Return an action object as a report; a state that is not known counts as still pending.

    Raises:
        ProviderProtocolError: not an object, or without an id.
    """
    action = wire.read(wire.ActionJson, raw)
    if not action.id:
        raise ProviderProtocolError("an action without an id")
    outcome = _OUTCOMES.get(action.state or "", Outcome.PENDING)
    failed = outcome in {Outcome.FAILED, Outcome.CANCELLED}
    return ActionReport(
        outcome=outcome,
        received_at=received_at,
        action_id=action.id,
        vehicle_id=action.target_id if action.target_type in {"vehicle", None} else None,
        kind=Action(action.kind) if action.kind in set(Action) else None,
        failure=_failure(action.failure_reason) if failed else None,
    )


def instant(text: str | None) -> datetime | None:
    """Return a time of the API as an aware UTC instant; without offset it is UTC, unreadable is None."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def delivery_of(text: str | None) -> Delivery:
    """Return the delivery state; a new value counts by its `PLUGGED_IN` prefix."""
    try:
        return Delivery(text or "UNKNOWN")
    except ValueError:
        return Delivery.UNKNOWN_PLUGGED if text and text.startswith("PLUGGED_IN") else Delivery.UNKNOWN


def plugged_of(said: bool | None, delivery: Delivery) -> bool | None:
    """Return whether it is plugged in, by what was said and by the delivery state; None where they contradict."""
    implied = None if delivery is Delivery.UNKNOWN else delivery is not Delivery.UNPLUGGED
    return said if implied in {None, said} else (implied if said is None else None)


def charging_of(said: bool | None, delivery: Delivery, *, spoilt: bool = False) -> bool | None:
    """Return whether it charges, by what was said and by the delivery state; None where they contradict.

    `INITIALIZING` is soon charging and says neither.
    """
    implied = True if delivery is Delivery.CHARGING else (False if delivery in _NOT_CHARGING else None)
    if spoilt:
        return None
    return said if implied in {None, said} else (implied if said is None else None)


def digest_of(raw: bytes | msgspec.Raw) -> str:
    """Return the SHA-256 of the JSON's content, whatever its spacing and order of members, in hexadecimal."""
    try:
        canonical = _sorted.encode(_any.decode(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        canonical = bytes(raw)
    return hashlib.sha256(canonical).hexdigest()


def clean(text: str | None, longest: int) -> str:
    """Return text of theirs on one line, without control characters, cut to a length."""
    text = text or ""
    if text.isprintable():
        return " ".join(text[: 4 * longest].split())[:longest]
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * longest]).split())[:longest]


def _charge(charge: wire.VehicleCharge) -> ChargeFacet:
    delivery = delivery_of(charge.power_delivery_state)
    spoilt = bool(charge.spoilt & {"is_plugged_in", "plugged_in_charger_id"})
    return ChargeFacet(
        at=instant(charge.last_updated),
        plugged=None if spoilt else plugged_of(charge.is_plugged_in, delivery),
        charging=charging_of(charge.is_charging, delivery, spoilt="is_charging" in charge.spoilt),
        delivery=delivery,
        power_kw=_within(charge.charge_rate, GREATEST_KW),
        charger_id=charge.plugged_in_charger_id or None,
        full=charge.is_fully_charged,
        limit_pct=_within(charge.charge_limit, 100.0),
    )


def _unread_charge(vehicle: wire.VehicleJson) -> ChargeFacet | None:
    """Not reported is None; reported in a form that cannot be read is unknown."""
    return ChargeFacet() if "charge_state" in vehicle.spoilt else None


def _battery(charge: wire.VehicleCharge) -> BatteryFacet:
    capacity_kwh = _within(charge.battery_capacity, GREATEST_KWH)
    return BatteryFacet(
        at=instant(charge.last_updated),
        soc_pct=_within(charge.battery_level, 100.0),
        capacity_kwh=capacity_kwh or None,  # an empty battery pack is no battery pack
    )


def _place(place: wire.Place | None) -> PlaceFacet | None:
    return PlaceFacet(at=instant(place.last_updated), location_id=place.id or None) if place else None


def _capabilities(given: dict[str, wire.Capability | None] | None) -> Capabilities | None:
    if given is None:
        return None

    def capable(name: str) -> bool | None:
        capability = given.get(name)
        return capability.is_capable if capability else None

    return Capabilities(
        start=capable("startCharging"),
        stop=capable("stopCharging"),
        locate=capable("location"),
        read_charge=capable("chargeState"),
        intervention_ids=tuple(dict.fromkeys(need.id for need in _needs(given))),
    )


def _needs(given: dict[str, wire.Capability | None] | None) -> tuple[NeededIntervention, ...]:
    """Return the interventions in the order given, each once for each capability.

    No member says that one is optional: it is where the vehicle is capable all the same.
    """
    return tuple(
        NeededIntervention(id=one, capability=name, optional=capability.is_capable is True)
        for name, capability in (given or {}).items()
        if capability is not None
        for one in dict.fromkeys(capability.intervention_ids or ())
    )


def _failure(reason: wire.FailureJson | None) -> Failure | None:
    if reason is None:
        return None
    return Failure(type=clean(reason.type, LONGEST_NAME) or "UNKNOWN", detail=clean(reason.detail, LONGEST_DETAIL))


def _name(information: wire.Information | None) -> str | None:
    if information is None:
        return None
    made = " ".join(part for part in (information.brand, information.model) if part)
    return clean(information.display_name, LONGEST_NAME) or clean(made, LONGEST_NAME) or None


def _within(figure: float | None, greatest: float) -> float | None:
    """Return the figure when it lies in [0, greatest]."""
    return figure if figure is not None and math.isfinite(figure) and 0.0 <= figure <= greatest else None
