"""From targets to needs: how much energy, by when, with whose precedence, and how late charging may begin.

Precedence is fixed: a person's wish, then what is wanted at once (minimum SoC, overdue), then the order of the config.
All needs count from now and contain one another: energy that serves an early departure serves a later one too, as if
the car kept its charge in between. There is no model of driving.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum

from scheduler.core.battery import Charge
from scheduler.core.energy import FULL_PCT, grid_energy, missing_energy, start_latency, usable_capacity_kwh
from scheduler.core.model import Override, Quality, Situation, Will
from scheduler.core.terms import Block, RandomDelay, Stated, Target
from scheduler.core.timeline import Interval, merge

ENOUGH_SESSIONS = 20
"""From so many sessions on, their 95th percentile may stand for an unknown need."""

USUAL_SHARE = 0.95

NEGLIGIBLE_PCT = 0.5
"""A car that does not charge is not started for less than this: readings come in whole points."""

OVERDUE = "overdue"
OVERRIDE = "override"
DEFAULT_TARGET_PCT = 80.0


class Tier(IntEnum):
    """The fixed part of precedence; the lower goes before."""

    PERSON = 0
    AT_ONCE = 1
    CONFIGURED = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What one target asks for: grid-side energy from now, by an instant (None: at once).

    `energy_kwh` is None when nothing tells how much it is; zero when the target is met.
    """

    policy: str
    why: str
    tier: Tier
    rank: int
    by: datetime | None
    energy_kwh: float | None
    soc_pct: float | None
    quality: Quality


@dataclass(frozen=True, kw_only=True, slots=True)
class Barrier:
    """A block as the planner sees it: with who stated it. A person's hold stands before everything."""

    interval: Interval
    policy: str
    why: str
    tier: Tier
    rank: int
    even_below_minimum: bool = False

    def stops(self, claim: Claim) -> bool:
        """Tell whether the claim must give way."""
        if self.tier is Tier.PERSON:
            return True
        if claim.tier is Tier.PERSON:
            return False
        if claim.tier is Tier.AT_ONCE:
            return self.even_below_minimum and (claim.policy != OVERDUE or self.rank < claim.rank)
        return self.rank < claim.rank


def claims(situation: Situation, charge: Charge) -> list[Claim]:
    """Return what every target asks for, met ones included, in precedence order."""
    found = [*_of_person(situation), *_of_overdue(situation), *_of_terms(situation)]
    sized = (_sized(situation, charge, claim, target) for claim, target in found)
    return sorted((claim for claim in sized if claim is not None), key=lambda c: (c.tier, c.rank))


def barriers(situation: Situation) -> list[Barrier]:
    """Return every block, in precedence order. One that withholds a START below the minimum never stops a car."""
    charging = situation.observation.charge.charging is True
    found = [
        Barrier(
            interval=s.term.interval,
            policy=s.policy,
            why=s.term.why,
            tier=Tier.CONFIGURED,
            rank=s.rank,
            even_below_minimum=s.term.even_below_minimum and not charging,
        )
        for s in situation.terms
        if isinstance(s.term, Block)
    ]
    override = situation.override
    if override is not None and override.will is Will.HOLD:
        end = override.until or situation.at + situation.limits.horizon
        if end > situation.at:
            held = Interval(start=situation.at, end=end)
            why = "a person asked to hold"
            found.append(Barrier(interval=held, policy=OVERRIDE, why=why, tier=Tier.PERSON, rank=-1))
    return sorted(found, key=lambda b: (b.tier, b.rank, b.interval.start))


def full_kwh(situation: Situation, charge: Charge) -> float:
    """Return the grid-side energy after which the car takes no more: full, or at its own limit; infinite if unknown."""
    capacity = usable_capacity_kwh(situation)
    if capacity is None:
        return math.inf
    if charge.low_pct is None:
        return max(0.0, grid_energy(capacity) - _delivered(situation))
    return missing_kwh(charge.low_pct, own_limit(situation), capacity)


def missing_kwh(soc_pct: float, target_pct: float, capacity: float) -> float:
    """Return the grid-side energy from one state of charge to another, never negative."""
    return grid_energy(missing_energy(soc_pct=soc_pct, target_soc_pct=target_pct, capacity_kwh=capacity))


def reserved_deadline(situation: Situation, by: datetime) -> datetime:
    """Return the instant by which the plan means to be done.

    That is so long before `by` as the home's slack, the START latency and the greatest random delay take together.
    """
    slack = situation.home.slack
    slack = situation.limits.r_out if slack is None else slack
    return by - slack - start_latency(situation) - longest_delay(situation)


def longest_delay(situation: Situation) -> timedelta:
    """Return the greatest random delay that any policy asks for; nothing without one."""
    stated = [s.term.longest for s in situation.terms if isinstance(s.term, RandomDelay)]
    return max(stated, default=timedelta(0))


def latest_start(*, at: datetime, seconds: float, deadline: datetime, not_permitted: Iterable[Interval]) -> datetime:
    """Return the latest instant from which charging in all permitted time meets the need by the deadline.

    `seconds` is the time that the need takes. When no start is early enough, or it is past already, that is `at`.
    """
    left, end = timedelta(seconds=seconds), deadline
    for hole in reversed(merge(not_permitted)):
        if hole.start >= end:
            continue
        if hole.end < end:
            if end - hole.end >= left:
                break
            left -= end - hole.end
        end = hole.start
    return max(at, end - left)


def stopping(claim: Claim, walls: Sequence[Barrier]) -> list[Interval]:
    """Return when the claim may not be served."""
    return [wall.interval for wall in walls if wall.stops(claim)]


def _of_person(situation: Situation) -> Iterator[tuple[Claim, Target]]:
    override = situation.override
    if override is None or override.will is not Will.READY_BY or override.ready_at is None:
        return
    due = override.ready_at <= situation.at
    target = Target(
        soc_pct=_wished_pct(situation, override),
        by=None if due else override.ready_at,
        why=f"asked to be ready by {override.ready_at:%Y-%m-%d %H:%MZ}",
    )
    yield _claim(target, policy=OVERDUE if due else OVERRIDE, tier=Tier.PERSON, rank=-1), target


def _wished_pct(situation: Situation, override: Override) -> float:
    if override.soc_pct is not None:
        return override.soc_pct
    stated = [s.term.soc_pct for s in situation.terms if isinstance(s.term, Target) and s.term.soc_pct is not None]
    return max(stated, default=DEFAULT_TARGET_PCT)


def _of_overdue(situation: Situation) -> Iterator[tuple[Claim, Target]]:
    last = max((s.rank for s in situation.terms), default=0) + 1
    for due in situation.overdue:
        rank = min((s.rank for s in situation.terms if s.policy == due.policy), default=last)
        energy_kwh = None if due.soc_pct is not None else due.energy_kwh or 0.0
        why = f"{due.policy} was due at {due.due_at:%H:%MZ}"
        target = Target(soc_pct=due.soc_pct, energy_kwh=energy_kwh, by=None, why=why)
        yield _claim(target, policy=OVERDUE, tier=Tier.AT_ONCE, rank=rank), target


def _of_terms(situation: Situation) -> Iterator[tuple[Claim, Target]]:
    stated: Stated
    for stated in situation.terms:
        if not isinstance(stated.term, Target):
            continue
        target = stated.term
        if target.by is not None and target.by <= situation.at:
            target = replace(target, by=None)
        tier = Tier.AT_ONCE if target.by is None else Tier.CONFIGURED
        yield _claim(target, policy=stated.policy, tier=tier, rank=stated.rank), target


def _claim(target: Target, *, policy: str, tier: Tier, rank: int) -> Claim:
    return Claim(
        policy=policy,
        why=target.why,
        tier=tier,
        rank=rank,
        by=target.by,
        energy_kwh=None,
        soc_pct=target.soc_pct,
        quality=Quality.FRESH,
    )


def _sized(situation: Situation, charge: Charge, claim: Claim, target: Target) -> Claim | None:
    """Put the energy into the claim; None drops a claim that an unknown state of charge makes meaningless."""
    if target.energy_kwh is not None:
        left = max(0.0, target.energy_kwh - _delivered(situation))
        return replace(claim, energy_kwh=min(left, full_kwh(situation, charge)), quality=charge.quality)
    target_pct = target.soc_pct or 0.0
    if charge.low_pct is None:
        return _sized_blindly(situation, claim, target_pct)
    capacity = usable_capacity_kwh(situation)
    limit = own_limit(situation)
    why = claim.why if target_pct <= limit else f"{claim.why} (the car's own limit is {limit:g} %)"
    wanted_pct = min(target_pct, limit)
    idle = situation.observation.charge.charging is not True
    surely = (charge.high_pct or 0.0) >= wanted_pct + situation.limits.eps_soc / 2  # a reading may stand still
    met = surely or wanted_pct - charge.low_pct <= (NEGLIGIBLE_PCT if idle else 0.0)
    energy = 0.0 if met else None if capacity is None else missing_kwh(charge.low_pct, wanted_pct, capacity)
    return replace(claim, energy_kwh=energy, quality=charge.quality, why=why)


def _sized_blindly(situation: Situation, claim: Claim, target_pct: float) -> Claim | None:
    """Size a claim without a state of charge: the worst case that the session allows, or what the owner configured.

    A minimum SoC has to wait a little for the first reading of a session, so that a plug-in does not start the car for
    minutes; where the owner configured the energy of a session, since no reading ever comes, it says nothing.
    """
    capacity, per_session = usable_capacity_kwh(situation), situation.vehicle.energy_per_session_kwh
    delivered = _delivered(situation)
    minimum = claim.tier is Tier.AT_ONCE and claim.policy != OVERDUE
    if per_session is not None:
        left = max(0.0, per_session - delivered)
        return None if minimum else replace(claim, energy_kwh=left, quality=Quality.ESTIMATED)
    if minimum:
        if situation.session is not None and situation.at - situation.session.opened_at < situation.limits.x_rx:
            return None
        worst = None if capacity is None else grid_energy(capacity * target_pct / 100)
    else:
        bounds = [] if capacity is None else [grid_energy(capacity)]
        worst = min([*bounds, *_usual_session(situation.learned.session_energy_kwh)], default=None)
    left_or_none = None if worst is None else max(0.0, worst - delivered)
    return replace(claim, energy_kwh=left_or_none, quality=Quality.UNKNOWN)


def _usual_session(energies_kwh: Sequence[float]) -> list[float]:
    """Return the 95th percentile (nearest rank, never below it), once there is enough to go by."""
    if len(energies_kwh) < ENOUGH_SESSIONS:
        return []
    return [sorted(energies_kwh)[math.ceil(USUAL_SHARE * len(energies_kwh)) - 1]]


def own_limit(situation: Situation) -> float:
    """Return the state of charge at which the car ends by itself, as far as it tells."""
    limit = situation.observation.charge.limit_pct
    return limit if limit is not None and 0 < limit <= FULL_PCT else FULL_PCT


def ended(situation: Situation) -> bool:
    """Tell whether the car is full or at its own limit: it says so, and has not been given a higher limit since (P29).

    What says so may be older than the limit: one START shows it. Only a rise that was seen counts; a car that ends
    below the limit that it tells would be started again and again.
    """
    charge, session = situation.observation.charge, situation.session
    if not charge.complete or session is None:
        return charge.complete
    soc_pct, limit_pct, before_pct = situation.observation.battery.soc_pct, charge.limit_pct, session.ended_at_pct
    if soc_pct is None or limit_pct is None or before_pct is None:
        return True
    return limit_pct <= before_pct or soc_pct >= limit_pct - situation.limits.eps_soc


def _delivered(situation: Situation) -> float:
    return situation.session.energy_kwh if situation.session is not None else 0.0
