"""The prices known: fetched from the sources, kept in the store, given to every situation."""

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from scheduler.core.errors import PriceError, PricesNotPublished, StoreError
from scheduler.core.feeds import PriceSeries
from scheduler.core.model import Home
from scheduler.core.pricing import SourceStatus
from scheduler.core.timeline import Interval, merge
from scheduler.loop.price_layers import Known, misfit
from scheduler.loop.price_timing import Timing
from scheduler.ports import Clock, NamedSource, Store

log = structlog.get_logger()

BACK = timedelta(days=15)
"""Prices so old still say what a day of the week usually costs."""

PATIENCE = timedelta(hours=3)
"""How late prices may be before a person is told."""

FUTURE = timedelta(days=1)
"""Prices fetched so far in the future were fetched by a clock that was wrong, and are not believed."""


class PriceBook:
    """Holds one series a source. `on_news` is called with the series whenever they changed.

    A series is what its source told, newest fetch first, with another source's slots where it is silent and the
    configuration names one to stand in. `trouble` says, by name, why a source's prices are not there. What the policies
    of the `homes` read tells which sources only stand in.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        sources: Mapping[str, NamedSource],
        on_news: Callable[[tuple[PriceSeries, ...]], None],
        homes: Callable[[], Iterable[Home]] = tuple,
        rng: random.Random | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._on_news = on_news
        self._homes = homes
        self._rng = rng or random.Random()  # noqa: S311 - a place in the crowd
        self._own: dict[str, Known] = {}
        self._timings: dict[str, Timing] = {}
        self._late_since_ns: dict[str, int] = {}  # on the monotonic clock: the wall clock may be set right meanwhile
        self._sources: dict[str, NamedSource] = {}
        self._asking: set[str] = set()
        self._replaced = False
        self.trouble: dict[str, str] = {}
        self.replace_sources(sources)

    def replace_sources(self, sources: Mapping[str, NamedSource]) -> None:
        """Use other sources from now on (reload). Of one that stayed as it was nothing is forgotten.

        What is told of the others changes with the next fetch, once all that are asked then have had their say.
        """
        before, self._sources = self._sources, dict(sources)
        same = {n for n, s in sources.items() if n in before and before[n].product == s.product}
        self._timings = {
            n: self._timings[n] if n in same else Timing.of(s.rhythm, self._rng) for n, s in sources.items()
        }
        self._own = {n: known for n, known in self._own.items() if n in same}
        self.trouble = {n: why for n, why in self.trouble.items() if n in same}
        self._late_since_ns = {n: ns for n, ns in self._late_since_ns.items() if n in same}
        self._replaced = bool(before)
        for name in self.trouble:  # its token may have been mended, which no product shows
            self._timings[name].due_at = None

    async def load(self) -> None:
        """Take what the store kept: it survives a restart and a dead network. What is of another product does not."""
        now = self._clock.now()
        kept = await self._store.prices(since=now - BACK)
        self._own = {s.name: Known.of(s) for s in kept if self._is_ours(s) and s.fetched_at <= now + FUTURE}
        self._tell()

    def _is_ours(self, series: PriceSeries) -> bool:
        source = self._sources.get(series.name)
        return source is not None and source.product == series.product

    async def fetch(self) -> None:
        """Ask every source that is due. One that fails leaves its older prices in force."""
        now = self._clock.now()
        names = [n for n, timing in self._timings.items() if timing.is_due(now) and n not in self._asking]
        self._asking.update(names)
        try:
            await asyncio.gather(*(self._ask(self._sources[name], now) for name in names))
        finally:
            self._asking.difference_update(names)
        self._look_at_the_clock(now)
        if self._replaced:
            self._replaced = False
            self._tell()

    async def _ask(self, source: NamedSource, now: datetime) -> None:
        timing, name = self._timings[source.name], source.name
        try:
            series = await source.fetch(timing.span(self._final(name), now), at=now)
        except PriceError as error:
            if self._sources.get(name) is source:
                self._failed(name, error, now)
            return
        if self._sources.get(name) is not source:
            return  # another has taken its place meanwhile: its prices are of something else
        self.trouble.pop(name, None)
        changed = await self._keep(series, now)
        timing.answered(self._final(name), now)
        if changed and not self._replaced:  # at once: others may take long
            self._tell()

    def _failed(self, name: str, error: PriceError, now: datetime) -> None:
        self._timings[name].failed(error, now)
        if isinstance(error, PricesNotPublished):
            self.trouble.pop(name, None)
            return
        self.trouble[name] = str(error)
        log.warning("prices.stale", source=name, why=str(error))

    async def _keep(self, series: PriceSeries, now: datetime) -> bool:
        before = self._own.get(series.name)
        ahead = before is not None and before.series.fetched_at > series.fetched_at  # a wrong clock dated it
        if before is not None and before.same(series) and not ahead:
            self._own[series.name] = before.fetched_again(series.fetched_at)
            return False
        self._own[series.name] = Known.of(series if before is None else before.under(series, since=now - BACK))
        log.info("prices.arrived", source=series.name, slots=len(series.slots), until=str(series.slots[-1].end))
        try:
            await self._store.put_prices(series)
        except StoreError as error:
            log.warning("store.trouble", what="prices", why=str(error))
        return True

    def _look_at_the_clock(self, now: datetime) -> None:
        """Note which sources are late, and since when."""
        now_ns = self._clock.monotonic_ns()
        for name, timing in self._timings.items():
            if not timing.late(self._spans(name), now):
                self._late_since_ns.pop(name, None)
                continue
            self._late_since_ns.setdefault(name, now_ns)
            self.trouble.setdefault(name, "its prices are late: they should be known by now")

    def missing(self, *, told: bool = False) -> str:
        """Say which prices have been missing for so long that a person should know; empty when none are.

        A stand-in that tells them is enough. Who was `told` by an earlier run is told on until they are there again.
        """
        asked = [name for name in self._sources if told or self._long_late(name)]
        spare = self._spare() if asked else {}
        late = (name for name in asked if name not in spare and self._late(name, self._covered(name)))
        return "; ".join(f"{name}: {self._why(name)}" for name in sorted(late))

    def standing_in(self, *, told: bool = False) -> str:
        """Say which sources have been dead for so long, though no plan misses their prices; empty when none are.

        These are sources for which another stands in, and sources that only stand in for others.
        """
        dead = (n for n in self._sources if self._long_late(n) or (told and self._late(n, self._spans(n))))
        asked, said = sorted(dead), []
        spare = self._spare() if asked else {}
        for name in asked:
            source = self._sources[name]
            served = source.name if source.stand_in else spare.get(name)
            if served is None:
                continue
            if not told and self._late(served, self._covered(served)):
                continue  # the prices are missing, and that is told
            if source.stand_in:
                said.append(f"{source.stand_in} stands in for {name}: {self._why(name)}")
            else:
                said.append(f"{name} cannot stand in for {served}: {self._why(name)}")
        return "; ".join(said)

    def _spare(self) -> dict[str, str]:
        """Return the sources that no policy reads, and for which of the others each stands in."""
        read = {value for home in self._homes() for policy in home.policies for value in _words(policy.settings)}
        return {s.stand_in: n for n, s in self._sources.items() if s.stand_in and s.stand_in not in read}

    def _why(self, name: str) -> str:
        return self.trouble.get(name, "late")

    def _late(self, name: str, known: tuple[Interval, ...]) -> bool:
        return self._timings[name].late(known, self._clock.now())

    def _long_late(self, name: str) -> bool:
        """Tell whether a source's own prices have been late for longer than is borne."""
        since_ns = self._late_since_ns.get(name)
        patience_ns = PATIENCE // timedelta(microseconds=1) * 1000
        return since_ns is not None and self._clock.monotonic_ns() - since_ns >= patience_ns

    def sources(self) -> tuple[SourceStatus, ...]:
        """Return how each source is, in the order of the configuration."""
        now = self._clock.now()
        return tuple(
            SourceStatus(
                name=name,
                kind=source.kind,
                stand_in=source.stand_in,
                series=self._whole(name),
                fetched_at=own.series.fetched_at if (own := self._own.get(name)) is not None else None,
                next_fetch_at=self._timings[name].due_at,
                late=self._timings[name].late(self._spans(name), now),
                trouble=self.trouble.get(name, ""),
            )
            for name, source in self._sources.items()
        )

    def _spans(self, name: str) -> tuple[Interval, ...]:
        return self._own[name].spans if name in self._own else ()

    def _covered(self, name: str) -> tuple[Interval, ...]:
        """Return what is told under a name, by its own source or by the one that stands in."""
        own, other = self._own.get(name), self._own.get(self._sources[name].stand_in)
        if own is None or other is None:
            return own.spans if own is not None else other.spans if other is not None else ()
        return own.spans if misfit(own.series, other.series) else merge((*own.spans, *other.spans))

    def _final(self, name: str) -> tuple[Interval, ...]:
        return self._own[name].final if name in self._own else ()

    def _tell(self) -> None:
        whole = (self._whole(name) for name in self._sources)
        self._on_news(tuple(series for series in whole if series is not None))

    def _whole(self, name: str) -> PriceSeries | None:
        """Return a source's prices, completed by those of the one that stands in for it."""
        own, other = self._own.get(name), self._own.get(self._sources[name].stand_in)
        if own is None or other is None:
            return other.in_place_of(name) if other is not None else own.series if own is not None else None
        if why := misfit(own.series, other.series):
            self.trouble[other.series.name] = why
            return own.series
        return own.completed(other)


def _words(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a policy's settings say in words: the name of a price source is one of them."""
    yield from (value for value in settings.values() if isinstance(value, str))
