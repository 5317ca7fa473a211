"""`kwhen solve`: the planner for other programs, a line of JSON in, a line of JSON out.

Nothing of the daemon is imported, and what plans not before it is asked to, so that it is quick to start.
"""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

PANEL = "Looking"


def add_to(app: "typer.Typer") -> None:
    """Add the command."""
    app.command(rich_help_panel=PANEL)(solve)


def solve() -> None:
    """Answer planning questions of other programs: a line of JSON in, a line of JSON out."""
    status = run()
    if status:
        raise SystemExit(status)


def run() -> int:
    """Answer standard input on standard output until it ends; return the exit status."""
    from scheduler.cli.solve_line import answered

    try:
        for line in sys.stdin.buffer:
            sys.stdout.buffer.write(answered(line) + b"\n")
            sys.stdout.buffer.flush()
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    return 0
