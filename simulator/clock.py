"""The simulator's time: an event loop's clock, run at a chosen speed."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from simulator.agenda import Agenda, Timer


class Handle(Protocol):
    """Something that was asked for and can be called off."""

    def cancel(self) -> None:
        """Call it off."""
        ...


class Clock(Protocol):
    """Simulated time, as the simulator reads it and waits for it."""

    def now(self) -> datetime:
        """Return the present simulated instant (aware, UTC)."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for that many simulated seconds."""
        ...

    async def sleep_until(self, at: datetime) -> None:
        """Wait until a simulated instant; return at once if it has passed."""
        ...

    def call_at(self, at: datetime, do: Callable[[], None]) -> Handle:
        """Have the running loop call `do` at a simulated instant; the handle cancels it."""
        ...


class LoopClock:
    """Time of the running event loop from `start_at` on, `speed` simulated seconds for each of the loop's.

    The loop may be a real one or one with a virtual clock: nothing here reads the machine's wall clock. `origin_s` is
    the reading of the loop's clock at `start_at`, so that several processes of one machine can share a time; without it
    time starts to run when the clock is first read inside a loop.
    """

    def __init__(self, start_at: datetime, speed: float = 1.0, *, origin_s: float | None = None) -> None:
        if start_at.tzinfo is None:
            raise ValueError("start_at must be aware")
        if speed <= 0:
            raise ValueError("speed must be positive")
        self.start_at = start_at.astimezone(UTC)
        self.speed = speed
        self._origin_s = origin_s

    def _loop(self) -> tuple[asyncio.AbstractEventLoop, float]:
        loop = asyncio.get_running_loop()
        if self._origin_s is None:
            self._origin_s = loop.time()
        return loop, self._origin_s

    def now(self) -> datetime:
        """Return the present simulated instant (aware, UTC)."""
        loop, origin_s = self._loop()
        return self.start_at + timedelta(seconds=(loop.time() - origin_s) * self.speed)

    async def sleep(self, seconds: float) -> None:
        """Wait for that many simulated seconds."""
        self._loop()
        await asyncio.sleep(max(0.0, seconds) / self.speed)

    async def sleep_until(self, at: datetime) -> None:
        """Wait until a simulated instant; return at once if it has passed."""
        await self.sleep((at - self.now()).total_seconds())

    def call_at(self, at: datetime, do: Callable[[], None]) -> Handle:
        """Have the running loop call `do` at a simulated instant; the handle cancels it."""
        loop, origin_s = self._loop()
        return loop.call_at(origin_s + (at - self.start_at).total_seconds() / self.speed, do)


class ManualClock:
    """Time that stands still until it is advanced; nothing here waits for anything real."""

    def __init__(self, start_at: datetime) -> None:
        self._agenda = Agenda(start_at.astimezone(UTC))

    def now(self) -> datetime:
        """Return the present simulated instant (aware, UTC)."""
        return self._agenda.now

    def advance(self, seconds: float) -> None:
        """Let so much time pass; what was asked for in between happens in its order."""
        self._agenda.run_until(self._agenda.now + timedelta(seconds=seconds))

    async def sleep(self, seconds: float) -> None:
        """Wait until so much time was let pass."""
        woken = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)

        timer = self._agenda.after(max(0.0, seconds), wake)
        try:
            await woken
        finally:
            timer.cancel()

    async def sleep_until(self, at: datetime) -> None:
        """Wait until an instant; return at once if it has passed."""
        await self.sleep((at - self.now()).total_seconds())

    def call_at(self, at: datetime, do: Callable[[], None]) -> Timer:
        """Have `do` called when time passes an instant; the timer cancels it."""
        return self._agenda.at(at, do)
