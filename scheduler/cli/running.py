"""`kwhen run`, `check` and `demo`."""

from typing import Annotated

import typer

from scheduler.cli.ending import CONFIGURATION, Ending
from scheduler.cli.options import ConfigOption, JsonOption, config_path
from scheduler.cli.terminal import GOOD, WARN, Styled, show, show_json

PANEL = "Running"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (run, check, demo):
        app.command(rich_help_panel=PANEL)(command)


def run(*, config: ConfigOption = None) -> None:
    """Run the daemon until it is told to stop."""
    from scheduler.process import run as run_daemon

    raise typer.Exit(run_daemon(config_path(config)))


def check(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check a configuration file: every problem at once, with its key and what to do."""
    from scheduler.cli.configured import doubts_about, settings_of
    from scheduler.core.errors import ConfigError

    path = config_path(config)
    try:
        settings = settings_of(path)
    except ConfigError as error:
        problems = list(error.problems)
        if as_json:
            show_json({"file": str(path), "ok": False, "problems": problems, "warnings": []})
            raise typer.Exit(CONFIGURATION) from error
        count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
        raise Ending(CONFIGURATION, f"{path}: {count}", details=problems, remedy="Mend what is named above.") from error
    doubts = doubts_about(settings)
    if as_json:
        show_json({"file": str(path), "ok": True, "problems": [], "warnings": doubts})
        return
    for doubt in doubts:
        show((Styled("warning: ", WARN), doubt))
    cars = sum(len(home.vehicles) for home in settings.homes)
    show((Styled("good: ", GOOD), f"{path}: homes {len(settings.homes)}, cars {cars}"))


def demo(
    *,
    fast: Annotated[bool, typer.Option("--fast", help="As fast as it can, on one virtual clock.")] = False,
    days: Annotated[
        int | None, typer.Option(min=1, max=4000, help="How many days; default: 7 with --fast, else until Ctrl-C.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated world.")] = 1,
    as_json: JsonOption = False,
    polling_only: Annotated[bool, typer.Option("--polling-only", help="Without webhooks.")] = False,
    speed: Annotated[float, typer.Option(min=1, help="How many times as fast time runs (without --fast).")] = 600.0,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of the page; 0 is any free one.")] = 8765,
    dashboard: Annotated[bool, typer.Option("--dashboard", help="The page with which to take part.")] = False,
) -> None:
    """Show the whole of it on a simulated world: two homes, three cars, no account, no network."""
    from scheduler.cli.demo import demo_command

    raise typer.Exit(
        demo_command(
            fast=fast,
            days=days,
            seed=seed,
            as_json=as_json,
            polling_only=polling_only,
            speed=speed,
            port=port,
            dashboard=dashboard,
        )
        or 0
    )
