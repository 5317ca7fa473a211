"""The prices known: fetched from the sources, kept in the store, given to every situation."""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from scheduler.core.errors import PriceError, PricesNotPublished, StoreError
from scheduler.core.model import PriceSeries, StandIn
from scheduler.core.pricing import SourceStatus
from scheduler.core.terms import PriceSlot, PriceState
from scheduler.core.timeline import Interval, merge, subtract
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
    configuration names one to stand in. `trouble` says, by name, why a source's prices are not there.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        sources: Mapping[str, NamedSource],
        on_news: Callable[[tuple[PriceSeries, ...]], None],
        rng: random.Random | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._on_news = on_news
        self._rng = rng or random.Random()  # noqa: S311 - a place in the crowd
        self._own: dict[str, PriceSeries] = {}
        self._timings: dict[str, Timing] = {}
        self._late_since: dict[str, datetime] = {}
        self._sources: dict[str, NamedSource] = {}
        self._asking: set[str] = set()
        self.trouble: dict[str, str] = {}
        self.replace_sources(sources)

    def replace_sources(self, sources: Mapping[str, NamedSource]) -> None:
        """Use other sources from now on (reload). Of one that stayed as it was nothing is forgotten."""
        before, self._sources = self._sources, dict(sources)
        same = {n for n, s in sources.items() if n in before and before[n].product == s.product}
        self._timings = {
            n: self._timings[n] if n in same else Timing.of(s.rhythm, self._rng) for n, s in sources.items()
        }
        self._own = {n: s for n, s in self._own.items() if n in same}
        self.trouble = {n: why for n, why in self.trouble.items() if n in same}
        self._late_since = {n: at for n, at in self._late_since.items() if n in same}

    async def load(self) -> None:
        """Take what the store kept: it survives a restart and a dead network. What is of another product does not."""
        now = self._clock.now()
        kept = await self._store.prices(since=now - BACK)
        self._own = {s.name: s for s in kept if self._is_ours(s) and s.fetched_at <= now + FUTURE}
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
            changed = await asyncio.gather(*(self._ask(self._sources[name], now) for name in names))
        finally:
            self._asking.difference_update(names)
        self._look_at_the_clock(now)
        if any(changed):
            self._tell()

    async def _ask(self, source: NamedSource, now: datetime) -> bool:
        timing, name = self._timings[source.name], source.name
        try:
            series = await source.fetch(timing.span(self._spans(name, final=True), now), at=now)
        except PriceError as error:
            timing.failed(error, now)
            if not isinstance(error, PricesNotPublished):
                self.trouble[name] = str(error)
                log.warning("prices.stale", source=name, why=str(error))
            return False
        self.trouble.pop(name, None)
        changed = await self._keep(series, now)
        timing.answered(self._spans(name, final=True), now)
        return changed

    async def _keep(self, series: PriceSeries, now: datetime) -> bool:
        before = self._own.get(series.name)
        if before is not None and _same(before, series):
            self._own[series.name] = replace(before, fetched_at=series.fetched_at)
            return False
        self._own[series.name] = series if before is None else _over(series, before, since=now - BACK)
        log.info("prices.arrived", source=series.name, slots=len(series.slots), until=str(series.slots[-1].end))
        try:
            await self._store.put_prices(series)
        except StoreError as error:
            log.warning("store.trouble", what="prices", why=str(error))
        return True

    def _look_at_the_clock(self, now: datetime) -> None:
        """Note which sources are late, and since when."""
        for name, timing in self._timings.items():
            if not timing.late(self._spans(name), now):
                self._late_since.pop(name, None)
                continue
            self._late_since.setdefault(name, now)
            self.trouble.setdefault(name, "its prices are late: they should be known by now")

    def missing(self) -> str:
        """Say which prices have been missing for so long that a person should know; empty when none are."""
        now = self._clock.now()
        return "; ".join(
            f"{name}: {self.trouble.get(name, 'late')}"
            for name, since in sorted(self._late_since.items())
            if now - since >= PATIENCE and self._timings[name].late(_spans_of(self._whole(name)), now)
        )

    def sources(self) -> tuple[SourceStatus, ...]:
        """Return how each source is, in the order of the configuration."""
        now = self._clock.now()
        return tuple(
            SourceStatus(
                name=name,
                kind=source.kind,
                stand_in=source.stand_in,
                series=self._whole(name),
                fetched_at=own.fetched_at if (own := self._own.get(name)) is not None else None,
                next_fetch_at=self._timings[name].due_at,
                late=self._timings[name].late(self._spans(name), now),
                trouble=self.trouble.get(name, ""),
            )
            for name, source in self._sources.items()
        )

    def _spans(self, name: str, *, final: bool = False) -> tuple[Interval, ...]:
        return _spans_of(self._own.get(name), final=final)

    def _tell(self) -> None:
        whole = (self._whole(name) for name in self._sources)
        self._on_news(tuple(series for series in whole if series is not None))

    def _whole(self, name: str) -> PriceSeries | None:
        """Return a source's prices, completed by those of the one that stands in for it."""
        own, other = self._own.get(name), self._own.get(self._sources[name].stand_in)
        if other is None:
            return own
        if own is None:
            spans = _spans_of(other)
            return replace(other, name=name, stand_ins=tuple(StandIn(interval=i, name=other.name) for i in spans))
        if why := misfit(own, other):
            self.trouble[other.name] = why
            return own
        return _completed(own, other)


def misfit(own: PriceSeries, other: PriceSeries) -> str:
    """Say why the other prices cannot stand in for one's own; empty where they can."""
    if own.currency == other.currency and (not own.zone or not other.zone or own.zone == other.zone):
        return ""
    return f"cannot stand in for {own.name}: {_what(other)} are not {_what(own)}"


def _what(series: PriceSeries) -> str:
    return f"prices of {series.zone or 'no zone'} in {series.currency}"


def _completed(own: PriceSeries, other: PriceSeries) -> PriceSeries:
    holes = subtract([Interval(start=s.start, end=s.end) for s in other.slots], _spans_of(own))
    if not holes:
        return own
    slots = sorted((*own.slots, *_cut(other.slots, holes)), key=lambda slot: slot.start)
    return replace(own, slots=tuple(slots), stand_ins=tuple(StandIn(interval=i, name=other.name) for i in holes))


def _cut(slots: Iterable[PriceSlot], spans: Iterable[Interval]) -> list[PriceSlot]:
    """Return the parts of the slots inside the spans."""
    pieces = []
    for slot in slots:
        for span in spans:
            low, high = max(slot.start, span.start), min(slot.end, span.end)
            if low < high:
                pieces.append(replace(slot, start=low, end=high))
    return pieces


def _spans_of(series: PriceSeries | None, *, final: bool = False) -> tuple[Interval, ...]:
    """Return what a series tells of, or what of it will not change any more."""
    slots = series.slots if series is not None else ()
    return merge(
        Interval(start=slot.start, end=slot.end) for slot in slots if not final or slot.state is PriceState.FINAL
    )


def _over(series: PriceSeries, before: PriceSeries, *, since: datetime) -> PriceSeries:
    """Lay a series over the one before it: the newest fetch holds wherever it speaks."""
    if (before.zone, before.currency) != (series.zone, series.currency):
        return series
    holes = subtract([Interval(start=s.start, end=s.end) for s in before.slots if s.end > since], _spans_of(series))
    slots = sorted((*series.slots, *_cut(before.slots, holes)), key=lambda slot: slot.start)
    return replace(series, slots=tuple(slots))


def _same(before: PriceSeries, after: PriceSeries) -> bool:
    """Tell whether a fetch brought nothing new: old slots fall out of the window as time passes."""
    known = {slot.start: slot for slot in before.slots}
    return (before.zone, before.currency) == (after.zone, after.currency) and all(
        known.get(slot.start) == slot for slot in after.slots
    )
