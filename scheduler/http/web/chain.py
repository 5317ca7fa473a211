"""The chain of reasons behind one decision, step by step, and the facets it rests on. Pure."""

from datetime import datetime
from typing import Any

from scheduler.core.model import Decision, Desired, Situation, VehicleState
from scheduler.core.observation import Delivery
from scheduler.http.sentences import ENOUGH_KWH, localised
from scheduler.http.views import View
from scheduler.http.wording import mass

FOUND = {
    "HOME": "At home",
    "AWAY": "Away from home",
    "UNPLUGGED": "Not plugged in",
    "UNPROVEN": "Not proven to be home",
}
DESIRED = {"charge": "The car should charge.", "hold": "The car should wait.", "leave": "The car is left alone."}
RUNGS = {
    "fresh": "today's published prices",
    "older": "older prices",
    "profile": "a usual day's prices, since none are published",
    "now": "no prices at all",
}


def steps(told: View, *, at: datetime, timezone: str, set_aside: tuple[str, ...] = ()) -> list[View]:
    """Return the chain of a decision view with its plan: each step has a `title`, a `tone` and `lines`.

    A line has a `text` and a constant `code`, which may be empty; a `need` too, where the line tells of one.
    """
    verdict, plan = told["verdict"], told["plan"]
    if verdict is None:
        return []
    found = [_step("Where it is", [_line(f"{FOUND[verdict['place']]}. {verdict['text']}", verdict["why"])])]
    found[0]["tone"] = "good" if verdict["place"] == "HOME" else "quiet"
    found.append(
        _step("What is wanted", [_need(need) for need in plan["needs"]] or [_line("Nothing asks for energy.")])
    )
    gave_way = [
        _line(f"{broken['policy']} ({broken['what']}) gave way to {broken['for_policy']}.", "gave-way")
        for broken in plan["broken"]
    ]
    if gave_way:
        found.append(_step("What gave way", gave_way, tone="warn"))
    if set_aside:
        found.append(_step("What could not be heard", [_line(one, "set-aside") for one in set_aside], tone="warn"))
    found.append(_step("The plan", _plan_lines(plan, at=at, timezone=timezone)))
    reasons = [_line(reason["text"], reason["code"]) for reason in told["reasons"]]
    found.append(_step("What follows", [_line(DESIRED[told["desired"]], told["desired"]), *reasons]))
    return found


def _step(title: str, lines: list[View], *, tone: str = "") -> View:
    return {"title": title, "tone": tone, "lines": lines}


def _line(text: str, code: str = "") -> View:
    return {"text": text, "code": code, "need": None}


def _need(need: View) -> View:
    if need["energy_kwh"] <= ENOUGH_KWH:
        why = f" ({need['why']})" if need["why"] else ""
        return _line(f"{need['policy']}: satisfied{why}.", need["policy"])
    soc = "" if need["soc_pct"] is None else f" to reach {need['soc_pct']:.0f} %"
    guess = "" if need["quality"] == "fresh" else f" ({need['quality']} state of charge)"
    text = f"{need['policy']}: {need['energy_kwh']:.1f} kWh{soc}{guess}"
    return {"text": text, "code": need["policy"], "need": need}


def _plan_lines(plan: View, *, at: datetime, timezone: str) -> list[View]:
    lines = []
    energy = sum(slot["energy_kwh"] for slot in plan["slots"])
    if plan["slots"]:
        cost = "" if plan["cost"] is None else f", for {plan['cost']:.2f}"
        count = len(plan["slots"])
        lines.append(_line(f"{energy:.1f} kWh in {count} {'slot' if count == 1 else 'slots'}{cost}.", "slots"))
        if plan["grams"] is not None:
            lines.append(_line(f"About {mass(plan['grams'])} CO₂ expected.", "carbon"))
    else:
        lines.append(_line("No charging is planned.", "slots"))
    lines.append(_line(f"Planned on {RUNGS[plan['rung']]}.", plan["rung"]))
    if plan["shortfall_kwh"] > 0:
        why = localised(plan["shortfall_why"], at=at, timezone=timezone)
        lines.append(_line(f"{plan['shortfall_kwh']:.1f} kWh will be missing: {why}", "shortfall"))
    return lines


def facets(state: VehicleState | None) -> list[View]:
    """Return what was observed: `name`, `value` and the instant `at` for which the provider said so."""
    if state is None:
        return []
    seen = state.observation
    charge, battery = seen.charge, seen.battery
    flow = {True: "charging", False: "not charging", None: "unknown"}[charge.charging]
    power = f" at {charge.power_kw:.1f} kW" if charge.charging and charge.power_kw is not None else ""
    plug = {True: "plugged in", False: "unplugged", None: "unknown"}[charge.plugged]
    at_charger = f" at charger {charge.charger_id}" if charge.charger_id else ""
    reach = {True: "reachable", False: "out of reach", None: "unknown"}[seen.reachable]
    return [
        _facet("State of charge", _number(battery.soc_pct, " %"), battery.at),
        _facet("Plug", plug + at_charger, charge.at),
        _facet("Charging", flow + power, charge.at),
        _facet("Car's own limit", _number(charge.limit_pct, " %"), charge.at),
        _facet("Place", seen.place.location_id or "none of the known places", seen.place.at),
        _facet("Connection", reach, seen.seen_at),
    ]


def _facet(name: str, value: str, at: datetime | None) -> View:
    return {"name": name, "value": value, "at": at}


def _number(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{value:.0f}{unit}"


def next_change(last: tuple[Situation, Decision] | None, *, at: datetime) -> View | None:
    """Return what changes next by plan: `what` and the instant `at`; None when nothing is planned."""
    if last is None:
        return None
    plan = last[1].plan
    if last[1].desired is Desired.CHARGE and (slot := plan.slot_at(at)) is not None:
        end = slot.end
        for later in plan.slots:
            end = later.end if later.start == end else end
        return {"what": "Charges until", "at": end}
    start = plan.next_start(at)
    return None if start is None else {"what": "Starts at", "at": start}


def tone_of(vehicle: View) -> tuple[str, str]:
    """Return a vehicle's state in a word or two, and its tone (good, warn, quiet, bad)."""
    place = vehicle["verdict"]["place"] if vehicle["verdict"] else None
    states: tuple[tuple[Any, str, str], ...] = (
        (vehicle["gone"], "Gone from Enode", "bad"),
        (vehicle["credentials_lost_at"], "Link lost", "bad"),
        (place is None, "Not seen yet", "quiet"),
        (place == "UNPLUGGED", "Unplugged", "quiet"),
        (place == "AWAY", "Away", "quiet"),
        (place == "UNPROVEN", "Not proven home", "warn"),
        (vehicle["charging"], "Charging", "good"),
        (vehicle["desired"] == "hold", "Waiting", ""),
        (vehicle["delivery"] == Delivery.COMPLETE, "Charged", "good"),
        (True, "Plugged in", ""),
    )
    return next((text, tone) for holds, text, tone in states if holds)
