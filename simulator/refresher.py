"""When the provider looks at a device again: now and then, sooner when something moved."""

from collections.abc import Callable
from datetime import timedelta

from simulator.agenda import Agenda, Timer


class Refresher:
    """Calls `refresh` again and again, each time after the seconds that `every` then says."""

    def __init__(self, agenda: Agenda, *, every: Callable[[], float], refresh: Callable[[], None]) -> None:
        self._agenda = agenda
        self._every = every
        self._refresh = refresh
        self._timer: Timer | None = None

    def now(self) -> None:
        """Look at once, and go on from here."""
        self.stop()
        self._refresh()
        self._timer = self._agenda.soon(self._every(), self.now)

    def hasten(self, seconds: float) -> None:
        """Look within so many seconds, unless a look is due sooner."""
        due = self._agenda.now + timedelta(seconds=self._agenda.hurried(seconds))
        if self._timer is not None and self._timer.do is not None and self._timer.at <= due:
            return
        self.stop()
        self._timer = self._agenda.at(due, self.now)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
