"""What is meant and why: `kwhen plan` and `kwhen explain`."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from scheduler.cli.connection import Connection, vehicle_path
from scheduler.cli.looking import battery, money
from scheduler.cli.options import CarArgument, JsonOption, SocketOption
from scheduler.cli.terminal import BAD, GOOD, QUIET, STRONG, WARN, Cell, Styled, columns, show, show_json, show_table
from scheduler.core.calendar import zone_named
from scheduler.http.wording import local

PANEL = "Looking"
BLOCKS = "▁▂▃▄▅▆▇█"
STEP = timedelta(minutes=30)
"""How much time one character of the price curve stands for."""

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
        show(Styled("Nothing is planned.", QUIET))
        return
    _curve(view, now)
    _needs(view, now)
    _slots(view, now)
    total = sum(slot["energy_kwh"] for slot in view["slots"])
    cost = money(view["cost"], view["currency"])
    show(Styled(f"{total:.1f} kWh{f' for {cost}' if cost else ''}, prices: {view['rung']}", QUIET))
    _troubles(view)


def _curve(view: View, now: datetime) -> None:
    """Draw the prices from now on, one character a half hour, green where the car charges."""
    prices, slots = _spans(view["prices"]), _spans(view["slots"])
    if not prices:
        return
    zone = zone_named(view["timezone"])
    start = now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0)
    wanted = [end for _, end, _ in slots] + [datetime.fromisoformat(n["by"]) for n in view["needs"] if n["by"]]
    end = max([start + timedelta(hours=12), *wanted]) + timedelta(hours=1)
    width = min(int((end - start) / STEP), columns() - 16, 96)
    times = [start + i * STEP for i in range(width)]
    figures = [_price_in(prices, at) for at in times]
    known = [figure for figure in figures if figure is not None]
    if not known:
        return
    low, high = min(known), max(known)
    show()
    line: list[Cell] = []
    for at, figure in zip(times, figures, strict=True):
        charging = any(begin < at + STEP and at < finish for begin, finish, _ in slots)
        block = "·" if figure is None else BLOCKS[min(int((figure - low) / ((high - low) or 1.0) * 8), 7)]
        line.append(Styled(block, GOOD if charging else QUIET))
    show([*line, Styled(f"  {low:.2f} … {high:.2f}", QUIET)])
    show("".join("▔" if any(b < at + STEP and at < f for b, f, _ in slots) else " " for at in times))
    marks = [" "] * (width + 6)
    for i, at in enumerate(times):
        there = at.astimezone(zone)
        if there.minute == 0 and there.hour % 3 == 0 and i + 5 <= len(marks):
            marks[i : i + 5] = f"{there:%H:%M}"
    show(Styled("".join(marks).rstrip(), QUIET))
    show()


def _spans(found: list[View]) -> list[tuple[datetime, datetime, float | None]]:
    return [
        (datetime.fromisoformat(one["start"]), datetime.fromisoformat(one["end"]), one["price_per_kwh"])
        for one in found
    ]


def _price_in(prices: list[tuple[datetime, datetime, float | None]], at: datetime) -> float | None:
    return next((price for start, end, price in prices if start <= at < end), None)


def _needs(view: View, now: datetime) -> None:
    for need in view["needs"]:
        what = f"{need['soc_pct']:.0f} %" if need["soc_pct"] is not None else f"{need['energy_kwh']:.1f} kWh"
        by = f"by {_at(need['by'], view, now)}" if need["by"] else "at once"
        latest = f", latest start {_at(need['latest_start_at'], view, now)}" if need["latest_start_at"] else ""
        missing = f"{need['energy_kwh']:.1f} kWh missing"
        show((Styled(f"{need['policy']}: ", QUIET), f"{what} {by}, {missing}{latest}"))


def _slots(view: View, now: datetime) -> None:
    rows: list[list[Cell]] = []
    for slot in view["slots"]:
        price = money(slot["price_per_kwh"], f"{view['currency']}/kWh", 3)
        expected = "" if slot["published"] else "expected "
        rows.append(
            [
                _at(slot["start"], view, now),
                _at(slot["end"], view, now),
                f"{slot['energy_kwh']:.1f} kWh",
                f"{expected}{price}",
                Styled(slot["why"], QUIET),
            ]
        )
    if rows:
        show()
    show_table(("FROM", "TO", "ENERGY", "PRICE", "WHY"), rows, right=("ENERGY", "PRICE"))


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
    plan_slots = view["plan"]["slots"]
    if plan_slots:
        asked = datetime.fromisoformat(view["at"])
        told = [f"{_at(slot['start'], view, asked)}-{_at(slot['end'], view, asked)}" for slot in plan_slots[:6]]
        more = f" and {len(plan_slots) - 6} more" if len(plan_slots) > 6 else ""  # noqa: PLR2004
        rows.append([Styled("planned", QUIET), ", ".join(told) + more])
    return rows


def _power(seen: View) -> str:
    return f", {seen['power_kw']:.1f} kW" if seen.get("charging") and seen.get("power_kw") else ""
