"""How full the battery is: what was reported, how far it can be trusted, and what may have happened since."""

from dataclasses import dataclass
from datetime import timedelta

from scheduler.core.energy import FULL_PCT, energy_in, gained_pct, pessimistic_power_kw, usable_capacity_kwh
from scheduler.core.model import Quality, Situation

PLUG_IN_GRACE = timedelta(minutes=5)
"""A reading from just before the plug-in still holds: the car did not drive in between."""

FROZEN_PCT = 1.0
"""A reading that rose by no more than this since the plug-in, against the meter, is frozen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Charge:
    """Bounds of the state of charge now. Needs count from `low_pct`; stopping at a target counts from `high_pct`.

    Both are None when the quality is unknown. A fresh reading of a car that does not charge makes them equal. Where
    readings stand still against the meter (`frozen`), the upper one is the meter's.
    """

    low_pct: float | None = None
    high_pct: float | None = None
    quality: Quality = Quality.UNKNOWN
    frozen: bool = False


UNKNOWN = Charge()


def estimate_soc(situation: Situation) -> Charge:
    """Return the bounds of the state of charge.

    A reading without source time, from the future, or from before the plug-in is unknown: providers return the state
    from before the trip. While the car charges, the bounds part with time: the lower counts the power seen for no
    longer than evidence for a command may be old, the upper counts full power ever since.
    """
    battery = situation.observation.battery
    if battery.soc_pct is None or battery.at is None or not 0 <= battery.soc_pct <= FULL_PCT:
        return UNKNOWN
    age = situation.at - battery.at
    if age < -situation.limits.future_max:
        return UNKNOWN
    if situation.session is not None and battery.at < situation.session.plugged_at - PLUG_IN_GRACE:
        return UNKNOWN
    quality = Quality.FRESH if age <= situation.limits.x_src else Quality.ESTIMATED
    low, high = _since(situation, soc_pct=battery.soc_pct, age=max(age, timedelta(0)))
    metered = _metered_pct(situation)
    frozen = metered is not None and metered > high
    if metered is not None and frozen:
        high, quality = metered, Quality.ESTIMATED
    return Charge(low_pct=min(low, FULL_PCT), high_pct=min(high, FULL_PCT), quality=quality, frozen=frozen)


def _since(situation: Situation, *, soc_pct: float, age: timedelta) -> tuple[float, float]:
    """Return the bounds that charging since the reading leaves."""
    capacity = usable_capacity_kwh(situation)
    if capacity is None or situation.observation.charge.charging is not True:
        return soc_pct, soc_pct
    seen_kw = situation.observation.charge.power_kw
    sure_kw = min(seen_kw or 0.0, pessimistic_power_kw(situation) or 0.0)
    session_kw = situation.session.max_kw if situation.session is not None else 0.0
    most_kw = max(seen_kw or 0.0, session_kw) or situation.vehicle.charge_power_kw or 0.0
    sure_s = min(age, situation.limits.x_rx).total_seconds()
    low = gained_pct(grid_kwh=energy_in(seconds=sure_s, power_kw=max(sure_kw, 0.0)), capacity_kwh=capacity)
    high = gained_pct(grid_kwh=energy_in(seconds=age.total_seconds(), power_kw=most_kw), capacity_kwh=capacity)
    return soc_pct + low, soc_pct + max(low, high)


def _metered_pct(situation: Situation) -> float | None:
    """Return the SoC by the meter when the reported one stands still against it (frozen), else None.

    It stands still where it has not moved since the plug-in, or not for as much energy as counts.
    """
    session, soc_pct = situation.session, situation.observation.battery.soc_pct
    capacity = usable_capacity_kwh(situation)
    if session is None or soc_pct is None or capacity is None:
        return None
    moved_kwh = session.energy_kwh if session.energy_at_soc_kwh is None else session.energy_at_soc_kwh
    metered = soc_pct + gained_pct(grid_kwh=session.energy_kwh - moved_kwh, capacity_kwh=capacity)
    start_pct = session.soc_at_start_pct
    if start_pct is not None and abs(soc_pct - start_pct) <= FROZEN_PCT:
        metered = max(metered, start_pct + gained_pct(grid_kwh=session.energy_kwh, capacity_kwh=capacity))
    return metered if metered - soc_pct > situation.limits.p_overshoot else None
