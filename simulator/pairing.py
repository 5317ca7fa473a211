"""How the provider comes to know that a vehicle is plugged into a certain charger, and when it stops believing it."""

from typing import TYPE_CHECKING

from simulator.capability import charger_capabilities, own_capabilities

if TYPE_CHECKING:
    from simulator.charger import Charger
    from simulator.vehicle import Vehicle
    from simulator.world import World

FAILURES_THAT_CLEAR = 3


class Pairing:
    """Recognises pairs some time after plug-in, by what both devices say."""

    def __init__(self, world: "World", *, delay_s: tuple[float, float] = (40.0, 120.0)) -> None:
        self._world = world
        self.delay_s = delay_s
        self.blind = False

    def plugged(self, vehicle: "Vehicle", charger: "Charger") -> None:
        """Take note of a plug-in: the pair is recognised a little later."""
        delay_s = vehicle.rng.uniform(*self.delay_s)
        self._world.agenda.soon(delay_s, lambda: self.recognise(vehicle, charger))

    def recognise(self, vehicle: "Vehicle", charger: "Charger") -> None:
        """Join the two, if they are still plugged into each other and belong to one user."""
        if self.blind or vehicle.charger is not charger or vehicle.user_id != charger.user_id:
            return
        vehicle.telemetry.recognised = charger
        charger.recognised = vehicle
        vehicle.pair_valid = True
        vehicle.failed_unplugged = 0
        charger.refresher.now()
        vehicle.telemetry.refresher.now()
        vehicle.path_changed()

    def unplugged(self, vehicle: "Vehicle") -> None:
        """Part the two once the provider has seen the plug out; the charger says so within seconds."""
        charger = vehicle.telemetry.recognised
        if charger is not None:
            self._world.agenda.soon(8.0, lambda: self._part(vehicle, charger))

    def _part(self, vehicle: "Vehicle", charger: "Charger") -> None:
        if vehicle.charger is charger or vehicle.telemetry.recognised is not charger:
            return
        vehicle.telemetry.recognised = None
        charger.recognised = None
        charger.refresher.now()
        vehicle.telemetry.refresher.now()

    def command_failed(self, vehicle: "Vehicle") -> None:
        """Count a failed command; enough of them while unplugged clear what the pair had unlocked."""
        if vehicle.plugged:
            return
        vehicle.failed_unplugged += 1
        if vehicle.failed_unplugged >= FAILURES_THAT_CLEAR:
            vehicle.pair_valid = False
            self._world.publish_vehicle(vehicle)

    def can_route(self, vehicle: "Vehicle", kind: str) -> bool:
        """Return whether a command finds a device: the vehicle itself, or the charger it is known to hang on."""
        name = "startCharging" if kind == "START" else "stopCharging"
        if vehicle.native_control and vehicle.reachable and own_capabilities(vehicle)[name].capable:
            return True
        charger = vehicle.telemetry.recognised
        if charger is None or charger is not vehicle.charger or not charger.reachable:
            return False
        return charger_capabilities(charger)[name].capable
