"""A scenario file becomes a situation, with the terms that the real policies state in it; every unknown key is an error.

What a file does not speak of is the world of the builders, with two numbers chosen for mental arithmetic: 63 kWh and
7 kW, so that ten points of charge take one hour. Ages are in minutes before now (`..._min_ago`), coming instants in
hours from now (`..._in_h`); prices are one number for each hour, from now on.
"""

import asyncio
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from scheduler.core.command import Action, Command, CommandState, Why
from scheduler.core.decide import decide
from scheduler.core.feeds import PriceSeries
from scheduler.core.model import (
    Decision,
    Desired,
    Hand,
    HoldMode,
    Learned,
    Limits,
    Mode,
    Overdue,
    Override,
    PolicySpec,
    Situation,
    Turn,
    Will,
)
from scheduler.core.observation import Delivery, Observation, Stamp
from scheduler.core.timeline import Interval
from scheduler.plugins import POLICIES, PolicySet, Registry
from tests.unit.core.builders import NOW, price_slots, situation

TABLES = frozenset(
    {
        "shows", "at", "prices", "prices_from_h", "prices_published", "car", "home", "vehicle", "session", "limits",
        "learned", "world", "override", "overdue", "pending", "recent", "committed", "turned", "policy", "expect",
    }
)  # fmt: skip
CHARGE = {"plugged", "charging", "power_kw", "full", "limit_pct"}
SEEN = {"reachable", "smart_charging"}
ENUMS = {
    "mode": Mode,
    "hold_mode": HoldMode,
    "will": Will,
    "by": Hand,
    "action": Action,
    "desired": Desired,
    "why": Why,
    "state": CommandState,
}

registry = Registry(POLICIES)


@dataclass(frozen=True)
class Scenario:
    """One situation and what is expected of its decision."""

    now: Situation
    expect: Mapping[str, Any]


def read(file: Path) -> Scenario:
    """Return the scenario that a file tells."""
    told = tomllib.loads(file.read_text(encoding="utf-8"))
    _known(told, TABLES, file.name)
    now = _situation(told)
    policies = PolicySet.of(now.home, registry)
    terms, set_aside = asyncio.run(policies.terms(now))
    return Scenario(now=replace(now, terms=terms, set_aside=set_aside), expect=told["expect"])


def _situation(told: Mapping[str, Any]) -> Situation:
    at = told.get("at", NOW)
    now: Situation = situation(at=at, capacity_kwh=63.0, charge_power_kw=7.0)
    now = replace(now, terms=(), observation=_seen(now, told.get("car", {}), told.get("world", {})))
    now = replace(
        now,
        home=replace(now.home, policies=tuple(_spec(p) for p in told.get("policy", [])), **_made(told.get("home"), at)),
        vehicle=replace(now.vehicle, **_made(told.get("vehicle"), at)),
        learned=Learned(**_made(told.get("learned"), at)),
        limits=Limits(**_made(told.get("limits"), at)),
        prices=_prices(told, at),
        override=_override(told.get("override"), at),
        overdue=tuple(_overdue(o, at) for o in told.get("overdue", [])),
        command=_command(told["pending"], "c-now", at) if "pending" in told else None,
        recent=tuple(_command(c, f"c-{i}", at) for i, c in enumerate(told.get("recent", []))),
        committed=tuple(
            Interval(start=at + timedelta(hours=a), end=at + timedelta(hours=b)) for a, b in told.get("committed", [])
        ),
        turned=Turn(**_made(told["turned"], at)) if "turned" in told else None,
        **_world(told.get("world", {}), at),
    )
    if now.observation.charge.plugged is not True and "session" not in told:
        return replace(now, session=None)
    assert now.session is not None
    return replace(now, session=replace(now.session, **_made(told.get("session"), at)))


def _known(told: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    unknown = sorted(set(told) - set(known))
    if unknown:
        raise ValueError(f"{where}: unknown {', '.join(unknown)}")


def _seen(now: Situation, car: Mapping[str, Any], world: Mapping[str, Any]) -> Observation:
    known = {"state", "charger", "location", "soc_pct", "capacity_kwh", "can_start", "can_stop", "vendor_min_ago"}
    ages = {"charge_min_ago", "location_min_ago", "battery_min_ago", "heard_min_ago", "settled_min_ago"}
    _known(car, known | ages | CHARGE | SEEN, "car")
    seen = now.observation
    if "state" in car:
        state = Delivery(car["state"])
        plugged = {Delivery.UNKNOWN: None, Delivery.UNPLUGGED: False}.get(state, True)
        charging = None if state in (Delivery.UNKNOWN, Delivery.UNKNOWN_PLUGGED) else state is Delivery.CHARGING
        power_kw = 7.0 if charging else 0.0
        seen = replace(
            seen,
            charge=replace(seen.charge, delivery=state, plugged=plugged, charging=charging, power_kw=power_kw),
        )
    aged = car.get("charge_min_ago", 0)
    charge_at = _ago(now.at, aged)
    charge = replace(seen.charge, at=charge_at, **{k: v for k, v in car.items() if k in CHARGE})
    charge = replace(charge, charger_id=car.get("charger", charge.charger_id) or None)
    if not charge.plugged:
        charge = replace(charge, charger_id=None)
    location_at = _ago(now.at, car.get("location_min_ago", aged))
    place = replace(seen.place, at=location_at, location_id=car.get("location", "location") or None)
    battery = replace(
        seen.battery,
        at=_ago(now.at, car.get("battery_min_ago", aged)),
        soc_pct=_unless_negative(car.get("soc_pct", 50.0)),
        capacity_kwh=_unless_negative(car.get("capacity_kwh", 63.0)),
    )
    able = replace(seen.capabilities, start=car.get("can_start", True), stop=car.get("can_stop", True))
    settled_at = _ago(now.at, car.get("settled_min_ago", 60))
    heard = timedelta(minutes=car.get("heard_min_ago", 0))
    return replace(
        seen,
        charge=charge,
        place=place,
        battery=battery,
        capabilities=able,
        seen_at=_ago(now.at, car.get("vendor_min_ago", 0)),
        received=Stamp(
            at=now.at - heard, mono_ns=-int(heard.total_seconds() * 1e9), run=0 if world.get("just_started") else 1
        ),
        plug_since=settled_at,
        place_since=settled_at,
        **{k: v for k, v in car.items() if k in SEEN},
    )


def _unless_negative(value: float) -> float | None:
    """Return the number; a negative one stands for what the provider does not say (TOML has no null)."""
    return None if value < 0 else value


def _ago(at: datetime, minutes: float) -> datetime:
    return at - timedelta(minutes=minutes)


def _made(table: Mapping[str, Any] | None, at: datetime) -> dict[str, Any]:
    """Return members with ages as instants, `_min` as durations, words as enumerations, lists as tuples."""
    made: dict[str, Any] = {}
    for key, value in (table or {}).items():
        if key.endswith("_min_ago"):
            made[key.removesuffix("_min_ago")] = _ago(at, value)
        elif key.endswith("_in_h"):
            made[key.removesuffix("_in_h")] = at + timedelta(hours=value)
        elif key.endswith("_min"):
            made[key.removesuffix("_min")] = timedelta(minutes=value)
        elif key in ENUMS:
            made[key] = ENUMS[key](value)
        elif key.endswith("_sessions_of_kwh"):
            made["session_energy_kwh"] = tuple(value)
        elif isinstance(value, list):
            made[key] = tuple(value)
        else:
            made[key] = _unless_negative(value) if key.endswith(("_kw", "_kwh")) else value
    return made


def _world(world: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    flags = {"claimed_elsewhere", "client_refused", "credentials_valid", "clock_trusted", "store_durable"}
    _known(world, flags | {"just_started", "refreshed_min_ago"}, "world")
    made: dict[str, Any] = {k: v for k, v in world.items() if k in flags}
    if "refreshed_min_ago" in world:
        made["refreshed_at"] = _ago(at, world["refreshed_min_ago"])
    return made


def _spec(policy: Mapping[str, Any]) -> PolicySpec:
    return PolicySpec(name=policy["name"], settings={k: v for k, v in policy.items() if k != "name"})


def _prices(told: Mapping[str, Any], at: datetime) -> tuple[PriceSeries, ...]:
    if "prices" not in told:
        return ()
    start = at + timedelta(hours=told.get("prices_from_h", 0))
    hourly = [_unless_gap(price) for price in told["prices"]]
    slots = price_slots(hourly, start=start, published=told.get("prices_published", True))
    return (PriceSeries(name="market", currency="EUR", slots=slots, fetched_at=at),)


def _unless_gap(price: float | str) -> float | None:
    return None if isinstance(price, str) else price


def _override(table: Mapping[str, Any] | None, at: datetime) -> Override | None:
    if table is None:
        return None
    made = {"by": Hand.DASHBOARD, "set_at": _ago(at, 10), **_made(table, at)}
    if "ready" in made:
        made["ready_at"] = made.pop("ready")
    return Override(**made)


def _overdue(table: Mapping[str, Any], at: datetime) -> Overdue:
    made = _made(table, at)
    return Overdue(**{"soc_pct": None, "energy_kwh": None, **made, "due_at": made["due_at"]})


def _command(table: Mapping[str, Any], command_id: str, at: datetime) -> Command:
    made = _made({("sent_at_min_ago" if k == "sent_min_ago" else k): v for k, v in table.items()}, at)
    made = {("ended_at" if k == "ended" else k): v for k, v in made.items()}
    return Command(**{"id": command_id, "vehicle_id": "car", "epoch": 1, "why": Why.PLAN, **made})


def charged(decision: Decision) -> list[str]:
    """Return the planned charging as spans of UTC, neighbours joined: `23:00-02:00`."""
    spans: list[list[datetime]] = []
    for slot in decision.plan.slots:
        if spans and spans[-1][1] == slot.start:
            spans[-1][1] = slot.end
        else:
            spans.append([slot.start, slot.end])
    return [f"{_minute(start):%H:%M}-{_minute(end):%H:%M}" for start, end in spans]


def _minute(at: datetime) -> datetime:
    """Round to the minute, so that a second of latency does not show."""
    return (at + timedelta(seconds=30)).replace(second=0, microsecond=0)


def found(decision: Decision, at: datetime) -> dict[str, Any]:
    """Return a decision in the words of the scenario files."""
    proposal = decision.command
    command = "none" if proposal is None else f"{proposal.action} {proposal.why}"
    return {
        "verdict": str(decision.verdict.place),
        "because": decision.verdict.why,
        "desired": str(decision.desired),
        "command": command,
        "rests_on": proposal.rests_on if proposal is not None else "",
        "reasons": [r.code for r in decision.reasons],
        "alerts": [a.code for a in decision.alerts],
        "charged": charged(decision),
        "broken": [f"{b.policy} for {b.for_policy}" for b in decision.plan.broken],
        "shortfall_kwh": round(decision.plan.shortfall_kwh, 1),
        "rung": str(decision.plan.rung),
        "needs_kwh": [round(n.energy_kwh, 1) for n in decision.plan.needs],
        "latest_start": [None if n.lst_at is None else f"{_minute(n.lst_at):%H:%M}" for n in decision.plan.needs],
        "soc": str(decision.soc_quality),
        "recall": decision.recall,
        "look": decision.look,
        "refresh": decision.refresh,
        "next_due_min": _minutes_until(decision.next_due_at, at),
        "delay_s": None if decision.delay is None else decision.delay.drawn_s,
    }


def _minutes_until(due_at: datetime | None, at: datetime) -> float | None:
    return None if due_at is None else round((due_at - at) / timedelta(minutes=1), 1)


ALWAYS = {"alerts": [], "broken": [], "shortfall_kwh": 0.0, "recall": False, "look": False, "refresh": False}
"""What is expected where a file says nothing of it."""

REQUIRED = frozenset({"verdict", "desired", "command", "reasons"})


def differences(scenario: Scenario) -> list[str]:
    """Return where the decision on the scenario is not the expected one."""
    expect = {**ALWAYS, **scenario.expect}
    missing = REQUIRED - set(expect)
    if missing:
        raise ValueError(f"a scenario must expect {', '.join(sorted(missing))}")
    is_so = found(decide(scenario.now), scenario.now.at)
    _known(expect, is_so, "expect")
    return [f"{key}: expected {wanted!r}, is {is_so[key]!r}" for key, wanted in expect.items() if is_so[key] != wanted]
