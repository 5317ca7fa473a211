"""What is meant and why: `kwhen plan` and `kwhen explain`."""

from datetime import datetime
from typing import Annotated, Any

import typer

from scheduler.cli.bar_chart import ASCII, UNICODE
from scheduler.cli.connection import Connection, vehicle_path
from scheduler.cli.looking import battery, co2, money
from scheduler.cli.options import CarArgument, JsonOption, SocketOption
from scheduler.cli.plan_chart import draw
from scheduler.cli.terminal import (
    BAD,
    QUIET,
    STRONG,
    WARN,
    Cell,
    Styled,
    ascii_only,
    columns,
    show,
    show_json,
    show_table,
)
from scheduler.core.calendar import zone_named
from scheduler.http.wording import local

PANEL = "Looking"
LEAST_TOLD = 0.005
"""Less money than this is nothing."""

RUNGS = {
    "fresh": "published",
    "older": "expected from earlier days",
    "profile": "unknown, the usual shape of a day",
    "now": "unknown",
}
"""What the plan stands on, by the rung of the ladder."""

View = dict[str, Any]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (plan, explain):
        app.command(rich_help_panel=PANEL)(command)


def plan(*, car: CarArgument, socket: SocketOption = None, as_json: JsonOption = False) -> None:
    """Show when a car will be charged, at what price, and what for."""
    view = Connection(socket).get(vehicle_path(car, "/plan"))
    if as_json:
        show_json(view)
        return
    now = datetime.fromisoformat(view["now"])
    show((Styled(view["name"], STRONG), f"  {view['why']}"))
    if not view["slots"] and not view["needs"]:
        why = view.get("shortfall_why")
        show(Styled(f"Nothing is planned: {why}." if why else "Nothing is planned.", WARN if why else QUIET))
        return
    chart = draw(view, width=columns(), marks=ASCII if ascii_only() else UNICODE)
    for line in [[], *chart, []] if chart else []:
        show(line)
    _needs(view, now)
    _slots(view, now)
    show(Styled(_sum(view), QUIET))
    _troubles(view)


def _sum(view: View) -> str:
    """Say what the plan brings and costs, how much of that is for safety, and the CO2 to expect."""
    total = sum(slot["energy_kwh"] for slot in view["slots"])
    cost, safety = money(view["cost"], view["currency"]), view.get("safety", {}).get("price")
    told = f"{total:.1f} kWh{f' for {cost}' if cost else ''}"
    if cost and safety is not None:
        extra = money(safety, view["currency"])
        told += f", of which {extra} for safety" if safety >= LEAST_TOLD else ", safety costs nothing"
    carbon = f"; about {co2(view['grams'])} CO2 expected" if view["grams"] is not None else ""
    return f"{told}{carbon}; prices: {RUNGS[view['rung']]}"


def _needs(view: View, now: datetime) -> None:
    for need in view["needs"]:
        latest = f", latest start {_at(need['latest_start_at'], view, now)}" if need["latest_start_at"] else ""
        missing = f"{need['energy_kwh']:.1f} kWh missing{latest}" if need["energy_kwh"] > 0 else "reached"
        why = Styled(f"  {need['why']}" if need["why"] else "", QUIET)
        show((Styled(f"{need['policy']}: ", QUIET), f"{_goal(need, view, now)}, {missing}", why))


def _goal(need: View, view: View, now: datetime) -> str:
    what = f"{need['soc_pct']:.0f} %" if need["soc_pct"] is not None else f"{need['energy_kwh']:.1f} kWh"
    return f"{what} by {_at(need['by'], view, now)}" if need["by"] else f"{what} at once"


def _slots(view: View, now: datetime) -> None:
    rows: list[list[Cell]] = []
    grams = any(slot["grams"] is not None for slot in view["slots"])
    for slot in view["slots"]:
        price = money(slot["price_per_kwh"], f"{view['currency']}/kWh", 3)
        expected = "" if slot["published"] else "expected "
        rows.append(
            [
                _at(slot["start"], view, now),
                _at(slot["end"], view, now),
                f"{slot['energy_kwh']:.1f} kWh",
                "" if slot.get("soc_pct") is None else f"{slot['soc_pct']:.0f} %",
                f"{expected}{price}",
                *([f"about {co2(slot['grams'])}" if slot["grams"] is not None else ""] if grams else []),
                Styled(slot["why"], QUIET),
            ]
        )
    if rows:
        show()
    names = ("FROM", "TO", "ENERGY", "SOC", "PRICE", *(["CO2"] if grams else []), "WHY")
    show_table(names, rows, right=("ENERGY", "SOC", "PRICE", "CO2"))


def _troubles(view: View) -> None:
    if view["shortfall_kwh"] > 0:
        show(Styled(f"{view['shortfall_kwh']:.1f} kWh will be missing: {view['shortfall_why']}", BAD))
    for one in view["broken"]:
        show(Styled(f"{one['policy']} ({one['what']}) gave way to {one['for_policy']}", WARN))


def _at(text: str, view: View, now: datetime) -> str:
    return local(datetime.fromisoformat(text), view["timezone"], now=now)


def explain(
    *,
    car: CarArgument,
    at: Annotated[
        str | None, typer.Option("--at", help="A past minute: 2026-11-21T03:10 or 03:10 (local time of the home).")
    ] = None,
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why a car was charging or not, now or at any past minute."""
    view = Connection(socket).get(vehicle_path(car, "/explain"), at=at)
    if as_json:
        show_json(view)
        return
    zone = zone_named(view["timezone"])
    asked, decided = (datetime.fromisoformat(view[key]).astimezone(zone) for key in ("at", "decided_at"))
    when = f"  {asked:%Y-%m-%d %H:%M} {view['timezone']}, decided {local(decided, view['timezone'], now=asked)}"
    show((Styled(view["name"], STRONG), Styled(when, QUIET)))
    show(view["why"])
    show()
    show_table(("", ""), _grounds(view))


def _grounds(view: View) -> list[list[Cell]]:
    seen = view["observed"]
    words = {True: "yes", False: "no", None: "not known"}
    rows: list[list[Cell]] = [
        [Styled("plugged in", QUIET), words[seen.get("plugged")]],
        [Styled("charging", QUIET), words[seen.get("charging")] + _power(seen)],
        [Styled("place", QUIET), f"{view['verdict']['place']}: {view['verdict']['text']}"],
        [Styled("battery", QUIET), (battery(view))],
        [Styled("wanted", QUIET), view["desired"]],
    ]
    rows += [[Styled("because", QUIET), (f"{reason['text']} [{reason['code']}]")] for reason in view["reasons"]]
    if view["proposal"]:
        rows.append([Styled("command", QUIET), f"{view['proposal']['action']} ({view['proposal']['why']})"])
    asked = datetime.fromisoformat(view["at"])
    for need in view["plan"]["needs"]:
        rows.append([Styled("for", QUIET), f"{_goal(need, view, asked)} ({need['why'] or need['policy']})"])
    plan_slots = view["plan"]["slots"]
    if plan_slots:
        told = [f"{_at(slot['start'], view, asked)}-{_at(slot['end'], view, asked)}" for slot in plan_slots[:6]]
        more = f" and {len(plan_slots) - 6} more" if len(plan_slots) > 6 else ""  # noqa: PLR2004
        rows.append([Styled("planned", QUIET), ", ".join(told) + more])
    return rows


def _power(seen: View) -> str:
    return f", {seen['power_kw']:.1f} kW" if seen.get("charging") and seen.get("power_kw") else ""
