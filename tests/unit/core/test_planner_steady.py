"""A whole night decided anew every minute: what the first plan says is carried out, and nothing else (S13).

The car obeys every command within the minute. Real nights are played where recorded prices are at hand.
"""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from functools import cache

import pytest

from policies.schedule.ready_by import ReadyBy
from policies.tariff.spot import Spot
from policies.tariff.time_of_use import TimeOfUse
from policies.tariff.windows import PricedWindow
from scheduler.core.command import Action
from scheduler.core.commitment import promised, purpose
from scheduler.core.decide import decide
from scheduler.core.energy import gained_pct
from scheduler.core.feeds import PriceSeries
from scheduler.core.model import Learned, Plan, Situation, TaperBand
from scheduler.core.planner import plan
from scheduler.core.policy import Policy
from scheduler.core.terms import Price, PriceSlot, Target
from scheduler.core.timeline import Interval
from tests.unit.core.builders import in_hours, price_slots, situation, stated

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
EVENING = datetime(2025, 11, 20, 17, 0, tzinfo=UTC)  # a Thursday, 18:00 in Oslo
MIDNIGHT = datetime(2025, 11, 20, 23, 0, tzinfo=UTC)
MORNING = datetime(2025, 11, 21, 6, 0, tzinfo=UTC)
CAPACITY_KWH = 60.0
TAPER = Learned(taper=(TaperBand(from_pct=60.0, kws=(5.0,)), TaperBand(from_pct=70.0, kws=(3.5,))))
POINT_MIN = 12.2
"""How long a point of state of charge takes in the taper's lowest level: as far may rounding move the end of a run."""

SAW_TOOTH = [round(0.10 + 0.02 * (quarter % 3) + 0.002 * (quarter * 7 % 13), 4) for quarter in range(96)]


def days_of(prices: Sequence[float], *, days: int, start: datetime = MIDNIGHT - DAY) -> PriceSeries:
    """Return the same quarters of an hour day after day."""
    slots = price_slots([*prices] * days, start=start, minutes=15)
    return PriceSeries(name="market", currency="EUR", slots=slots, fetched_at=start)


@dataclass(kw_only=True)
class Night:
    """A car that does what it is told; `commands` are counted in minutes from the evening."""

    series: tuple[PriceSeries, ...]
    tariff: Policy = field(default_factory=lambda: Spot(source="market"))
    start_cost: float = 0.0
    whole_percent: bool = False
    learned: Learned = field(default_factory=Learned)
    soc_pct: float = 41.3
    at: datetime = EVENING
    charging: bool = False
    since: datetime | None = None
    committed: tuple[Interval, ...] = ()
    committed_to: str = ""
    first: Plan | None = None
    commands: list[tuple[float, Action]] = field(default_factory=list)

    def live(self, until: datetime = MORNING) -> "Night":
        while self.at < until:
            now = self.situation()
            decision = decide(now)
            self.first = self.first or decision.plan
            self.committed = promised(decision.plan, self.at)
            self.committed_to = purpose(now, decision.plan.needs)
            if decision.command is not None:
                self.charging, self.since = decision.command.action is Action.START, self.at
                self.commands.append(((self.at - EVENING) / MINUTE, decision.command.action))
            if self.charging:
                self.soc_pct += gained_pct(grid_kwh=self.power_kw / 60, capacity_kwh=CAPACITY_KWH)
            self.at += MINUTE
        return self

    @property
    def power_kw(self) -> float:
        """What the car takes: exactly what the plan counts on."""
        if not self.learned.taper or self.soc_pct < 60:
            return 7.0
        return 4.7 if self.soc_pct < 70 else 3.3

    def situation(self) -> Situation:
        now = situation(
            at=self.at,
            soc_pct=round(self.soc_pct) if self.whole_percent else self.soc_pct,
            capacity_kwh=CAPACITY_KWH,
            charging=self.charging,
            power_kw=self.power_kw if self.charging else None,
            plugged_for=self.at - EVENING + timedelta(minutes=5),
            home={"start_cost": self.start_cost, "min_dwell": timedelta(minutes=10)},
            session={
                "started_since": self.since if self.charging else None,
                "held_since": None if self.charging else self.since,
            },
            learned=self.learned,
            committed=self.committed,
            committed_to=self.committed_to,
        )
        now = replace(now, prices=tuple(one for one in self.series if one.fetched_at <= self.at)[-1:])
        policies = (self.tariff, ReadyBy(at=time(7)))
        return replace(now, terms=stated(term for policy in policies for term in policy.terms(now)))

    def planned(self) -> list[tuple[float, Action]]:
        """Return the commands that the first plan comes to."""
        joined: list[list[float]] = []
        for slot in self.first.slots if self.first is not None else ():
            start, end = (slot.start - EVENING) / MINUTE, (slot.end - EVENING) / MINUTE
            if joined and start - joined[-1][1] < 0.01:
                joined[-1][1] = end
            else:
                joined.append([start, end])
        return [(at, action) for pair in joined for at, action in zip(pair, (Action.START, Action.STOP), strict=True)]

    def assert_steady(self, slack_min: float = 1.01) -> None:
        """The commands are those of the first plan, each at its time or within the slack of it."""
        planned = [(at, action) for at, action in self.planned() if at < (MORNING - EVENING) / MINUTE]
        assert [action for _, action in self.commands] == [action for _, action in planned]
        for (at, _), (planned_at, _) in zip(self.commands, planned, strict=True):
            assert at == pytest.approx(planned_at, abs=slack_min)


@pytest.mark.parametrize(("start_cost", "learned"), [(0.0, Learned()), (0.0, TAPER), (0.05, TAPER)])
def test_with_unchanged_inputs_the_first_plan_is_carried_out_to_the_minute(start_cost, learned):
    night = Night(series=(days_of(SAW_TOOTH, days=2),), start_cost=start_cost, learned=learned).live()
    night.assert_steady()
    assert len(night.commands) >= 2


@pytest.mark.parametrize(("start_cost", "learned", "slack_min"), [(0.0, Learned(), 6.8), (0.05, TAPER, POINT_MIN)])
def test_a_state_of_charge_in_whole_percent_adds_no_start_and_no_stop(start_cost, learned, slack_min):
    series = days_of(SAW_TOOTH, days=2)
    night = Night(series=(series,), start_cost=start_cost, learned=learned, whole_percent=True).live()
    night.assert_steady(slack_min)


@cache
def recorded(path, first_day: datetime) -> PriceSeries:
    """Return two recorded days, as if they were those of the evening and the morning."""
    slots = []
    with gzip.open(path, "rt") as lines:
        for line in lines:
            if line[0].isdigit():
                start, end, price = line.split(",")
                at = datetime.fromisoformat(start)
                if first_day <= at < first_day + 2 * DAY:
                    moved = MIDNIGHT - DAY - first_day
                    slots.append(
                        PriceSlot(
                            start=at + moved, end=datetime.fromisoformat(end) + moved, per_kwh=float(price) / 1000
                        )
                    )
    return PriceSeries(name="market", currency="EUR", slots=tuple(slots), fetched_at=MIDNIGHT - DAY)


@pytest.mark.parametrize(
    ("zone", "day", "changes", "slack_min"),
    [
        ("DK1", datetime(2025, 11, 14, 23, tzinfo=UTC), {}, 1.01),
        ("SE3", datetime(2025, 12, 24, 23, tzinfo=UTC), {"start_cost": 0.05, "learned": TAPER}, 1.01),
        ("DK1", datetime(2025, 10, 16, 23, tzinfo=UTC), {"whole_percent": True}, 6.8),
    ],
)
def test_real_nights_are_steady_too(data_dir, zone, day, changes, slack_min):
    night = Night(series=(recorded(data_dir / "prices" / f"{zone}_15min.csv.gz", day),), **changes).live()
    night.assert_steady(slack_min)


def around_midnight(night: Night) -> list[tuple[float, Action]]:
    """Live from half an hour before midnight to half an hour after; return the commands given meanwhile."""
    night.at = MIDNIGHT - timedelta(minutes=30)
    return night.live(MIDNIGHT + timedelta(minutes=30)).commands


LATE_NIGHT = [0.3] * 12 + [0.1] * 8 + [0.3] * 68 + [0.3] * 8  # cheap from 03:00 to 05:00
THROUGH_MIDNIGHT = [0.1] * 8 + [0.3] * 80 + [0.1] * 8  # cheap from 22:00 to 02:00


@pytest.mark.parametrize(("prices", "charging"), [(LATE_NIGHT, False), (THROUGH_MIDNIGHT, True)])
@pytest.mark.parametrize("published", ["both-days", "at-midnight", "today-alone"])
def test_a_new_day_commands_nothing_by_itself(prices, charging, published):
    """Whether its prices were known, or arrive with it and are those expected, or are expected all along."""
    today = days_of(prices, days=14, start=MIDNIGHT - 14 * DAY)
    both = days_of(prices, days=15, start=MIDNIGHT - 14 * DAY)
    series = {
        "both-days": (both,),
        "at-midnight": (today, replace(both, fetched_at=MIDNIGHT)),
        "today-alone": (today,),
    }[published]
    night = Night(series=series, charging=charging, soc_pct=60.0)
    night.since = MIDNIGHT - timedelta(hours=1) if charging else None
    assert around_midnight(night) == []
    assert night.charging is charging
    assert night.first is not None
    assert night.first.slot_at(MIDNIGHT + timedelta(minutes=1)) is None or charging


def test_nor_does_a_tariff_by_the_clock():
    tariff = TimeOfUse(per_kwh=0.3, windows=(PricedWindow(start=time(3), end=time(6), per_kwh=0.2),))
    assert around_midnight(Night(series=(), tariff=tariff)) == []


def test_a_held_car_keeps_the_time_to_resume_in_every_plan():
    """What is left has to begin half an hour before it must, as it had when the pause was planned (S11)."""
    prices = [0.09, 0.10, 0.10, 0.10, 0.08]  # the cheapest hour comes last
    now = situation(
        soc_pct=70,
        terms=[Price(slots=price_slots(prices)), Target(soc_pct=80, by=in_hours(5))],
        session={"held_since": in_hours(-1)},
    )
    held, waiting = plan(now), plan(replace(now, session=replace(now.session, held_since=None)))
    (need,) = waiting.needs
    assert waiting.slots[0].start == need.lst_at
    assert need.lst_at - held.slots[0].start >= now.limits.r_stop
