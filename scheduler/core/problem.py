"""The planner's problem: one situation in offsets from now, with every term in its place."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isinf

from scheduler.core.battery import Charge
from scheduler.core.charging import ChargeCurve
from scheduler.core.energy import unseen_taper, usable_capacity_kwh
from scheduler.core.model import HoldMode, Quality, Situation, Will
from scheduler.core.needs import (
    OVERRIDE,
    Barrier,
    Claim,
    Tier,
    barriers,
    full_kwh,
    latest_start,
    longest_delay,
    missing_kwh,
    reserved_deadline,
    stopping,
)
from scheduler.core.prices import Curve, curve
from scheduler.core.terms import MinDwell, Opportunity, Run, StartCost, billed, of_type
from scheduler.core.timeline import Interval, merge, total

NO_PAUSE = "pause not allowed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One situation as the planner sees it: claims with an energy, blocks, runs and prices from now to `end_at`."""

    now: Situation
    charge: Charge
    curve: ChargeCurve
    claims: tuple[Claim, ...]
    walls: tuple[Barrier, ...]
    runs: tuple[tuple[Claim, Interval], ...]
    prices: Curve
    end_at: datetime

    def offset_s(self, at: datetime) -> float:
        """Return an instant in seconds from now, within the problem."""
        return (min(max(at, self.now.at), self.end_at) - self.now.at).total_seconds()

    def seconds(self, claim: Claim) -> float:
        """Return how long the claim's energy takes."""
        return self.curve.seconds(claim.energy_kwh or 0.0)

    def seconds_to(self, soc_pct: float) -> float | None:
        """Return how long charging to a state of charge takes; None when nothing tells it."""
        capacity = usable_capacity_kwh(self.now)
        if capacity is None or self.charge.low_pct is None:
            return None
        return self.curve.seconds(missing_kwh(self.charge.low_pct, soc_pct, capacity))

    @property
    def full_s(self) -> float:
        """How long the car takes current for; infinite when nothing tells it."""
        full = full_kwh(self.now, self.charge)
        return full if isinf(full) else self.curve.seconds(full)

    def due(self, claim: Claim) -> tuple[float, float, float]:
        """Return how much must be charged within the problem, by which offset if it can be, and by which at last [s].

        Of a deadline beyond the problem's end only that counts which would not fit after the end.
        """
        by = claim.by or self.end_at
        early = self._reserved(claim, by)
        beyond_s = max(0.0, (early - self.end_at).total_seconds())
        return max(0.0, self.seconds(claim) - beyond_s), self.offset_s(early), self.offset_s(by)

    def latest_start(self, claim: Claim, *, without: timedelta = timedelta(0)) -> datetime | None:
        """Return the claim's latest start, counting all that is due by then; None when there is nothing to start.

        `without` is a part of the reserve that is left out.
        """
        if self.seconds(claim) == 0:
            return None
        if claim.by is None:
            return self.now.at
        due_by_then = [c for c in self.claims if c.by is None or c.by <= claim.by]
        return latest_start(
            at=self.now.at,
            seconds=max(self.seconds(c) for c in due_by_then),
            deadline=self._reserved(claim, claim.by) + without,
            not_permitted=stopping(claim, self.walls),
        )

    def _reserved(self, claim: Claim, by: datetime) -> datetime:
        """Return by when the plan means to have met a claim that is due at an instant."""
        energy_kwh = claim.energy_kwh or 0.0
        unseen = unseen_taper(self.now, self.curve, low_pct=self.charge.low_pct, energy_kwh=energy_kwh)
        return reserved_deadline(self.now, by) - unseen

    @property
    def start_by(self) -> datetime | None:
        """From when on no random delay may put off a START: the latest start without it. None without a delay."""
        longest = longest_delay(self.now)
        found = [self.latest_start(claim, without=longest) for claim in self.claims if longest]
        return min((at for at in found if at is not None), default=None)

    @property
    def dated(self) -> list[Claim]:
        """The claims with a deadline, the earliest first."""
        return sorted((c for c in self.claims if c.by is not None), key=lambda c: (c.by or self.end_at, c.tier, c.rank))

    @property
    def at_once(self) -> list[Claim]:
        """The claims without one."""
        return [claim for claim in self.claims if claim.by is None]

    @property
    def charging(self) -> bool:
        """Tell whether the car charges now."""
        return self.now.observation.charge.charging is True

    @property
    def held(self) -> bool:
        """Tell whether a STOP of ours keeps the car from charging: then it is in a pause already."""
        return not self.charging and self.now.session is not None and self.now.session.held_since is not None

    @property
    def unpausable(self) -> bool:
        """Tell whether a charge, once begun, must go on: the car does not resume, or a STOP is not ours to send."""
        now = self.now
        failed = now.session is not None and now.session.failed_resumes > 0
        never_stop = now.home.hold_mode is HoldMode.NEVER_STOP
        blind = self.charge.quality is Quality.UNKNOWN and now.vehicle.energy_per_session_kwh is None
        return now.vehicle.no_pause or now.learned.no_pause or failed or never_stop or blind

    @property
    def least_dwell_s(self) -> float:
        """The shortest run and the shortest pause worth making [s]."""
        stated = [term.duration for term in of_type(self.now.terms, MinDwell)]
        return max([self.now.home.min_dwell, *stated]).total_seconds()

    @property
    def start_cost(self) -> float:
        """What one more start costs, in the home's currency."""
        return self.now.home.start_cost + sum(term.amount for term in of_type(self.now.terms, StartCost))

    @property
    def r_stop_s(self) -> float:
        """How long before the latest start a pause has to end [s]."""
        return self.now.limits.r_stop.total_seconds()

    @property
    def committed_s(self) -> list[float]:
        """When charging was last meant to begin, 0 if it has begun, and the start after that [s from now]."""
        starts = [start_s for start_s, _ in self.committed_spans_s]
        return starts[: 2 if starts and starts[0] == 0 else 1]

    @property
    def committed_spans_s(self) -> list[tuple[float, float]]:
        """When the last plan meant to charge from now on, start and end [s from now]."""
        spans = [(self.offset_s(span.start), self.offset_s(span.end)) for span in merge(self.now.committed)]
        return [(start_s, end_s) for start_s, end_s in spans if end_s > start_s]

    @property
    def unbroken(self) -> Claim:
        """What a stretch that must not be interrupted is put down to."""
        first = next(iter(self.dated), None)
        policy, why = (NO_PAUSE, NO_PAUSE) if first is None else (first.policy, f"{first.why}, {NO_PAUSE}")
        return asking(policy, NO_PAUSE if self.charging else why, Tier.PERSON, -1)


def pose(situation: Situation, charge: Charge, known: Sequence[Claim], taking: ChargeCurve) -> Problem:
    """Return the problem that the claims with a known energy make, along a charge curve."""
    walls, runs = tuple(barriers(situation)), tuple(running(situation))
    end_at = _end(situation, known, walls, runs, taking)
    return Problem(
        now=situation,
        charge=charge,
        curve=taking,
        claims=tuple(known),
        walls=walls,
        runs=runs,
        prices=curve(situation, until=end_at),
        end_at=end_at,
    )


def running(situation: Situation) -> list[tuple[Claim, Interval]]:
    """Return every run that is not over, a person's `charge` among them, in precedence order."""
    found = [
        (asking(s.policy, s.term.why, Tier.CONFIGURED, s.rank), s.term.interval)
        for s in sorted(situation.terms, key=lambda s: s.rank)
        if isinstance(s.term, Run) and s.term.interval.end > situation.at
    ]
    override = situation.override
    if override is not None and override.will is Will.CHARGE:
        until = override.until or situation.at + situation.limits.horizon
        if until > situation.at:
            claim = asking(OVERRIDE, "a person asked to charge", Tier.PERSON, -1)
            found.insert(0, (claim, Interval(start=situation.at, end=until)))
    return found


def asking(policy: str, why: str, tier: Tier, rank: int) -> Claim:
    """Return a claim without an amount of its own: a run, an opportunity, a run that must not be interrupted."""
    return Claim(
        policy=policy,
        why=why,
        tier=tier,
        rank=rank,
        by=None,
        energy_kwh=None,
        soc_pct=None,
        quality=Quality.FRESH,
    )


def _end(
    situation: Situation,
    known: Sequence[Claim],
    walls: Sequence[Barrier],
    runs: Sequence[tuple[Claim, Interval]],
    taking: ChargeCurve,
) -> datetime:
    """Return how far the problem reaches: the last deadline or run, never beyond the horizon."""
    horizon_at = situation.at + situation.limits.horizon
    most_s = max((taking.seconds(c.energy_kwh or 0.0) for c in known), default=0.0)
    blocked = total(merge(wall.interval for wall in walls))
    at_once = situation.at + timedelta(seconds=min(most_s, situation.limits.horizon.total_seconds())) + blocked
    ends = [at_once, *(claim.by for claim in known if claim.by is not None), *(run.end for _, run in runs)]
    if of_type(situation.terms, Opportunity):  # it buys at published prices
        slots = [slot for price in billed(situation.terms) for slot in price.slots]
        ends += [slot.end for slot in slots if slot.published]
    return min(horizon_at, max(ends))
