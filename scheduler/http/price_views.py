"""Prices as JSON-able dicts: what the sources told and how each is, and what a kWh costs a home, in parts. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from scheduler.core.feeds import PriceSeries, StandIn
from scheduler.core.model import Home
from scheduler.core.pricing import GridCarbon, HomePrices, PaidSlot, SourceStatus
from scheduler.core.terms import PriceSlot
from scheduler.core.timeline import Interval, merge
from scheduler.http.views import price_view, series_view
from scheduler.http.wording import rfc3339

View = dict[str, Any]

GRAMS_A_TONNE = 1e6


def told_view(series: PriceSeries, status: SourceStatus | None, *, now: datetime, since: datetime) -> View:
    """Return what a source told, and how it is now; `status` None is one that the configuration names no more."""
    if status is None:
        return series_view(series) | _state(SourceStatus(name=series.name, kind=""), now, since)
    fetched_at = rfc3339(status.fetched_at or series.fetched_at)  # the same prices are fetched often, and stored once
    return series_view(series) | {"fetched_at": fetched_at} | _state(status, now, since)


def silent_view(status: SourceStatus, *, now: datetime, since: datetime) -> View:
    """Return the same of a source that has told nothing yet."""
    return {"state": None, "slots": []} | source_view(status, now=now, since=since)


def source_view(status: SourceStatus, *, now: datetime, since: datetime) -> View:
    """Return how a source is, without its prices. Stand-ins that ended before `since` are left out."""
    series = status.series
    view = {
        "name": status.name,
        "zone": series.zone if series else "",
        "currency": series.currency if series else "",
        "fetched_at": rfc3339(status.fetched_at),
    }
    return view | _state(status, now, since)


def _state(status: SourceStatus, now: datetime, since: datetime) -> View:
    series = status.series
    stand_ins = [one for one in (series.stand_ins if series else ()) if one.interval.end > since]
    return {
        "source": status.kind or None,
        "until": rfc3339(known_until(series.slots, now)) if series else None,
        "next_fetch_at": rfc3339(status.next_fetch_at),
        "late": status.late,
        "trouble": status.trouble,
        "stand_in": status.stand_in or None,
        "stand_ins": [stand_in_view(one) for one in stand_ins],
    }


def stand_in_view(one: StandIn) -> View:
    """Return who stands in, and when."""
    return {"name": one.name, "start": rfc3339(one.interval.start), "end": rfc3339(one.interval.end)}


def known_until(slots: Sequence[PriceSlot], now: datetime) -> datetime | None:
    """Return until when prices are known without a gap from now on; where not even now's is, until when they were."""
    spans = merge(Interval(start=slot.start, end=slot.end) for slot in slots)
    return next((span.end for span in spans if span.covers(now)), spans[-1].end if spans else None)


def home_prices_view(home: Home, found: HomePrices, sources: Iterable[SourceStatus], *, now: datetime) -> View:
    """Return what a kWh costs a home, and how the sources are that its policies read."""
    return {
        "home": home.id,
        "timezone": home.timezone,
        "currency": home.currency,
        "now": rfc3339(now),
        "start": rfc3339(found.span.start),
        "end": rfc3339(found.span.end),
        "parts": list(dict.fromkeys(name for slot in found.slots for name, _ in slot.parts)),
        "slots": [paid_view(slot) for slot in found.slots],
        "carbon": [carbon_view(one) for one in found.carbon],
        "sources": [source_view(one, now=now, since=found.span.start) for one in read_by(home, sources)],
    }


def paid_view(slot: PaidSlot) -> View:
    """Return a price with its parts, which come to it when they are added in their order."""
    price = price_view(PriceSlot(start=slot.start, end=slot.end, per_kwh=slot.per_kwh, state=slot.state))
    return price | {"parts": [{"name": name, "per_kwh": per_kwh} for name, per_kwh in slot.parts]}


def carbon_view(carbon: GridCarbon) -> View:
    """Return the grams per kWh, and what they weigh in plans beside the price."""
    return {
        "source": carbon.source,
        "per_tonne": carbon.per_tonne,
        "slots": [
            {
                "start": rfc3339(slot.start),
                "end": rfc3339(slot.end),
                "grams_per_kwh": slot.per_kwh,
                "weight_per_kwh": slot.per_kwh * carbon.per_tonne / GRAMS_A_TONNE,
                "published": slot.published,
                "state": slot.state.value,
            }
            for slot in carbon.slots
        ],
    }


def read_by(home: Home, sources: Iterable[SourceStatus]) -> list[SourceStatus]:
    """Return the sources that a home's policies name, each followed by the one that may stand in for it."""
    by_name = {one.name: one for one in sources}
    named = (spec.settings.get("source") for spec in home.policies)
    own = [by_name[name] for name in dict.fromkeys(named) if isinstance(name, str) and name in by_name]
    names = dict.fromkeys(name for one in own for name in (one.name, one.stand_in))
    return [by_name[name] for name in names if name in by_name]
