"""What a person wants: `kwhen override` and `kwhen release`."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from scheduler.cli.connection import Connection, vehicle_path
from scheduler.cli.ending import USAGE, Ending
from scheduler.cli.looking import wish
from scheduler.cli.options import CarArgument, JsonOption, SocketOption
from scheduler.cli.terminal import GOOD, QUIET, STRONG, WARN, Styled, show, show_json

UntilOption = Annotated[
    str | None,
    typer.Option("--until", help="When it ends by itself: 06:00, or 2026-11-21T06:00 (local time of the home)."),
]

overrides = typer.Typer(help="Say once what a car shall do; it ends with the unplug.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(overrides, name="override", rich_help_panel="Wishing")
    app.command(rich_help_panel="Wishing")(release)


@overrides.command()
def charge(
    *, car: CarArgument, until: UntilOption = None, socket: SocketOption = None, as_json: JsonOption = False
) -> None:
    """Charge now, whatever it costs."""
    _ask(socket, car, {"will": "charge", "until": until}, as_json=as_json)


@overrides.command()
def hold(
    *, car: CarArgument, until: UntilOption = None, socket: SocketOption = None, as_json: JsonOption = False
) -> None:
    """Do not charge, not even for a departure."""
    _ask(socket, car, {"will": "hold", "until": until}, as_json=as_json)


@overrides.command("ready-by")
def ready_by(
    *,
    car: CarArgument,
    at: Annotated[str, typer.Option("--at", help="When: 07:30, or 2026-11-21T07:30 (local time of the home).")],
    soc: Annotated[
        float | None, typer.Option("--soc", min=1, max=100, help="Target [%]; the usual one if not given.")
    ] = None,
    until: UntilOption = None,
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Be charged by a time, as cheaply as that allows."""
    _ask(socket, car, {"will": "ready-by", "ready_at": at, "soc_pct": soc, "until": until}, as_json=as_json)


@overrides.command()
def auto(*, car: CarArgument, socket: SocketOption = None, as_json: JsonOption = False) -> None:
    """Take back what was asked: the policies decide again."""
    view = Connection(socket).delete(vehicle_path(car, "/override"), by="cli")
    if as_json:
        show_json(view)
        return
    show((Styled(view["name"], STRONG), ": the policies decide again."))


def _ask(socket: Any, car: str, wanted: dict[str, Any], *, as_json: bool) -> None:
    body = {key: value for key, value in wanted.items() if value is not None} | {"by": "cli"}
    view = Connection(socket).post(vehicle_path(car, "/override"), body)
    if as_json:
        show_json(view)
        return
    now = datetime.fromisoformat(view["override"]["set_at"]).astimezone(UTC)
    told = wish(view["override"], view["timezone"], now)
    lasts = "" if view["override"]["until"] else Styled(" It ends when the car is unplugged.", QUIET)
    show((Styled(view["name"], STRONG), ": ", Styled(told, GOOD), ".", lasts))
    if not view["at_home"]:
        show(Styled("The car is not proven to be plugged in at home now: nothing is sent before it is.", WARN))


def release(
    *,
    car: Annotated[str | None, typer.Argument(metavar="[CAR]", help="Id or name of a car.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every car that we hold.")] = False,
    socket: SocketOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start the cars that we hold back, for example before kwhen is removed."""
    if every == (car is not None):
        raise Ending(USAGE, "name a car, or give --all", remedy="kwhen release Polly, or kwhen release --all")
    view = Connection(socket).post("/release", {"all": True} if every else {"vehicles": [car]})
    if as_json:
        show_json(view)
        return
    if not view["asked"]:
        show(Styled("Nothing is held: nothing to release.", QUIET))
    for one in view["asked"]:
        show((Styled(one["name"], STRONG), ": to be started. `kwhen actions` shows what becomes of it."))
