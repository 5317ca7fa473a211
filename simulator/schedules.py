"""The provider's own schedules and smart charging: enough to be in the way of a client, and to be switched off.

They refuse a client's commands as the provider's do, and tell their state; they start and stop nothing themselves.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from simulator.capability import charger_capabilities, vehicle_capabilities
from simulator.charger import Charger
from simulator.instants import zulu
from simulator.vehicle import Vehicle

if TYPE_CHECKING:
    from simulator.world import World


@dataclass(kw_only=True, eq=False)
class Schedule:
    """When a device should charge, by local time or between two instants; the first rule that applies counts."""

    id: str
    user_id: str
    created_at: datetime
    changed_at: datetime
    target_id: str
    target_type: str
    default_should_charge: bool
    rules: list[dict[str, Any]]
    location_id: str | None = None
    is_enabled: bool = True

    def as_json(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "targetId": self.target_id,
            "targetType": self.target_type,
            "locationId": self.location_id,
            "isEnabled": self.is_enabled,
            "defaultShouldCharge": self.default_should_charge,
            "rules": self.rules,
        }

    def should_charge(self, at: datetime, timezone: str) -> bool:
        """Return what the rules say of an instant."""
        for rule in self.rules:
            if _applies(rule, at, at.astimezone(ZoneInfo(timezone))):
                return bool(rule["shouldCharge"])
        return self.default_should_charge


def _applies(rule: dict[str, Any], at: datetime, local: datetime) -> bool:
    start, end = rule.get("fromTimestamp"), rule.get("toTimestamp")
    if start is not None and at < datetime.fromisoformat(start):
        return False
    if end is not None and at >= datetime.fromisoformat(end):
        return False
    day = local.date()
    if (hours := rule.get("hourMinute")) is not None:
        now, first, last = local.time(), time.fromisoformat(hours["from"]), time.fromisoformat(hours["to"])
        if first <= last and not first <= now < last:
            return False
        if last < first and last <= now < first:
            return False
        if last < first and now < last:  # past midnight it is still the night of the day before
            day -= timedelta(days=1)
    weekdays = rule.get("weekdays")
    return weekdays is None or day.weekday() in weekdays


def in_control(world: "World", device: Vehicle | Charger) -> bool:
    """Return whether the provider itself controls a device, so that it refuses commands of a client."""
    if isinstance(device, Vehicle) and (device.controlled_elsewhere or device.smart_policy["isEnabled"]):
        return True
    return any(each.target_id == device.id and each.is_enabled for each in world.schedules.values())


def schedule_status(world: "World", schedule: Schedule) -> dict[str, Any]:
    """Return how a schedule and its device stand to each other now, by what was seen last."""
    device = world.accounts.device(schedule.target_id)
    if device is None:
        raise KeyError(schedule.target_id)
    plugged, charging, full, place = _seen(world, device)
    timezone = world.locations[schedule.location_id].timezone if schedule.location_id in world.locations else "UTC"
    parts = {
        "needsCharge": not full,
        "isPluggedIn": plugged,
        "shouldCharge": schedule.should_charge(world.agenda.now, timezone),
    }
    expected = all(parts.values())
    if not schedule.is_enabled:
        state = "INACTIVE:DISABLED"
    elif schedule.location_id is not None and schedule.location_id != place:
        state = "INACTIVE:AWAY"
    elif not _capable(world, device):
        state = "INACTIVE:INCAPABLE"
    else:
        state = "ALIGNED" if expected == charging or not plugged else "MISALIGNED"
    return {
        "scheduleId": schedule.id,
        "scheduleType": "CHARGE",
        "changedAt": zulu(schedule.changed_at),
        "state": state,
        "isCharging": charging,
        "isChargingExpected": expected,
        "isChargingExpectedParts": parts,
        "upcomingTransitions": [],
        "smartOverride": None,
    }


def smart_status(world: "World", vehicle: Vehicle) -> dict[str, Any]:
    """Return the state of the provider's smart charging of a vehicle; it never gets as far as a plan."""
    plugged, charging, full, place = _seen(world, vehicle)
    consideration = None
    state = "DISABLED"
    if vehicle.smart_policy["isEnabled"]:
        state = "FULLY_CHARGED" if full else "CONSIDERING"
        consideration = {
            "isPluggedIn": plugged,
            "isCharging": charging,
            "atChargingLocation": place is not None,
            "hasTimeEstimate": vehicle.telemetry.seen.remaining_min is not None,
        }
    return {
        "updatedAt": zulu(world.agenda.now),
        "vehicleId": vehicle.id,
        "userId": vehicle.user_id,
        "vendor": vehicle.vendor,
        "state": state,
        "stateChangedAt": zulu(vehicle.smart_policy_at),
        "consideration": consideration,
        "plan": None,
        "smartOverride": None,
    }


def _seen(world: "World", device: Vehicle | Charger) -> tuple[bool, bool, bool, str | None]:
    """Return what was seen: plugged in, charging, full, and the id of the Location."""
    if isinstance(device, Charger):
        seen = device.seen
        return seen.plugged, seen.delivery == "PLUGGED_IN:CHARGING", False, device.location_id
    view = device.telemetry.seen
    return bool(view.plugged), bool(view.charging), bool(view.fully_charged), world.location_of(device)


def _capable(world: "World", device: Vehicle | Charger) -> bool:
    if isinstance(device, Charger):
        able = charger_capabilities(device)
    else:
        able = vehicle_capabilities(device, world.chargers_of(device.user_id))
    return able["startCharging"].capable and able["stopCharging"].capable
