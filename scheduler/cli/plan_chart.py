"""The prices ahead as bars of text, the times to charge in below them, with the state of charge to expect. Pure."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from scheduler.cli.bar_chart import (
    LABEL,
    MARGIN,
    UNICODE,
    Column,
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
from scheduler.cli.terminal import GOOD, QUIET, STRONG, Cell
from scheduler.core.calendar import zone_named

View = dict[str, Any]

SHORTEST, LONGEST = timedelta(hours=12), timedelta(hours=60)
"""How much of the time ahead is shown; further only to where charging ends."""


def draw(view: View, *, width: int, marks: Marks = UNICODE) -> list[list[Cell]]:
    """Return the lines of the chart; none where no price ahead is known."""
    now = datetime.fromisoformat(view["now"])
    columns = _columns(view, now, width - MARGIN - LABEL)
    lines = bars(columns, marks)
    if not lines:
        return []
    rows = (
        (_socs(view, columns), GOOD),
        (times(columns, view["timezone"]), QUIET),
        (_due(view, columns, now, marks), STRONG),
    )
    lines += [axis(columns, marks), *(below(text, style) for text, style in rows if text.strip())]
    return [*lines, below(_legend(view, columns, marks), QUIET)]


def _columns(view: View, now: datetime, most: int) -> list[Column]:
    slots, prices = _spans(view["slots"]), _spans(view["prices"])
    ends = [slot.end for slot in slots if slot.end > now]
    wanted = [datetime.fromisoformat(need["by"]) for need in view["needs"] if need["by"]]
    known = max([now, *(price.end for price in prices if price.per_kwh is not None)])
    end = max([min(known, now + SHORTEST), *ends, *(by for by in wanted if by <= now + LONGEST)])
    step = step_of(now, end, most - 1)
    first = _floored(now, step)
    count = min(most, math.ceil((end - first) / step))

    def charging(start: datetime, stop: datetime) -> bool:
        return any(max(slot.start, now) < stop and slot.end > max(start, now) for slot in slots)

    return columns_of(prices, first, step=step, count=count, chosen=charging)


def _floored(at: datetime, step: timedelta) -> datetime:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (at - midnight) // step * step


def _spans(found: Sequence[View]) -> list[Span]:
    return [
        Span(
            datetime.fromisoformat(one["start"]),
            datetime.fromisoformat(one["end"]),
            one["price_per_kwh"],
            one["published"],
        )
        for one in found
    ]


def _index(columns: Sequence[Column], at: datetime) -> int | None:
    """Return the column in which an instant lies, the one before it where it lies on an edge."""
    return next((index for index, one in enumerate(columns) if one.start < at <= one.end), None)


def _socs(view: View, columns: Sequence[Column]) -> str:
    """Return what is expected at the end of each block of charging, below its end."""
    row = blank(columns)
    slots = view["slots"]
    begins = {slot["start"] for slot in slots}
    for slot in slots:
        goes_on = slot["end"] in begins
        index = _index(columns, datetime.fromisoformat(slot["end"]))
        if not goes_on and index is not None and slot.get("soc_pct") is not None:
            text = f"{slot['soc_pct']:.0f} %"
            put(row, max(0, index + 1 - len(text)), text) or put(row, index, text)
    return "".join(row).rstrip()


def _due(view: View, columns: Sequence[Column], now: datetime, marks: Marks) -> str:
    """Return a mark below now and below each departure, with the time and what must be reached by it."""
    zone = zone_named(view["timezone"])
    row = blank(columns)
    put(row, 0, f"{marks.due} now")
    for need in view["needs"]:
        at = datetime.fromisoformat(need["by"]) if need["by"] else None
        index = _index(columns, at) if at is not None and at > now else None
        if at is None or index is None:
            continue
        what = f"{need['soc_pct']:.0f} %" if need["soc_pct"] is not None else f"{need['energy_kwh']:.1f} kWh"
        text = f"{what} by {at.astimezone(zone):%H:%M}"
        places = ((index, f"{marks.due} {text}"), (index - len(text) - 1, f"{text} {marks.due}"), (index, marks.due))
        any(put(row, place, told) for place, told in places)
    return "".join(row).rstrip()


def _legend(view: View, columns: Sequence[Column], marks: Marks) -> str:
    told = [f"{view['currency']}/kWh", f"{marks.charging * 2} charging"]
    if any(column.expected for column in columns):
        told.append(f"{marks.expected * 2} expected price")
    if any(column.per_kwh is None for column in columns):
        told.append(f"{marks.unknown} price not known")
    return "   ".join(told)
