"""What the faces show of the running daemon: each view put together from its state, newest decision and history."""

import asyncio
import json
from collections.abc import Iterable
from datetime import datetime

import msgspec

from scheduler.core.carbon import planned_grams
from scheduler.core.errors import StoreError
from scheduler.core.model import Decision, Home, Situation
from scheduler.core.safety import price_of_safety
from scheduler.http import reasons, sentences, views
from scheduler.http.daemon import Daemon, Known, all_vehicles
from scheduler.http.problem import Problem
from scheduler.http.wording import rfc3339
from scheduler.ports import AlertChange, DecisionRecord

COMMANDS_SHOWN = 10


def summary_of(daemon: Daemon, known: Known) -> views.View:
    """Return the summary of one vehicle as it is now."""
    return views.vehicle_view(known, daemon.state(known.spec.id), daemon.last(known.spec.id))


def names_of(daemon: Daemon) -> dict[str, str]:
    """Return the names of vehicles and chargers by id."""
    return {**daemon.charger_names()} | {known.spec.id: known.name for known in all_vehicles(daemon)}


def alerts_of(daemon: Daemon, found: Iterable[AlertChange]) -> list[views.View]:
    """Return alerts as they are shown: in the local time of the home that each concerns."""
    names, homes = names_of(daemon), daemon.homes()
    return [views.alert_view(one, names, zone_of(one.vehicle_id, homes)) for one in found]


def zone_of(subject: str | None, homes: Iterable[Home]) -> str:
    """Return the time zone of a vehicle's or charger's home; of any other that of all homes, UTC where they differ."""
    homes = tuple(homes)
    own = {h.timezone for h in homes if subject in h.charger_ids or any(v.id == subject for v in h.vehicles)}
    found = own or {home.timezone for home in homes}
    return found.pop() if len(found) == 1 else "UTC"


async def status_of(daemon: Daemon) -> views.View:
    """Return everything that one look should show."""
    vehicles: dict[str, list[views.View]] = {home.id: [] for home in daemon.homes()}
    for known in all_vehicles(daemon):
        vehicles[known.home.id].append(summary_of(daemon, known))
    return {
        "at": rfc3339(daemon.clock.now()),
        "health": views.plain(daemon.health()),
        "homes": [views.home_view(home) | {"vehicles": vehicles[home.id]} for home in daemon.homes()],
        "alerts": alerts_of(daemon, await daemon.store.alerts(open_only=True)),
    }


def plan_of(daemon: Daemon, known: Known) -> views.View:
    """Return the plan of one vehicle with its prices; without slots before the first cycle."""
    last = daemon.last(known.spec.id)
    head = {
        "vehicle": known.spec.id,
        "name": known.name,
        "home": known.home.id,
        "timezone": known.home.timezone,
        "currency": known.home.currency,
        "now": rfc3339(daemon.clock.now()),
    }
    if last is None:
        return head | {"slots": [], "needs": [], "prices": [], "why": "Not seen yet."}
    situation, decision = last
    told = views.decision_view(decision, situation, known.home.timezone)
    wanted = {key: told[key] for key in ("decided_at", "desired", "soc_pct", "soc_quality", "target", "delay", "why")}
    return head | wanted | _planned(situation, decision)


def _planned(situation: Situation, decision: Decision) -> views.View:
    grams = planned_grams(decision.plan, situation)
    return views.plan_view(decision.plan, prices=views.price_curve(situation), grams=grams)


async def plan_in_full(daemon: Daemon, known: Known) -> views.View:
    """Return the plan with its reasons term by term, expected prices and states of charge, and the price of safety."""
    view, last = plan_of(daemon, known), daemon.last(known.spec.id)
    if last is None:
        return view
    situation, decision = last
    socs = reasons.expected_socs(decision, situation)
    prices = views.price_curve(situation)
    after = max((slot.end for slot in prices), default=situation.at)
    expected = reasons.expected_prices(decision.plan, situation, after=max(after, situation.at))
    price = await asyncio.to_thread(price_of_safety, situation)  # it plans twice
    return view | {
        "slots": [slot | {"soc_pct": soc} for slot, soc in zip(view["slots"], socs, strict=True)],
        "prices": [*view["prices"], *map(views.price_view, expected)],
        "terms": reasons.reasons(decision.plan, situation),
        "safety": {"price": price, **reasons.margins(situation)},
    }


async def commands_of(daemon: Daemon, vehicle_id: str, limit: int = COMMANDS_SHOWN) -> list[views.View]:
    """Return the newest commands of one vehicle."""
    names = names_of(daemon)
    found = await daemon.store.commands(vehicle_id=vehicle_id, limit=limit)
    return [views.command_view(command, names) for command in found]


async def explanation_of(daemon: Daemon, known: Known, *, at: datetime) -> views.View:
    """Return what was decided about a vehicle, and why, as it stood at an instant.

    Raises:
        Problem: the instant is still to come (400), or nothing is kept of it (404).
    """
    if at > daemon.clock.now():
        raise Problem(400, "that is in the future", detail=f"{rfc3339(at)}", remedy="`kwhen plan` shows what is meant.")
    head = {"vehicle": known.spec.id, "name": known.name, "timezone": known.home.timezone, "at": rfc3339(at)}
    last = daemon.last(known.spec.id)
    if last is not None and last[0].at <= at:
        situation, decision = last
        told = views.decision_view(decision, situation, known.home.timezone)
        observed = views.plain(situation.observation.charge)
        return head | told | {"plan": _planned(situation, decision), "observed": observed}
    record = await daemon.store.decision_at(known.spec.id, at)
    if record is None:
        remedy = "Older decisions are pruned; see `retention` in the configuration."
        raise Problem(404, "nothing was decided by then", detail=f"{known.name} at {rfc3339(at)}", remedy=remedy)
    return head | _recorded(record, known)


def _recorded(record: DecisionRecord, known: Known) -> views.View:
    """Return the explanation of a kept decision, read back by the core's own type."""
    try:
        decision = msgspec.json.decode(record.decision, type=Decision)
        seen = json.loads(record.situation)["observation"]["charge"]
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"the decision of {known.name} at {record.at} cannot be read: {error}") from error
    told = views.decision_view(decision, None, known.home.timezone, at=record.at)
    told["why"] = sentences.why(decision, at=record.at, timezone=known.home.timezone, charging=seen.get("charging"))
    return told | {"plan": views.plan_view(decision.plan), "observed": seen, "command": record.command_id}
