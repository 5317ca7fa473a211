"""What a vehicle's own sessions at its home teach: the power it takes there, and how that falls as it fills. Pure.

The power moves with every reading below the taper. How it falls is taken down in bands of state of charge while a
session lasts, and learned as one figure for each band when it ends: a plan so keeps its curve through the night.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from scheduler.core.energy import RAMP_UP, tapers_at
from scheduler.core.model import BAND_PCT, BandSeen, Learned, Session, TaperBand
from scheduler.core.observation import BatteryFacet, Observation

TAPER_FROM_PCT = 80.0
"""Above this the car may take less than it could: nothing is learned about its full power there."""

LEARN_DOWN, LEARN_UP = 0.5, 0.2
"""How far one reading moves the learned power."""

SETTLED = timedelta(minutes=2)
"""A power counts from so soon after a start on: a car that starts by itself is stopped within minutes, and what it took
until then may be all that is known of it before it has to be started (P28)."""

SAME = 0.02
"""A power that differs by no more than this share is the same one: mains voltage and rounding move no plan."""

FIRST_BAND_PCT = 60.0
"""Below this no car tapers at the powers of a home."""

SESSIONS_A_BAND = 5
"""So many latest sessions count for each band; their median bears two odd ones."""

LEAST_SEEN = timedelta(minutes=5)
"""A band crossed faster than this tells nothing."""

TOGETHER = timedelta(minutes=5)
"""State of charge and power that were true so close together belong to one another."""

THROTTLED = 0.9
"""A session that never took this share of the learned power was held back from outside."""

HELD_BACK = 0.95
"""A band that took less than this share of a fuller one was held back from outside, too: a taper only falls."""

LIMIT_NEAR_PCT = 1.0
"""So close to the car's own charge limit it takes less because it ends there."""


def power_learned(learned: Learned, session: Session, seen: Observation) -> Learned:
    """Move the learned power towards what is seen at home, below the taper only; faster down than up (P28)."""
    charge, soc_pct = seen.charge, seen.battery.soc_pct
    if not charge.charging or not charge.power_kw or not _lasting(session, charge.at, SETTLED):
        return learned
    if soc_pct is not None and (soc_pct >= TAPER_FROM_PCT or tapers_at(learned, soc_pct) or _ending(seen, soc_pct)):
        return learned
    if learned.power_kw is None:
        return replace(learned, power_kw=charge.power_kw)
    off_kw = charge.power_kw - learned.power_kw
    if abs(off_kw) <= SAME * learned.power_kw:
        return learned
    share = LEARN_DOWN if off_kw < 0 else LEARN_UP
    return replace(learned, power_kw=round(learned.power_kw + share * off_kw, 3))


def bands_seen(session: Session, before: Observation, after: Observation, *, since: datetime) -> tuple[BandSeen, ...]:
    """Return the session's bands with what was taken from `since` until the reading `after`.

    Only charging that goes on counts, past its beginning, between two readings that know the state of charge and are
    close in it.
    """
    until, first, last = after.charge.at, _soc_with(before), _soc_with(after)
    if until is None or first is None or last is None or not 0 <= last - first <= BAND_PCT:
        return session.bands
    first_kw, last_kw = before.charge.power_kw, after.charge.power_kw
    flowing = before.charge.charging and after.charge.charging and first_kw and last_kw
    from_pct = (first + last) / 2 // BAND_PCT * BAND_PCT
    if not flowing or not first_kw or not last_kw or not FIRST_BAND_PCT <= from_pct < 100:  # noqa: PLR2004
        return session.bands
    if not _lasting(session, since) or _ending(after, last):
        return session.bands
    found = {band.from_pct: band for band in session.bands}
    known = found.get(from_pct, BandSeen(from_pct=from_pct))
    hours = (until - since) / timedelta(hours=1)
    found[from_pct] = replace(
        known, kwh=round(known.kwh + (first_kw + last_kw) / 2 * hours, 6), hours=round(known.hours + hours, 6)
    )
    return tuple(found[key] for key in sorted(found))


def taper_learned(learned: Learned, session: Session) -> Learned:
    """Add what a session that has ended shows of the taper, one figure a band."""
    if not session.at_home or (learned.power_kw is not None and session.max_kw < THROTTLED * learned.power_kw):
        return learned
    found = {band.from_pct: band for band in learned.taper}
    for from_pct, kw in _powers(session):
        known = found[from_pct].kws if from_pct in found else ()
        found[from_pct] = TaperBand(from_pct=from_pct, kws=(*known, kw)[-SESSIONS_A_BAND:])
    return replace(learned, taper=tuple(found[key] for key in sorted(found)))


def _powers(session: Session) -> Iterator[tuple[float, float]]:
    """Yield each band's mean power [kW], from the fullest down, without those that were held back from outside."""
    most_kw = 0.0
    for band in sorted(session.bands, key=lambda band: -band.from_pct):
        if timedelta(hours=band.hours) < LEAST_SEEN:
            continue
        kw = round(band.kwh / band.hours, 2)
        if kw >= HELD_BACK * most_kw:
            most_kw = max(most_kw, kw)
            yield band.from_pct, kw


def _lasting(session: Session, at: datetime | None, least: timedelta = RAMP_UP) -> bool:
    """Tell whether the car was at home and had charged for a while by an instant: cars begin slowly."""
    since = session.started_since
    return session.at_home and since is not None and at is not None and at - since >= least


def _soc_with(seen: Observation) -> float | None:
    """Return the state of charge that was true together with the power."""
    battery: BatteryFacet = seen.battery
    if battery.at is None or seen.charge.at is None or abs(battery.at - seen.charge.at) > TOGETHER:
        return None
    return battery.soc_pct


def _ending(seen: Observation, soc_pct: float) -> bool:
    """Tell whether the car is about to end by itself."""
    limit_pct = seen.charge.limit_pct
    return limit_pct is not None and 0 < limit_pct < 100 and soc_pct >= limit_pct - LIMIT_NEAR_PCT  # noqa: PLR2004
