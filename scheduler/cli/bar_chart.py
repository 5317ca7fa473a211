"""Prices over time as bars of text, with rows of marks and times below them. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from scheduler.cli.terminal import GOOD, QUIET, Cell, Styled
from scheduler.core.calendar import zone_named

ROWS = 6
MARGIN = 8
"""Columns left of the bars, for prices."""

WIDTHS = tuple(timedelta(minutes=minutes) for minutes in (15, 30, 60, 120, 180, 360))
"""How much time one column may stand for."""

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


class Span(NamedTuple):
    """A price from `start` to `end`. `per_kwh` None is an unknown one."""

    start: datetime
    end: datetime
    per_kwh: float | None
    published: bool


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the chart: the mean price, and whether it is chosen, expected."""

    start: datetime
    end: datetime
    per_kwh: float | None
    expected: bool
    chosen: bool


def step_of(start: datetime, end: datetime, most: int) -> timedelta:
    """Return how much time a column stands for so that a span fits into so many of them."""
    return next((step for step in WIDTHS if (end - start) / step <= most), WIDTHS[-1])


def columns_of(
    prices: Sequence[Span],
    first: datetime,
    *,
    step: timedelta,
    count: int,
    chosen: Callable[[datetime, datetime], bool],
) -> list[Column]:
    """Return so many columns from an instant on, each with the mean price, weighted by time."""
    found = []
    for index in range(count):
        start, stop = first + index * step, first + (index + 1) * step
        within = [p for p in prices if p.start < stop and p.end > start and p.per_kwh is not None]
        weights = [(min(p.end, stop) - max(p.start, start)) / step for p in within]
        paid = sum(w * (p.per_kwh or 0.0) for w, p in zip(weights, within, strict=True))
        mean = paid / sum(weights) if within else None
        expected = any(not p.published for p in within)
        found.append(Column(start=start, end=stop, per_kwh=mean, expected=expected, chosen=chosen(start, stop)))
    return found


def bars(columns: Sequence[Column], marks: Marks, *, digits: int = 2) -> list[list[Cell]]:
    """Return the rows from the top, with prices of so many digits on the left; none where no price is known.

    The dearest column fills all rows, the cheapest an eighth of the last.
    """
    known = [column.per_kwh for column in columns if column.per_kwh is not None]
    return list(_bars(columns, min(known), max(known), marks, digits)) if known else []


def axis(columns: Sequence[Column], marks: Marks) -> list[Cell]:
    """Return the line below the bars, with the chosen columns in it."""
    cells = [Styled(marks.charging, GOOD) if c.chosen else Styled(marks.axis, QUIET) for c in columns]
    return _joined([Styled(" " * (MARGIN - 1) + marks.corner, QUIET), *cells])


def below(text: str, style: str) -> list[Cell]:
    """Return a row that stands below the columns."""
    return [Styled(" " * MARGIN + text, style)]


def _bars(columns: Sequence[Column], low: float, high: float, marks: Marks, digits: int) -> Iterator[list[Cell]]:
    levels = [_level(column.per_kwh, low, high) for column in columns]
    labels = {0: high, ROWS - 1: low}
    if low < 0 < high:
        labels.setdefault(ROWS - 1 - (_level(0.0, low, high) - 1) // 8, 0.0)
    for row in range(ROWS):
        floor = (ROWS - 1 - row) * 8
        wall = " " * (MARGIN - 1) + marks.wall
        label = f"{labels[row]:{MARGIN - 2}.{digits}f} {marks.tick}" if row in labels else wall
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


def blank(columns: Sequence[Column]) -> list[str]:
    """Return a row without marks, as wide as the columns and a label."""
    return [" "] * (len(columns) + LABEL)


def put(row: list[str], at: int, text: str) -> bool:
    """Write into the row where there is room for it, with a blank on either side."""
    around = row[max(0, at - 1) : at + len(text) + 1]
    if at < 0 or at + len(text) > len(row) or any(cell != " " for cell in around):
        return False
    row[at : at + len(text)] = text
    return True


def times(columns: Sequence[Column], timezone: str) -> str:
    """Return the local times below the columns in which they lie, so many that they can be read apart."""
    zone = zone_named(timezone)
    step = columns[0].end - columns[0].start
    every = next((hours for hours in LABEL_HOURS if timedelta(hours=hours) / step >= LABEL + 2), LABEL_HOURS[-1])
    row = blank(columns)
    for index, column in enumerate(columns):
        there = column.start.astimezone(zone)
        if there.minute == 0 and there.hour % every == 0:
            put(row, index, f"{there:%H:%M}")
    return "".join(row).rstrip()
