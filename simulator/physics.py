"""How a battery fills: constant power, then a taper, with losses; solved in closed form."""

import math
from dataclasses import dataclass

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, kw_only=True)
class Battery:
    """A battery and its charger's efficiency.

    From `taper_from_pct` on, the power falls in a straight line over the state of charge, down to `taper_floor` of the
    limit when full. `efficiency` is battery-side energy per grid-side energy.
    """

    capacity_kwh: float
    efficiency: float = 0.9
    taper_from_pct: float = 85.0
    taper_floor: float = 0.25

    def _steepness(self) -> tuple[float, float]:
        knee_kwh = self.capacity_kwh * self.taper_from_pct / 100
        return knee_kwh, (1 - self.taper_floor) / (self.capacity_kwh - knee_kwh)

    def power_kw(self, *, stored_kwh: float, limit_kw: float) -> float:
        """Return the grid-side power drawn at this state, at most `limit_kw`."""
        knee_kwh, steepness = self._steepness()
        share = 1 - steepness * max(0.0, stored_kwh - knee_kwh)
        return limit_kw * min(1.0, max(self.taper_floor, share))

    def charge(self, *, stored_kwh: float, limit_kw: float, seconds: float) -> float:
        """Return the stored energy after charging for a while, never above the capacity [kWh]."""
        knee_kwh, steepness = self._steepness()
        rate = limit_kw * self.efficiency / SECONDS_PER_HOUR
        if rate <= 0 or seconds <= 0:
            return stored_kwh
        if stored_kwh < knee_kwh:
            straight_s = (knee_kwh - stored_kwh) / rate
            if seconds <= straight_s:
                return stored_kwh + rate * seconds
            stored_kwh, seconds = knee_kwh, seconds - straight_s
        share = 1 - steepness * (stored_kwh - knee_kwh)
        share_after = share * math.exp(-steepness * rate * seconds)
        return min(self.capacity_kwh, knee_kwh + (1 - share_after) / steepness)

    def seconds_to(self, *, stored_kwh: float, goal_kwh: float, limit_kw: float) -> float:
        """Return how long charging takes from one stored energy to another; infinite without power [s]."""
        if goal_kwh <= stored_kwh:
            return 0.0
        knee_kwh, steepness = self._steepness()
        rate = limit_kw * self.efficiency / SECONDS_PER_HOUR
        if rate <= 0:
            return math.inf
        straight_s = max(0.0, min(goal_kwh, knee_kwh) - stored_kwh) / rate
        if goal_kwh <= knee_kwh:
            return straight_s
        share = 1 - steepness * max(0.0, stored_kwh - knee_kwh)
        share_after = 1 - steepness * (min(goal_kwh, self.capacity_kwh) - knee_kwh)
        return straight_s + math.log(share / share_after) / (steepness * rate)
