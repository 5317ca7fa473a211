"""State of charge, energy, power and duration: how one becomes the other.

*Battery side* is what the battery gains; *grid side* is what the meter counts and the owner pays. Plans, needs and
prices are on the grid side.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import timedelta
from statistics import median_low

import numpy as np

from scheduler.core.charging import ChargeCurve
from scheduler.core.model import BAND_PCT, Learned, Situation, TaperBand

CHARGE_EFFICIENCY = 0.90
"""Battery-side energy per grid-side energy. Onboard chargers lose 5 to 15 %; the low side of the usual keeps needs
pessimistic without starting hours too soon."""

LEARNED_POWER_MARGIN = 0.95
"""A learned power is an average: the next session may be a little slower (another phase voltage, a cold battery)."""

DEFAULT_START_LATENCY = timedelta(seconds=60)
"""From START to current, until the vehicle's own sessions have taught better."""

RAMP_UP = timedelta(minutes=5)
"""A session's power counts only once charging has lasted this long: cars begin slowly."""

LEVEL_KW = 0.1
"""Learned powers in the taper count in steps of this, rounded down: plans do not tremble with them."""

SLIGHT = 0.05
"""A fall of power by less than this share is none: each fall makes a plan longer to find."""

TAPER_TOLERANCE = 0.9
"""In its taper a car takes less than usual only from here down: a state of charge is told in whole points."""

MAY_TAPER_FROM_PCT = 90.0
"""Above this a car may take less than its full power; at the powers of a home hardly one does so below."""

LEAST_SPAN_PCT = 0.01
"""A full car has a curve, too."""

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
    return _least([_full_power_kw(situation), _steady_kw(situation)])


def charge_curve(situation: Situation, *, low_pct: float | None) -> ChargeCurve | None:
    """Return the charge curve that plans count on, from a state of charge on; None when nothing tells the power.

    It begins at the pessimistic power and falls as the car's own sessions have shown, never rising again. Without a
    state of charge, a capacity or such sessions it is one power: how a car tapers is its own. `unseen_taper` is what a
    plan allows for until it is known.
    """
    power_kw, capacity = pessimistic_power_kw(situation), usable_capacity_kwh(situation)
    full_kw = _full_power_kw(situation)
    if power_kw is None or full_kw is None or capacity is None or low_pct is None:
        return None if power_kw is None else ChargeCurve.at(power_kw)
    levels = _levels(situation.learned, full_kw)
    share = 1.0
    if levels and levels[0][0] <= low_pct:  # it tapers: what it takes now is little, and how little tells of the rest
        seen_kw, expected_kw = _steady_kw(situation), _expected_kw(situation.learned, low_pct)
        power_kw = full_kw
        share = 1.0 if seen_kw is None else min(1.0, seen_kw / min(full_kw, TAPER_TOLERANCE * expected_kw))
    return _falling([(0.0, power_kw), *levels], from_pct=low_pct, capacity=capacity, share=share)


def unseen_taper(situation: Situation, taking: ChargeCurve, *, low_pct: float | None, energy_kwh: float) -> timedelta:
    """Return how much longer than along its curve a need may take, since the car may taper as nobody has seen yet.

    What is to be charged above 90 % and above the bands that the car's own sessions have shown may take twice its time.
    """
    capacity = usable_capacity_kwh(situation)
    if capacity is None or low_pct is None or energy_kwh <= 0:
        return timedelta(0)
    seen_to_pct = max((band.from_pct + BAND_PCT for band in situation.learned.taper), default=0.0)
    unseen_pct = low_pct + gained_pct(grid_kwh=energy_kwh, capacity_kwh=capacity)
    unseen_pct -= max(low_pct, seen_to_pct, MAY_TAPER_FROM_PCT)
    if unseen_pct <= 0:
        return timedelta(0)
    seen_kwh = max(0.0, energy_kwh - grid_energy(unseen_pct / 100 * capacity))
    return timedelta(seconds=taking.seconds(energy_kwh) - taking.seconds(seen_kwh))


def tapers_at(learned: Learned, soc_pct: float) -> bool:
    """Tell whether the car is known to take less than its full power at a state of charge."""
    levels = _levels(learned, (learned.power_kw or 0.0) * LEARNED_POWER_MARGIN)
    return bool(levels) and levels[0][0] <= soc_pct


def _falling(levels: Sequence[tuple[float, float]], *, from_pct: float, capacity: float, share: float) -> ChargeCurve:
    """Return the curve through levels of power, each from a state of charge on."""
    points, least_kw = [(0.0, 0.0)], math.inf
    for (start_pct, power_kw), (end_pct, _) in zip(levels, [*levels[1:], (FULL_PCT, 0.0)], strict=True):
        least_kw = min(least_kw, power_kw)
        if end_pct <= from_pct and end_pct < FULL_PCT:
            continue
        span_pct = max(end_pct - max(start_pct, from_pct), LEAST_SPAN_PCT)
        energy_kwh = grid_energy(span_pct / 100 * capacity)
        seconds, charged_kwh = points[-1]
        points.append((seconds + energy_kwh / (least_kw * share) * 3600, charged_kwh + energy_kwh))
    return ChargeCurve(points=tuple(points))


def _levels(learned: Learned, full_kw: float) -> list[tuple[float, float]]:
    """Return where the power falls and to what [from % on, kW, with the margin], as the car's own sessions taught.

    Bands that nothing is known of take what the one before them does.
    """
    levels: list[tuple[float, float]] = []
    level_kw = full_kw
    for band in learned.taper:
        power_kw = math.floor(round(_usual_kw(band) * LEARNED_POWER_MARGIN / LEVEL_KW, 6)) * LEVEL_KW
        if LEAST_POWER_KW < power_kw < (1 - SLIGHT) * level_kw:
            levels.append((band.from_pct, power_kw))
            level_kw = power_kw
    return levels


def _usual_kw(band: TaperBand) -> float:
    return median_low(band.kws)


def _expected_kw(learned: Learned, soc_pct: float) -> float:
    """Return what the car usually takes at a state of charge in its taper, in a line from band to band."""
    known = [(band.from_pct + BAND_PCT / 2, _usual_kw(band)) for band in learned.taper]
    if len(known) > 1:  # on to the last band's end, as steeply as before
        (before_pct, before_kw), (last_pct, last_kw) = known[-2:]
        fall_kw = (before_kw - last_kw) / (last_pct - before_pct) * BAND_PCT / 2
        known.append((last_pct + BAND_PCT / 2, max(last_kw - fall_kw, last_kw / 2)))
    return float(np.interp(soc_pct, [pct for pct, _ in known], [kw for _, kw in known]))


def _full_power_kw(situation: Situation) -> float | None:
    """Return the power that plans count on below the taper, whatever the car takes now."""
    learned_kw = situation.learned.power_kw
    margin_kw = None if learned_kw is None else learned_kw * LEARNED_POWER_MARGIN
    return _least([situation.vehicle.charge_power_kw, margin_kw, situation.home.max_kw])


def _least(powers: Iterable[float | None]) -> float | None:
    return min((power for power in powers if power is not None and power > LEAST_POWER_KW), default=None)


def _steady_kw(situation: Situation) -> float | None:
    """Return what the car takes now, once it has been charging for a while."""
    session, charge = situation.session, situation.observation.charge
    if session is None or session.started_since is None or charge.charging is not True:
        return None
    return _least([charge.power_kw]) if situation.at - session.started_since >= RAMP_UP else None


def start_latency(situation: Situation) -> timedelta:
    """Return how long after a START current must be expected to flow; nothing when it flows already."""
    if situation.observation.charge.charging is True:
        return timedelta(0)
    learned = situation.learned.start_latency_s
    return DEFAULT_START_LATENCY if learned is None else timedelta(seconds=learned)
