"""Timers with names: at most one of each is under way."""

from collections.abc import Callable

from simulator.agenda import Agenda, Timer


class Timers:
    """The timers of one thing; setting one anew replaces the one of that name."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self._under_way: dict[str, Timer] = {}

    def set(self, name: str, seconds: float, do: Callable[[], None]) -> None:
        """Have something done in so many seconds."""
        self.cancel(name)
        self._under_way[name] = self._agenda.after(seconds, do)

    def cancel(self, name: str) -> None:
        """Do it no more; nothing happens where there is no such timer."""
        if timer := self._under_way.pop(name, None):
            timer.cancel()

    def clear(self) -> None:
        """Do none of it."""
        for timer in self._under_way.values():
            timer.cancel()
        self._under_way.clear()
