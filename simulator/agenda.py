"""What is going to happen in the world, in order of time; nothing happens between two entries."""

import heapq
import itertools
from collections.abc import Callable
from datetime import datetime, timedelta


class Timer:
    """One entry of the agenda; `cancel` makes it void."""

    def __init__(self, at: datetime, do: Callable[[], None]) -> None:
        self.at = at
        self.do: Callable[[], None] | None = do

    def cancel(self) -> None:
        """Make sure that it will not happen."""
        self.do = None


class Agenda:
    """A heap of timers and the instant up to which they have been run.

    `haste` is how many times as quick everything is that only takes its while (`soon`): a car on its way, a pair to be
    recognised, a device that reacts, the next look at it. Batteries, habits and what has a time of its own are not.
    """

    def __init__(self, start_at: datetime) -> None:
        self.now = start_at
        self.haste = 1.0
        self.running = False
        self.on_earlier: Callable[[], None] | None = None
        self._heap: list[tuple[datetime, int, Timer]] = []
        self._order = itertools.count()

    def at(self, when: datetime, do: Callable[[], None]) -> Timer:
        """Enter something for an instant; one that has passed means: at the next opportunity."""
        timer = Timer(max(when, self.now), do)
        first = self.next_at()
        heapq.heappush(self._heap, (timer.at, next(self._order), timer))
        if self.on_earlier is not None and not self.running and (first is None or timer.at < first):
            self.on_earlier()
        return timer

    def after(self, seconds: float, do: Callable[[], None]) -> Timer:
        """Enter something for so many simulated seconds from now."""
        return self.at(self.now + timedelta(seconds=seconds), do)

    def hurried(self, seconds: float) -> float:
        """Return how long something takes now that takes so many seconds without haste [s]."""
        return seconds / self.haste

    def soon(self, seconds: float, do: Callable[[], None]) -> Timer:
        """Enter something that takes so many seconds without haste."""
        return self.after(self.hurried(seconds), do)

    def next_at(self) -> datetime | None:
        """Return the instant of the next entry, or None when nothing is going to happen."""
        while self._heap and self._heap[0][2].do is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def run_until(self, at: datetime) -> None:
        """Let everything happen that is due up to and including `at`; time never goes back."""
        if self.running:
            return
        self.running = True
        try:
            while (due := self.next_at()) is not None and due <= at:
                timer = heapq.heappop(self._heap)[2]
                self.now = max(self.now, due)
                if timer.do is not None:
                    timer.do()
            self.now = max(self.now, at)
        finally:
            self.running = False
