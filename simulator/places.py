"""Points on the map and the distances between them."""

import math
from dataclasses import dataclass

EARTH_RADIUS_M = 6_371_000.0
LOCATION_RADIUS_M = 200.0


@dataclass(frozen=True, kw_only=True)
class Point:
    """A position in degrees."""

    latitude: float
    longitude: float

    def moved(self, *, north_m: float = 0.0, east_m: float = 0.0) -> "Point":
        """Return the point so many metres further north and east."""
        north = math.degrees(north_m / EARTH_RADIUS_M)
        east = math.degrees(east_m / (EARTH_RADIUS_M * math.cos(math.radians(self.latitude))))
        return Point(latitude=self.latitude + north, longitude=self.longitude + east)


@dataclass(frozen=True, kw_only=True)
class Home:
    """Where somebody lives."""

    point: Point
    timezone: str


SOMEWHERE = Home(point=Point(latitude=59.9165, longitude=10.7582), timezone="Europe/Oslo")


def distance_m(one: Point, other: Point) -> float:
    """Return the great-circle distance [m]."""
    north = math.radians(other.latitude - one.latitude)
    east = math.radians(other.longitude - one.longitude)
    chord = (
        math.sin(north / 2) ** 2
        + math.cos(math.radians(one.latitude)) * math.cos(math.radians(other.latitude)) * math.sin(east / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(chord))
