"""`kwhen doctor`: looks at everything that can be wrong around the daemon, and says what to do about it."""

from typing import Annotated

import typer

from scheduler.cli.ending import NOT_SO
from scheduler.cli.options import ConfigOption, JsonOption, SocketOption, config_path
from scheduler.cli.terminal import BAD, GOOD, QUIET, STRONG, WARN, Cell, Styled, show_json, show_table

MARKS = {"ok": Styled("ok", GOOD), "warn": Styled("warn", WARN), "fail": Styled("fail", BAD)}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Upkeep")(doctor)


def doctor(
    *,
    online: Annotated[bool, typer.Option("--online", help="Ask the provider and the price sources, too.")] = False,
    config: ConfigOption = None,
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Examine installation, configuration, secrets, database, clock and daemon; exit 1 when something fails."""
    from scheduler.cli.examination import examine

    findings = list(examine(config=config_path(config), socket=socket, online=online))
    failed = any(one.level == "fail" for one in findings)
    if as_json:
        show_json({"ok": not failed, "findings": [one.as_json() for one in findings]})
    else:
        rows: list[list[Cell]] = []
        for one in findings:
            rows.append([MARKS[one.level], Styled(one.name, "" if one.level == "ok" else STRONG), one.text])
            if one.remedy:
                rows.append(["", "", Styled(f"→ {one.remedy}", QUIET)])
        show_table(("", "", ""), rows)
    if failed:
        raise typer.Exit(NOT_SO)
