"""State of charge, energy, power and duration: how one becomes the other.

*Battery side* is what the battery gains; *grid side* is what the meter counts and the owner pays. Plans, needs and
prices are on the grid side.
"""

from datetime import timedelta

from scheduler.core.charging import ChargeCurve
from scheduler.core.model import Situation

CHARGE_EFFICIENCY = 0.90
"""Battery-side energy per grid-side energy. Onboard chargers lose 5 to 15 %; the low side of the usual keeps needs
pessimistic without starting hours too soon."""

LEARNED_POWER_MARGIN = 0.95
"""A learned power is an average: the next session may be a little slower (another phase voltage, a cold battery)."""

DEFAULT_START_LATENCY = timedelta(seconds=60)
"""From START to current, until the vehicle's own sessions have taught better."""

RAMP_UP = timedelta(minutes=5)
"""A session's power counts only once charging has lasted this long: cars begin slowly."""

LEAST_POWER_KW = 0.1
LEAST_CAPACITY_KWH, GREATEST_CAPACITY_KWH = 1.0, 1000.0
FULL_PCT = 100.0


def missing_energy(*, soc_pct: float, target_soc_pct: float, capacity_kwh: float) -> float:
    """Return the battery-side energy still needed to reach the target [kWh], never negative.

    Energy is taken as proportional to SoC over the usable capacity; losses are added by `grid_energy`.

    Raises:
        ValueError: a percentage outside 0-100, or a capacity that is not positive.
    """
    for name, value in (("soc_pct", soc_pct), ("target_soc_pct", target_soc_pct)):
        if not 0 <= value <= FULL_PCT:
            raise ValueError(f"{name} must be within 0 and 100, not {value}")
    if not capacity_kwh > 0:
        raise ValueError(f"capacity_kwh must be positive, not {capacity_kwh}")
    return max(0.0, target_soc_pct - soc_pct) / 100 * capacity_kwh


def grid_energy(battery_kwh: float) -> float:
    """Return what the grid must deliver so that the battery gains `battery_kwh` [kWh]."""
    return battery_kwh / CHARGE_EFFICIENCY


def battery_energy(grid_kwh: float) -> float:
    """Return what the battery gains of `grid_kwh` [kWh]."""
    return grid_kwh * CHARGE_EFFICIENCY


def gained_pct(*, grid_kwh: float, capacity_kwh: float) -> float:
    """Return by how many points the SoC rises when the grid delivers `grid_kwh`."""
    return battery_energy(grid_kwh) / capacity_kwh * 100


def duration_s(*, energy_kwh: float, power_kw: float) -> float:
    """Return how long the energy takes at the power [s]; both on the same side."""
    return energy_kwh / power_kw * 3600


def energy_in(*, seconds: float, power_kw: float) -> float:
    """Return the energy that flows in the time [kWh]."""
    return power_kw * seconds / 3600


def usable_capacity_kwh(situation: Situation) -> float | None:
    """Return the usable battery capacity: the provider's, else the configured one; None when neither is sane."""
    for capacity in (situation.observation.battery.capacity_kwh, situation.vehicle.capacity_kwh):
        if capacity is not None and LEAST_CAPACITY_KWH <= capacity <= GREATEST_CAPACITY_KWH:
            return capacity
    return None


def pessimistic_power_kw(situation: Situation) -> float | None:
    """Return the grid-side power that plans count on, or None when nothing tells it.

    The least of what is configured, what was learned (with a margin), and what the home allows; a car that has been
    charging more slowly than that for a while counts with what it takes now.
    """
    vehicle, learned, limit = situation.vehicle, situation.learned, situation.home.max_kw
    known = [vehicle.charge_power_kw, learned.power_kw and learned.power_kw * LEARNED_POWER_MARGIN, limit]
    if _charging_steadily(situation):
        known.append(situation.observation.charge.power_kw)
    sane = [power for power in known if power is not None and power > LEAST_POWER_KW]
    return min(sane) if sane else None


def charge_curve(situation: Situation) -> ChargeCurve | None:
    """Return the charge curve that plans count on, from the present state of charge on; None when nothing tells it."""
    power_kw = pessimistic_power_kw(situation)
    return None if power_kw is None else ChargeCurve.at(power_kw)


def _charging_steadily(situation: Situation) -> bool:
    session = situation.session
    if session is None or session.started_since is None or situation.observation.charge.charging is not True:
        return False
    return situation.at - session.started_since >= RAMP_UP


def start_latency(situation: Situation) -> timedelta:
    """Return how long after a START current must be expected to flow; nothing when it flows already."""
    if situation.observation.charge.charging is True:
        return timedelta(0)
    learned = situation.learned.start_latency_s
    return DEFAULT_START_LATENCY if learned is None else timedelta(seconds=learned)
