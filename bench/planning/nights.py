"""Real nights at real prices: sessions of Norwegian homes put on quarter-hour prices of northern and central Europe.

A session keeps the weekday and the clock times of its plug-in and plug-out; its week is drawn from those that the
prices cover. Nothing is known of the cars' tapering, so that half of them are given one. The data lie in the folder
that `KWHEN_DATA` names.
"""

import csv
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from scheduler.core.charging import ChargeCurve, Floats
from scheduler.core.optimum import Task

OSLO = ZoneInfo("Europe/Oslo")
START_COST = 0.05  # EUR
POWER_KW = 7.4  # where nobody has predicted the user's
LEAST_KWH, MOST_HOURS = 0.5, 48.0
LONGEST_HOURS = 192.0
TAPERED = 0.5
TAPER = ((0.80, 1.0), (0.88, 0.75), (0.95, 0.5), (1.0, 0.3))
"""Up to which share of the energy the car takes which share of its power."""


@dataclass(frozen=True, kw_only=True)
class Zone:
    """Day-ahead prices: `edges_s` since the epoch, one more than `per_kwh` [EUR]."""

    name: str
    tz: ZoneInfo
    edges_s: Floats
    per_kwh: Floats


@dataclass(frozen=True, kw_only=True)
class Session:
    """A real session: when the car was plugged in [Oslo's clock], what it took, and what its user's car can take."""

    session_id: str
    plugin_at: datetime
    plugout_at: datetime
    energy_kwh: float
    power_kw: float


@dataclass(frozen=True, kw_only=True)
class Night:
    """What is to be planned: prices between plug-in and plug-out [s from plug-in], and the energy needed by then."""

    name: str
    edges_s: Floats
    per_kwh: Floats
    need_kwh: float
    curve: ChargeCurve

    @property
    def need_s(self) -> float:
        return self.curve.seconds(self.need_kwh)

    @property
    def tapers(self) -> bool:
        return len(self.curve.points) > 2

    def task(self) -> Task:
        """Return the night as the planner's problem, without any margin."""
        steps, need_s = len(self.per_kwh), self.need_s
        floor_s = np.zeros(steps + 1)
        floor_s[-1] = need_s
        return Task(
            edges_s=self.edges_s,
            per_kwh=self.per_kwh,
            per_s=np.zeros(steps),
            top_s=np.full(steps, need_s),
            forced_s=np.zeros(steps),
            floor_s=floor_s,
            curve=self.curve,
            cap_s=need_s,
            start_cost=START_COST,
        )


def zones(folder: Path) -> tuple[Zone, ...]:
    """Return every zone of which there are quarter-hour prices."""
    return tuple(_zone(path) for path in sorted((folder / "prices").glob("*_15min.csv.gz")))


def _zone(path: Path) -> Zone:
    with gzip.open(path, "rt") as file:
        lines = file.read().splitlines()
    notes = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# "))
    if notes["unit"] != "EUR/MWh":
        raise ValueError(f"{path.name}: prices in EUR/MWh are expected, not {notes['unit']}")
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    starts_s = np.array([datetime.fromisoformat(row["start_utc"]).timestamp() for row in rows])
    if not bool((np.diff(starts_s) == 900).all()):
        raise ValueError(f"{path.name}: a quarter of an hour is missing")
    return Zone(
        name=notes["zone"],
        tz=ZoneInfo(notes["local_tz"]),
        edges_s=np.append(starts_s, starts_s[-1] + 900),
        per_kwh=np.array([float(row["price"]) / 1000 for row in rows]),
    )


def sessions(folder: Path) -> tuple[Session, ...]:
    """Return the sessions of more than a trace of energy, in the file's order."""
    with (folder / "sessions" / "norway_users.csv").open() as file:
        users = list(csv.DictReader(line for line in file if not line.startswith("#")))
    powers = {user["user_id"]: float(user["charging_power_kw"] or POWER_KW) for user in users}
    with gzip.open(folder / "sessions" / "norway_home_sessions.csv.gz", "rt") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    found = (
        Session(
            session_id=row["session_id"],
            plugin_at=datetime.fromisoformat(row["plugin_utc"]).astimezone(OSLO),
            plugout_at=datetime.fromisoformat(row["plugout_utc"]).astimezone(OSLO),
            energy_kwh=float(row["energy_kwh"]),
            power_kw=powers.get(row["user_id"], POWER_KW),
        )
        for row in rows
    )
    return tuple(session for session in found if session.energy_kwh >= LEAST_KWH)


def curve_of(need_kwh: float, power_kw: float, *, tapers: bool) -> ChargeCurve:
    """Return the curve of a car that is full when its need is met, and tapers before or not."""
    if not tapers:
        return ChargeCurve.at(power_kw)
    points, from_share = [(0.0, 0.0)], 0.0
    for share, of_power in TAPER:
        seconds = (share - from_share) * need_kwh / (of_power * power_kw) * 3600
        points.append((points[-1][0] + seconds, share * need_kwh))
        from_share = share
    return ChargeCurve(points=tuple(points))


def drawn(among: Sequence[Session], at: Sequence[Zone], *, seed: int) -> Iterator[Night | None]:
    """Yield nights without end, the same for a seed; None for a session that cannot be one.

    That is a session longer than day-ahead prices reach, and one whose energy does not fit at its user's predicted
    power: it is the prediction that is wrong there.
    """
    dice = np.random.default_rng(seed)
    while True:
        session, zone = among[int(dice.integers(len(among)))], at[int(dice.integers(len(at)))]
        week, tapers = float(dice.random()), bool(dice.random() < TAPERED)
        yield _night(session, zone, week, tapers=tapers)


def wide(at: Sequence[Zone], hours: float, *, count: int, seed: int) -> list[Night]:
    """Return tapering cars that are plugged in for so long, with needs of 10 to 60 kWh: the same for all `hours`."""
    dice = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        zone, power_kw = at[int(dice.integers(len(at)))], float(dice.choice([3.7, 7.4, 11.0]))
        need_kwh, share = float(dice.uniform(10, 60)), float(dice.random())
        room_s = zone.edges_s[-1] - zone.edges_s[0] - LONGEST_HOURS * 3600
        start_s = float(zone.edges_s[0] + share * room_s // 60 * 60)
        curve = curve_of(need_kwh, power_kw, tapers=True)
        found.append(night_of(zone, start_s, start_s + hours * 3600, need_kwh=need_kwh, curve=curve))
    return found


def _night(session: Session, zone: Zone, week: float, *, tapers: bool) -> Night | None:
    first, last = (datetime.fromtimestamp(zone.edges_s[edge], UTC).astimezone(zone.tz).date() for edge in (0, -1))
    first += timedelta(days=(session.plugin_at.weekday() - first.weekday()) % 7)
    nights = (session.plugout_at.date() - session.plugin_at.date()).days
    weeks = (last - first - timedelta(days=nights + 1)).days // 7 + 1
    if weeks <= 0:
        return None
    day = first + timedelta(weeks=int(week * weeks))
    start_s = _on(day, session.plugin_at, zone.tz)
    end_s = _on(day + timedelta(days=nights), session.plugout_at, zone.tz)
    curve = curve_of(session.energy_kwh, session.power_kw, tapers=tapers)
    if not curve.seconds(session.energy_kwh) <= end_s - start_s <= MOST_HOURS * 3600:
        return None
    name = f"{session.session_id} in {zone.name} on {day}"
    return night_of(zone, start_s, end_s, need_kwh=session.energy_kwh, curve=curve, name=name)


def _on(day: date, at: datetime, tz: ZoneInfo) -> float:
    return datetime.combine(day, at.time(), tzinfo=tz).timestamp()


def night_of(zone: Zone, start_s: float, end_s: float, *, need_kwh: float, curve: ChargeCurve, name: str = "") -> Night:
    """Cut the night between two instants [s since the epoch] out of a zone's prices."""
    first = int(np.searchsorted(zone.edges_s, start_s, side="right")) - 1
    last = int(np.searchsorted(zone.edges_s, end_s))
    edges_s = zone.edges_s[first : last + 1] - start_s
    edges_s[0], edges_s[-1] = 0.0, end_s - start_s
    return Night(name=name, edges_s=edges_s, per_kwh=zone.per_kwh[first:last], need_kwh=need_kwh, curve=curve)
