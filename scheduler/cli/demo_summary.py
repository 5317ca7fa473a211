"""The end of a demonstration as a person reads it."""

from collections.abc import Mapping
from datetime import datetime

from scheduler.cli.demo_report import Report, totals
from scheduler.cli.terminal import BAD, GOOD, QUIET, STRONG, WARN, Cell, Styled, show, show_table
from scheduler.core.calendar import zone_named


def show_sessions(report: Report, names: Mapping[str, str], zones: Mapping[str, str]) -> None:
    """Print one row a plug session at home; `names` by vehicle id, `zones` by home id."""
    rows: list[list[Cell]] = []
    for one in report["sessions"]:
        zone = zones[one["home"]]
        left = "" if one["departure_at"] is None else _local(one["departure_at"], zone)
        soc = one["soc_at_departure_pct"]
        rows.append(
            [
                Styled(names[one["vehicle"]], STRONG),
                _local(one["plugged_at"], zone),
                f"{one['energy_kwh']:.1f} kWh",
                f"{one['cost']:.2f} {one['currency']}",
                Styled(f"{one['baseline_cost']:.2f}", QUIET),
                left,
                "" if soc is None else f"{soc:.0f} %",
                _verdict(one),
            ]
        )
    headings = ("car", "plugged in", "energy", "cost", "at once", "ready by", "had", "")
    show_table(headings, rows, right=("energy", "cost", "at once", "had"))


def _local(text: str, zone: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(zone_named(zone)):%a %H:%M}"


def _verdict(session: Report) -> Styled:
    if session["met"]:
        return Styled("met", GOOD)
    if session["met"] is None:
        return Styled("no departure", QUIET)
    if not session["reachable"]:
        return Styled(f"out of reach: {session['shortfall_why']}", WARN)
    return Styled(f"missed: {session['shortfall_why']}", BAD)


def show_totals(report: Report) -> None:
    """Print energy, money, commands and broken rules."""
    for currency, energy_kwh, cost, at_once in totals(report["sessions"]):
        saved = f"{100 * (1 - cost / at_once):.0f} % saved" if at_once > 0 else ""
        told = f"{energy_kwh:.1f} kWh for {cost:.2f} {currency}; charged at once: {at_once:.2f} {currency}. "
        show((told, Styled(saved, GOOD)))
    commands = report["commands"]
    verified = sum(one["verified"] for one in commands)
    failed = [one["failure"]["type"] for one in commands if one["failure"] is not None and one["state"] == "failed"]
    other = f", failed: {', '.join(failed)}" if failed else ""
    show(f"{len(commands)} commands, {verified} verified{other}.")
    away, broken = report["commands_away_from_home"], len(report["violations"])
    show(
        (
            "Sent to a car that was not at home: ",
            Styled(str(away), BAD if away else GOOD),
            ". Rules broken: ",
            Styled(str(broken), BAD if broken else GOOD),
            ".",
        )
    )
    for one in report["violations"]:
        show(("  ", Styled(one["rule"], BAD), f" {one['text']}"))
