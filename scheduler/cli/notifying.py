"""`kwhen notify`: whether alerts reach a person."""

import typer

from scheduler.cli.connection import Connection
from scheduler.cli.ending import NOT_SO, Ending
from scheduler.cli.options import JsonOption, SocketOption
from scheduler.cli.terminal import BAD, GOOD, QUIET, STRONG, Cell, Styled, show_json, show_table

app = typer.Typer(help="Who is told of alerts: see whether that works.", no_args_is_help=True)


@app.callback()
def _notify() -> None:
    pass


@app.command("test")
def send_test(*, socket: SocketOption = None, as_json: JsonOption = False) -> None:
    """Send a test message through each notifier of the running daemon; exit 1 when one of them fails."""
    found = Connection(socket).post("/notify/test", {})["notifiers"]
    failed = not all(one["taken"] for one in found)
    if as_json:
        show_json({"ok": bool(found) and not failed, "notifiers": found})
    elif found:
        rows: list[list[Cell]] = []
        for one in found:
            mark = Styled("sent", GOOD) if one["taken"] else Styled("failed", BAD)
            rows.append([mark, Styled(one["name"], STRONG), one["why"]])
            if one["remedy"]:
                rows.append(["", "", Styled(f"→ {one['remedy']}", QUIET)])
        show_table(("", "", ""), rows)
    if not found:
        remedy = "" if as_json else "Add a [[notify]] table, then `systemctl reload kwhen`."
        raise Ending(NOT_SO, "no notifier is configured: alerts reach nobody who does not look", remedy=remedy)
    if failed:
        raise typer.Exit(NOT_SO)
