"""The prices ahead as bars of text, the times to charge in below them, with the state of charge to expect. Pure."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from scheduler.cli.terminal import GOOD, QUIET, STRONG, Cell, Styled
from scheduler.core.calendar import zone_named

View = dict[str, Any]

ROWS = 6
MARGIN = 8
"""Columns left of the bars, for prices."""

WIDTHS = tuple(timedelta(minutes=minutes) for minutes in (15, 30, 60, 120, 180, 360))
"""How much time one column may stand for."""

SHORTEST, LONGEST = timedelta(hours=12), timedelta(hours=60)
"""How much of the time ahead is shown; further only to where charging ends."""

LABEL = len("00:00")
LABEL_HOURS = (1, 2, 3, 6, 12, 24)


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What is drawn with."""

    bars: str  # from the lowest to a full cell
    expected: str
    unknown: str
    axis: str
    charging: str
    corner: str
    wall: str
    tick: str
    due: str


UNICODE = Marks(
    bars="▁▂▃▄▅▆▇█", expected="░", unknown="·", axis="─", charging="━", corner="└", wall="│", tick="┤", due="▲"
)
ASCII = Marks(
    bars="....::||", expected=":", unknown="?", axis="-", charging="#", corner="+", wall="|", tick="+", due="^"
)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the chart: the mean price, and whether it is chosen, expected."""

    start: datetime
    end: datetime
    per_kwh: float | None
    expected: bool
    chosen: bool


def draw(view: View, *, width: int, marks: Marks = UNICODE) -> list[list[Cell]]:
    """Return the lines of the chart; none where no price ahead is known."""
    now = datetime.fromisoformat(view["now"])
    columns = _columns(view, now, width - MARGIN - LABEL)
    known = [column.per_kwh for column in columns if column.per_kwh is not None]
    if not known:
        return []
    lines = list(_bars(columns, min(known), max(known), marks))
    axis = [Styled(marks.charging, GOOD) if c.chosen else Styled(marks.axis, QUIET) for c in columns]
    lines.append(_joined([Styled(" " * (MARGIN - 1) + marks.corner, QUIET), *axis]))
    below = (
        (_socs(view, columns), GOOD),
        (_times(view, columns), QUIET),
        (_due(view, columns, now, marks), STRONG),
    )
    lines += [[Styled(" " * MARGIN + text, style)] for text, style in below if text.strip()]
    return [*lines, [Styled(" " * MARGIN + _legend(view, columns, marks), QUIET)]]


def _columns(view: View, now: datetime, most: int) -> list[Column]:
    slots, prices = _spans(view["slots"]), _spans(view["prices"])
    ends = [end for _, end, _, _ in slots if end > now]
    wanted = [datetime.fromisoformat(need["by"]) for need in view["needs"] if need["by"]]
    known = max([now, *(end for _, end, per_kwh, _ in prices if per_kwh is not None)])
    end = max([min(known, now + SHORTEST), *ends, *(by for by in wanted if by <= now + LONGEST)])
    step = next((step for step in WIDTHS if (end - now) / step + 1 <= most), WIDTHS[-1])
    first = _floored(now, step)
    count = min(most, math.ceil((end - first) / step))
    found = []
    for index in range(count):
        start, stop = first + index * step, first + (index + 1) * step
        within = [p for p in prices if p[0] < stop and p[1] > start and p[2] is not None]
        weights = [(min(p[1], stop) - max(p[0], start)) / step for p in within]
        mean = sum(w * (p[2] or 0.0) for w, p in zip(weights, within, strict=True)) / sum(weights) if within else None
        chosen = any(max(begin, now) < stop and finish > max(start, now) for begin, finish, _, _ in slots)
        expected = any(not p[3] for p in within)
        found.append(Column(start=start, end=stop, per_kwh=mean, expected=expected, chosen=chosen))
    return found


def _floored(at: datetime, step: timedelta) -> datetime:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (at - midnight) // step * step


def _spans(found: Sequence[View]) -> list[tuple[datetime, datetime, float | None, bool]]:
    return [
        (
            datetime.fromisoformat(one["start"]),
            datetime.fromisoformat(one["end"]),
            one["price_per_kwh"],
            one["published"],
        )
        for one in found
    ]


def _bars(columns: Sequence[Column], low: float, high: float, marks: Marks) -> Iterator[list[Cell]]:
    """Yield the rows from the top; the dearest fills all of them, the cheapest an eighth of the last."""
    levels = [_level(column.per_kwh, low, high) for column in columns]
    labels = {0: high, ROWS - 1: low}
    if low < 0 < high:
        labels.setdefault(ROWS - 1 - (_level(0.0, low, high) - 1) // 8, 0.0)
    for row in range(ROWS):
        floor = (ROWS - 1 - row) * 8
        label = f"{labels[row]:{MARGIN - 2}.2f} {marks.tick}" if row in labels else " " * (MARGIN - 1) + marks.wall
        cells = [_cell(c, level - floor, row == ROWS - 1, marks) for c, level in zip(columns, levels, strict=True)]
        yield _joined([Styled(label, QUIET), *cells])


def _joined(cells: Sequence[Styled]) -> list[Cell]:
    """Return the cells with neighbours of one style as one."""
    return [
        Styled("".join(cell.text for cell in alike), style)
        for style, alike in groupby(cells, key=lambda one: one.style)
    ]


def _level(per_kwh: float | None, low: float, high: float) -> int:
    """Return the height of a bar in eighths of a row; of prices that are all alike, half of the chart."""
    if per_kwh is None:
        return 0
    return 1 + round((per_kwh - low) / (high - low) * (ROWS * 8 - 1)) if high > low else ROWS * 4


def _cell(column: Column, eighths: int, lowest: bool, marks: Marks) -> Styled:
    if column.per_kwh is None:
        return Styled(marks.unknown if lowest else " ", QUIET)
    if eighths <= 0:
        return Styled(" ", "")
    mark = marks.bars[min(eighths, 8) - 1]
    if column.expected and eighths >= 8:  # noqa: PLR2004 - a whole row
        mark = marks.expected
    return Styled(mark, GOOD if column.chosen else QUIET)


def _put(row: list[str], at: int, text: str) -> bool:
    """Write into the row where there is room for it, with a blank on either side."""
    around = row[max(0, at - 1) : at + len(text) + 1]
    if at < 0 or at + len(text) > len(row) or any(cell != " " for cell in around):
        return False
    row[at : at + len(text)] = text
    return True


def _index(columns: Sequence[Column], at: datetime) -> int | None:
    """Return the column in which an instant lies, the one before it where it lies on an edge."""
    return next((index for index, one in enumerate(columns) if one.start < at <= one.end), None)


def _socs(view: View, columns: Sequence[Column]) -> str:
    """Return what is expected at the end of each block of charging, below its end."""
    row = [" "] * (len(columns) + LABEL)
    slots = view["slots"]
    begins = {slot["start"] for slot in slots}
    for slot in slots:
        goes_on = slot["end"] in begins
        index = _index(columns, datetime.fromisoformat(slot["end"]))
        if not goes_on and index is not None and slot.get("soc_pct") is not None:
            text = f"{slot['soc_pct']:.0f} %"
            _put(row, max(0, index + 1 - len(text)), text) or _put(row, index, text)
    return "".join(row).rstrip()


def _times(view: View, columns: Sequence[Column]) -> str:
    """Return the local times below the columns in which they lie, so many that they can be read apart."""
    zone = zone_named(view["timezone"])
    step = columns[0].end - columns[0].start
    every = next((hours for hours in LABEL_HOURS if timedelta(hours=hours) / step >= LABEL + 2), LABEL_HOURS[-1])
    row = [" "] * (len(columns) + LABEL)
    for index, column in enumerate(columns):
        there = column.start.astimezone(zone)
        if there.minute == 0 and there.hour % every == 0:
            _put(row, index, f"{there:%H:%M}")
    return "".join(row).rstrip()


def _due(view: View, columns: Sequence[Column], now: datetime, marks: Marks) -> str:
    """Return a mark below now and below each departure, with the time and what must be reached by it."""
    zone = zone_named(view["timezone"])
    row = [" "] * (len(columns) + LABEL)
    _put(row, 0, f"{marks.due} now")
    for need in view["needs"]:
        at = datetime.fromisoformat(need["by"]) if need["by"] else None
        index = _index(columns, at) if at is not None and at > now else None
        if at is None or index is None:
            continue
        what = f"{need['soc_pct']:.0f} %" if need["soc_pct"] is not None else f"{need['energy_kwh']:.1f} kWh"
        text = f"{what} by {at.astimezone(zone):%H:%M}"
        places = ((index, f"{marks.due} {text}"), (index - len(text) - 1, f"{text} {marks.due}"), (index, marks.due))
        any(_put(row, place, told) for place, told in places)
    return "".join(row).rstrip()


def _legend(view: View, columns: Sequence[Column], marks: Marks) -> str:
    told = [f"{view['currency']}/kWh", f"{marks.charging * 2} charging"]
    if any(column.expected for column in columns):
        told.append(f"{marks.expected * 2} expected price")
    if any(column.per_kwh is None for column in columns):
        told.append(f"{marks.unknown} price not known")
    return "   ".join(told)
