"""When each price source is asked next: politely, soon enough, and later after each failure."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler.core.errors import PriceError, PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.core.publication import DayAhead, Rhythm
from scheduler.core.timeline import Interval, subtract

MINUTE = timedelta(minutes=1)

LATER = 15 * MINUTE
"""How often prices are asked for once they are late, at most."""

CORRECTIONS = timedelta(hours=6)
"""How often prices that are known for good are looked at again: they have been corrected before."""

FIRST_PAUSE, LONGEST_PAUSE = MINUTE, 30 * MINUTE
"""The pause after a failure doubles from one to the other."""

REFUSED = timedelta(hours=1)
"""The pause after an answer that no repetition mends."""

LONGEST_WAIT = timedelta(days=1)
"""Nobody's mistake in saying how long to wait may silence a source for longer."""

PAST_TRIES = 3
"""So often a source that answers is asked for the past before it is left alone with it."""

SPREAD = 10 * MINUTE
"""Installations ask for news at instants spread over so long."""


@dataclass(kw_only=True)
class Timing:
    """One source's appointments. `spread` is this installation's own place in the crowd, from 0 to below 1."""

    rhythm: Rhythm
    spread: float
    due_at: datetime | None = None
    asked_at: datetime | None = None
    failures: int = 0
    past_tries: int = PAST_TRIES

    @classmethod
    def of(cls, rhythm: Rhythm, rng: random.Random) -> "Timing":
        """Return the timing of a source that is to be asked at once."""
        return cls(rhythm=rhythm, spread=rng.random())

    def is_due(self, at: datetime) -> bool:
        """Tell whether it is time to ask. After the wall clock was set back it is time, too."""
        return self.due_at is None or at >= self.due_at or (self.asked_at is not None and at < self.asked_at)

    def span(self, final: tuple[Interval, ...], at: datetime) -> Interval:
        """Return what to ask for: what of the wanted is not known for good, or all of it where everything is.

        Once in a run the days before it are asked for too, as far as they are missing.
        """
        wanted = self.rhythm.wanted(at)
        start = wanted.start - self.rhythm.back if self._reaches_back() else wanted.start
        missing = subtract([Interval(start=start, end=wanted.end)], final)
        return Interval(start=missing[0].start, end=wanted.end) if missing else wanted

    def _reaches_back(self) -> bool:
        """Tell whether the past is asked for: after a failure every other time, since it may be what fails."""
        return self.past_tries > 0 and self.failures % 2 == 0

    def answered(self, final: tuple[Interval, ...], at: datetime) -> None:
        """Note an answer; `final` is what is known for good now."""
        self.past_tries = 0 if self._reaches_back() else max(0, self.past_tries - 1)
        self.failures, self.asked_at = 0, at
        if subtract([self.rhythm.wanted(at)], final) and isinstance(self.rhythm, DayAhead):
            self.due_at = self._awaited(at)
        else:
            self.due_at = min(self.rhythm.next_news(at) + self._own(self.rhythm), at + CORRECTIONS)

    def failed(self, error: PriceError, at: datetime) -> None:
        """Note that nothing came."""
        self.asked_at = at
        if isinstance(error, PricesNotPublished):
            self.failures = 0
            self.due_at = self._awaited(at)
            return
        self.failures += 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self.failures - 1, 10)) * (1 + self.spread)
        if isinstance(error, PricesRefused):
            pause = REFUSED * (1 + self.spread)
        asked = error.retry_after_s if isinstance(error, PricesUnavailable) else 0.0
        self.due_at = at + max(pause, timedelta(seconds=min(asked, LONGEST_WAIT.total_seconds())))

    def late(self, known: tuple[Interval, ...], at: datetime) -> bool:
        """Tell whether something is missing that should be known by now."""
        return bool(subtract([self.rhythm.due(at)], known))

    def _awaited(self, at: datetime) -> datetime:
        """Return when to ask again for what is missing."""
        if not isinstance(self.rhythm, DayAhead):
            return at + max(self.rhythm.every, MINUTE)
        late = self.rhythm.due(at).end == self.rhythm.wanted(at).end
        return at + max(self.rhythm.again, LATER if late else MINUTE) + MINUTE * self.spread

    def _own(self, rhythm: Rhythm) -> timedelta:
        return SPREAD * self.spread if isinstance(rhythm, DayAhead) else timedelta(0)
