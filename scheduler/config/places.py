"""Doubts about coordinates: nowhere, off the map, or latitude and longitude exchanged (C02)."""

import re
from functools import cache
from importlib.resources import files
from math import asin, cos, radians, sin, sqrt

EARTH_KM = 6371.0
FAR_KM = 2000.0
"""No home lies farther than this from the city that its time zone is named for."""

MOST_LATITUDE, MOST_LONGITUDE = 90.0, 180.0

WRITABLE = 1e6
"""A number beyond it is written as if it were this: one of a hundred digits cannot be written as a figure at all."""

_ISO6709 = re.compile(r"([+-])(\d{2,3})(\d{2})(\d{2})?")


def fault_of(latitude: float, longitude: float) -> str:
    """Say why the coordinates cannot be a home's; empty when they can."""
    latitude, longitude = (max(-WRITABLE, min(WRITABLE, one)) for one in (latitude, longitude))
    if latitude == 0 and longitude == 0:
        return "0, 0 lies in the Gulf of Guinea; give the home's coordinates or none"
    if abs(latitude) > MOST_LATITUDE >= abs(longitude) and abs(latitude) <= MOST_LONGITUDE:
        return f"latitude {latitude:g} does not exist; latitude and longitude look exchanged"
    if abs(latitude) > MOST_LATITUDE or abs(longitude) > MOST_LONGITUDE:
        return f"{latitude:g}, {longitude:g} is not on Earth; latitude goes to 90, longitude to 180 degrees"
    return ""


def doubt_of(latitude: float, longitude: float, timezone: str) -> str:
    """Say what is odd about a possible place, judged by the city of its time zone; empty when nothing is."""
    city = _cities().get(timezone)
    if city is None or distance_km((latitude, longitude), city) <= FAR_KM:
        return ""
    if distance_km((longitude, latitude), city) <= FAR_KM:
        return f"latitude {latitude:g} and longitude {longitude:g} look exchanged: that is far from {timezone}"
    return f"{latitude:g}, {longitude:g} is far from {timezone}: check both"


@cache
def _cities() -> dict[str, tuple[float, float]]:
    """Return the coordinates of each zone's principal city, from the zone data; empty where that has no table."""
    try:
        table = (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
    except (ModuleNotFoundError, OSError):
        return {}
    rows = [line.split("\t") for line in table.splitlines() if line and not line.startswith("#")]
    return {row[2]: _degrees(row[1]) for row in rows}


def _degrees(iso6709: str) -> tuple[float, float]:
    latitude, longitude = (
        (-1 if sign == "-" else 1) * (int(degrees) + int(minutes) / 60)
        for sign, degrees, minutes, _ in _ISO6709.findall(iso6709)
    )
    return latitude, longitude


def distance_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the great-circle distance of two positions (haversine)."""
    (a, b), (c, d) = ([radians(x) for x in position] for position in (one, other))
    return 2 * EARTH_KM * asin(min(1.0, sqrt(sin((c - a) / 2) ** 2 + cos(a) * cos(c) * sin((d - b) / 2) ** 2)))
