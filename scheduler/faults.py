"""A growing delay after internal faults, so that a daemon which fails at every start does not hammer anybody (X02)."""

import contextlib
import json
import time
from pathlib import Path
from typing import Final

from scheduler import notify

FIRST_S: Final = 5.0
MOST_S: Final = 600.0
STARTING_S: Final = 120.0
"""What a start may take after the delay, before systemd loses patience."""


class Faults:
    """Counts internal faults in a row in a small file beside the database; without one it counts nothing."""

    forgiven_after_s = 900.0

    def __init__(self, path: Path | None) -> None:
        self._path = path

    @classmethod
    def beside(cls, storage_url: str) -> "Faults":
        """Keep the count beside an SQLite database; another engine has no such place."""
        prefix = "sqlite:///"
        return cls(Path(storage_url.removeprefix(prefix) + ".faults") if storage_url.startswith(prefix) else None)

    @property
    def count(self) -> int:
        """How many faults there were in a row."""
        try:
            return int(json.loads(self._path.read_text())["faults"]) if self._path else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    @property
    def delay_s(self) -> float:
        """How long to wait before the next start: 0, 5, 10, 20 … 600 s."""
        return min(FIRST_S * 2.0 ** min(self.count - 1, 10), MOST_S) if self.count else 0.0

    def wait(self) -> None:
        """Wait out the delay; systemd is told, so that it does not take it for a start that hangs."""
        delay_s = self.delay_s
        if delay_s:
            told = f"waiting {delay_s:.0f} s after {self.count} internal faults in a row"
            notify.notify(notify.extended(delay_s + STARTING_S), notify.status(told))
            time.sleep(delay_s)

    def note(self) -> None:
        """Count one more; where nothing can be written, as on a full disk, nothing is."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.write_text(json.dumps({"faults": self.count + 1}))

    def clear(self) -> None:
        """Forget them: the daemon has run long enough."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
