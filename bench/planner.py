"""How good and how fast plans are: `bench/planner.py [--nights N] [--seed N] [--quick]`.

Nights are real sessions at real quarter-hour prices, from the folder that `KWHEN_DATA` names (`../shared/data`). Each
is planned by `scheduler.core.optimum`, without margins, and held against the same model in HiGHS (continuous time, gap
1e-7, 60 s, one thread), charging at once, and the cheapest slots. Single plans are timed on tapering cars with 48 h of
slots, fleets on 200 keys. Everything is of one run on one core, so that the ratios hold where the times do not.

The figures go to `bench/results/planner.json` and `planner.md`, except with `--quick`. The status is 1 when a plan is
too dear, short or late, or slower than it may be.
"""

import argparse
import json
import math
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.planning import fleets
from bench.planning.nights import START_COST, Night, Zone, drawn, sessions, wide, zones
from bench.planning.reference import GAP, LIMIT_S, Found, continuous
from bench.planning.report import Figures, Line, page, table
from bench.planning.rivals import Judged, at_once, greedy, judged, stretches
from scheduler.core.fleet import CLASS
from scheduler.core.optimum import Table, solve
from scheduler.core.runs import Run, trace

CHECKOUT = Path(__file__).resolve().parents[1]
RESULTS = CHECKOUT / "bench" / "results"
MOST_EXCESS = 1e-4
CHEAPER = 1e-6  # less is rounding
MOST_MS, LEAST_TIMES_FASTER = 15.0, 10.0
MOST_FLEET_S, MOST_TIMES_KEYS = 5.0, 3.0
WIDE_HOURS, HOURS = 48.0, (24.0, 48.0, 96.0, 192.0)
CARS = (1, 100, 10_000, 100_000)
CENT = 0.01
"""Costs near nothing, or below, are compared by the cent."""


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How much is measured."""

    nights: int
    plans: int
    rivals: int
    limit_s: float
    sample: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """One night: ours, the reference, and the two other ways; and how long ours took [ms]."""

    night: Night
    ours: Judged
    found: Found
    once: Judged
    greedy: Judged
    took_ms: float

    @property
    def excess(self) -> float:
        """How much dearer ours is than the best plan of HiGHS, as a share of it."""
        return _excess(self.ours.cost, self.found.cost)

    @property
    def unproven(self) -> float:
        """How much dearer ours may be than the optimum, by what HiGHS has proved."""
        return _excess(self.ours.cost, self.found.bound)


def _excess(cost: float, least: float) -> float:
    if math.isinf(least):  # the other has no plan at all
        return -1.0
    return (cost - least) / max(abs(least), CENT)


def planned(night: Night) -> tuple[Table, list[Run], float]:
    """Return our plan and how long it took, from the prices to the runs [ms]."""
    began = time.perf_counter()
    table = solve(night.task())
    runs = trace(table)
    return table, runs, (time.perf_counter() - began) * 1000


def measured(at: Sequence[Zone], folder: Path, extent: Extent, seed: int) -> tuple[list[Result], int]:
    """Plan so many nights in every way; return also how many sessions had to be left out for them."""
    results, left_out = [], 0
    for night in drawn(sessions(folder), at, seed=seed):
        if night is None:
            left_out += 1
            continue
        _, runs, took_ms = planned(night)
        results.append(
            Result(
                night=night,
                ours=judged(night, stretches(runs)),
                found=continuous(night, limit_s=extent.limit_s),
                once=judged(night, at_once(night)),
                greedy=judged(night, greedy(night)),
                took_ms=took_ms,
            )
        )
        if len(results) >= extent.nights:
            break
    return results, left_out


def costs(results: Sequence[Result], left_out: int) -> Figures:
    """Return what the nights cost beside the optimum, and beside the other ways."""
    solved = [one for one in results if one.found.solved]
    ours = sum(one.ours.cost for one in results)
    over = sorted(_excess(one.greedy.cost, one.ours.cost) for one in results)
    return {
        "nights": len(results),
        "left out": left_out,
        "tapering": sum(one.night.tapers for one in results),
        "unsolved by HiGHS": [
            {"night": one.night.name, "ours over its best": one.excess, "ours over its bound": one.unproven}
            for one in results
            if not one.found.solved
        ],
        "most over HiGHS": max((one.excess for one in results), default=0.0),
        "most over its bound, where solved": max((one.unproven for one in solved), default=0.0),
        "cheaper than HiGHS": sum(one.excess < -CHEAPER for one in results),
        "most under HiGHS": max((-one.excess for one in results), default=0.0),
        "too dear": [one.night.name for one in results if one.excess > MOST_EXCESS],
        "short": sum(one.ours.short for one in results),
        "late": sum(one.ours.late for one in results),
        "starts a night": float(np.mean([one.ours.starts for one in results])),
        "starts a night, cheapest slots": float(np.mean([one.greedy.starts for one in results])),
        "cost over that of charging at once": ours / sum(one.once.cost for one in results),
        "cheapest slots over ours, in sum": sum(one.greedy.cost for one in results) / ours - 1,
        "cheapest slots over ours, 95 %": over[int(0.95 * (len(over) - 1))],
        "ms a plan": _times([one.took_ms for one in results]),
        "ms HiGHS": _times([one.found.took_s * 1000 for one in results]),
    }


def single(at: Sequence[Zone], extent: Extent, seed: int) -> Figures:
    """Return how long a plan takes over 48 h with a taper and a start cost, and HiGHS on some of the same."""
    nights = wide(at, WIDE_HOURS, count=extent.plans, seed=seed)
    times = [planned(night)[2] for night in nights]
    ours_ms, their_ms, excess, unsolved = [], [], [], 0
    for night in nights[: extent.rivals]:
        _, runs, took_ms = planned(night)
        found = continuous(night, limit_s=extent.limit_s)
        ours_ms.append(took_ms)
        their_ms.append(found.took_s * 1000)
        excess.append(_excess(judged(night, stretches(runs)).cost, found.cost))
        unsolved += not found.solved
    return {
        "plans": len(times),
        "ms a plan": _times(times),
        "compared": len(their_ms),
        "ms HiGHS": _times(their_ms),
        "unsolved by HiGHS": unsolved,
        "times faster": float(np.median(their_ms) / np.median(ours_ms)),
        "most over HiGHS": max(excess),
    }


def horizons(at: Sequence[Zone], extent: Extent, seed: int) -> list[Figures]:
    """Return how the time of a plan grows with the horizon, for the same needs."""
    rows: list[Figures] = []
    for hours in HOURS:
        made = [planned(night) for night in wide(at, hours, count=extent.plans, seed=seed)]
        median_ms = float(np.median([took_ms for _, _, took_ms in made]))
        states = float(np.median([len(table.amounts_s) for table, _, _ in made]))
        times = median_ms / rows[0]["ms a plan"] if rows else 1.0
        rows.append({"hours": hours, "amounts": states, "ms a plan": median_ms, "times": times})
    return rows


def growth(at: Sequence[Zone], extent: Extent, seed: int) -> Figures:
    """Return how the time of a call grows with the cars, beside that of one car for each key."""
    among, rows = fleets.keys(at, seed=seed), []
    for count in CARS:
        cars = fleets.a_fleet(among, count, seed=seed)
        keys_s = min(fleets.timed(cars[: len(among)]) for _ in range(2))
        took_s = min(fleets.timed(cars) for _ in range(2))
        rows.append({"cars": count, "keys": min(count, len(among)), "s": took_s, "times keys": took_s / keys_s})
    cars = fleets.a_fleet(among, 10_000, seed=seed)
    return {"sizes": rows, "class": CLASS, "rounding": asdict(fleets.rounding(cars, sample=extent.sample))}


def _times(ms: Sequence[float]) -> dict[str, float]:
    return {"median": float(np.median(ms)), "95 %": float(np.percentile(ms, 95)), "most": max(ms)}


def lines(cost: Figures, plan: Figures, fleet: Figures) -> list[Line]:
    """Return what has a bound, and whether it keeps it."""
    largest, rounding = fleet["sizes"][-1], fleet["rounding"]
    return [
        Line("nights dearer than the optimum by more than 0.01 %", len(cost["too dear"]), "{:d}", most=0),
        Line("the dearest night over the optimum", cost["most over HiGHS"], "{:.1e}", most=MOST_EXCESS),
        Line("nights short", cost["short"], "{:d}", most=0),
        Line("nights late", cost["late"], "{:d}", most=0),
        Line("48 h of slots: the dearest plan over the optimum", plan["most over HiGHS"], "{:.1e}", most=MOST_EXCESS),
        Line("48 h of slots: median time of a plan [ms]", plan["ms a plan"]["median"], "{:.1f}", most=MOST_MS),
        Line("48 h of slots: times faster than HiGHS", plan["times faster"], "{:.0f}", least=LEAST_TIMES_FASTER),
        Line(f"{largest['cars']:,} cars on {largest['keys']} keys [s]", largest["s"], "{:.2f}", most=MOST_FLEET_S),
        Line("the same over the time of the keys alone", largest["times keys"], "{:.2f}", most=MOST_TIMES_KEYS),
        Line("cars of a fleet short or late", rounding["faults"], "{:d}", most=0),
    ]


def run(folder: Path, extent: Extent, seed: int) -> tuple[Figures, list[Line]]:
    """Measure everything, and say what has a bound."""
    at = zones(folder)
    planned(wide(at, WIDE_HOURS, count=1, seed=seed)[0])  # the first call pays for what is made once
    cost = costs(*measured(at, folder, extent, seed))
    plan, grown, fleet = single(at, extent, seed), horizons(at, extent, seed), growth(at, extent, seed)
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    versions = {package: version(package) for package in ("numpy", "highspy")}
    setting = {"seed": seed, "start cost": START_COST, "gap": GAP, "limit s": extent.limit_s, **machine, **versions}
    return {"setting": setting, "nights": cost, "single": plan, "horizons": grown, "fleet": fleet}, lines(
        cost, plan, fleet
    )


def main() -> int:
    asked = argparse.ArgumentParser(description=(__doc__ or "").split(":", 1)[0])
    asked.add_argument("--nights", type=int, default=300, help="how many nights (300)")
    asked.add_argument("--seed", type=int, default=1, help="which nights, cars and fleets are drawn (1)")
    asked.add_argument("--quick", action="store_true", help="a small sample; no results are written")
    given = asked.parse_args()
    whole = Extent(nights=given.nights, plans=40, rivals=9, limit_s=LIMIT_S, sample=400)
    quick = Extent(nights=min(given.nights, 15), plans=8, rivals=1, limit_s=10.0, sample=50)
    folder = Path(os.environ.get("KWHEN_DATA") or CHECKOUT.parent / "shared" / "data")
    began = time.perf_counter()
    figures, bounded = run(folder, quick if given.quick else whole, given.seed)
    figures["setting"]["took s"] = round(time.perf_counter() - began)
    text = table(bounded, figures)
    print(text)
    if not given.quick:
        command = f"bench/planner.py --nights {given.nights} --seed {given.seed}"
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "planner.json").write_text(json.dumps(figures, indent=2) + "\n")
        (RESULTS / "planner.md").write_text(page(text, figures, command))
    return int(not all(line.good for line in bounded))


if __name__ == "__main__":
    sys.exit(main())
