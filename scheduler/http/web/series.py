"""What the charts draw, as columns over one row of instants: prices, charging that was and is planned, expected SoC.

Pure. Every edge stands twice, an instant before it and at it, so that straight lines between the points make steps.
Unknown is null. Instants are seconds since 1970.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from scheduler.core.energy import gained_pct
from scheduler.core.model import Flow, Session
from scheduler.http.views import View
from scheduler.ports import SessionRecord

LEAD, BACK = timedelta(hours=1), timedelta(hours=24)
"""The chart begins so long before now, or with the first charging or session that it can show, but not longer ago."""

SHORTEST, LONGEST = timedelta(hours=12), timedelta(hours=48)
"""How much of the time ahead is shown."""

JUST = timedelta(seconds=1)
"""So much before an edge its last value stands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A value from `start` to `end`."""

    start: datetime
    end: datetime
    value: float | None


class Row:
    """Spans in order, asked for the value at an instant."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = sorted(spans, key=lambda span: span.start)
        self._starts = [span.start for span in self._spans]

    def at(self, at: datetime) -> float | None:
        """Return the value at an instant, None where no span covers it."""
        index = bisect_right(self._starts, at) - 1
        return self._spans[index].value if index >= 0 and self._spans[index].end > at else None


def charged(session: Session | None, past: Sequence[SessionRecord], *, since: datetime) -> list[Flow]:
    """Return what flowed in the open session and in those that are over, as far as it ended after an instant."""
    is_open = session.id if session is not None else None
    flows = [flow for record in past if record.id != is_open for flow in record.flows]
    flows += session.flows if session is not None else ()
    return sorted((flow for flow in flows if flow.end > since), key=lambda flow: flow.start)


def car_chart(
    plan: View, session: Session | None, *, past: Sequence[SessionRecord] = (), capacity_kwh: float | None
) -> View:
    """Return the chart of a vehicle from the view of its plan, its open session, and the sessions before it."""
    now = datetime.fromisoformat(plan["now"])
    prices, slots = _prices(plan["prices"]), _powers(plan["slots"])
    flows = [Span(start=f.start, end=f.end, value=f.kw) for f in charged(session, past, since=now - BACK)]
    due = [(datetime.fromisoformat(n["by"]), n["soc_pct"]) for n in plan["needs"] if n["by"]]
    begun = [*([session.plugged_at] if session is not None else []), *(flow.start for flow in flows)]
    start, end = _frame(now, begun, slots, [at for at, _ in due])
    published, expected = prices
    edges = {start, now, end} | {
        min(max(edge, start), end)
        for span in (*published, *expected, *slots, *flows)
        for edge in (span.start, span.end)
        if span.end > start and span.start < end
    }
    row = _both_sides(edges)
    columns = [Row(published), Row(expected), Row([s for s in slots if s.end > now]), Row(flows)]
    return {
        "name": plan["name"],
        "timezone": plan["timezone"],
        "currency": plan["currency"],
        "now": now.timestamp(),
        "due": [{"at": at.timestamp(), "soc_pct": soc} for at, soc in due if start < at < end],
        "data": [
            [at.timestamp() for at in row],
            *([_rounded(column.at(at)) for at in row] for column in columns),
            [_rounded(soc) for soc in _socs(row, now, plan, session, capacity_kwh)],
        ],
    }


def price_chart(view: View, *, timezone: str, now: datetime) -> View:
    """Return the chart of one price source."""
    published, expected = _prices(view["slots"])
    row = _both_sides({edge for span in (*published, *expected) for edge in (span.start, span.end)})
    columns = (Row(published), Row(expected))
    return {
        "name": view["name"],
        "timezone": timezone,
        "currency": view["currency"],
        "now": now.timestamp(),
        "due": [],
        "data": [[at.timestamp() for at in row], *([_rounded(column.at(at)) for at in row] for column in columns)],
    }


def _both_sides(edges: set[datetime]) -> list[datetime]:
    """Return each edge, and the instant just before each but the first."""
    return sorted(edges | {edge - JUST for edge in edges if edge != min(edges)})


def _prices(views: Sequence[View]) -> tuple[list[Span], list[Span]]:
    """Return published prices, and those that are only expected."""
    found: tuple[list[Span], list[Span]] = ([], [])
    for view in views:
        found[not view["published"]].append(_span(view, view["price_per_kwh"]))
    return found


def _powers(views: Sequence[View]) -> list[Span]:
    """Return planned charging as power [kW]."""
    spans = [_span(view, view["energy_kwh"]) for view in views]
    return [
        Span(start=s.start, end=s.end, value=(s.value or 0.0) / ((s.end - s.start) / timedelta(hours=1)))
        for s in spans
        if s.end > s.start
    ]


def _span(view: View, value: float | None) -> Span:
    return Span(start=datetime.fromisoformat(view["start"]), end=datetime.fromisoformat(view["end"]), value=value)


def _frame(now: datetime, begun: list[datetime], slots: list[Span], due: list[datetime]) -> tuple[datetime, datetime]:
    start = max(now - BACK, min([now - LEAD, *(at - LEAD / 4 for at in begun)]))
    wanted = max([now + SHORTEST, *(slot.end for slot in slots), *(at + LEAD for at in due)])
    return start, min(wanted, now + LONGEST)


def _socs(
    row: Sequence[datetime], now: datetime, plan: View, session: Session | None, capacity_kwh: float | None
) -> list[float | None]:
    """Return the SoC at each instant: before now as the energy that flowed tells, after it as the plan expects."""
    soc: Any = plan.get("soc_pct")
    if soc is None:
        return [None] * len(row)
    ahead = [(at, _energy(plan["slots"], now, at)) for at in row if at >= now]
    grows = capacity_kwh is not None and capacity_kwh > 0
    expected = [
        min(100.0, soc + gained_pct(grid_kwh=kwh, capacity_kwh=capacity_kwh)) if grows and capacity_kwh else soc
        for _, kwh in ahead
    ]
    return [*_past_socs([at for at in row if at < now], soc, session), *expected]


def _energy(slots: Sequence[View], start: datetime, end: datetime) -> float:
    """Return the planned energy between two instants [kWh]."""
    total = 0.0
    for slot in (_span(view, view["energy_kwh"]) for view in slots):
        shared = min(end, slot.end) - max(start, slot.start)
        if shared > timedelta(0):
            total += (slot.value or 0.0) * (shared / (slot.end - slot.start))
    return total


def _past_socs(row: Sequence[datetime], soc: float, session: Session | None) -> list[float | None]:
    began = session.soc_at_start_pct if session else None
    if session is None or began is None:
        return [None] * len(row)
    whole = sum(flow.kw * (flow.end - flow.start).total_seconds() for flow in session.flows)
    found: list[float | None] = []
    for at in row:
        flowed = sum(flow.kw * max(0.0, (min(at, flow.end) - flow.start).total_seconds()) for flow in session.flows)
        known = at >= session.plugged_at
        found.append(began + (soc - began) * (flowed / whole if whole else 0.0) if known else None)
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)
