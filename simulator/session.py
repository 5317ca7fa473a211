"""One plug session at home as it truly was: energy, power over time, and whether the target could be reached."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from simulator.instants import zulu, zulu_or_none
from simulator.physics import SECONDS_PER_HOUR, Battery

SAME_POWER_KW = 1e-4


@dataclass(kw_only=True)
class Session:
    """From plug-in to unplug, written while it lasts."""

    vehicle_id: str
    user_id: str
    battery: Battery
    plugged_at: datetime
    stored_at_plug_in_kwh: float
    limit_kw: float
    charge_limit_pct: float
    target_soc_pct: float | None
    departure_at: datetime | None
    unplugged_at: datetime | None = None
    soc_at_departure_pct: float | None = None
    trace: list[tuple[datetime, datetime, float]] = field(default_factory=list)
    _states: list[tuple[datetime, str | None]] = field(default_factory=list)

    def draw(self, start: datetime, end: datetime, grid_kwh: float) -> None:
        """Add the energy taken from the grid in a span; spans of one power are joined."""
        kw = grid_kwh * SECONDS_PER_HOUR / (end - start).total_seconds()
        if self.trace:
            first, last, before_kw = self.trace[-1]
            if last == start and abs(before_kw - kw) < SAME_POWER_KW:
                self.trace[-1] = (first, end, before_kw)
                return
        self.trace.append((start, end, kw))

    def note(self, at: datetime, blocked_by: str | None) -> None:
        """Note what keeps a scheduler from charging from now on, or None where nothing does."""
        if not self._states or self._states[-1][1] != blocked_by:
            self._states.append((at, blocked_by))

    def energy_kwh(self) -> float:
        """Return the energy taken from the grid so far [kWh]."""
        return sum((end - start).total_seconds() * kw for start, end, kw in self.trace) / SECONDS_PER_HOUR

    def _free_seconds(self, until: datetime) -> float:
        ends = [at for at, _ in self._states[1:]] + [until]
        return sum(
            max(0.0, (min(end, until) - at).total_seconds())
            for (at, blocked_by), end in zip(self._states, ends, strict=True)
            if blocked_by is None
        )

    def reachable(self) -> tuple[bool, str | None]:
        """Return whether full power in all the time nothing blocked reaches the target by departure, else why not."""
        if self.departure_at is None or self.target_soc_pct is None:
            return False, "no departure in this session"
        goal_kwh = self.battery.capacity_kwh * min(self.target_soc_pct, self.charge_limit_pct) / 100
        free_s = self._free_seconds(self.departure_at)
        needed_s = self.battery.seconds_to(
            stored_kwh=self.stored_at_plug_in_kwh, goal_kwh=goal_kwh, limit_kw=self.limit_kw
        )
        if needed_s <= free_s:
            return True, None
        blocks = sorted({why for _, why in self._states if why is not None})
        return False, " and ".join(blocks) if blocks else "too little time at full power"

    def as_json(self) -> dict[str, Any]:
        """Return the session as the reports show it."""
        reachable, why_not = self.reachable()
        return {
            "vehicle": self.vehicle_id,
            "user": self.user_id,
            "plugged_at": zulu(self.plugged_at),
            "unplugged_at": zulu_or_none(self.unplugged_at),
            "energy_kwh": round(self.energy_kwh(), 4),
            "power_trace": [[zulu(start), zulu(end), round(kw, 4)] for start, end, kw in self.trace],
            "max_power_kw": self.limit_kw,
            "soc_at_plug_in_pct": round(100 * self.stored_at_plug_in_kwh / self.battery.capacity_kwh, 2),
            "target_soc_pct": self.target_soc_pct,
            "departure_at": zulu_or_none(self.departure_at),
            "soc_at_departure_pct": None if self.soc_at_departure_pct is None else round(self.soc_at_departure_pct, 2),
            "reachable": reachable,
            "why_not": why_not,
        }
