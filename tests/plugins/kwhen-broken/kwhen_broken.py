"""Policies that fail in every way we could think of."""

# ruff: noqa: ARG005, DTZ001 - failing is their trade

import itertools
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler.core.terms import MinDwell, Opportunity, Price, PriceLimit, PriceSlot, Run, StartCost, Target
from scheduler.core.timeline import Interval

HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Raises:
    def terms(self, now):
        raise RuntimeError("no idea")


@dataclass(frozen=True, kw_only=True)
class Exits:
    def terms(self, now):
        raise SystemExit(3)


@dataclass(frozen=True, kw_only=True)
class StopsIterating:
    def terms(self, now):
        raise StopIteration


@dataclass(frozen=True, kw_only=True)
class Mumbles:
    def terms(self, now):
        raise _MumbledError


class _MumbledError(Exception):
    def __str__(self):
        raise ValueError("not even this")


@dataclass(frozen=True, kw_only=True)
class Hangs:
    def terms(self, now):
        threading.Event().wait()
        yield PriceLimit(per_kwh=1.0)


@dataclass(frozen=True, kw_only=True)
class Spins:
    def terms(self, now):
        while True:
            pass


@dataclass(frozen=True, kw_only=True)
class NeverEnds:
    def terms(self, now):
        return (PriceLimit(per_kwh=float(number)) for number in itertools.count())


@dataclass(frozen=True, kw_only=True)
class Limps:
    """Fails on odd hours."""

    def terms(self, now):
        if now.at.hour % 2:
            raise RuntimeError("an odd hour")
        yield PriceLimit(per_kwh=0.1)


@dataclass(frozen=True, kw_only=True)
class Nonsense:
    kind: str

    def terms(self, now):
        yield _NONSENSE[self.kind](now.at)


def _forced(term, **members):
    """Change a value behind its own back."""
    for name, value in members.items():
        object.__setattr__(term, name, value)
    return term


def _slot(at, first, last):
    return PriceSlot(start=at + first * HOUR, end=at + last * HOUR, per_kwh=0.1)


_NONSENSE = {
    "no-term": lambda at: "charge now, please",
    "none": lambda at: None,
    "nan": lambda at: PriceLimit(per_kwh=float("nan")),
    "infinite": lambda at: Opportunity(soc_pct=90.0, per_kwh=float("-inf")),
    "text-for-number": lambda at: PriceLimit(per_kwh="cheap"),
    "bool-for-number": lambda at: PriceLimit(per_kwh=True),
    "naive": lambda at: _forced(Target(soc_pct=80, by=at), by=datetime(2026, 1, 6, 7)),
    "far-past": lambda at: Run(interval=Interval(start=at - 80 * HOUR, end=at - 79 * HOUR)),
    "long-overdue": lambda at: Target(soc_pct=80, by=at - 100 * HOUR),
    "far-future": lambda at: Target(soc_pct=80, by=at + 11_000 * HOUR),
    "overlap": lambda at: Price(slots=(_slot(at, 0, 2), _slot(at, 1, 3))),
    "disorder": lambda at: Price(slots=(_slot(at, 1, 2), _slot(at, 0, 1))),
    "list-of-slots": lambda at: Price(slots=[_slot(at, 0, 1)]),
    "no-slot": lambda at: Price(slots=((at, at + HOUR, 0.1),)),
    "no-interval": lambda at: Run(interval=(at, at + HOUR)),
    "negative-cost": lambda at: StartCost(amount=-5.0),
    "negative-dwell": lambda at: MinDwell(duration=-HOUR),
    "number-for-text": lambda at: PriceLimit(per_kwh=1.0, why=7),
}


@dataclass(frozen=True, kw_only=True)
class OtherApi:
    kwhen_api = 2

    def terms(self, now):
        return ()


@dataclass(frozen=True, kw_only=True)
class ReachesForTheStore:
    def terms(self, now):
        now.store.commit({})
        return ()


@dataclass(frozen=True, kw_only=True)
class ReachesForTheProvider:
    def terms(self, now):
        now.vehicle.provider.command(now.vehicle.id, "START")
        return ()


@dataclass(frozen=True, kw_only=True)
class ChangesTheSituation:
    def terms(self, now):
        now.home.user_id = "somebody else"
        return ()


@dataclass(frozen=True, kw_only=True)
class RefusesSettings:
    amount: int = 0

    def __post_init__(self):
        raise RuntimeError("no setting pleases me")

    def terms(self, now):
        return ()


class NoDataclass:
    def terms(self, now):
        return ()


@dataclass(frozen=True, kw_only=True)
class NoMethod:
    pass
