"""From a reading to what is accepted of it. A facet's source time only moves forward (S16)."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from scheduler.core.altering import altered
from scheduler.core.observation import BatteryFacet, ChargeFacet, Observation, PlaceFacet, Reading

FUTURE_REFUSED = timedelta(minutes=15)
"""A source time further ahead than this is nonsense: accepting it would lock out every true reading after it."""

DROP_PCT = 15.0
"""A plugged-in car does not lose so many points between two readings: a second one must agree (P19)."""

AGREE_PCT = 5.0
"""Two readings within so many points agree."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Acceptance:
    """What a reading changed: the merged observation, the facets that counted, and why others did not."""

    observation: Observation
    facets: tuple[str, ...]
    why: str = ""

    @property
    def ok(self) -> bool:
        """Tell whether anything was accepted."""
        return bool(self.facets)


def accept(seen: Observation, reading: Reading) -> Acceptance:
    """Merge a reading, facet by facet. Older data is kept for the record only."""
    now = reading.received.at
    facets: list[str] = []
    refused: list[str] = []
    merged = seen
    if reading.charge is not None:
        why = _refusal(seen.charge.at, reading.charge.at, now)
        if why:
            refused.append(f"charge {why}")
        else:
            facets.append("charge")
            merged = replace(_with_charge(merged, reading.charge, now), received=reading.received)
    if reading.place is not None:
        why = _refusal(seen.place.at, reading.place.at, now)
        if why:
            refused.append(f"location {why}")
        else:
            facets.append("location")
            merged = _with_place(merged, reading.place, now)
    if reading.battery is not None:
        why = _refusal(seen.battery.at, reading.battery.at, now)
        if why:
            refused.append(f"battery {why}")
        else:
            merged, doubted = _with_battery(merged, reading.battery, plugged_before=seen.charge.plugged is True)
            (refused if doubted else facets).append("battery doubted" if doubted else "battery")
    return Acceptance(observation=_with_rest(merged, reading), facets=tuple(facets), why=", ".join(refused))


def _refusal(known: datetime | None, new: datetime | None, now: datetime) -> str:
    if new is None:
        return "" if known is None else "undated"
    if new - now > FUTURE_REFUSED:
        return "from the future"
    return "older" if known is not None and new < known else ""


def _with_charge(seen: Observation, charge: ChargeFacet, now: datetime) -> Observation:
    same = (seen.charge.plugged, seen.charge.charger_id) == (charge.plugged, charge.charger_id)
    return replace(seen, charge=charge, plug_since=seen.plug_since if same and seen.plug_since else now)


def _with_place(seen: Observation, place: PlaceFacet, now: datetime) -> Observation:
    same = seen.place.location_id == place.location_id
    return altered(seen, place=place, place_since=seen.place_since if same and seen.place_since else now)


def _with_battery(seen: Observation, battery: BatteryFacet, *, plugged_before: bool) -> tuple[Observation, bool]:
    """Take the battery facet, unless the state of charge fell in a way that one sample does not prove.

    One without a state of charge takes none away: what was read last stays, as old as it is, and ages.
    """
    old, new = seen.battery.soc_pct, battery.soc_pct
    capacity = battery.capacity_kwh if battery.capacity_kwh is not None else seen.battery.capacity_kwh
    if new is None and old is not None:
        return altered(seen, battery=altered(seen.battery, capacity_kwh=capacity)), False
    battery = altered(battery, capacity_kwh=capacity)
    fell = old is not None and new is not None and (old - new > DROP_PCT) and (plugged_before or new == 0)
    if fell and not _agrees(seen, battery):
        near = seen.suspect_soc_pct is not None and new is not None and abs(new - seen.suspect_soc_pct) <= AGREE_PCT
        return replace(seen, suspect_soc_pct=new, suspect_at=seen.suspect_at if near else battery.at), True
    return altered(seen, battery=battery, suspect_soc_pct=None, suspect_at=None), False


def _agrees(seen: Observation, battery: BatteryFacet) -> bool:
    """Tell whether an earlier sample, older at its source, doubted for the same drop, is confirmed by this one."""
    if seen.suspect_soc_pct is None or battery.soc_pct is None or seen.suspect_at is None or battery.at is None:
        return False
    return abs(battery.soc_pct - seen.suspect_soc_pct) <= AGREE_PCT and battery.at > seen.suspect_at


def _with_rest(seen: Observation, reading: Reading) -> Observation:
    if seen.seen_at is not None and reading.seen_at is not None and reading.seen_at < seen.seen_at:
        return seen
    return altered(
        seen,
        capabilities=reading.capabilities or seen.capabilities,
        reachable=reading.reachable,
        seen_at=reading.seen_at or seen.seen_at,
        smart_charging=seen.smart_charging if reading.smart_charging is None else reading.smart_charging,
        name=reading.name or seen.name,
    )
