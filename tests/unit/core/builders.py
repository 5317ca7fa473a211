"""Situations, plans and readings for tests: everything that a test does not speak of is filled in here.

The world: one home in Oslo with one charger, one car with 60 kWh that is plugged in there, seen a moment ago at 50 %,
not charging, 7 kW. It is the evening of an ordinary Thursday.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from scheduler.core.energy import battery_energy
from scheduler.core.model import Home, Plan, Session, Situation, VehicleSpec
from scheduler.core.observation import (
    BatteryFacet,
    Capabilities,
    ChargeFacet,
    Delivery,
    Observation,
    PlaceFacet,
    Stamp,
)
from scheduler.core.planner import plan
from scheduler.core.terms import Price, PriceSlot, PriceState, Stated, Term, of_type
from scheduler.core.timeline import Interval

NOW = datetime(2025, 11, 20, 18, 0, tzinfo=UTC)
TARGET_PCT = 80.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene(Situation):
    """A situation that knows how far its prices reach, so that tests can speak of it."""

    @property
    def horizon_end(self) -> datetime:
        """The end of the last stated price slot; without prices the end of the horizon."""
        ends = [slot.end for price in of_type(self.terms, Price) for slot in price.slots]
        return max(ends, default=self.at + self.limits.horizon)


def in_hours(hours: float, *, at: datetime = NOW) -> datetime:
    return at + timedelta(hours=hours)


def span(start_h: float, end_h: float, *, at: datetime = NOW) -> Interval:
    """Return an interval, in hours from now."""
    return Interval(start=in_hours(start_h, at=at), end=in_hours(end_h, at=at))


def price_slots(
    prices: Sequence[float | None], *, start: datetime = NOW, minutes: float = 60, published: bool = True
) -> tuple[PriceSlot, ...]:
    """Return slots of one length; None leaves a gap."""
    length = timedelta(minutes=minutes)
    state = PriceState.FINAL if published else PriceState.FORECAST
    return tuple(
        PriceSlot(start=start + i * length, end=start + (i + 1) * length, per_kwh=per_kwh, state=state)
        for i, per_kwh in enumerate(prices)
        if per_kwh is not None
    )


def stated(terms: Iterable[Term], *, first_rank: int = 0) -> tuple[Stated, ...]:
    """Return terms in the order of their precedence, each by a policy of its own called `p<rank>`."""
    return tuple(Stated(rank=rank, policy=f"p{rank}", term=term) for rank, term in enumerate(terms, first_rank))


def situation(
    *,
    at: datetime = NOW,
    prices: Sequence[float | None] | None = None,
    slot_min: float = 60,
    soc_pct: float | None = 50.0,
    missing_kwh: float | None = None,
    capacity_kwh: float | None = 60.0,
    charge_power_kw: float | None = 7.0,
    plugged: bool = True,
    charging: bool = False,
    power_kw: float | None = None,
    limit_pct: float | None = None,
    soc_age: timedelta = timedelta(0),
    plugged_for: timedelta = timedelta(hours=1),
    energy_kwh: float = 0.0,
    terms: Iterable[Term] = (),
    home: dict[str, Any] | None = None,
    vehicle: dict[str, Any] | None = None,
    session: dict[str, Any] | None = None,
    **changes: Any,
) -> Scene:
    """Return a situation. `prices` begin at `at`; `missing_kwh` (grid side) sets the SoC so that 80 % needs so much.

    `home`, `vehicle` and `session` change members of these; `changes` those of the situation itself.
    """
    if missing_kwh is not None:
        soc_pct = TARGET_PCT - battery_energy(missing_kwh) / (capacity_kwh or 60.0) * 100
    power_kw = power_kw if power_kw is not None else charge_power_kw if charging else None
    delivery = Delivery.CHARGING if charging else Delivery.STOPPED if plugged else Delivery.UNPLUGGED
    tariff: tuple[Term, ...] = () if prices is None else (Price(slots=price_slots(prices, start=at, minutes=slot_min)),)
    scene = Scene(
        at=at,
        mono_ns=0,
        run=1,
        home=Home(id="home", user_id="user", timezone="Europe/Oslo", location_id="location", charger_ids=("charger",)),
        vehicle=VehicleSpec(id="car", name="Car", charge_power_kw=charge_power_kw),
        observation=Observation(
            charge=ChargeFacet(
                at=at - soc_age,
                plugged=plugged,
                charging=charging,
                delivery=delivery,
                power_kw=power_kw,
                charger_id="charger" if plugged else None,
                limit_pct=limit_pct,
            ),
            place=PlaceFacet(at=at - soc_age, location_id="location"),
            battery=BatteryFacet(at=at - soc_age, soc_pct=soc_pct, capacity_kwh=capacity_kwh),
            capabilities=Capabilities(start=True, stop=True, locate=True, read_charge=True),
            reachable=True,
            seen_at=at - soc_age,
            received=Stamp(at=at, mono_ns=0, run=1),
            plug_since=at - plugged_for,
            place_since=at - plugged_for,
        ),
        session=Session(
            id="session",
            plugged_at=at - plugged_for,
            opened_at=at - plugged_for,
            at_home=True,
            energy_kwh=energy_kwh,
        ),
        terms=stated((*tariff, *terms)),
    )
    return replace(
        scene,
        home=replace(scene.home, **(home or {})),
        vehicle=replace(scene.vehicle, **(vehicle or {})),
        session=replace(scene.session, **(session or {})) if plugged and scene.session else None,
        **changes,
    )


def plan_for(now: Situation, terms: Iterable[Term]) -> Plan:
    """Return the plan for a situation to which terms are added, each of lower precedence than the one before."""
    return plan(replace(now, terms=(*now.terms, *stated(terms, first_rank=len(now.terms)))))


def charging_minutes(made: Plan, now: Situation) -> list[int]:
    """Return how many minutes are charged in each stated price slot, rounded."""
    slots = of_type(now.terms, Price)[0].slots
    return [round(minutes_within(made, slot.start, slot.end)) for slot in slots]


def minutes_within(made: Plan, start: datetime, end: datetime) -> float:
    """Return how many minutes of a stretch are charged."""
    overlaps = (min(slot.end, end) - max(slot.start, start) for slot in made.slots)
    return sum(max(0.0, overlap / timedelta(minutes=1)) for overlap in overlaps)
