"""One car's life through the whole cycle, step by step, with the journal that it writes and a memory of our own.

The memory restates in a few lines what the newest evidence is, from the raw readings alone, so that the gate and the
test cannot share a mistake.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from itertools import count
from typing import Any

from policies.schedule.minimum_soc import MinimumSoc
from policies.schedule.off_peak import OffPeak
from policies.schedule.quiet_hours import QuietHours
from policies.schedule.ready_by import ReadyBy
from policies.tariff.spot import Spot
from policies.tariff.time_of_use import TimeOfUse
from policies.tariff.windows import PricedWindow
from scheduler.checker import Checker
from scheduler.core.calendar import Recurring
from scheduler.core.command import Action, ActionReport, Command, Failure, Outcome
from scheduler.core.cycle import CycleNews, Lost, observe, situation_of
from scheduler.core.decide import decide
from scheduler.core.feeds import PriceSeries
from scheduler.core.model import Decision, Hand, Home, Limits, Override, Situation, VehicleSpec, VehicleState, Will
from scheduler.core.observation import (
    BatteryFacet,
    Capabilities,
    ChargeFacet,
    Delivery,
    PlaceFacet,
    Reading,
    Source,
    Stamp,
)
from scheduler.core.policy import Policy
from scheduler.core.settling import settle
from scheduler.core.terms import Stated
from scheduler.loop.journal import Journal
from scheduler.loop.world import World
from tests.unit.core.builders import price_slots

EVENING = datetime(2025, 11, 20, 17, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
VEHICLE = VehicleSpec(id="car", capacity_kwh=60.0, charge_power_kw=7.0)

HOMES = {
    "listed": {"charger_ids": ("box",)},
    "trusting": {"charger_ids": ("box",), "trust_charger": True},
    "bare": {"charger_ids": (), "max_kw": 11.0},
}
NIGHT = (Recurring(start=time(22), end=time(6)),)
POLICIES: dict[str, tuple[Policy, ...]] = {
    "night-tariff": (
        TimeOfUse(per_kwh=0.30, windows=(PricedWindow(start=time(23), end=time(5), per_kwh=0.10),)),
        MinimumSoc(),
        ReadyBy(at=time(7, 30)),
    ),
    "spot-and-quiet-hours": (
        Spot(source="market"),
        QuietHours(windows=(Recurring(start=time(20), end=time(22)),), even_below_minimum=True),
        MinimumSoc(),
        ReadyBy(at=time(6)),
    ),
    "off-peak": (MinimumSoc(), OffPeak(windows=NIGHT)),
    "off-peak-and-departure": (ReadyBy(at=time(4), soc_pct=60), OffPeak(windows=NIGHT)),
    "prices-alone": (Spot(source="market"),),
}
MARKET = PriceSeries(
    name="market",
    currency="EUR",
    slots=price_slots([0.4, 0.1, 0.3, 0.5, 0.2, 0.1, 0.1, 0.3], start=EVENING),
    fetched_at=EVENING,
)


@dataclass
class Sent:
    """A command that left, with the situation in which it was decided."""

    command: Command
    now: Situation
    decision: Decision


class Life:
    """Feeds news, lets time pass as the daemon would (to each due instant), and keeps what was sent."""

    def __init__(self, *, home: str = "listed", policies: str = "night-tariff") -> None:
        self.home = Home(
            id="home", user_id="user", timezone="Europe/Oslo", location_id="here", vehicles=(VEHICLE,), **HOMES[home]
        )
        self.policies = POLICIES[policies]
        self.limits = Limits()
        self.state = VehicleState(vehicle_id="car", home_id="home", user_id="user")
        self.at, self.mono_ns, self.run = EVENING, 0, 0
        self.durable = self.trusted = True
        self.sent: list[Sent] = []
        self.lines: list[dict[str, Any]] = []
        self.facets: dict[str, Any] = {}  # newest of each facet, by source time, from the raw readings
        self._ids = (f"c{n}" for n in count(1))
        self._digests = count(1)
        self.checker = Checker()
        self.restart()

    @property
    def stamp(self) -> Stamp:
        return Stamp(at=self.at, mono_ns=self.mono_ns, run=self.run)

    def restart(self) -> None:
        """Begin a new run: another epoch, another monotonic clock, nothing seen in it yet."""
        self.run, self.mono_ns = self.run + 1, 0
        self.journal = Journal(run=self.run, node="node")
        world = World(homes=(self.home,), limits=self.limits, conf="hash")
        lease = {"k": "LEASE", "epoch": self.run, "op": "got", "exp": None}
        self._write([(None, {"k": "LIFE", "op": "start"}), (None, world.as_event()), (None, lease)])
        self.turn()

    def turn(self, *news: CycleNews) -> Decision:
        """Take one turn of the cycle with the news."""
        seen = observe(self.state, news, home=self.home, limits=self.limits, now=self.stamp)
        now = situation_of(
            seen.state,
            home=self.home,
            vehicle=VEHICLE,
            limits=self.limits,
            prices=(MARKET,),
            now=self.stamp,
            clock_trusted=self.trusted,
            store_durable=self.durable,
        )
        now = replace(now, terms=tuple(self._terms(now)))
        decision = decide(now)
        settled = settle(seen.state, now, decision, conf="hash", new_id=lambda: next(self._ids))
        self._write([("car", line) for line in (*seen.events, *settled.events)])
        self.state = settled.state
        if settled.intent is not None:
            self.sent.append(Sent(command=settled.intent, now=now, decision=decision))
        return decision

    def _terms(self, now: Situation) -> Iterable[Stated]:
        for rank, policy in enumerate(self.policies):
            name = type(policy).__name__
            yield from (Stated(rank=rank, policy=name, term=term) for term in policy.terms(now))

    def _write(self, drafts: list[tuple[str | None, dict[str, Any]]]) -> None:
        for line in self.journal.number(drafts, now=self.stamp):
            self.lines.append(line)
            self.checker.feed(line)

    def wait(self, minutes: float, *, each: Callable[[], None] = lambda: None) -> None:
        """Let time pass, with a turn at every instant that a decision said it was due, and one at the end."""
        end = self.at + minutes * MINUTE
        while self.at < end:
            due = self.state.next_due_at
            self._pass(min(end, max(due, self.at + timedelta(seconds=1)) if due is not None else end))
            self.turn()
            each()

    def _pass(self, until: datetime) -> None:
        self.mono_ns += round((until - self.at) / timedelta(microseconds=1)) * 1000
        self.at = until

    def step_clock(self, minutes: float) -> None:
        """Move the wall clock alone; nothing is trusted until something new is read (S18)."""
        self.at += minutes * MINUTE
        self.trusted = False
        self._write([(None, {"k": "CLOCK", "st": "stepped", "d": round(minutes * 60e9)})])

    def reads(
        self,
        delivery: Delivery = Delivery.STOPPED,
        *,
        soc_pct: float | None = 50.0,
        charger: str | None = "box",
        location: str | None = "here",
        charge_age_min: float | None = 0.0,
        place_age_min: float | None = 0.0,
        kw: float | None = None,
        reachable: bool | None = True,
        seen_age_min: float = 0.0,
        full: bool | None = None,
        smart: bool | None = None,
        able: bool = True,
    ) -> Decision:
        """Hear one reading of the car, facet by facet so old; None: that facet carries no source time."""
        plugged = {Delivery.UNPLUGGED: False, Delivery.UNKNOWN: None}.get(delivery, True)
        charge_at, place_at = self._aged(charge_age_min), self._aged(place_age_min)
        charge = ChargeFacet(
            at=charge_at,
            plugged=plugged,
            charging=None if plugged is None else delivery is Delivery.CHARGING,
            delivery=delivery,
            power_kw=(7.0 if kw is None else kw) if delivery is Delivery.CHARGING else 0.0,
            charger_id=charger if plugged else None,
            full=full,
        )
        reading = Reading(
            vehicle_id="car",
            user_id="user",
            source=Source.WEBHOOK,
            received=self.stamp,
            charge=charge,
            place=PlaceFacet(at=place_at, location_id=location),
            battery=BatteryFacet(at=charge_at, soc_pct=soc_pct, capacity_kwh=60.0),
            capabilities=Capabilities(start=able, stop=able),
            reachable=reachable,
            seen_at=self._aged(seen_age_min),
            smart_charging=smart,
            digest=f"d{next(self._digests)}",
        )
        self._last = reading
        self._remember(reading)
        return self.turn(reading)

    def repeats(self) -> Decision:
        """Hear the last reading again, as it was: the provider's answer from a car that sleeps."""
        reading = replace(self._last, received=self.stamp, digest=f"d{next(self._digests)}")
        self._remember(reading)
        return self.turn(reading)

    def _aged(self, minutes: float | None) -> datetime | None:
        return None if minutes is None else self.at - minutes * MINUTE

    def _remember(self, reading: Reading) -> None:
        """Keep the newest of each facet by its source time; what is undated or of the far future comes second."""
        for name, facet in (("charge", reading.charge), ("place", reading.place)):
            known = self.facets.get(name)
            dated = known is not None and known[0].at is not None
            if facet is None or (facet.at is None and dated):
                continue
            if facet.at is not None and (facet.at - self.at > 15 * MINUTE or (dated and facet.at < known[0].at)):
                continue
            self.facets[name] = (facet, reading.received)
            if name == "charge":
                self.trusted = True

    def reports(self, outcome: Outcome, *, failure: str | None = None) -> Decision:
        """Hear news of the action in flight; nothing when there is none."""
        command = self.state.command
        if command is None:
            return self.turn()
        known = outcome in (Outcome.PENDING, Outcome.CONFIRMED, Outcome.FAILED, Outcome.CANCELLED)
        report = ActionReport(
            outcome=outcome,
            received_at=self.at,
            action_id=f"action-{command.id}" if known else None,
            failure=Failure(type=failure) if failure else None,
            command_id=command.id,
        )
        return self.turn(report)

    def obeys(self, *, charger: str | None) -> None:
        """Let the provider take the command in flight, and the car show its effect a minute later."""
        command = self.state.command
        self.reports(Outcome.PENDING)
        self.wait(1)
        started = command is not None and command.action is Action.START
        self.reads(Delivery.CHARGING if started else Delivery.STOPPED, charger=charger)

    def wishes(self, will: Will, *, hours: float | None = None, soc_pct: float | None = None) -> Decision:
        """Hear a person's wish."""
        later = None if hours is None else self.at + timedelta(hours=hours)
        ready = will is Will.READY_BY
        wish = Override(
            will=will,
            by=Hand.CLI,
            set_at=self.at,
            until=None if ready else later,
            soc_pct=soc_pct,
            ready_at=later if ready else None,
        )
        return self.turn(wish)

    def loses_credentials(self) -> Decision:
        """Hear that the account link is lost."""
        return self.turn(Lost(at=self.at))

    def not_carried(self, one: Sent) -> list[str]:
        """Restate the gate: say everything in which the newest evidence does not carry the command (S1, S1a, S1b, S2)."""
        charge, heard = self.facets["charge"]
        place, _ = self.facets["place"]
        home, start, faults = self.home, one.command.action is Action.START, []
        if charge.plugged is not True:
            faults.append("not known to be plugged in")
        if home.charger_ids:
            unlocated = place.location_id is None and home.trust_charger
            if charge.charger_id not in home.charger_ids or not (place.location_id == "here" or unlocated):
                faults.append(f"at {charge.charger_id}, {place.location_id}")
        elif charge.charger_id is not None or place.location_id != "here":
            faults.append(f"at {charge.charger_id}, {place.location_id}")
        if heard.run != self.run or self.mono_ns - heard.mono_ns > 10 * 60e9:
            faults.append("not heard of lately")
        old = timedelta(minutes=30) if not (start and one.decision.verdict.parked) else timedelta(hours=16)
        needed = (charge,) if home.charger_ids else (charge, place)
        skew = timedelta(minutes=-2)
        aged = [f for f in needed if f.at is None or not skew <= self.at - f.at <= old]
        return [*faults, *(f"{type(facet).__name__} of {facet.at}" for facet in aged)]
