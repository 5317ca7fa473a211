"""Which rule for expected prices places charging best: planned on them, paid at what the prices became.

Beyond the last published price the planner counts on expected ones. Each rule here makes them from the days before; a
car then takes its hours where prices, known and expected, are lowest, plans again each day when new prices are out, and
pays what the hours turned out to cost. The tables say by how much that exceeds the cost of perfect foresight, summed
over every day of every file. The rule marked with * is that of `scheduler.core.prices`.

Recorded prices are looked for in the folder `prices` of `KWHEN_DATA`. Days are rows of 96 local quarters of an hour; an
hour that the clock change skips counts as the one before, of a doubled one the second counts. Usage:
`python bench/expected_prices.py [FILE ...]`, where a file is named like `DK1_15min`; default: all 15-minute zones in
one table, and in another two of hourly prices that span summers too.
"""

import gzip
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CHECKOUT = Path(__file__).resolve().parent.parent
QUARTERS = 96
HISTORY = 28
"""Days before the first plan: as many as the longest rule looks back."""

FARTHEST = 5
PUBLISHED = 13 * 4
"""Tomorrow's prices are out by 13:00 local: the cars plan again then."""

LEAVING = 7 * 4
NEEDS_H = (2, 4, 8)
FADING = 0.5
HOURLY = ("DE-LU_60min", "SE3_60min")

KINDS: dict[str, Callable[[Ints], Ints]] = {
    "all days": lambda weekday: weekday * 0,
    "week, weekend": lambda weekday: (weekday >= 5).astype(np.int64),
    "week, Sat, Sun": lambda weekday: np.maximum(weekday - 4, 0),
    "each weekday": lambda weekday: weekday,
}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How expected prices are made: from how many days, of which kind, by what average, at whose level.

    The level is that of the days themselves (`own`), or that of the last day known (`latest`), or in between
    (`fading`): of the last day's distance from the others of its kind half is left a day later, and so on.
    """

    days: int
    kind: str = "week, weekend"
    average: str = "mean"
    level: str = "fading"

    def expected(self, prices: Floats, weekday: Ints, *, last: int, ahead: int) -> Floats:
        """Return the prices of a day, known those up to `last`."""
        kinds = KINDS[self.kind](weekday)
        days = np.arange(max(0, last - self.days + 1), last + 1)
        alike = days[kinds[days] == kinds[last + ahead]]
        rows = prices[alike if len(alike) else days]
        usual: Floats = np.median(rows, axis=0) if self.average == "median" else rows.mean(axis=0)
        shift = 0.0
        if self.level == "latest":
            shift = float(prices[last].mean() - usual.mean())
        if self.level == "fading":
            shift = float(prices[last].mean() - prices[days[kinds[days] == kinds[last]]].mean()) * FADING**ahead
        expected: Floats = usual + shift
        return expected


BUILT = Rule(days=14)
RULES = (
    BUILT,
    Rule(days=1),
    Rule(days=2, kind="all days"),
    *(Rule(days=days) for days in (7, 21, 28)),
    *(Rule(days=14, kind=kind) for kind in KINDS if kind != BUILT.kind),
    *(Rule(days=14, average="median", level=level) for level in ("own", "fading")),
    *(Rule(days=14, level=level) for level in ("own", "latest")),
    Rule(days=14, kind="all days", level="own"),
    Rule(days=14, kind="all days", level="latest"),
)


def main(names: Sequence[str]) -> None:
    """Print the tables."""
    folder = Path(os.environ.get("KWHEN_DATA") or CHECKOUT.parent / "shared" / "data") / "prices"
    quarters = sorted(file.name.partition(".")[0] for file in folder.glob("*_15min.csv.gz"))
    for group in [names] if names else [quarters, HOURLY]:
        files = [folder / f"{name}.csv.gz" for name in group]
        if not files or not all(file.is_file() for file in files):
            sys.exit(f"no such prices in {folder}: set KWHEN_DATA to the folder that holds prices/")
        compare({name: read(file) for name, file in zip(group, files, strict=True)})


def compare(zones: dict[str, tuple[Floats, Ints]]) -> None:
    """Print the table of some zones, the best rule first: by what it costs beside the rule that is built in."""
    days = sum(len(prices) - HISTORY - FARTHEST for prices, _ in zones.values())
    print(f"cost above perfect foresight [%]: {', '.join(zones)}; {days} days, each for {NEEDS_H} hours of charging")
    print(f"{'days, their kind, average, level':42}" + "".join(f"{trip:>16}" for trip in TRIPS))
    found = {rule: [above(list(zones.values()), rule, trip) for trip in TRIPS] for rule in RULES}
    beside = {
        rule: sum(one / built for one, built in zip(costs, found[BUILT], strict=True)) for rule, costs in found.items()
    }
    for rule in sorted(RULES, key=lambda rule: beside[rule]):
        name = f"{'*' if rule == BUILT else ' '} {rule.days:2} d, {rule.kind:14} {rule.average:7} {rule.level}"
        print(f"{name:42}" + "".join(f"{cost:16.2f}" for cost in found[rule]))
    print()


def read(file: Path) -> tuple[Floats, Ints]:
    """Return a row of local quarters for each whole day, and the days' weekdays (0 is Monday)."""
    days: dict[int, Floats] = {}
    with gzip.open(file, "rt") as lines:
        zone = ZoneInfo("UTC")
        for line in lines:
            if line.startswith("# local_tz:"):
                zone = ZoneInfo(line.partition(":")[2].strip())
            if not line[0].isdigit():
                continue
            start, end, price = line.split(",")
            at = datetime.fromisoformat(start)
            local = at.astimezone(zone)
            first = local.hour * 4 + local.minute // 15
            length = int((datetime.fromisoformat(end) - at).total_seconds()) // 900
            days.setdefault(local.toordinal(), np.full(QUARTERS, np.nan))[first : first + length] = float(price)
    ordered = [days[day] for day in sorted(days)]
    weekday = np.array([(day - 1) % 7 for day in sorted(days)], dtype=np.int64)
    return np.array([_filled(row) for row in ordered]), weekday


def _filled(row: Floats) -> Floats:
    known = np.flatnonzero(~np.isnan(row))
    return row[known[np.maximum(np.searchsorted(known, np.arange(QUARTERS), side="right") - 1, 0)]]


@dataclass(frozen=True, kw_only=True)
class Trip:
    """Plugged in at a quarter of day 0, gone at seven on a later day; planned again whenever prices are published."""

    plugged: int
    day: int

    def stages(self) -> Iterator[tuple[int, int, int]]:
        """Yield from where to where [quarters] a plan is followed, and the last day whose prices it knows."""
        begin, end = self.plugged, self.day * QUARTERS + LEAVING
        while begin < end:
            known = (begin - PUBLISHED) // QUARTERS + 1
            until = end if known >= self.day else min(end, known * QUARTERS + PUBLISHED)
            yield begin, until, known
            begin = until


TRIPS = {
    "next morning": Trip(plugged=11 * 4, day=1),
    "in 2, at 11:00": Trip(plugged=11 * 4, day=2),
    "in 2, at 14:00": Trip(plugged=14 * 4, day=2),
    "in 5, at 14:00": Trip(plugged=14 * 4, day=5),
}


def above(zones: Sequence[tuple[Floats, Ints]], rule: Rule, trip: str) -> float:
    """Return by how much the rule's plans cost more than perfect ones [%]."""
    paid = best = 0.0
    for prices, weekday in zones:
        first_days = range(HISTORY, len(prices) - FARTHEST)
        believed = _believed(prices, weekday, rule, first_days)
        real = np.array([prices[d : d + FARTHEST + 1].ravel() for d in first_days])
        for hours in NEEDS_H:
            paid += _followed(real, believed, TRIPS[trip], hours * 4)
            end = TRIPS[trip].day * QUARTERS + LEAVING
            best += float(np.sort(real[:, TRIPS[trip].plugged : end], axis=1)[:, : hours * 4].sum())
    return 100 * (paid / best - 1)


_made: dict[tuple[int, Rule], dict[int, Floats]] = {}


def _believed(prices: Floats, weekday: Ints, rule: Rule, first_days: range) -> dict[int, Floats]:
    """Return, by the last day known, what is believed of the days from each first one on."""
    key = (id(prices), rule)
    if key not in _made:
        _made[key] = {
            known: np.array(
                [
                    [
                        prices[d + n] if n <= known else rule.expected(prices, weekday, last=d + known, ahead=n - known)
                        for n in range(FARTHEST + 1)
                    ]
                    for d in first_days
                ]
            ).reshape(len(first_days), -1)
            for known in range(FARTHEST + 1)
        }
    return _made[key]


def _followed(real: Floats, believed: dict[int, Floats], trip: Trip, need: int) -> float:
    """Return what is paid in all when the need is taken where it is believed to be cheapest, stage by stage."""
    left, paid, end = np.full(len(real), need), 0.0, trip.day * QUARTERS + LEAVING
    for begin, until, known in trip.stages():
        order = np.argsort(believed[min(known, FARTHEST)][:, begin:end], axis=1, kind="stable")
        rank = np.argsort(order, axis=1, kind="stable")
        taken = (rank < left[:, None])[:, : until - begin]
        paid += float(real[:, begin:until][taken].sum())
        left = left - taken.sum(axis=1)
    return paid


if __name__ == "__main__":
    main(sys.argv[1:])
