"""A reading connection on which no query takes for ever: one that does keeps the log from being folded in (B06)."""

import time
from typing import Any

READ_S = 30.0
"""What one query may take. Pages are read in parts of some hundred rows, which take milliseconds."""

LOOKED_AFTER = 200_000
"""Steps of SQLite's machine between two looks at the clock: some milliseconds."""


class TimeBoxed:
    """A connection whose queries are broken off when they take too long; the driver then raises `interrupted`.

    Args:
        connection: a driver's, of SQLite.
        within_s: what the queries of one cursor may take together [s].
    """

    def __init__(self, connection: Any, *, within_s: float = READ_S) -> None:
        self._connection = connection
        self._within_s = within_s
        self._until = 0.0
        connection.set_progress_handler(self._over, LOOKED_AFTER)

    def cursor(self) -> Any:
        """Return a cursor, whose time begins now."""
        self._until = time.monotonic() + self._within_s
        return self._connection.cursor()

    def close(self) -> None:
        """Let go."""
        self._connection.close()

    def _over(self) -> bool:
        return time.monotonic() > self._until
