"""What a home pays, as lines: how its sources are, the days as bars, and the whole in a sentence. Pure.

All of it is drawn from the view of `/api/v1/homes/{home}/prices`.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from scheduler.cli.bar_chart import (
    LABEL,
    MARGIN,
    Marks,
    Span,
    axis,
    bars,
    below,
    blank,
    columns_of,
    put,
    step_of,
    times,
)
from scheduler.cli.price_table import digits_for
from scheduler.cli.terminal import BAD, QUIET, STRONG, WARN, Cell, Line, Styled
from scheduler.core.calendar import zone_named
from scheduler.http.wording import local, span

View = dict[str, Any]

GRAMS = "gCO2"


def source_lines(source: View, *, timezone: str, now: datetime) -> Iterator[Line]:
    """Yield how a price source is: what it is, how old its prices are, who stands in, and what troubles it."""

    def at(text: str) -> str:
        return local(datetime.fromisoformat(text), timezone, now=now) + (" UTC" if timezone == "UTC" else "")

    unit = "g CO2/kWh" if source["currency"] == GRAMS else source["currency"]
    what = [part for part in (source["source"] or "configured no more", source["zone"], unit) if part]
    yield (Styled(source["name"], STRONG), Styled(f"  {' · '.join(what)}", QUIET))
    told = [f"fetched {_ago(source['fetched_at'], now)}" if source["fetched_at"] else "never fetched"]
    if source["until"]:
        known = "known" if datetime.fromisoformat(source["until"]) > now else "known only"
        told.append(f"{known} until {at(source['until'])}")
    if source["source"]:
        coming = source["next_fetch_at"]
        due = coming is None or datetime.fromisoformat(coming) <= now
        told.append("to be asked now" if due else f"asked next at {at(coming)}")
    yield (Styled(f"  {' · '.join(told)}", QUIET),)
    for one in source["stand_ins"]:
        yield (Styled(f"  {one['name']} stands in from {at(one['start'])} until {at(one['end'])}", WARN),)
    if source["late"] or source["trouble"]:
        why = source["trouble"] or "its prices are late: they should be known by now"
        yield (Styled(f"  {'late' if source['late'] else 'trouble'}: ", BAD), why)


def _ago(text: str, now: datetime) -> str:
    age = now - datetime.fromisoformat(text)
    return f"{span(age)} ago" if age >= timedelta(seconds=1) else "just now"


def chart(view: View, *, width: int, marks: Marks) -> list[list[Cell]]:
    """Return the days as bars; nothing where no price is known, or where all are the same."""
    spans = [
        Span(_instant(one["start"]), _instant(one["end"]), one["price_per_kwh"], one["published"])
        for one in view["slots"]
    ]
    figures = [one["price_per_kwh"] for one in view["slots"]]
    if len(set(figures)) < 2:  # noqa: PLR2004
        return []
    start, end, now = (_instant(view[key]) for key in ("start", "end", "now"))
    step = step_of(start, end, width - MARGIN - LABEL)
    count = math.ceil((end - start) / step)
    columns = columns_of(spans, start, step=step, count=count, chosen=lambda low, high: low <= now < high)
    lines = bars(columns, marks, digits=max(digits_for(figures) - 1, 0))
    lines.append(axis([replace(column, chosen=False) for column in columns], marks))
    days, present = blank(columns), blank(columns)
    for index, column in enumerate(columns):
        there = column.start.astimezone(zone_named(view["timezone"]))
        if index == 0 or there.date() != columns[index - 1].start.astimezone(there.tzinfo).date():
            put(days, index, f"{there:%a} {there.day} {there:%b}")
        if column.chosen:
            _ = put(present, index, f"{marks.due} now") or put(present, index - 4, f"now {marks.due}")
    legend = [f"{view['currency']}/kWh"]
    legend += [f"{marks.expected * 2} expected"] if any(column.expected for column in columns) else []
    legend += [f"{marks.unknown} not known"] if any(column.per_kwh is None for column in columns) else []
    rows = (
        (times(columns, view["timezone"]), QUIET),
        ("".join(days).rstrip(), QUIET),
        ("".join(present).rstrip(), STRONG),
        ("   ".join(legend), QUIET),
    )
    return [*lines, *(below(text, style) for text, style in rows if text)]


def summary(view: View) -> str:
    """Say what a kWh costs now, and when it will be cheapest and dearest."""
    now, zone, currency = _instant(view["now"]), view["timezone"], view["currency"]
    ahead = [one for one in view["slots"] if _instant(one["end"]) > now]
    if not ahead:
        return ""
    digits = digits_for([one["price_per_kwh"] for one in view["slots"]])
    present = next((one for one in ahead if _instant(one["start"]) <= now), None)
    told = [f"now {present['price_per_kwh']:.{digits}f} {currency}/kWh"] if present else []
    figures = {one["price_per_kwh"] for one in ahead}
    if len(figures) > 1:
        low, high = (choose(ahead, key=lambda one: one["price_per_kwh"]) for choose in (min, max))
        for word, one in (("lowest", low), ("highest", high)):
            at = "now" if one is present else f"at {local(_instant(one['start']), zone, now=now)}"
            expected = "" if one["published"] else " expected"
            told.append(f"{word} {one['price_per_kwh']:.{digits}f}{expected} {at}")
    return ", ".join(told)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
