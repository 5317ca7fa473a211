"""Since when something has lasted, vehicle by vehicle: judged when it has lasted too long, and told once."""

from __future__ import annotations

from scheduler.checker.record import Event, elapsed


class Lasting:
    """What lasts now: of each vehicle the event with which it began, until it ends. Once told, it is not told again."""

    def __init__(self) -> None:
        self._since: dict[str, Event] = {}
        self._told: set[str] = set()

    def __bool__(self) -> bool:
        """Tell whether anything lasts that was not told."""
        return bool(self._since)

    def lasted(self, vehicle_id: str, event: Event, *, holds: bool) -> int:
        """Return for how long it has held of a vehicle [ns]; 0 where it does not, begins now, or was told."""
        if not holds:
            self.end(vehicle_id)
            return 0
        self.begin(vehicle_id, event)
        since = self._since.get(vehicle_id)
        return 0 if since is None else elapsed(since, event)

    def begin(self, vehicle_id: str, event: Event) -> None:
        """Note that it holds. It has held since the first such event of a run, and once told it is told."""
        if vehicle_id in self._told:
            return
        since = self._since.get(vehicle_id)
        if since is None or since.get("run") != event.get("run"):
            self._since[vehicle_id] = event

    def longer(self, event: Event, than_ns: float) -> list[tuple[str, Event]]:
        """Return what has lasted for longer by an event of the same run: vehicles, each with its beginning."""
        return [
            (vehicle_id, since)
            for vehicle_id, since in self._since.items()
            if since.get("run") == event.get("run") and elapsed(since, event) > than_ns
        ]

    def tell(self, vehicle_id: str) -> None:
        """Say no more of it until it has ended."""
        self._since.pop(vehicle_id, None)
        self._told.add(vehicle_id)

    def excuse(self, vehicle_id: str) -> None:
        """Begin its time anew; what was told stays told."""
        self._since.pop(vehicle_id, None)

    def end(self, vehicle_id: str) -> None:
        """Note that it holds no more."""
        self._since.pop(vehicle_id, None)
        self._told.discard(vehicle_id)

    def restart(self) -> None:
        """Begin all times anew; what was told stays told."""
        self._since.clear()
