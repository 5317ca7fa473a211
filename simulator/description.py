"""What is needed to configure a daemon for a world."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.vehicle import Vehicle
    from simulator.world import User, World


def describe(world: "World") -> dict[str, Any]:
    """Return the client's credentials, the zones that have prices, and of each user the places and devices."""
    return {
        "client_id": world.client_id,
        "client_secret": world.client_secret,
        "prices": [{"zone": zone.name, "currency": zone.currency} for zone in world.market.zones.values()],
        "users": [_user(world, user) for user in world.users.values()],
    }


def _user(world: "World", user: "User") -> dict[str, Any]:
    return {
        "id": user.id,
        "timezone": user.timezone,
        "locations": [
            {
                "id": each.id,
                "name": each.name,
                "latitude": each.point.latitude,
                "longitude": each.point.longitude,
            }
            for each in world.locations.values()
            if each.user_id == user.id
        ],
        "chargers": [each.id for each in world.chargers.values() if each.user_id == user.id],
        "vehicles": [_vehicle(each) for each in world.vehicles.values() if each.user_id == user.id],
    }


def _vehicle(vehicle: "Vehicle") -> dict[str, Any]:
    habit = vehicle.habit
    return {
        "id": vehicle.id,
        "name": vehicle.name,
        "capacity_kwh": vehicle.battery.capacity_kwh,
        "max_power_kw": vehicle.max_power_kw,
        "departure": f"{habit.departure:%H:%M}" if habit else None,
        "days": sorted(habit.days) if habit else [],
        "target_soc_pct": habit.target_soc_pct if habit else None,
    }
