"""Options that many commands share."""

import os
from pathlib import Path
from typing import Annotated

import typer

SocketOption = Annotated[
    Path | None,
    typer.Option("--socket", envvar="KWHEN_SOCKET", help="Socket of the running daemon.", show_default=False),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="KWHEN_CONFIG", help="Configuration file (TOML).", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CarArgument = Annotated[str, typer.Argument(metavar="CAR", help="Id or name of a car, or the beginning of one.")]
CarOption = Annotated[str | None, typer.Option("--car", help="Only this car: id, name, or the beginning of one.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="At most so many.")]

SYSTEM_CONFIG = Path("/etc/kwhen/kwhen.toml")


def config_path(given: Path | None) -> Path:
    """Return the configuration file to use: the one given, the person's own, or the system's."""
    if given is not None:
        return given
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    own = Path(home) / "kwhen" / "kwhen.toml"
    return own if own.exists() else SYSTEM_CONFIG
