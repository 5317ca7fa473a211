"""All commands together, and how each of them may end."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from scheduler.cli import (
    database,
    doctor,
    home,
    housing,
    journal,
    linking,
    looking,
    notifying,
    password,
    planning,
    pricing,
    running,
    simulator,
    solve,
    webhook,
    wishing,
)
from scheduler.cli.ending import CONFIGURATION, DATABASE, FAULT, GOOD, NOT_SO, Ending
from scheduler.cli.terminal import complain, never_mind_letters
from scheduler.core.errors import ConfigError, KwhenError, ProviderError, StoreLocked, StoreNewer

app = typer.Typer(
    name="kwhen",
    help="kWh, when? Charges electric vehicles when it is cheapest, and says why.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if sys.stdout.isatty() else None,  # rich is slow to import and of no use in a pipe
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for group in (running, simulator, looking, planning, pricing, solve, wishing, doctor):
    group.add_to(app)
app.add_typer(journal.app, name="journal", rich_help_panel="Upkeep")
housing.add_to(app, home.homes)
app.add_typer(home.homes, name="home", rich_help_panel="Linking")
app.add_typer(linking.app, name="link", rich_help_panel="Linking")
app.add_typer(webhook.app, name="webhook", rich_help_panel="Linking")
app.add_typer(notifying.app, name="notify", rich_help_panel="Upkeep")
app.add_typer(password.app, name="password", rich_help_panel="Upkeep")
app.add_typer(database.app, name="db", rich_help_panel="Upkeep")


def _version(asked: bool) -> None:
    if asked:
        from scheduler import __version__

        print(f"kwhen {__version__}")
        raise typer.Exit


@app.callback()
def _kwhen(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status; only what nobody foresaw shows a trace, when it is asked for."""
    never_mind_letters()
    try:
        app(args=None if arguments is None else list(arguments), prog_name="kwhen")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else GOOD if end.code is None else NOT_SO
    except Ending as end:
        complain(end.title, end.details, end.remedy)
        return end.status
    except BrokenPipeError:  # `kwhen … | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return GOOD
    except KeyboardInterrupt:
        return 130
    except KwhenError as error:
        return _expected(error)
    except Exception as error:
        if os.environ.get("KWHEN_TRACEBACK"):
            raise
        remedy = "Set KWHEN_TRACEBACK=1 to see where, and please report it."
        complain(f"internal fault: {type(error).__name__}: {error}", remedy=remedy)
        return FAULT
    return GOOD


def _expected(error: KwhenError) -> int:
    match error:
        case ConfigError():
            complain("the configuration is wrong", error.problems, "Mend the file; `kwhen check` checks it.")
            return CONFIGURATION
        case StoreNewer():
            complain(str(error), remedy="Install the newer kwhen, or restore a backup; nothing was changed.")
            return DATABASE
        case StoreLocked():
            complain(str(error), remedy="Stop that daemon first.")
        case ProviderError():
            complain(str(error), remedy="`kwhen doctor --online` tests the connection.")
        case _:
            complain(str(error))
    return NOT_SO
