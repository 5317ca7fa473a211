"""Owners of cars: of real ones when the shared data are there, else of a kind that is made up.

A real owner keeps the weekdays, clock times and energies of a stretch of days from the charging sessions of a
Norwegian home; only the year changes. The predicted power and battery of that user are the car's.
"""

import csv
import gzip
import random
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from tests.campaign.script import DAY_S, Car, Stay

OSLO = ZoneInfo("Europe/Oslo")
LEAST_KWH = 0.5
SHORTEST_S, LONGEST_DAYS = 1800, 6
BETWEEN_S = 1800
WEEK = timedelta(days=7)
POWERS_KW, CAPACITIES_KWH = (3.7, 7.4, 11.0, 22.0), (24.0, 38.0, 58.0, 77.0, 95.0)


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A real plug session, by the clock on the wall."""

    plugged_at: datetime
    left_at: datetime
    kwh: float


@dataclass(frozen=True, kw_only=True)
class RealOwner:
    """A user of the data: their visits in order, and what was predicted of their car (0: nothing)."""

    name: str
    power_kw: float
    capacity_kwh: float
    visits: tuple[Visit, ...]


class Owners(Protocol):
    """Who draws owners."""

    def car(self, dice: random.Random, *, start_at: datetime, days: int, timezone: str) -> Car:
        """Return a car with what its owner does from an instant on."""
        ...


class RealOwners:
    """Draws from the sessions of the shared data."""

    def __init__(self, owners: Sequence[RealOwner]) -> None:
        self._owners = owners

    def car(self, dice: random.Random, *, start_at: datetime, days: int, timezone: str) -> Car:
        """Return the car of any user, in any stretch of their days."""
        owner = dice.choice(self._owners)
        known = (owner.visits[-1].plugged_at.date() - owner.visits[0].plugged_at.date()).days
        anchor = owner.visits[0].plugged_at.date() + timedelta(days=dice.randrange(max(1, known - days)))
        first = start_at.astimezone(ZoneInfo(timezone)).date()
        shift = first - anchor
        shift += timedelta(days=(anchor.weekday() - first.weekday()) % 7)  # weekdays stay weekdays
        begin = bisect_left(owner.visits, first - shift, key=lambda visit: visit.plugged_at.date())
        visits = owner.visits[begin : begin + 4 * days]
        stays = _stays(visits, shift, ZoneInfo(timezone), start_at=start_at, days=days, dice=dice)
        power_kw = min(POWERS_KW, key=lambda kw: abs(kw - (owner.power_kw or 7.4)))
        return _car(
            dice, power_kw=power_kw, capacity_kwh=owner.capacity_kwh or dice.choice(CAPACITIES_KWH), stays=stays
        )


class MadeOwners:
    """Draws commuters, people at home, and weekend drivers of our own making."""

    def car(self, dice: random.Random, *, start_at: datetime, days: int, timezone: str) -> Car:
        """Return a car whose owner mostly comes in the evening and leaves in the morning."""
        zone = ZoneInfo(timezone)
        first = start_at.astimezone(zone).date()
        often, comes_h, leaves_h = dice.choice((0.95, 0.7, 0.4)), dice.uniform(12, 22), dice.uniform(5.5, 9.5)
        used_kwh = dice.uniform(3, 18)
        visits = []
        for number in range(-1, days + 1):
            day = first + timedelta(days=number)
            if dice.random() > often:
                continue
            plugged_at = _clock(day, comes_h + dice.gauss(0, 1.0))
            left_at = _clock(day + timedelta(days=1), leaves_h + dice.gauss(0, 0.5))
            if dice.random() < 0.1:
                left_at += timedelta(days=1)
            visits.append(Visit(plugged_at=plugged_at, left_at=left_at, kwh=used_kwh * dice.uniform(0.4, 1.8)))
        stays = _stays(visits, timedelta(0), zone, start_at=start_at, days=days, dice=dice)
        return _car(dice, power_kw=dice.choice(POWERS_KW), capacity_kwh=dice.choice(CAPACITIES_KWH), stays=stays)


def _clock(day: date, hour: float) -> datetime:
    return datetime.combine(day, time(0)) + timedelta(hours=hour)


def _car(dice: random.Random, *, power_kw: float, capacity_kwh: float, stays: tuple[Stay, ...]) -> Car:
    return Car(
        capacity_kwh=round(max(capacity_kwh, 12.0), 1),
        power_kw=power_kw,
        soc_pct=round(dice.uniform(15, 85)),
        limit_pct=dice.choice((100.0, 100.0, 90.0, 80.0)),
        auto_start=dice.random() < 0.85,
        reports_power=dice.random() < 0.85,
        no_pause=dice.random() < 0.05,
        seen_every_s=dice.choice((120.0, 300.0, 600.0)),
        taper=dice.random() < 0.5,
        stays=stays,
    )


def _stays(
    visits: Iterable[Visit], shift: timedelta, zone: ZoneInfo, *, start_at: datetime, days: int, dice: random.Random
) -> tuple[Stay, ...]:
    """Return visits as stays of a life: each some time after the one before, none too short, in the life's days."""
    stays: list[Stay] = []
    free_s, end_s = 600, days * DAY_S
    for visit in visits:
        plugs_s, leaves_s = (_seconds(at, shift, zone, start_at) for at in (visit.plugged_at, visit.left_at))
        leaves_s = min(leaves_s, plugs_s + LONGEST_DAYS * DAY_S)
        if plugs_s < free_s or leaves_s - plugs_s < SHORTEST_S or plugs_s > end_s - SHORTEST_S:
            continue
        stays += _charging_away(dice, free_s, plugs_s)
        stays.append(Stay(plugs_s=plugs_s, leaves_s=leaves_s, used_kwh=round(visit.kwh, 2)))
        free_s = leaves_s + BETWEEN_S
    return tuple(stays)


def _charging_away(dice: random.Random, free_s: int, until_s: int) -> list[Stay]:
    """Return, now and then, a stop at a charger away from home."""
    if until_s - free_s < 4 * 3600 or dice.random() > 0.15:
        return []
    plugs_s = dice.randrange(free_s + 1800, until_s - 7200)
    return [Stay(plugs_s=plugs_s, leaves_s=plugs_s + dice.randrange(900, 5400), used_kwh=2.0, away=True)]


def _seconds(at: datetime, shift: timedelta, zone: ZoneInfo, start_at: datetime) -> int:
    return round(((at + shift).replace(tzinfo=zone).astimezone(UTC) - start_at).total_seconds())


@lru_cache(maxsize=2)
def real_owners(folder: Path) -> RealOwners:
    """Read the sessions of the shared data.

    Raises:
        OSError: they are not there.
    """
    with (folder / "sessions" / "norway_users.csv").open(encoding="utf-8") as file:
        users = list(csv.DictReader(line for line in file if not line.startswith("#")))
    with gzip.open(folder / "sessions" / "norway_home_sessions.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    visits: dict[str, list[Visit]] = {}
    for row in rows:
        plugged_at, left_at = (_wall(row[name]) for name in ("plugin_utc", "plugout_utc"))
        if float(row["energy_kwh"]) >= LEAST_KWH and left_at > plugged_at:
            visits.setdefault(row["user_id"], []).append(
                Visit(plugged_at=plugged_at, left_at=left_at, kwh=float(row["energy_kwh"]))
            )
    return RealOwners([_owner(user, visits[user["user_id"]]) for user in users if user["user_id"] in visits])


def _owner(user: dict[str, str], visits: list[Visit]) -> RealOwner:
    return RealOwner(
        name=user["user_id"],
        power_kw=float(user["charging_power_kw"] or 0),
        capacity_kwh=float(user["battery_capacity_kwh"] or 0),
        visits=tuple(sorted(visits, key=lambda visit: visit.plugged_at)),
    )


def _wall(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(OSLO).replace(tzinfo=None)
