"""How a command ends: its exit status, and what is said when it could not do what was asked."""

from collections.abc import Sequence

GOOD = 0
NOT_SO = 1
"""The thing asked for is not so: no such car, a violation found, a check that failed."""

USAGE = 2
DATABASE = 65
"""The database is newer than this program, or damaged."""

NOT_RUNNING = 69
FAULT = 70
CONFIGURATION = 78


class Ending(Exception):  # noqa: N818 - an end, expected, not always an error
    """Ends the command: `title` and `details` say what is wrong, `remedy` what to do."""

    def __init__(self, status: int, title: str = "", *, details: Sequence[str] = (), remedy: str = "") -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.details = tuple(details)
        self.remedy = remedy
