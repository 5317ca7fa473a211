"""`kwhen db`: bring the database to this program's schema, copy it, tell its version."""

import os
import socket
from pathlib import Path
from typing import Annotated, Any

import typer

from scheduler.cli.ending import NOT_SO
from scheduler.cli.options import ConfigOption, JsonOption
from scheduler.cli.terminal import GOOD, WARN, Styled, show, show_json

app = typer.Typer(help="The database.", no_args_is_help=True)

UrlOption = Annotated[
    str | None,
    typer.Option("--database", help="Its URL (sqlite:////var/lib/kwhen/kwhen.db), instead of the configuration's."),
]


def database_url(given: str | None, config: Path | None) -> str:
    """Return the URL given, or that of the configuration. Raises ConfigError."""
    if given is not None:
        return given
    from scheduler.cli.configured import settings_of

    return settings_of(config).storage_url


@app.command()
def version(*, database: UrlOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Tell the schema of the database and the engine; exit 1 when `kwhen db upgrade` is due."""
    from storage.schema import describe

    _show(describe(database_url(database, config)), as_json=as_json)


@app.command()
def upgrade(*, database: UrlOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Create the database or bring it to this program's schema, whole or not at all, after a copy."""
    from scheduler.clock import SystemClock
    from storage.schema import upgrade as upgrade_schema

    url = database_url(database, config)
    done = upgrade_schema(url, clock=SystemClock(), node=socket.gethostname(), pid=os.getpid())
    _show(done, as_json=as_json)


def _show(found: Any, *, as_json: bool) -> None:
    if as_json:
        show_json(
            {"database": found.name, "schema": found.revision, "needed": found.head, "current": found.current,
             "engine": found.engine, "warning": found.warning}
        )  # fmt: skip
    else:
        fit = Styled("up to date", GOOD) if found.current else Styled(f"this program needs {found.head}", WARN)
        if found.revision is None:
            fit = Styled("not there yet: `kwhen run` or `kwhen db upgrade` makes it", WARN)
        show((f"{found.name}: schema {found.revision or '–'}, ", fit, f", {found.engine}"))
        if found.warning:
            show((Styled("warning: ", WARN), found.warning))
    if not found.current:
        raise typer.Exit(NOT_SO)


@app.command()
def backup(
    *,
    file: Annotated[Path, typer.Argument(help="Where the copy goes; must not exist yet.")],
    database: UrlOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the database, consistent, also while the daemon runs."""
    from storage.schema import backup as copy

    copy(database_url(database, config), str(file))
    size = file.stat().st_size if file.exists() else 0
    if as_json:
        show_json({"file": str(file), "bytes": size})
    else:
        show((Styled("copied: ", GOOD), f"{file} ({size / 1e6:.1f} MB)"))
