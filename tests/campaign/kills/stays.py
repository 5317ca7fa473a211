"""Plug sessions: what a store keeps of them, against those that truly were. None is lost, none is counted twice."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from scheduler.core.timeline import nanoseconds
from simulator.session import Session

Line = Mapping[str, Any]
Kept = tuple[str, int, int, float]
"""A session as it is kept: vehicle, plugged in, unplugged, energy [kWh]."""

T_UNPLUG = 60_000_000_000
"""As the life's configuration has it [ns]."""

UNSEEN_KWH = 1.5
"""More energy than a session truly had, by no more than this: a daemon that is dead sees no end of charging."""

NEVER = 1 << 63


@dataclass(frozen=True, kw_only=True)
class Stay:
    """A car plugged in at home, from one instant to another [ns]; the last stay of a life has no end."""

    start: int
    end: int
    kwh: float


def sessions_once(
    kept: Sequence[Kept], true: Iterable[Session], last: Mapping[str, int], lines: Sequence[Line]
) -> Iterator[str]:
    """Judge the sessions that are kept by those that were, and by those that have not ended (`last`, by vehicle).

    Stays between which no daemon had reason to see the plug out are one session to it.
    """
    stays: dict[str, list[Stay]] = {}
    for one in true:
        assert one.unplugged_at is not None
        start, end = nanoseconds(one.plugged_at), nanoseconds(one.unplugged_at)
        stays.setdefault(one.vehicle_id, []).append(Stay(start=start, end=end, kwh=one.energy_kwh()))
    for vehicle_id, since in last.items():
        seen = [line for line in lines if line["k"] == "OBS" and line["v"] == vehicle_id and line["ok"]]
        mine = [row for row in kept if row[0] == vehicle_id]
        own = [*stays.get(vehicle_id, ()), Stay(start=since, end=NEVER, kwh=0.0)]
        for group in _groups(own, seen):
            yield from _judged(vehicle_id, group, mine, seen)


def _groups(stays: Sequence[Stay], seen: Sequence[Line]) -> Iterator[list[Stay]]:
    group = [stays[0]]
    for before, after in pairwise(stays):
        if _apart(before, after, seen):
            yield group
            group = []
        group.append(after)
    yield group


def _apart(before: Stay, after: Stay, seen: Sequence[Line]) -> bool:
    """Tell whether the plug was seen out, twice and long enough, before it was seen in again."""
    out = [one["t"] for one in seen if one["plugged"] is False and before.end <= _source(one) < after.start]
    back = next((one["t"] for one in seen if one["plugged"] is True and _source(one) >= after.start), NEVER)
    return len(out) > 1 and back - out[0] > T_UNPLUG and out[-1] < back


def _source(seen: Line) -> int:
    return int(seen["ts"].get("charge") or 0)


def _judged(vehicle_id: str, group: Sequence[Stay], kept: Iterable[Kept], seen: Iterable[Line]) -> Iterator[str]:
    start, end = group[0].start, group[-1].end
    rows = [row for row in kept if start <= row[1] < end]
    at_home = (one for one in seen if one["plugged"] is True and one["loc"] is not None and one["chg"] is not None)
    name = f"the stays of {vehicle_id} that begin {[one.start for one in group]}"
    ended = [one for one in group if one.end != NEVER]
    if len(rows) > len(ended):
        yield f"{name} are kept as {len(rows)} sessions"
    elif not rows and end != NEVER and any(start <= _source(one) < end for one in at_home):
        yield f"{name} were seen and are not kept"
    had, told = sum(one.kwh for one in ended), sum(row[3] for row in rows)
    if told > had + UNSEEN_KWH * len(ended):
        yield f"{name} had {had:.2f} kWh, and {told:.2f} are kept"
