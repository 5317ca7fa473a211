"""Entities of the world as the API writes them in JSON."""

from typing import TYPE_CHECKING, Any

from simulator.capability import charger_capabilities, vehicle_capabilities
from simulator.charger import Charger
from simulator.instants import zulu, zulu_or_none
from simulator.vehicle import Vehicle

if TYPE_CHECKING:
    from simulator.world import Location, World


def location_json(location: "Location") -> dict[str, Any]:
    """Return a Location."""
    return {
        "id": location.id,
        "userId": location.user_id,
        "name": location.name,
        "latitude": location.point.latitude,
        "longitude": location.point.longitude,
        "timezoneName": location.timezone,
        "createdAt": zulu(location.created_at),
    }


def charger_json(charger: Charger) -> dict[str, Any]:
    """Return a charger as it was last seen."""
    seen = charger.seen
    charging = seen.delivery == "PLUGGED_IN:CHARGING"
    return {
        "id": charger.id,
        "userId": charger.user_id,
        "vendor": charger.vendor,
        "lastSeen": zulu(charger.last_seen),
        "isReachable": charger.seen_reachable,
        "information": {
            "brand": charger.brand,
            "model": charger.model,
            "year": None,
            "serialNumber": charger.serial,
        },
        "location": {"id": charger.location_id, "lastUpdated": zulu_or_none(charger.location_at)},
        "chargeState": {
            "isPluggedIn": seen.plugged,
            "isCharging": charging,
            "chargeRate": round(seen.kw, 2) if charging else None,
            "lastUpdated": zulu(seen.at),
            "maxCurrent": seen.max_current_a,
            "powerDeliveryState": seen.delivery,
            "pluggedInVehicleId": charger.recognised.id if charger.recognised else None,
        },
        "capabilities": {name: each.as_json() for name, each in charger_capabilities(charger).items()},
        "scopes": list(charger.scopes),
    }


def vehicle_json(world: "World", vehicle: Vehicle) -> dict[str, Any]:
    """Return a vehicle as it was last seen, with what its paired charger adds."""
    telemetry = vehicle.telemetry
    capabilities = vehicle_capabilities(vehicle, world.chargers_of(vehicle.user_id))
    seen_at = telemetry.seen.at
    distance_km = telemetry.seen.odometer_km if capabilities["odometer"].capable else None
    return {
        "id": vehicle.id,
        "userId": vehicle.user_id,
        "vendor": vehicle.vendor,
        "lastSeen": zulu(telemetry.last_seen),
        "isReachable": telemetry.reachable,
        "information": {
            "vin": vehicle.vin,
            "brand": vehicle.brand,
            "model": vehicle.model,
            "year": vehicle.year,
            "displayName": vehicle.name,
        },
        "chargeState": _charge_state(vehicle),
        "smartChargingPolicy": vehicle.smart_policy,
        "location": _place(world, vehicle),
        "odometer": {"distance": distance_km, "lastUpdated": zulu_or_none(None if distance_km is None else seen_at)},
        "capabilities": {name: each.as_json() for name, each in capabilities.items()},
        "scopes": list(vehicle.scopes),
    }


def discovered_json(world: "World", vehicle: Vehicle) -> dict[str, Any]:
    """Return a vehicle just linked: who it is, and nothing of its state."""
    full = vehicle_json(world, vehicle)
    empty = dict.fromkeys(full["chargeState"]) | {"powerDeliveryState": "UNKNOWN"}
    nowhere = dict.fromkeys(full["location"])
    return full | {"isReachable": None, "chargeState": empty, "location": nowhere}


def discovered_charger_json(charger: Charger) -> dict[str, Any]:
    """Return a charger just linked: who it is, and nothing of its state."""
    full = charger_json(charger)
    return full | {"chargeState": dict.fromkeys(full["chargeState"]) | {"powerDeliveryState": "UNKNOWN"}}


def _charge_state(vehicle: Vehicle) -> dict[str, Any]:
    seen, charger = vehicle.telemetry.seen, vehicle.telemetry.recognised
    kw = seen.kw
    if kw is None and seen.charging and charger is not None and charger.seen.delivery == seen.delivery:
        kw = round(charger.seen.kw, 2)
    return {
        "batteryLevel": seen.soc_pct,
        "range": None if seen.soc_pct is None else round(vehicle.range_km * seen.soc_pct / 100),
        "batteryCapacity": vehicle.battery.capacity_kwh,
        "isPluggedIn": seen.plugged,
        "isCharging": seen.charging,
        "isFullyCharged": seen.fully_charged,
        "chargeLimit": vehicle.charge_limit_pct,
        "chargeRate": kw,
        "chargeTimeRemaining": seen.remaining_min,
        "lastUpdated": zulu_or_none(seen.at),
        "maxCurrent": seen.max_current_a,
        "powerDeliveryState": seen.delivery,
        "pluggedInChargerId": charger.id if charger else None,
    }


def _place(world: "World", vehicle: Vehicle) -> dict[str, Any]:
    seen = vehicle.telemetry.seen
    return {
        "id": world.location_of(vehicle),
        "latitude": seen.position.latitude if seen.position else None,
        "longitude": seen.position.longitude if seen.position else None,
        "lastUpdated": zulu_or_none(seen.position_at),
    }
