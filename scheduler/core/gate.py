"""The home gate: is the vehicle plugged in at home, and how do we know (rules S1, S1a, S1b, S2)."""

from datetime import datetime, timedelta

from scheduler.core.model import Home, Place, Session, Situation, Verdict
from scheduler.core.observation import Observation

SEEN_MAX = timedelta(hours=2)
"""S1b: how long ago the vendor may last have had contact with a parked, sleeping car."""

REFRESH_MIN, REFRESH_MAX = timedelta(minutes=1), timedelta(minutes=30)
"""S1b: a refresh must have been asked for between these ages, so that a car that moved could have told."""

PLUG_SKEW = timedelta(minutes=2)
"""S1: a location may be older than the plug-in by this much and still speak of the same stop."""

POWER_FACTOR = 1.3
"""S1a: more power than this share of the home's maximum was not drawn at home."""

NOT_THERE = frozenset(
    {
        "plug-unknown",
        "place-unknown",
        "conflict",
        "unlisted-charger",
        "claimed",
        "charger-without-location",
        "pair-not-recognised",
        "power",
    }
)
"""The unproven verdicts that say the car may be elsewhere: a pending command is recalled (S26)."""


def gate(now: Situation, *, for_user: bool = False) -> Verdict:
    """Say whether a command may leave, and why not.

    Not proven is not home. `for_user`: a person's own command skips the settling time `T_stable`, nothing else.
    """
    plug = _plugged(now.observation)
    if plug is not None:
        return plug
    where = place(now.home, now.observation)
    if where.place is not Place.HOME:
        return where
    return _contradicted(now) or _unsettled(now, for_user=for_user) or _aged(now) or where


def _plugged(seen: Observation) -> Verdict | None:
    if seen.charge.plugged is None:
        return _unproven("plug-unknown", "It is not known whether the car is plugged in.")
    if not seen.charge.plugged:
        return Verdict(place=Place.UNPLUGGED, why="unplugged", text="The car is not plugged in.")
    return None


def place(home: Home, seen: Observation) -> Verdict:
    """Read the place of a plugged-in car from charger id and location id alone (DESIGN, the home gate's table)."""
    charger, location = seen.charge.charger_id, seen.place.location_id
    here = location is not None and location == home.location_id
    if home.charger_ids:
        return _by_charger(home, charger=charger, location=location, here=here)
    if charger is not None:
        text = f"Plugged in at charger {charger}, which this home does not list: add it to charger_ids."
        return _unproven("unlisted-charger", text)
    if here:
        return Verdict(place=Place.HOME, why="location", text="Plugged in, and the car is at the home's location.")
    if location is None:
        return _unproven("place-unknown", "Plugged in, but the provider does not say where.")
    return Verdict(place=Place.AWAY, why="other-location", text="Plugged in at another location.")


def _by_charger(home: Home, *, charger: str | None, location: str | None, here: bool) -> Verdict:
    if charger in home.charger_ids:
        if here:
            return Verdict(place=Place.HOME, why="charger", text="Plugged in at the home's charger and location.")
        if location is not None:
            return _unproven("conflict", "The charger says home, the location says elsewhere.")
        if home.trust_charger:
            return Verdict(place=Place.HOME, why="trusted-charger", text="Plugged in at the home's charger.")
        text = "At the home's charger, but the charger has no location: set it, or set trust_charger."
        return _unproven("charger-without-location", text)
    if charger is not None:
        return Verdict(place=Place.AWAY, why="other-charger", text="Plugged in at a charger that is not the home's.")
    if here:
        return _unproven("pair-not-recognised", "At home, but not (yet) recognised at the home's charger.")
    return Verdict(place=Place.AWAY, why="not-at-charger", text="Plugged in, but not at the home's charger.")


def is_away(where: Place, session: Session, seen: Observation) -> bool:
    """Tell whether a car that counts as away is to be left alone.

    One that our own STOP holds at home may only have lost what proved it, the charger's link, say. No command leaves
    without proof; yet what it is to have by a departure stands, and somebody is told in time.
    """
    told = seen.charge.charger_id is not None or seen.place.location_id is not None
    held = session.at_home and session.held_since is not None and seen.charge.charging is not True
    return where is Place.AWAY and (told or not held)


def _contradicted(now: Situation) -> Verdict | None:
    if now.claimed_elsewhere:
        return _unproven("claimed", "Another car claims the same charger: neither is proven to be at it.")
    most, session = now.home.max_kw, now.session
    if now.home.charger_ids or most is None or session is None:
        return None
    if session.max_kw > POWER_FACTOR * most:
        return _unproven("power", f"Charged at {session.max_kw:g} kW, more than this home can give.")
    return None


def _unsettled(now: Situation, *, for_user: bool) -> Verdict | None:
    if for_user:
        return None
    seen = now.observation
    since = max((s for s in (seen.plug_since, seen.place_since) if s is not None), default=None)
    if since is not None and now.at - since < now.limits.t_stable:
        return _unproven("settling", "Just plugged in or arrived: waiting for the reading to last.")
    return None


def settled_at(now: Situation) -> datetime | None:
    """Return when the present reading will have lasted `T_stable`, if that is still ahead."""
    seen = now.observation
    due = [s + now.limits.t_stable for s in (seen.plug_since, seen.place_since) if s is not None]
    return max((d for d in due if d > now.at), default=None)


def _aged(now: Situation) -> Verdict | None:
    seen = now.observation
    if seen.received is None or seen.received.run != now.run:
        return _unproven("not-seen", "Not yet seen since the daemon started.")
    if now.mono_ns - seen.received.mono_ns > now.limits.x_rx / timedelta(microseconds=1) * 1000:
        return _unproven("unheard", "Nothing heard of the car for too long.")
    facets = [seen.charge.at]
    if not now.home.charger_ids:
        facets.append(seen.place.at)
        if seen.place.at is not None and now.session is not None and seen.place.at < now.session.plugged_at - PLUG_SKEW:
            return _unproven("location-before-plug", "The location is older than the plug-in.")
    ages = [age(at, now.at, now.limits.future_max) for at in facets]
    if any(a is None for a in ages):
        return _unproven("age-unknown", "The provider does not say (believably) when this was true.")
    oldest = max(a for a in ages if a is not None)
    if oldest <= now.limits.x_src:
        return None
    if oldest <= now.limits.x_parked and _parked(now):
        text = "The car is asleep where it was parked; no sign of motion since."
        return Verdict(place=Place.HOME, why="parked", text=text, parked=True)
    return _unproven("stale", f"The newest reading is {oldest / timedelta(minutes=1):.0f} min old.")


def age(at: datetime | None, now: datetime, future_max: timedelta) -> timedelta | None:
    """Return how old a source time is; None when unknown, or so far in the future that it cannot be believed."""
    if at is None or at - now > future_max:
        return None
    return max(now - at, timedelta(0))


def _parked(now: Situation) -> bool:
    seen, asked = now.observation, now.refreshed_at
    if seen.reachable is not True or seen.seen_at is None or now.at - seen.seen_at > SEEN_MAX:
        return False
    if asked is None or not REFRESH_MIN <= now.at - asked <= REFRESH_MAX:
        return False
    return now.session is not None and now.session.at_home and not now.session.strayed


def _unproven(why: str, text: str) -> Verdict:
    return Verdict(place=Place.UNPROVEN, why=why, text=text)
