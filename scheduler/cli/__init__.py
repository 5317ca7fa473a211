"""The command `kwhen`. Each module is a group of commands; whatever is slow to import waits until it is used."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status (`scheduler.cli.ending` lists them)."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given == ["solve"]:  # other programs start it often: it needs none of the other commands
        from scheduler.cli.solve import run as solve

        return solve()
    from scheduler.cli.application import run

    return run(given)
