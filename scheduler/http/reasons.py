"""The plan's reasons term by term: what each policy and each person asked for, and what came of it. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from scheduler.core.energy import gained_pct, start_latency, usable_capacity_kwh
from scheduler.core.model import Decision, Need, Plan, Situation, Will
from scheduler.core.needs import longest_delay
from scheduler.core.prices import curve
from scheduler.core.terms import (
    TERM_TYPES,
    Block,
    MinDwell,
    Opportunity,
    Price,
    PriceSlot,
    PriceState,
    RandomDelay,
    Run,
    StartCost,
    Stated,
    Target,
)
from scheduler.core.timeline import Interval
from scheduler.http.views import View, plain
from scheduler.http.wording import rfc3339

KINDS = {term: name for name, term in TERM_TYPES.items()}

EXPECTED = timedelta(days=2)
"""So far beyond the last stated price expected ones are told."""

NEGLIGIBLE_KWH = 0.01
"""Less energy than this is not missing."""

NEGLIGIBLE = timedelta(seconds=1)
"""Less charging than this inside a block is rounding."""


def reasons(plan: Plan, situation: Situation) -> list[View]:
    """Return what was asked for, each with its `policy`, `kind`, `asked` and `outcome`; what a person wants first.

    A target is `met`, `short` (of `missing_kwh`), has `nothing to do`, or is `unknown` where nothing tells its energy.
    Blocks, runs and limits are `kept` or `gave way` (to the policies in `to`). An opportunity is `used` or `not used`;
    what only weighs is `counted`. A policy that could not speak is `set aside`.
    """
    stated = sorted(situation.terms, key=lambda one: one.rank)
    return [
        *_wishes(situation),
        *(_need(plan, need) for need in plan.needs),
        *(_term(plan, one) for one in stated if not isinstance(one.term, Target)),
        *(_unmeasured(plan, one) for one in stated if isinstance(one.term, Target) and not _measured(plan, one)),
        *(_set_aside(told) for told in situation.set_aside),
    ]


def margins(situation: Situation) -> View:
    """Return the margins that the plan keeps [s], without what they cost."""
    slack = situation.limits.r_out if situation.home.slack is None else situation.home.slack
    return {
        "slack_s": slack.total_seconds(),
        "resume_s": situation.limits.r_stop.total_seconds(),
        "start_latency_s": start_latency(situation).total_seconds(),
        "random_delay_s": longest_delay(situation).total_seconds(),
    }


def expected_socs(decision: Decision, situation: Situation) -> list[float | None]:
    """Return the state of charge to expect at the end of each planned slot [%]; None where nothing tells it."""
    capacity = usable_capacity_kwh(situation)
    if capacity is None or decision.soc_pct is None:
        return [None] * len(decision.plan.slots)
    found: list[float | None] = []
    energy_kwh = 0.0
    for slot in decision.plan.slots:
        energy_kwh += slot.energy_kwh
        gained = gained_pct(grid_kwh=energy_kwh, capacity_kwh=capacity)
        found.append(round(min(100.0, decision.soc_pct + gained), 1))
    return found


def expected_prices(plan: Plan, situation: Situation, *, after: datetime) -> Iterator[PriceSlot]:
    """Yield the prices that the planner expects after the last stated one, as far as the plan and its needs reach."""
    needed = [need.by for need in plan.needs if need.by is not None]
    until = min(max([*needed, *(slot.end for slot in plan.slots)], default=after), after + EXPECTED)
    found = curve(situation, until=until)
    for span in found.spans if found.money else ():
        start, end = (situation.at + timedelta(seconds=offset_s) for offset_s in (span.start_s, span.end_s))
        if span.per_kwh is not None and not span.published and end > after:
            yield PriceSlot(start=max(start, after), end=end, per_kwh=span.per_kwh, state=PriceState.FORECAST)


def _wishes(situation: Situation) -> Iterator[View]:
    override = situation.override
    if override is not None and override.will in {Will.CHARGE, Will.HOLD}:
        asked = {"until": rfc3339(override.until)}
        yield {"policy": "override", "kind": override.will.value, "why": "", "asked": asked, "outcome": "kept"}


def _set_aside(told: str) -> View:
    policy, _, why = told.partition(": ")
    return {"policy": policy, "kind": "policy", "why": why, "asked": {}, "outcome": "set aside"}


def _need(plan: Plan, need: Need) -> View:
    planned_kwh = sum(_energy_before(plan, need.by))
    missing_kwh = need.energy_kwh - planned_kwh
    short = missing_kwh > NEGLIGIBLE_KWH
    outcome = "short" if short else "met" if need.energy_kwh > NEGLIGIBLE_KWH else "nothing to do"
    asked = {"soc_pct": need.soc_pct, "energy_kwh": need.energy_kwh, "by": rfc3339(need.by)}
    return {
        "policy": need.policy,
        "kind": "target",
        "why": need.why,
        "asked": asked,
        "outcome": outcome,
        "missing_kwh": round(missing_kwh, 3) if short else 0.0,
        "done_at": rfc3339(_done_at(plan, need.energy_kwh)),
        "latest_start_at": rfc3339(need.lst_at),
        "to": _gave_way_to(plan, need.policy, need.why),
    }


def _measured(plan: Plan, stated: Stated) -> bool:
    """Tell whether a target is among the needs; one that was due is there without its time."""
    return any(
        need.policy == stated.policy and isinstance(stated.term, Target) and need.by in {stated.term.by, None}
        for need in plan.needs
    )


def _unmeasured(plan: Plan, stated: Stated) -> View:
    view: View = {"policy": stated.policy, "kind": "target", "why": stated.term.why, "asked": _asked(stated)}
    return view | {"outcome": "unknown" if plan.shortfall_why else "nothing to do", "because": plan.shortfall_why}


def _energy_before(plan: Plan, by: datetime | None) -> Iterator[float]:
    for slot in plan.slots:
        end = slot.end if by is None else min(slot.end, by)
        yield max(0.0, slot.energy_kwh * ((end - slot.start) / (slot.end - slot.start)))


def _done_at(plan: Plan, energy_kwh: float) -> datetime | None:
    """Return when the plan has brought so much energy; None when it never does, or has nothing to bring."""
    left_kwh = energy_kwh
    for slot in plan.slots if energy_kwh > NEGLIGIBLE_KWH else ():
        if slot.energy_kwh >= left_kwh - NEGLIGIBLE_KWH:
            return slot.start + (slot.end - slot.start) * min(1.0, left_kwh / slot.energy_kwh)
        left_kwh -= slot.energy_kwh
    return None


def _gave_way_to(plan: Plan, policy: str, why: str) -> list[str]:
    found = (one.for_policy for one in plan.broken if one.policy == policy and one.what.startswith(why))
    return list(dict.fromkeys(found))


def _term(plan: Plan, stated: Stated) -> View:
    term = stated.term
    view: View = {"policy": stated.policy, "kind": KINDS[type(term)], "why": term.why, "asked": _asked(stated)}
    match term:
        case Opportunity():
            energy_kwh = sum(slot.energy_kwh for slot in plan.slots if slot.why == term.why)
            return view | {"outcome": "used" if energy_kwh else "not used", "energy_kwh": energy_kwh}
        case Block():
            taken = _inside(plan, term.interval)
            to = _gave_way_to(plan, stated.policy, term.why) if taken > NEGLIGIBLE else []
            return view | {"outcome": "gave way" if to else "kept", "charged_s": taken.total_seconds(), "to": to}
        case Run():
            to = _gave_way_to(plan, stated.policy, term.why)
            charged_s = _inside(plan, term.interval).total_seconds()
            return view | {"outcome": "gave way" if to else "kept", "charged_s": charged_s, "to": to}
        case Price() | StartCost() | MinDwell() | RandomDelay():
            return view | {"outcome": "counted"}
        case _:
            to = _gave_way_to(plan, stated.policy, term.why)
            return view | {"outcome": "gave way" if to else "kept", "to": to}


def _asked(stated: Stated) -> View:
    term = stated.term
    if isinstance(term, Price):
        return _asked_of_prices(term)
    asked: dict[str, Any] = plain(term)
    del asked["why"]
    interval: View = asked.pop("interval", {})
    return interval | asked


def _asked_of_prices(price: Price) -> View:
    """Return what a price says without its slots, which the plan shows summed up."""
    published = [slot.end for slot in price.slots if slot.published]
    values = [slot.per_kwh for slot in price.slots]
    return {
        "billed": price.billed,
        "slots": len(values),
        "least_per_kwh": min(values, default=None),
        "most_per_kwh": max(values, default=None),
        "published_until": rfc3339(max(published, default=None)),
    }


def _inside(plan: Plan, interval: Interval) -> timedelta:
    spans = (min(slot.end, interval.end) - max(slot.start, interval.start) for slot in plan.slots)
    return sum((span for span in spans if span > timedelta(0)), timedelta(0))
