"""The command `kwhen`. Each module is a group of commands; whatever is slow to import waits until it is used."""

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status (`scheduler.cli.ending` lists them)."""
    from scheduler.cli.application import run

    return run(arguments)
