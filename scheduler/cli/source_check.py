"""Asks each price source of a configuration once, without a daemon, and says what came or what to mend.

`kwhen prices --check` shows it, `kwhen doctor --online` has it among its findings.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from scheduler.cli.terminal import BAD, GOOD, QUIET, STRONG, Line, Styled
from scheduler.clock import SystemClock
from scheduler.config import Settings, installed, price_feeds
from scheduler.config.secrets import named_secret
from scheduler.config.settings import PriceSpec
from scheduler.core.carbon import CARBON
from scheduler.core.errors import PriceError, PricesNotPublished, PricesRefused
from scheduler.core.feeds import GRAMS, PriceSeries
from scheduler.core.model import Home
from scheduler.core.publication import DayAhead, Rhythm
from scheduler.core.timeline import Interval, subtract
from scheduler.http.wording import rfc3339
from scheduler.loop.price_layers import misfit
from scheduler.plugins import PriceFeed
from scheduler.ports import Clock
from scheduler.redaction import Redactor
from scheduler.web_client import WebClient, WebLimits

LIMITS = WebLimits(attempts=1)
"""A person waits: each call is made once."""

MARKET = "spot"
"""The policy that reads prices in the currency of its home."""

FEW = 4
"""So many lengths of slots are no longer told one by one."""

OF_A_TOKEN = re.compile(r"token|\b40[13]\b", re.IGNORECASE)
"""What a refusal says that another token may mend."""

MINUTE, A_DAY_AND_MORE = timedelta(minutes=1), timedelta(hours=36)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something wrong, in plain words, with what to do about it."""

    text: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What became of asking one source. Without `faults` all is well; `notes` are normal, and worth knowing."""

    name: str
    kind: str
    series: PriceSeries | None = None
    faults: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.faults

    @property
    def text(self) -> str:
        """What came, in a line: zone, currency, how many prices of which lengths, from when until when [UTC]."""
        series = self.series
        if series is None:
            return "nothing is published yet"
        slots = series.slots
        steps = _steps(series)
        told = (
            " and ".join(f"{minutes:g}" for minutes in steps) if len(steps) < FEW else f"{steps[0]:g} to {steps[-1]:g}"
        )
        what = f"zone {series.zone or 'not told'}, {'g CO2' if series.currency == GRAMS else series.currency}"
        return f"{what}, {len(slots)} slots of {told} min, {_minute(slots[0].start)} … {_minute(slots[-1].end)} UTC"

    def lines(self) -> Iterator[Line]:
        """Yield it for a person."""
        mark = Styled("ok    ", GOOD) if self.ok else Styled("fail  ", BAD)
        told = [self.text] if self.series is not None or self.ok else []
        yield (mark, Styled(self.name, STRONG), Styled(f" ({self.kind})", QUIET), *(f": {one}" for one in told))
        for note in self.notes:
            yield (Styled(f"      {note}", QUIET),)
        for fault in self.faults:
            yield (f"      {fault.text}",)
            yield (Styled(f"      → {fault.remedy}", QUIET),)

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        series = self.series
        return {
            "name": self.name,
            "source": self.kind,
            "ok": self.ok,
            "zone": series.zone if series else None,
            "currency": series.currency if series else None,
            "slots": len(series.slots) if series else 0,
            "steps_min": _steps(series) if series else [],
            "start": rfc3339(series.slots[0].start) if series else None,
            "end": rfc3339(series.slots[-1].end) if series else None,
            "notes": list(self.notes),
            "faults": [{"text": fault.text, "remedy": fault.remedy} for fault in self.faults],
        }


def _steps(series: PriceSeries) -> list[float]:
    """Return the lengths that slots have [minutes]."""
    return sorted({round((slot.end - slot.start) / MINUTE, 2) for slot in series.slots})


def check_sources(settings: Settings, *, clock: Clock | None = None) -> tuple[Checked, ...]:
    """Ask every source of the configuration once, all at the same time, and judge what came."""
    return asyncio.run(checked(settings, clock=clock or SystemClock()))


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A table of `[[prices]]` and what asking its source brought. `feed` None is a source that cannot be loaded."""

    spec: PriceSpec
    feed: PriceFeed | None
    series: PriceSeries | None = None
    error: PriceError | None = None


async def checked(settings: Settings, *, clock: Clock) -> tuple[Checked, ...]:
    """As `check_sources`."""
    now, plugins, redact = clock.now(), installed(), Redactor(settings.secrets())
    async with WebClient(clock, redact=redact, limits=LIMITS) as web:
        feeds = price_feeds(settings, plugins, web)
        asked = await asyncio.gather(*(_asked(spec, feeds.get(spec.name), now) for spec in settings.prices))
    by_name = {one.spec.name: one for one in asked}
    return tuple(
        Checked(
            name=one.spec.name,
            kind=one.spec.source,
            series=one.series,
            faults=tuple(
                Fault(text=redact(fault.text), remedy=redact(fault.remedy))
                for fault in (*_of_answer(one, now), *_of_readers(one, settings.homes), *_of_stand_in(one, by_name))
            ),
            notes=tuple(_notes(one, by_name, now)),
        )
        for one in asked
    )


async def _asked(spec: PriceSpec, feed: PriceFeed | None, now: datetime) -> _Asked:
    """Ask for what should be known now: of a market's days today, and tomorrow once it is awaited."""
    if feed is None:
        return _Asked(spec=spec, feed=None)
    try:
        series = await feed.fetch(feed.rhythm.wanted(now), at=now)
    except PriceError as error:
        return _Asked(spec=spec, feed=feed, error=error)
    if not series.slots:
        return _Asked(spec=spec, feed=feed, error=PricesNotPublished("it told of no price"))
    return _Asked(spec=spec, feed=feed, series=series)


def _of_answer(one: _Asked, now: datetime) -> Iterator[Fault]:
    """Yield what is wrong with the answer: none, a refusal, or prices that are late."""
    if one.feed is None:
        why = installed().price_sources.plugin(one.spec.source).why
        yield Fault(text=f"the source cannot be loaded: {why}", remedy="Install its package, or name another source.")
    elif one.error is not None and not isinstance(one.error, PricesNotPublished):
        yield Fault(text=str(one.error), remedy=_remedy(one.error, one.spec, one.feed))
    elif missing := subtract([one.feed.rhythm.due(now)], _spans(one.series)):
        why = f" ({one.error})" if one.error is not None else ""
        text = f"its prices are late: none from {missing[0].start:%Y-%m-%d %H:%M} UTC on{why}"
        yield Fault(text=text, remedy=f"{_usually(one.feed.rhythm)} Wait, or name another source as its stand_in.")


def _remedy(error: PriceError, spec: PriceSpec, feed: PriceFeed) -> str:
    if isinstance(error, PricesRefused):
        if OF_A_TOKEN.search(str(error)):
            at = named_secret("prices", spec.name)
            places = f"a file {at.file} in $CREDENTIALS_DIRECTORY or secrets_dir"
            return f"Put a token that {spec.source} takes into {at.variable}, or into {places}."
        written = ", ".join(f"{key} = {value!r}" for key, value in spec.settings.items() if key != "url")
        which = f" ({written})" if written else ""
        return f"Look at the settings of [[prices]] {spec.name}{which}: the service knows no prices by them."
    host = urlsplit(str(getattr(feed.source, "url", ""))).hostname
    if host is None:
        return f"Look at the settings of [[prices]] {spec.name}."
    return f"See whether this machine reaches {host}. If it does, try again later, or name a stand_in."


def _of_readers(one: _Asked, homes: tuple[Home, ...]) -> Iterator[Fault]:
    """Yield the policies that want something else than what the source tells."""
    if one.series is None:
        return
    for home in homes:
        for name, wanted in ((MARKET, home.currency), (CARBON, GRAMS)):
            reads = any(spec.name == name and spec.settings.get("source") == one.spec.name for spec in home.policies)
            if reads and one.series.currency != wanted:
                text = f"{name} of home {home.id} wants {wanted} per kWh, these are in {one.series.currency}"
                yield Fault(text=text, remedy=f"Name a source that tells {wanted} there; some have a setting currency.")


def _of_stand_in(one: _Asked, by_name: Mapping[str, _Asked]) -> Iterator[Fault]:
    other = by_name.get(one.spec.stand_in)
    if other is None or one.series is None or other.series is None:
        return
    if why := misfit(one.series, other.series):
        yield Fault(text=f"{other.spec.name} {why}", remedy="Name a stand_in of the same zone and currency.")


def _notes(one: _Asked, by_name: Mapping[str, _Asked], now: datetime) -> Iterator[str]:
    """Yield what is no fault, but may surprise."""
    other = by_name.get(one.spec.stand_in)
    if other is not None and other.series is None:
        yield f"its stand-in {other.spec.name} brought nothing{' either' if one.series is None else ''}"
    if one.feed is None or one.series is None or not isinstance(one.feed.rhythm, DayAhead):
        return
    rhythm = one.feed.rhythm
    if rhythm.wanted(now).duration < A_DAY_AND_MORE:
        yield f"tomorrow is not asked for yet. {_usually(rhythm)}"
    elif subtract([rhythm.wanted(now)], [rhythm.due(now), *_spans(one.series)]):
        yield f"tomorrow is not published yet. {_usually(rhythm)}"


def _usually(rhythm: Rhythm) -> str:
    """Say when prices are usually known."""
    if not isinstance(rhythm, DayAhead):
        return "It should always know the present."
    place = rhythm.timezone
    return (
        f"Usually it is there from {rhythm.asked_from:%H:%M} on, and late from {rhythm.late_from:%H:%M} on ({place})."
    )


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _spans(series: PriceSeries | None) -> list[Interval]:
    return [Interval(start=slot.start, end=slot.end) for slot in (series.slots if series is not None else ())]
