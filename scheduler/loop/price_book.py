"""The prices known: fetched from the sources, kept in the store, given to every situation."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from scheduler.core.errors import PriceError, PricesNotPublished, StoreError
from scheduler.core.model import PriceSeries
from scheduler.core.terms import PriceSlot
from scheduler.core.timeline import Interval
from scheduler.ports import Clock, PriceSource, Store

log = structlog.get_logger()

BACK = timedelta(days=15)
"""Prices so old still say what a day of the week usually costs."""

AHEAD = timedelta(days=4)


class PriceBook:
    """Holds one series a source. `on_news` is called with the series whenever they changed."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        sources: Mapping[str, PriceSource],
        on_news: Callable[[tuple[PriceSeries, ...]], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._sources = dict(sources)
        self._on_news = on_news
        self._series: dict[str, PriceSeries] = {}
        self.trouble: dict[str, str] = {}

    def replace_sources(self, sources: Mapping[str, PriceSource]) -> None:
        """Use other sources from now on (reload)."""
        self._sources = dict(sources)
        self._series = {n: s for n, s in self._series.items() if n in self._sources}

    async def load(self) -> None:
        """Take what the store kept: it survives a restart and a dead network."""
        kept = await self._store.prices(since=self._clock.now() - BACK)
        self._series = {s.name: s for s in kept if s.name in self._sources}
        self._tell()

    async def fetch(self) -> None:
        """Ask every source once. One that fails leaves its older prices in force."""
        now = self._clock.now()
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)  # so that only a new day moves the span
        span = Interval(start=today - BACK, end=today + AHEAD)
        changed = False
        for name, source in self._sources.items():
            try:
                series = await source.fetch(span, at=now)
                self.trouble.pop(name, None)
            except PricesNotPublished:
                continue
            except PriceError as error:
                self.trouble[name] = str(error)
                log.warning("prices.stale", source=name, why=str(error))
                continue
            changed |= await self._keep(name, series, now)
        if changed:
            self._tell()

    async def _keep(self, name: str, series: PriceSeries, now: datetime) -> bool:
        before = self._series.get(name)
        if before is not None and _same(before.slots, series.slots):
            return False
        self._series[name] = series if before is None else _with_past(series, before, since=now - BACK)
        log.info(
            "prices.arrived",
            source=name,
            slots=len(series.slots),
            until=str(series.slots[-1].end if series.slots else now),
        )
        try:
            await self._store.put_prices(series)
        except StoreError as error:
            log.warning("store.trouble", what="prices", why=str(error))
        return True

    def _tell(self) -> None:
        self._on_news(tuple(self._series.values()))


def _with_past(series: PriceSeries, before: PriceSeries, *, since: datetime) -> PriceSeries:
    """Put before a series what is known of the time before it: many sources tell of today and tomorrow alone."""
    if not series.slots or (before.zone, before.currency) != (series.zone, series.currency):
        return series
    past = tuple(slot for slot in before.slots if since < slot.end <= series.slots[0].start)
    return replace(series, slots=past + series.slots)


def _same(before: Iterable[PriceSlot], after: Iterable[PriceSlot]) -> bool:
    """Tell whether what is still to come is the same: old slots fall out of the window as time passes."""
    old, new = list(before), list(after)
    return old[-1:] == new[-1:] and {s.start: s for s in old}.items() >= {s.start: s for s in new}.items()
