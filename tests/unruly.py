"""What a host can do to the daemon: step its clock, take nothing into its store, damage its database."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from scheduler.clock import SystemClock
from scheduler.core.errors import StoreBusy
from scheduler.ports import Store

PAGE = 4096


class SteppingClock(SystemClock):
    """The daemon's clock, whose wall part can be stepped against the world's time.

    With the start of a virtual loop it reckons that time by itself, which is the same and takes less.
    """

    def __init__(self, start_at: datetime | None = None) -> None:
        self.offset = timedelta(0)
        self._start_at = start_at

    def now(self) -> datetime:
        """Return the wall clock as the daemon's host shows it."""
        if self._start_at is None:
            return super().now() + self.offset
        return self._start_at + timedelta(seconds=asyncio.get_running_loop().time()) + self.offset


def refuse_writing(store: Store) -> Callable[[], None]:
    """Let a store take nothing from now on, as on a full or read-only disk; return what mends it."""

    async def refuse(*_args: Any, **_members: Any) -> Any:
        raise StoreBusy("the disk takes nothing")

    for name in ("commit", "put"):
        setattr(store, name, refuse)

    def mend() -> None:
        for name in ("commit", "put"):
            vars(store).pop(name, None)

    return mend


def damage(path: Path) -> None:
    """Flip the first bytes of every page of a database but the first, which a running daemon holds."""
    with path.open("r+b") as file:
        for start in range(PAGE, path.stat().st_size, PAGE):
            file.seek(start)
            held = file.read(64)
            file.seek(start)
            file.write(bytes(byte ^ 0xFF for byte in held))
