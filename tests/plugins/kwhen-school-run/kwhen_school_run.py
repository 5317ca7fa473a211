"""A policy for kwhen: enough for the way to school and back, on school days only."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from scheduler.core.calendar import local_instant
from scheduler.core.model import Situation
from scheduler.core.terms import Target, Term

SCHOOL_DAYS = frozenset(range(5))  # 0 is Monday
LONGEST_HOLIDAY_DAYS = 90


@dataclass(frozen=True, kw_only=True)
class SchoolRun:
    """Be ready for school at `at`, local time.

    Args:
        distance_km: the way there and back [km].
        consumption_kwh: what the car draws from the grid for 100 km [kWh].
        holidays: days without school, besides the weekends.
    """

    kwhen_api: ClassVar[int] = 1

    at: time
    distance_km: float
    consumption_kwh: float = 20.0
    holidays: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        if self.distance_km <= 0 or self.consumption_kwh <= 0:
            raise ValueError("distance_km and consumption_kwh must be above 0")

    def terms(self, now: Situation) -> Iterable[Term]:
        """Yield the next school morning."""
        zone = now.home.timezone
        today = now.at.astimezone(ZoneInfo(zone)).date()
        for offset in range(LONGEST_HOLIDAY_DAYS):
            day = today + timedelta(days=offset)
            by = local_instant(day, self.at, zone)
            if by > now.at and day.weekday() in SCHOOL_DAYS and day not in self.holidays:
                yield Target(energy_kwh=self.distance_km * self.consumption_kwh / 100, by=by, why="school run")
                return
