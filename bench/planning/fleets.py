"""Fleets on few keys: cars of five zones, eight deadlines and five classes of charging, each with a need of its own."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.planning.nights import START_COST, Night, Zone, curve_of
from bench.planning.rivals import judged, stretches
from scheduler.core.charging import ChargeCurve
from scheduler.core.fleet import CLASS, Car, Rates, plan_fleet
from scheduler.core.optimum import solve
from scheduler.core.runs import trace

ZONES, DEADLINES_H = 5, (9.0, 11.5, 13.0, 14.25, 16.0, 20.0, 27.0, 36.0)
PLAIN_KW, TAPERING_KW = (3.7, 7.4, 11.0), (7.4, 11.0)
KEYS = ZONES * len(DEADLINES_H) * (len(PLAIN_KW) + len(TAPERING_KW))
LONGEST_KWH = 60.0


@dataclass(frozen=True, kw_only=True)
class Key:
    """What cars that share a table have in common; a class of powers, or the end of a curve."""

    rates: Rates
    by_s: float
    power_kw: float
    taper: ChargeCurve | None

    def car(self, energy_kwh: float, *, off: float = 0.0) -> Car:
        """Return a car of the key; its power is `off` the middle of its class, by half a class at most."""
        power_kw = CLASS ** (round(math.log(self.power_kw, CLASS)) + off)
        return Car(
            rates=self.rates,
            by_s=self.by_s,
            energy_kwh=energy_kwh,
            power_kw=power_kw,
            taper=self.taper,
            start_cost=START_COST,
        )

    @property
    def most_kwh(self) -> float:
        """What fits before the deadline with some room to choose."""
        return min(LONGEST_KWH, self.power_kw * self.by_s / 3600 * 0.6)


def keys(at: Sequence[Zone], *, seed: int) -> list[Key]:
    dice = np.random.default_rng(seed)
    found = []
    for zone in at[:ZONES]:
        first = int(dice.integers(len(zone.per_kwh) - 200))
        rates = Rates(edges_s=np.arange(201, dtype=np.float64) * 900, per_kwh=zone.per_kwh[first : first + 200])
        for hours in DEADLINES_H:
            found += [Key(rates=rates, by_s=hours * 3600, power_kw=kw, taper=None) for kw in PLAIN_KW]
            found += [
                Key(rates=rates, by_s=hours * 3600, power_kw=kw, taper=curve_of(LONGEST_KWH, kw, tapers=True))
                for kw in TAPERING_KW
            ]
    return found


def a_fleet(among: Sequence[Key], count: int, *, seed: int) -> list[Car]:
    """Return cars on as many of the keys as there are cars for; the first of each key has the largest need."""
    dice = np.random.default_rng(seed)
    shares, offs = dice.random(count).tolist(), dice.uniform(-0.49, 0.49, count).tolist()
    cars = []
    for number in range(count):
        key, first = among[number % len(among)], number < len(among)
        share = 1.0 if first else 0.05 + 0.95 * shares[number]
        cars.append(key.car(share * key.most_kwh, off=offs[number]))
    return cars


def timed(cars: Sequence[Car]) -> float:
    """Return how long one call for all of them takes [s]."""
    began = time.perf_counter()
    plan_fleet(cars)
    return time.perf_counter() - began


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """What sharing costs: by how much plans exceed those of the same cars alone, in sum and at worst; faults among."""

    total: float
    worst: float
    faults: int


def rounding(cars: Sequence[Car], *, sample: int) -> Rounding:
    """Compare a sample of the fleet's plans with the exact plan of each car alone, judged at its own power."""
    plan = plan_fleet(cars)
    shared, alone, faults = [], [], 0
    for index in np.linspace(0, len(cars) - 1, sample).astype(int).tolist():
        night = _alone(cars[index])
        table = solve(night.task())
        ours, own = judged(night, plan.runs(index)), judged(night, stretches(trace(table)))
        faults += ours.short or ours.late
        shared.append(ours.cost)
        alone.append(own.cost)
    excess = np.array(shared) - np.array(alone)
    return Rounding(
        total=float(excess.sum() / np.sum(alone)),
        worst=float((excess / np.maximum(np.abs(alone), 0.01)).max()),
        faults=faults,
    )


def _alone(car: Car) -> Night:
    steps = math.ceil(car.by_s / 900)
    edges = np.append(car.rates.edges_s[:steps], car.by_s)
    curve = ChargeCurve.at(car.power_kw)
    if car.taper is not None:
        end_s, end_kwh = car.taper.points[-1]
        done_s, done_kwh = end_s - car.need_s, end_kwh - car.energy_kwh
        curve = ChargeCurve(
            points=((0.0, 0.0), *((s - done_s, kwh - done_kwh) for s, kwh in car.taper.points if s > done_s + 1e-6))
        )
    return Night(name="", edges_s=edges, per_kwh=car.rates.per_kwh[:steps], need_kwh=car.energy_kwh, curve=curve)
