"""`kwhen password`: a way into the dashboard for who may use the daemon's socket."""

import typer

from scheduler.cli.connection import Connection
from scheduler.cli.options import JsonOption, SocketOption
from scheduler.cli.terminal import QUIET, STRONG, Styled, show, show_json

app = typer.Typer(help="The password of the dashboard.", no_args_is_help=True)


@app.command()
def code(*, socket: SocketOption = None, as_json: JsonOption = False) -> None:
    """Print a code with which a new password can be set once; the code before it is worth nothing any more."""
    made = Connection(socket).post("/password/code", {})
    if as_json:
        show_json(made)
        return
    show(("Set-up code  ", Styled(made["code"], STRONG)))
    where = (
        "at /login/code of the dashboard; the password of now holds until then" if made["known"] else "of the dashboard"
    )
    show(Styled(f"Type it {where}.", QUIET))
