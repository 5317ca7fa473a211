"""`kwhen webhook`: the subscription through which the provider tells its news."""

from typing import Any

import typer

from scheduler.cli.connection import Connection
from scheduler.cli.ending import NOT_SO
from scheduler.cli.options import JsonOption, SocketOption
from scheduler.cli.terminal import BAD, GOOD, QUIET, Cell, Styled, show_json, show_table

app = typer.Typer(help="The webhook subscription: how it is, make it, test it.", no_args_is_help=True)


@app.command()
def status(*, socket: SocketOption = None, as_json: JsonOption = False) -> None:
    """Show whether the subscription stands and when something last came."""
    _show(Connection(socket).get("/webhook"), as_json=as_json)


@app.command()
def ensure(*, socket: SocketOption = None, as_json: JsonOption = False) -> None:
    """Make the subscription, or make it active again."""
    _show(Connection(socket).post("/webhook", {"op": "ensure"}), as_json=as_json)


@app.command("test")
def send_test(*, socket: SocketOption = None, as_json: JsonOption = False) -> None:
    """Have the provider send a test event."""
    _show(Connection(socket).post("/webhook", {"op": "test"}), as_json=as_json)


def _show(view: dict[str, Any], *, as_json: bool) -> None:
    """Show each member; exit 1 when a test did not succeed."""
    failed = view.get("succeeded") is False
    if as_json:
        show_json(view)
    else:
        show_table(("", ""), [[Styled(key.replace("_", " "), QUIET), _word(value)] for key, value in view.items()])
    if failed:
        raise typer.Exit(NOT_SO)


def _word(value: Any) -> Cell:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return Styled("yes", GOOD) if value else Styled("no", BAD)
    return str(value)
