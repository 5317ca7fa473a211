"""What was: sessions with energy, cost and savings, also as CSV; alerts."""

import contextlib
import csv
import io
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from functools import partial

import structlog
from aiohttp import web

from scheduler.core.errors import StoreError
from scheduler.http import asking, views
from scheduler.http.api import DAEMON
from scheduler.http.daemon import all_vehicles
from scheduler.http.overview import alerts_of, names_of
from scheduler.http.web.pages import answer, open_alerts
from scheduler.http.wording import rfc3339
from scheduler.ports import SessionRecord

log = structlog.get_logger()

SESSIONS_SHOWN, ALERTS_SHOWN = 100, 200

CSV, ROWS_AT_ONCE = "text/csv; charset=utf-8", 500
"""So many sessions of a CSV file are in memory at once."""

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins so for a formula."""

ROUTES = web.RouteTableDef()


@ROUTES.get("/sessions")
async def sessions(request: web.Request) -> web.Response:
    """Show the newest sessions, of all cars or of one, and what all of them come to."""
    daemon = request.app[DAEMON]
    vehicle_id = asking.vehicle_id(request, daemon) if request.query.get("vehicle") else None
    limit = asking.limit(request, default=SESSIONS_SHOWN, most=1000)
    found = await daemon.store.sessions(vehicle_id=vehicle_id, limit=limit)
    zones = {known.spec.id: known.home.timezone for known in all_vehicles(daemon)}
    names, totals = names_of(daemon), await daemon.store.session_totals(vehicle_id=vehicle_id)
    return await answer(
        request,
        "sessions.html",
        sessions=[_row(one, names, zones) for one in found],
        totals=[views.session_total_view(total) for total in totals],
        grams=any(one.grams is not None for one in found),
        cars=[(known.spec.id, known.name) for known in all_vehicles(daemon)],
        chosen=vehicle_id or "",
        cut=sum(total.sessions for total in totals) > len(found),
        limit=limit,
    )


def _row(record: SessionRecord, names: dict[str, str], zones: dict[str, str]) -> views.View:
    view = views.session_record_view(record, names)
    return view | {"timezone": zones.get(record.vehicle_id, "UTC"), "saved": saved(record)}


def saved(record: SessionRecord) -> float | None:
    """Return what a session cost less than charging at once would have; None where that is not known."""
    return None if record.cost is None or record.baseline_cost is None else record.baseline_cost - record.cost


COLUMNS = (
    "id", "vehicle", "name", "home", "plugged_at", "unplugged_at", "energy_kwh", "cost", "baseline_cost", "saved",
    "currency", "soc_start_pct", "soc_end_pct", "target_soc_pct", "departure_at", "met", "why",
    "grams", "baseline_grams",
)  # fmt: skip


@ROUTES.get("/sessions.csv")
async def sessions_csv(request: web.Request) -> web.StreamResponse:
    """Answer with every session as CSV, newest first, instants in UTC; they are read and sent some at a time."""
    daemon = request.app[DAEMON]
    vehicle_id = asking.vehicle_id(request, daemon) if request.query.get("vehicle") else None
    names = names_of(daemon)
    read = partial(daemon.store.sessions, vehicle_id=vehicle_id, limit=ROWS_AT_ONCE)
    found = await read()  # before the answer begins: a store that cannot read is still told by the status
    headers = {"Content-Disposition": 'attachment; filename="kwhen-sessions.csv"', "Content-Type": CSV}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    with contextlib.suppress(ConnectionResetError):  # who asked has gone
        await response.write(_lines([COLUMNS]))
        while found:
            await response.write(_lines(_cells(one, names) for one in found))
            found = await _read_on(request, read, found[-1]) if len(found) == ROWS_AT_ONCE else []
    return response


async def _read_on(
    request: web.Request, read: Callable[..., Awaitable[list[SessionRecord]]], last: SessionRecord
) -> list[SessionRecord]:
    """Return what follows. Raises ConnectionResetError, having cut the line: half a table must not pass for a whole."""
    try:
        return await read(behind=last)
    except StoreError as error:
        log.warning("sessions.csv_broken_off", why=str(error))
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError from error


def _cells(record: SessionRecord, names: dict[str, str]) -> list[object]:
    """Return a line of the table."""
    own = {
        "vehicle": record.vehicle_id,
        "name": names.get(record.vehicle_id, record.vehicle_id),
        "home": record.home_id,
        "saved": saved(record),
    }
    return [_cell(own[column] if column in own else getattr(record, column)) for column in COLUMNS]


def _lines(rows: Iterable[Iterable[object]]) -> bytes:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue().encode()


def _cell(value: object) -> object:
    """Return a value as it is written: instants in UTC, nothing for what is unknown, and no formula."""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, str) and value.startswith(FORMULAS):
        return f"'{value}"
    return "" if value is None else value


@ROUTES.get("/alerts")
async def alerts(request: web.Request) -> web.Response:
    """Show open alerts, and those that have passed."""
    daemon = request.app[DAEMON]
    found = await daemon.store.alerts(open_only=False, limit=ALERTS_SHOWN)
    past = alerts_of(daemon, (one for one in found if one.cleared_at is not None))
    return await answer(request, "alerts.html", alerts=await open_alerts(request), past=past)
