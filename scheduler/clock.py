"""The clock adapter: the only place that reads the machine's time."""

import asyncio
from datetime import UTC, datetime, timedelta


class SystemClock:
    """The machine's wall clock, and the event loop's clock as the monotonic one.

    Under the virtual loop both are virtual, so that the whole daemon is.
    """

    speed = 1.0

    def now(self) -> datetime:
        """Return the wall clock, aware UTC."""
        return datetime.now(UTC)  # noqa: TID251 - this is the clock adapter

    def monotonic_ns(self) -> int:
        """Return the loop's clock, which never steps [ns]."""
        return int(asyncio.get_running_loop().time() * 1e9)

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds."""
        await asyncio.sleep(max(seconds, 0.0))


class FastClock:
    """A clock that starts at an instant and runs `speed` times as fast as the machine's monotonic clock.

    `origin_s` is the reading of that clock which is `start_at`, so that two processes can share one time (the demo).
    """

    def __init__(self, *, start_at: datetime, speed: float, origin_s: float) -> None:
        self._start_at = start_at
        self.speed = speed
        self._origin_s = origin_s

    def _elapsed_s(self) -> float:
        return (asyncio.get_running_loop().time() - self._origin_s) * self.speed

    def now(self) -> datetime:
        """Return the simulated wall clock, aware UTC."""
        return self._start_at + timedelta(seconds=self._elapsed_s())

    def monotonic_ns(self) -> int:
        """Return simulated seconds since the origin [ns]."""
        return int(self._elapsed_s() * 1e9)

    async def sleep(self, seconds: float) -> None:
        """Wait so many simulated seconds."""
        await asyncio.sleep(max(seconds, 0.0) / self.speed)
