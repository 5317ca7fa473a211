"""What a home pays as a table for each local day, by billing step. Pure.

It is drawn from the view of `/api/v1/homes/{home}/prices`.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from scheduler.cli.terminal import GOOD, QUIET, STRONG, Cell, Line, Styled
from scheduler.core.calendar import MIDNIGHT, ONE_DAY, local_instant, zone_named

View = dict[str, Any]

STATES = {"final": "final", "preliminary": "preliminary", "forecast": "expected"}
HOUR = timedelta(hours=1)
NOTHING = 1e-12
"""A part below this is none."""

GAP = 2
"""Blanks between the columns of a table."""


class Row(NamedTuple):
    """A span of the table with its slot, None where no price is known, and the grams per kWh, if they are."""

    start: datetime
    end: datetime
    slot: View | None
    grams: float | None


class Table(NamedTuple):
    """A day: heading, names of the columns, those with figures, and the rows."""

    heading: Line
    names: tuple[str, ...]
    right: tuple[str, ...]
    rows: list[list[Cell]]


def digits_for(amounts: Sequence[float]) -> int:
    """Return how many decimals tell such amounts apart: four of 0.2345, one of 120.5."""
    largest = max((abs(amount) for amount in amounts), default=0.0)
    return next((digits for bound, digits in ((1, 4), (10, 3), (100, 2)) if largest < bound), 1)


def tables(view: View, *, width: int, plain: bool = False) -> Iterator[Table]:
    """Yield a table for each local day, as wide as the terminal allows; `plain` has letters of ASCII alone."""
    start, end = _instant(view["start"]), _instant(view["end"])
    zone = zone_named(view["timezone"])
    day = start.astimezone(zone).date()
    while (low := local_instant(day, MIDNIGHT, view["timezone"])) < end:
        high = local_instant(day + ONE_DAY, MIDNIGHT, view["timezone"])
        yield _table(view, _rows(view, low, high), day, high - low, width=width, dash="-" if plain else "–")
        day += ONE_DAY


def _rows(view: View, low: datetime, high: datetime) -> list[Row]:
    """Return the rows of a day: its slots, what is not known between them, and long ones cut where grams change."""
    rows, at = [], low
    for slot in view["slots"]:
        start, end = max(_instant(slot["start"]), low), min(_instant(slot["end"]), high)
        if start < end:
            rows += [(at, start, None)] if at < start else []
            rows.append((start, end, slot))
            at = end
    rows += [(at, high, None)] if at < high else []
    grams = [(_instant(one["start"]), _instant(one["end"]), one["grams_per_kwh"]) for one in _grid(view)]
    return [
        Row(first, last, slot, _mean(grams, first, last))
        for start, end, slot in rows
        for first, last in _cut(start, end, [edge for one in grams for edge in one[:2]])
    ]


def _grid(view: View) -> list[View]:
    return view["carbon"][0]["slots"] if view["carbon"] else []


def _cut(start: datetime, end: datetime, edges: Sequence[datetime]) -> Iterator[tuple[datetime, datetime]]:
    if end - start <= HOUR:
        yield start, end
        return
    inside = sorted({edge for edge in edges if start < edge < end})
    yield from zip([start, *inside], [*inside, end], strict=True)


def _mean(spans: Sequence[tuple[datetime, datetime, float]], start: datetime, end: datetime) -> float | None:
    """Return the mean over a span, weighted by time; None where a part of it is not known."""
    shares = [((min(last, end) - max(first, start)) / (end - start), value) for first, last, value in spans]
    inside = [(share, value) for share, value in shares if share > 0]
    if not math.isclose(math.fsum(share for share, _ in inside), 1.0):
        return None
    return math.fsum(share * value for share, value in inside)


def _table(view: View, rows: Sequence[Row], day: date, length: timedelta, *, width: int, dash: str) -> Table:
    parts = [name for name in view["parts"] if any(abs(_part(slot, name)) > NOTHING for slot in view["slots"])]
    found: Table | None = None
    for names, ends in ((parts, True), (parts, False), ([], False)):
        found = _laid_out(view, rows, names if len(names) > 1 else [], f" {dash} " if ends else "")
        if _width(found) <= width:
            break
    assert found is not None
    return found._replace(heading=_heading(view, day, length))


def _heading(view: View, day: date, length: timedelta) -> Line:
    today = _instant(view["now"]).astimezone(zone_named(view["timezone"])).date()
    named = {-1: "yesterday", 0: "today", 1: "tomorrow"}.get((day - today).days, "")
    told = [f"{day:%A} {day.day} {day:%B}", *([named] if named else [])]
    if length != 24 * HOUR:
        told.append(f"{length / HOUR:g} hours: the clock changes")
    return (Styled(told[0], STRONG), Styled("".join(f", {one}" for one in told[1:]), QUIET))


def _laid_out(view: View, rows: Sequence[Row], parts: Sequence[str], dash: str) -> Table:
    """Return a table with these parts in it; without a dash only the beginnings of spans are told."""
    digits = digits_for([one["price_per_kwh"] for one in view["slots"]])
    per_tonne = view["carbon"][0]["per_tonne"] if view["carbon"] else 0.0
    figures = [*(name.replace("-", " ").upper() for name in parts), f"{view['currency']}/kWh"]
    figures += ["G CO2"] if view["carbon"] else []
    figures += ["WEIGHT"] if per_tonne else []
    now, cells = _instant(view["now"]), []
    for row in rows:
        style = "" if row.slot is None or row.end > now else QUIET
        style = STRONG if row.start <= now < row.end else style
        line: list[Cell] = [Styled(_time(row, view["timezone"], dash), style)]
        if row.slot is None:
            line += [Styled("", QUIET)] * len(parts) + [Styled("?", QUIET)]
        else:
            line += [Styled(_figure(_part(row.slot, name), digits), style or QUIET) for name in parts]
            paid = row.slot["price_per_kwh"]
            line.append(Styled(_figure(paid, digits), GOOD if paid < 0 else style))
        if view["carbon"]:
            line.append(Styled("?" if row.grams is None else f"{row.grams:.0f}", style))
        if per_tonne:
            weight = None if row.grams is None else row.grams * per_tonne / 1e6
            line.append(Styled("?" if weight is None else _figure(weight, digits), style or QUIET))
        cells.append([*line, Styled(_state(view, row), style or QUIET)])
    return Table((), ("TIME", *figures, "STATE"), tuple(figures), cells)


def _figure(amount: float, digits: int) -> str:
    return f"{round(amount, digits) + 0.0:.{digits}f}"  # no zero is below zero


def _part(slot: View, name: str) -> float:
    return math.fsum(part["per_kwh"] for part in slot["parts"] if part["name"] == name)


def _time(row: Row, timezone: str, dash: str) -> str:
    """Return the local time of a row, with the offset in an hour that comes twice."""
    zone = zone_named(timezone)
    start, end = row.start.astimezone(zone), row.end.astimezone(zone)
    told = ""
    if start.replace(fold=0).utcoffset() != start.replace(fold=1).utcoffset():
        end, offset = start + (row.end - row.start), f"{start:%z}"  # by the clock of the hour's own coming
        told = f" ({offset[:3]}:{offset[3:5]})"
    last = "24:00" if end.time() == MIDNIGHT and end.date() > start.date() else f"{end:%H:%M}"
    return f"{start:%H:%M}{dash}{last if dash else ''}{told}"


def _state(view: View, row: Row) -> str:
    if row.slot is None:
        return "not known"
    told = [STATES[row.slot["state"]]]
    told += [
        f"from {one['name']}"
        for source in view["sources"]
        for one in source["stand_ins"]
        if row.slot["published"] and _instant(one["start"]) <= row.start < _instant(one["end"])
    ]
    told += ["now"] if row.start <= _instant(view["now"]) < row.end else []
    return ", ".join(told)


def _width(table: Table) -> int:
    texts = [table.names, *([cell.text if isinstance(cell, Styled) else cell for cell in row] for row in table.rows)]
    return sum(max(len(line[n]) for line in texts) for n in range(len(table.names))) + GAP * (len(table.names) - 1)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
