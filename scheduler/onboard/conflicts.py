"""Other hands of the provider's on a vehicle: its own Smart Charging and its Schedules, which fight every command."""

import asyncio

from scheduler.core.errors import NotFound, NotThere
from scheduler.core.garage import Conflict
from scheduler.enode.client import EnodeClient
from scheduler.enode.values import ForeignSchedule

SMART_CHARGING = "smart-charging"
SCHEDULE = "schedule:"


async def conflicts_of(client: EnodeClient, *, user_id: str, vehicle_id: str) -> tuple[Conflict, ...]:
    """Return what is switched on at the provider for a vehicle or the charger it hangs on. Raises ProviderError."""
    smart, schedules = await asyncio.gather(_smart(client, vehicle_id), _schedules(client, user_id))
    found = [_smart_charging(vehicle_id)] if smart else []
    mine = [one for one in schedules if one.enabled is not False and _touches(one, vehicle_id)]
    return (*found, *(_schedule(one, vehicle_id) for one in mine))


async def switch_off(client: EnodeClient, *, vehicle_id: str, conflict: str) -> None:
    """Switch one off at the provider.

    Raises:
        NotThere: there is no such conflict.
        ProviderError: it could not be done.
    """
    if conflict == SMART_CHARGING:
        await client.switch_off_smart_charging(vehicle_id)
    elif conflict.startswith(SCHEDULE):
        await client.switch_off_schedule(conflict.removeprefix(SCHEDULE))
    else:
        raise NotThere(f"no conflict is called {conflict}", remedy="Look at the conflicts again.")


async def _smart(client: EnodeClient, vehicle_id: str) -> bool:
    try:
        return await client.smart_charging_enabled(vehicle_id) is True
    except NotFound:
        return False


async def _schedules(client: EnodeClient, user_id: str) -> list[ForeignSchedule]:
    try:
        return await client.schedules(user_id)
    except NotFound:  # nothing was ever linked, or the account has no schedules at all
        return []


def _touches(schedule: ForeignSchedule, vehicle_id: str) -> bool:
    """Tell whether a schedule moves a vehicle: it targets it, or a charger, which any car of the user may hang on."""
    return schedule.target_id == vehicle_id or schedule.target_type == "charger"


def _smart_charging(vehicle_id: str) -> Conflict:
    text = (
        "Enode's own Smart Charging is on: it starts and stops the car by its own plan, and refuses kwhen's commands."
    )
    return Conflict(id=SMART_CHARGING, vehicle_id=vehicle_id, text=text)


def _schedule(schedule: ForeignSchedule, vehicle_id: str) -> Conflict:
    where = "the charger" if schedule.target_type == "charger" else "the car"
    text = f"A schedule at Enode is on for {where}: every command of kwhen's is refused while it is."
    return Conflict(id=f"{SCHEDULE}{schedule.id}", vehicle_id=vehicle_id, text=text)
