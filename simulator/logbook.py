"""What is written down of a vehicle while it is plugged in at home."""

from datetime import datetime
from typing import TYPE_CHECKING

from simulator.instants import next_departure
from simulator.session import Session

if TYPE_CHECKING:
    from simulator.vehicle import Vehicle


class Logbook:
    """Keeps the plug session of one vehicle; between sessions there is nothing to write."""

    def __init__(self, vehicle: "Vehicle") -> None:
        self._vehicle = vehicle
        self._world = vehicle.world
        self._session: Session | None = None

    def open(self) -> None:
        """Begin a session, and look at the battery again when the owner wants to leave."""
        vehicle, now = self._vehicle, self._world.agenda.now
        habit = vehicle.habit
        session = self._session = Session(
            vehicle_id=vehicle.id,
            user_id=vehicle.user_id,
            battery=vehicle.battery,
            plugged_at=now,
            stored_at_plug_in_kwh=vehicle.stored_kwh,
            limit_kw=vehicle.limit_kw,
            charge_limit_pct=vehicle.charge_limit_pct,
            target_soc_pct=habit.target_soc_pct if habit else None,
            departure_at=None,
        )
        departure_at = next_departure(now, habit.departure, habit.days, vehicle.timezone) if habit else None
        if departure_at is not None:
            self._world.agenda.at(departure_at, lambda: self._reach_departure(session, departure_at))

    def close(self) -> None:
        """End the session, if there is one."""
        if self._session is not None:
            self._session.unplugged_at = self._world.agenda.now
            self._world.closed_sessions.append(self._session)
            self._session = None

    def draw(self, start: datetime, end: datetime, grid_kwh: float) -> None:
        """Write down the energy taken from the grid in a span [kWh]."""
        if self._session is not None:
            self._session.draw(start, end, grid_kwh)

    def note(self) -> None:
        """Write down what keeps a scheduler from charging from now on."""
        if self._session is not None:
            self._session.note(self._world.agenda.now, self._blocked_by())

    def _blocked_by(self) -> str | None:
        if self._vehicle.held_by_person:
            return "a person held the car"
        return None if self._vehicle.path_open or self._vehicle.charging else "the command path was down"

    def _reach_departure(self, session: Session, departure_at: datetime) -> None:
        if self._session is session:
            session.departure_at = departure_at
            session.soc_at_departure_pct = self._vehicle.true_soc_pct()
