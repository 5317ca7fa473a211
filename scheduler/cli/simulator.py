"""`kwhen simulator`: the provider of our own, served alone."""

from enum import StrEnum
from typing import Annotated

import typer

from scheduler.cli.ending import NOT_SO, Ending
from scheduler.cli.options import JsonOption


class WorldName(StrEnum):
    """What there is to begin with: several homes, an owner with nothing linked yet, or the demonstration's cars."""

    STANDALONE = "standalone"
    OWNER = "owner"
    DEMO = "demo"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("simulator", rich_help_panel="Running")(simulator)


def simulator(
    *,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="TCP port on 127.0.0.1; 0 is any free one.")] = 0,
    as_json: JsonOption = False,
    speed: Annotated[float, typer.Option(min=0.01, max=10_000, help="How many times as fast its time runs.")] = 1.0,
    haste: Annotated[
        float, typer.Option(min=0.01, max=1_000, help="How many times as quick a car comes home, and devices react.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of everything that is random in it.")] = 1,
    world: Annotated[WorldName, typer.Option(help="What there is to begin with.")] = WorldName.STANDALONE,
) -> None:
    """Serve a simulated Enode with cars, chargers and owners, until Ctrl-C."""
    from simulator.command import main

    try:
        main(port=port, as_json=as_json, speed=speed, haste=haste, seed=seed, world=world.value)
    except OSError as error:
        raise Ending(
            NOT_SO, f"port {port} cannot be used: {error.strerror}", remedy="Choose another --port."
        ) from error
