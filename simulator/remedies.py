"""Asking people for something at a device, and what changes once it is done."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from simulator.capability import (
    CHARGER_CAPABILITIES,
    VEHICLE_CAPABILITIES,
    Capability,
    charger_capabilities,
    own_capabilities,
)
from simulator.charger import Charger
from simulator.intervention_texts import CREDENTIALS
from simulator.interventions import CATALOGUE
from simulator.vehicle import Vehicle

if TYPE_CHECKING:
    from simulator.world import World

Device = Vehicle | Charger


def asked_of(device: Device) -> list[str]:
    """Return the ids of the interventions at a device itself, in the order of its capabilities."""
    return list(dict.fromkeys(each for one in _capabilities(device).values() for each in one.interventions))


def waiting_for(device: Device, intervention_id: str) -> list[str]:
    """Return the capabilities of a device that an intervention would unlock or better."""
    return [name for name, each in _capabilities(device).items() if intervention_id in each.interventions]


def ask(world: "World", device: Device, intervention_id: str, names: Sequence[str], *, optional: bool = False) -> None:
    """Make capabilities of a device wait for an intervention, or have them bettered by it where it is optional.

    Raises:
        ValueError: an intervention or a capability that there is not.
    """
    if intervention_id not in CATALOGUE or intervention_id == CREDENTIALS:
        raise ValueError(f"no intervention {intervention_id!r} that could be asked for")
    known = VEHICLE_CAPABILITIES if isinstance(device, Vehicle) else CHARGER_CAPABILITIES
    if not names or not set(names) <= set(known):
        raise ValueError(f"capabilities must be some of: {', '.join(known)}")
    own = _capabilities(device)
    for name in names:
        before = own[name]
        interventions = tuple(dict.fromkeys((*before.interventions, intervention_id)))
        device.capabilities[name] = Capability(capable=before.capable and optional, interventions=interventions)
    _tell(world, device)


def solve(world: "World", device: Device, intervention_id: str) -> None:
    """Do what an intervention asks at a device; what waited for nothing else can be done from now on.

    Raises:
        ValueError: it is not asked for there, or only linking again does it.
    """
    if intervention_id not in asked_of(device):
        raise ValueError(f"{device.id} does not ask for {intervention_id!r}")
    if CATALOGUE[intervention_id].action == "Link":
        raise ValueError("this one is solved by linking the account again")
    _done(device, [intervention_id])
    _tell(world, device)


def solve_by_linking(world: "World", device: Device) -> None:
    """Do everything at a device that linking its account again does."""
    _done(device, [each for each in asked_of(device) if CATALOGUE[each].action == "Link"])
    _tell(world, device)


def needs_linking(device: Device) -> bool:
    """Return whether linking the account again would change something at a device."""
    return any(CATALOGUE[each].action == "Link" for each in asked_of(device))


def showing(world: "World", vehicle: Vehicle, intervention_id: str) -> Device:
    """Return the device that an intervention shown on a vehicle belongs to: itself, or a charger beside it.

    Raises:
        ValueError: neither asks for it.
    """
    devices: list[Device] = [vehicle, *world.chargers_of(vehicle.user_id)]
    for device in devices:
        if intervention_id in asked_of(device):
            return device
    raise ValueError(f"{vehicle.id} does not show {intervention_id!r}")


def _capabilities(device: Device) -> dict[str, Capability]:
    return own_capabilities(device) if isinstance(device, Vehicle) else charger_capabilities(device)


def _done(device: Device, intervention_ids: Iterable[str]) -> None:
    done = set(intervention_ids) - {CREDENTIALS}  # a sign-in is kept with the user, not at the device
    for name, before in _capabilities(device).items():
        left = tuple(each for each in before.interventions if each not in done)
        if left != before.interventions:
            device.capabilities[name] = replace(before, capable=before.capable or not left, interventions=left)


def _tell(world: "World", device: Device) -> None:
    if isinstance(device, Charger):
        world.publish_charger(device)
    world.publish_places(device.user_id)
    for vehicle in world.vehicles.values():
        if vehicle.user_id == device.user_id:
            vehicle.path_changed()
