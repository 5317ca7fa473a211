"""What a kWh costs: `kwhen prices`."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from scheduler.cli.bar_chart import ASCII, UNICODE
from scheduler.cli.connection import Connection
from scheduler.cli.ending import NOT_SO, USAGE, Ending
from scheduler.cli.options import ConfigOption, JsonOption, SocketOption
from scheduler.cli.price_lines import chart, source_lines, summary
from scheduler.cli.price_table import tables
from scheduler.cli.terminal import QUIET, STRONG, WARN, Styled, ascii_only, columns, show, show_json, show_table

View = dict[str, Any]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Looking")(prices)


def prices(
    *,
    home: Annotated[str | None, typer.Option("--home", help="Only this home: its id, or the beginning of it.")] = None,
    day: Annotated[
        str | None,
        typer.Option("--day", help="Only this day: yesterday, today, tomorrow, or a date such as 2026-11-21."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Ask each configured source once, without the daemon; exit 1 if one fails.")
    ] = False,
    config: ConfigOption = None,
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a kWh costs each home today and tomorrow, in parts, and how the price sources are."""
    if check:
        if home is not None or day is not None:
            raise Ending(USAGE, "--check asks every source of the configuration", remedy="Leave out --home and --day.")
        _check(config, as_json=as_json)
        return
    connection = Connection(socket)
    names = [home] if home is not None else [one["id"] for one in connection.get("/homes")["homes"]]
    found = [connection.get(f"/homes/{quote(one, safe='')}/prices", day=day) for one in names]
    series = connection.get("/prices")["prices"]
    if as_json:
        show_json({"homes": found, "prices": series})
        return
    for view in found:
        _home(view)
    if home is None:
        _others(found, series, connection)


def _home(view: View) -> None:
    now, zone = datetime.fromisoformat(view["now"]), view["timezone"]
    show((Styled(view["home"], STRONG), Styled(f"  {zone}, {view['currency']} per kWh", QUIET)))
    for source in view["sources"]:
        for line in source_lines(source, timezone=zone, now=now):
            show(("  ", *line))
    show()
    if not view["slots"] and not view["carbon"]:
        show(Styled(_why_none(view), WARN))
        show()
        return
    plain = ascii_only()
    drawn = chart(view, width=columns(), marks=ASCII if plain else UNICODE)
    for line in [*drawn, []] if drawn else []:
        show(line)
    if told := summary(view):
        show(told[0].upper() + told[1:])
        show()
    for table in tables(view, width=columns(), plain=plain):
        show(table.heading)
        show_table(table.names, table.rows, right=table.right)
        show()


def _why_none(view: View) -> str:
    if view["sources"]:
        return "No price is known yet."
    return "No policy of this home states a price: cars charge by time and deadline alone."


def _others(found: list[View], series: list[View], connection: Connection) -> None:
    """Show the sources that no home reads."""
    read = {source["name"] for view in found for source in view["sources"]}
    others = [one for one in series if one["name"] not in read]
    if not found and not series:
        show(Styled("No home and no price source is configured.", QUIET))
    if others:
        show(Styled("Sources that no home reads", STRONG))
    now = datetime.fromisoformat(connection.get("/status")["at"]) if others else None
    for one in others:
        assert now is not None
        for line in source_lines(one, timezone="UTC", now=now):
            show(("  ", *line))


def _check(config: Path | None, *, as_json: bool) -> None:
    from scheduler.cli.configured import settings_of
    from scheduler.cli.source_check import check_sources

    checked = check_sources(settings_of(config))
    good = all(one.ok for one in checked)
    if as_json:
        show_json({"ok": good, "sources": [one.as_json() for one in checked]})
    else:
        for one in checked:
            for line in one.lines():
                show(line)
        if not checked:
            show(Styled("No price source is configured.", QUIET))
    if not good:
        raise typer.Exit(NOT_SO)
