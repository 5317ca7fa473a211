"""Plans made again every tick, with noisy readings: they do not wobble, and the car is ready in time."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from scheduler.core.commitment import promised, purpose
from scheduler.core.model import Plan
from scheduler.core.planner import plan
from scheduler.core.terms import Price, Target
from tests.unit.core.builders import NOW, in_hours, price_slots, situation

TICK = timedelta(minutes=4)
DEPARTURE = in_hours(13)
CAPACITY_KWH = 60.0


@dataclass
class Night:
    """A car that follows its plan from the evening until the departure, read with noise at every tick."""

    prices: list[float]
    slot_min: int
    noise_pct: float
    seed: int
    real_kw: float = 7.0
    soc_pct: float = 40.0
    starts: int = 0
    slid: timedelta = timedelta(0)
    plans: list[Plan] = field(default_factory=list)

    def live(self) -> None:
        rng = random.Random(self.seed)
        slots = price_slots(self.prices, minutes=self.slot_min)
        at, charging, committed, since, purpose_of = NOW, False, (), None, ""
        while at < DEPARTURE:
            seen = min(100.0, self.soc_pct + rng.uniform(-self.noise_pct, self.noise_pct))
            now = situation(
                at=at,
                soc_pct=seen,
                charging=charging,
                power_kw=self.real_kw if charging else None,
                session={"started_since": since},
                terms=[Price(slots=slots), Target(soc_pct=80, by=DEPARTURE)],
                committed=committed,
                committed_to=purpose_of,
            )
            made = plan(now)
            self._follow(made, at, charging=charging, committed=committed)
            charging = made.slot_at(at) is not None
            since = (since or at) if charging else None
            committed, purpose_of = promised(made, at), purpose(now, made.needs)
            if charging:
                self.soc_pct += self.real_kw * TICK / timedelta(hours=1) * 0.9 / CAPACITY_KWH * 100
            at += TICK

    def _follow(self, made: Plan, at: datetime, *, charging: bool, committed: tuple) -> None:
        self.plans.append(made)
        self.starts += made.slot_at(at) is not None and not charging
        before = [max(at, span.start) for span in committed if span.end > at]
        coming = [max(at, slot.start) for slot in made.slots]
        if before and coming:
            self.slid += max(timedelta(0), coming[0] - before[0])


DAY_AHEAD = [30, 35, 34, 28, 20, 15, 10, 9, 8, 10, 12, 20, 30]
SAW = [30, 5, 28, 7, 26, 9, 24, 11, 22, 13, 20, 15, 30]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("prices", [DAY_AHEAD, SAW, [10] * 13])
def test_noise_moves_no_start_and_the_car_is_ready(prices, seed):
    night = Night(prices=prices, slot_min=60, noise_pct=0.7, seed=seed)
    night.live()
    assert night.soc_pct >= 78.0
    assert night.slid <= timedelta(0)


@pytest.mark.parametrize(("prices", "starts"), [(DAY_AHEAD, 1), (SAW, 4), ([10] * 13, 1)])
def test_without_noise_the_first_plan_is_carried_out(prices, starts):
    night = Night(prices=prices, slot_min=60, noise_pct=0.0, seed=0)
    night.live()
    assert night.starts == starts
    assert 79.4 <= night.soc_pct <= 80.71  # a tick is 0.7 points
    assert night.slid == timedelta(0)


def test_a_car_that_takes_less_than_it_should_begins_earlier_once_that_is_seen():
    night = Night(prices=DAY_AHEAD, slot_min=60, noise_pct=0.0, seed=0, real_kw=4.0)
    night.live()
    assert night.soc_pct >= 70.0
    assert night.plans[-1].shortfall_kwh < 6.0
