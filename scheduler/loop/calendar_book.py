"""The departures known from calendars: read from their places, kept in the store, given to every situation."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
import structlog

from scheduler.core.calendar import ONE_DAY, local_days
from scheduler.core.errors import CalendarUnread, StoreError
from scheduler.core.feeds import CalendarDeparture
from scheduler.core.model import Home
from scheduler.core.timeline import Interval
from scheduler.ports import CalendarRead, CalendarSource, Clock, Store

log = structlog.get_logger()

SPACE = "calendar"
"""Where in the store the last good answers are kept."""

BACK, AHEAD = timedelta(days=4), timedelta(days=60)
"""What is read of a calendar: yesterday, and so far ahead that a long silence does no harm."""

AGAIN = timedelta(days=1)
"""A calendar that does not change is read anew this often all the same: the days that are read move on."""

FIRST_PAUSE, LONGEST_PAUSE, REFUSED = timedelta(minutes=1), timedelta(minutes=30), timedelta(hours=1)
"""The pause after a failure doubles from the first to the longest; after one that no repetition mends it is longer."""

PATIENCE, FIRST_PATIENCE = timedelta(hours=3), timedelta(minutes=5)
"""How long a calendar may be unreadable before a person is told: one that was read before, and one that never was."""

FUTURE = timedelta(days=1)
"""What was read so far in the future was read by a clock that was wrong, and is not believed."""

MOST_SLICES = 1000


@dataclass(frozen=True, kw_only=True)
class Known:
    """The last good answer of a calendar: departures by the time zone of the home, ordered."""

    product: str
    read_at: datetime
    departures: Mapping[str, tuple[CalendarDeparture, ...]] = field(default_factory=dict)
    left_out: str = ""


@dataclass(kw_only=True)
class _Timing:
    """One calendar's appointments. `spread` is this installation's own place in the crowd, from 0 to below 1."""

    spread: float
    due_at: datetime | None = None
    heard_at: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None

    def is_due(self, at: datetime) -> bool:
        """Tell whether it is time to look. After the wall clock was set back it is time, too."""
        return self.due_at is None or at >= self.due_at or self.due_at - at > AGAIN

    def answered(self, every: timedelta, at: datetime) -> None:
        self.failures, self.failing_since = 0, None
        self.due_at, self.heard_at = at + every * (1 + self.spread / 10), at

    def failed(self, error: CalendarUnread, at: datetime) -> None:
        self.failures += 1
        self.failing_since = self.failing_since or at
        pause = REFUSED if error.refused else min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self.failures - 1, 10))
        self.due_at = at + max(pause * (1 + self.spread), timedelta(seconds=error.retry_after_s))


class CalendarBook:
    """Holds what is known of each calendar that a home's policies read. `on_news` is called whenever that changed.

    What cannot be read leaves the last good answer in force. `trouble` says, by name, why one is not read, or what of
    it is left out.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        sources: Mapping[str, CalendarSource],
        homes: Callable[[], Iterable[Home]],
        on_news: Callable[[], None],
        rng: random.Random | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._homes = homes
        self._on_news = on_news
        self._rng = rng or random.Random()  # noqa: S311 - a place in the crowd
        self._known: dict[str, Known] = {}
        self._timings: dict[str, _Timing] = {}
        self._slices: dict[object, tuple[CalendarDeparture, ...]] = {}
        self._sources: dict[str, CalendarSource] = {}
        self.trouble: dict[str, str] = {}
        self.replace_sources(sources)

    def replace_sources(self, sources: Mapping[str, CalendarSource]) -> None:
        """Use other calendars from now on (reload). What is known of one that stayed as it was stays known."""
        before, self._sources = self._sources, dict(sources)
        same = {n for n, s in sources.items() if n in before and before[n].product == s.product}
        self._known = {n: known for n, known in self._known.items() if n in same}
        self._timings = {n: _Timing(spread=self._rng.random()) for n in sources}
        self.trouble = {n: why for n, why in self.trouble.items() if n in same}
        self._slices.clear()

    def of(self, home: Home, at: datetime, *, horizon: timedelta) -> tuple[CalendarDeparture, ...]:
        """Return the departures of a home's calendars from yesterday to the day on which the horizon ends, ordered.

        What is over counts for the sessions that end. They stay the same for a whole local day, so that a decision does
        not change for the clock alone.
        """
        if not home.calendars or not self._known:
            return ()
        days = local_days(at - ONE_DAY, horizon + ONE_DAY, home.timezone)
        key = (home.timezone, home.calendars, days)
        if key not in self._slices:
            if len(self._slices) >= MOST_SLICES:
                self._slices.clear()
            self._slices[key] = tuple(self._within(days, home))
        return self._slices[key]

    def _within(self, days: Interval, home: Home) -> list[CalendarDeparture]:
        known = (self._known[name] for name in sorted(home.calendars & self._known.keys()))
        every = (one for calendar in known for one in calendar.departures.get(home.timezone, ()))
        return sorted((one for one in every if days.start <= one.at < days.end), key=lambda one: one.at)

    async def load(self) -> None:
        """Take what the store kept: it survives a restart and a dead network. What nobody configures any more goes."""
        for name, stored in (await self._store.all_kept(SPACE)).items():
            known = _decoded(stored)
            source = self._sources.get(name)
            if known is None or source is None or source.product != known.product:
                with contextlib.suppress(StoreError):
                    await self._store.spend(SPACE, name)
            elif known.read_at <= self._clock.now() + FUTURE:
                self._known[name] = known
        self._tell()

    async def fetch(self) -> None:
        """Look at every calendar that is due and that a home wants."""
        now = self._clock.now()
        wanted = {name: self._timezones(name) for name in self._sources}
        due = [name for name, zones in wanted.items() if zones and self._is_due(name, zones, now)]
        changed = await asyncio.gather(*(self._read(self._sources[name], wanted[name], now) for name in due))
        if any(changed):
            self._tell()

    def _timezones(self, name: str) -> frozenset[str]:
        return frozenset(home.timezone for home in self._homes() if name in home.calendars)

    def _is_due(self, name: str, timezones: frozenset[str], now: datetime) -> bool:
        timing, known = self._timings[name], self._known.get(name)
        new_zone = known is not None and not timezones <= known.departures.keys() and not timing.failures
        return new_zone or timing.is_due(now)

    async def _read(self, source: CalendarSource, timezones: frozenset[str], now: datetime) -> bool:
        name, known, timing = source.name, self._known.get(source.name), self._timings[source.name]
        anew = known is None or now - known.read_at >= AGAIN or not timezones <= known.departures.keys()
        try:
            found = await source.fetch(Interval(start=now - BACK, end=now + AHEAD), timezones=timezones, anew=anew)
        except CalendarUnread as error:
            timing.failed(error, now)
            heard_at = timing.heard_at or (known.read_at if known is not None else None)
            since = f"last read {heard_at:%Y-%m-%d %H:%M} UTC" if heard_at is not None else "never read"
            self.trouble[name] = f"{error} ({since})"
            log.warning("calendar.unread", calendar=name, why=str(error), known=known is not None)
            return False
        timing.answered(source.every, now)
        if found is None:
            self._mended(name)
            return False
        return await self._keep(source, found, now)

    async def _keep(self, source: CalendarSource, found: CalendarRead, now: datetime) -> bool:
        name, before = source.name, self._known.get(source.name)
        if self._sources.get(name) is not source:
            return False  # another configuration came in the meantime
        known = Known(product=source.product, read_at=now, departures=found.departures, left_out=found.left_out)
        self._known[name] = known
        self._mended(name)
        try:
            await self._store.keep(SPACE, name, msgspec.json.encode(known), expires_at=now + AHEAD)
        except StoreError as error:
            log.warning("store.trouble", what="calendar", why=str(error))
        changed = before is None or before.departures != known.departures
        if changed:
            count = len({one for some in known.departures.values() for one in some})
            log.info("calendar.read", calendar=name, departures=count, left_out=known.left_out)
        return changed

    def _mended(self, name: str) -> None:
        known = self._known.get(name)
        self.trouble.pop(name, None)
        if known is not None and known.left_out:
            self.trouble[name] = known.left_out

    def missing(self, *, told: bool = False) -> str:
        """Say which calendars have been unreadable for so long that a person should know; empty when none are.

        Who was `told` by an earlier run is told on until this one has read them.
        """
        now = self._clock.now()
        late = (
            f"{name}: {self.trouble.get(name, 'not read yet')}"
            for name, timing in sorted(self._timings.items())
            if self._timezones(name) and (_unread(timing) if told else self._long_unread(name, timing, now))
        )
        return "; ".join(late)

    def _long_unread(self, name: str, timing: _Timing, now: datetime) -> bool:
        patience = PATIENCE if name in self._known else FIRST_PATIENCE
        return timing.failing_since is not None and now - timing.failing_since >= patience

    def _tell(self) -> None:
        self._slices.clear()
        self._on_news()


def _unread(timing: _Timing) -> bool:
    return timing.heard_at is None or timing.failing_since is not None


def _decoded(stored: bytes) -> Known | None:
    try:
        return msgspec.json.decode(stored, type=Known)
    except (msgspec.MsgspecError, ValueError):
        return None
