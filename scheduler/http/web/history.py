"""What was: sessions with energy, cost and savings, also as CSV; alerts."""

import csv
import io
from collections.abc import Iterable, Sequence

from aiohttp import web

from scheduler.http import asking, views
from scheduler.http.api import DAEMON
from scheduler.http.daemon import all_vehicles
from scheduler.http.overview import names_of
from scheduler.http.web.pages import answer, open_alerts
from scheduler.ports import SessionRecord

SESSIONS_SHOWN, ALERTS_SHOWN = 100, 200
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins so for a formula."""

ROUTES = web.RouteTableDef()


@ROUTES.get("/sessions")
async def sessions(request: web.Request) -> web.Response:
    """Show the newest sessions, of all cars or of one, with their totals."""
    daemon = request.app[DAEMON]
    vehicle_id = asking.vehicle_id(request, daemon) if request.query.get("vehicle") else None
    limit = asking.limit(request, default=SESSIONS_SHOWN, most=1000)
    found = await daemon.store.sessions(vehicle_id=vehicle_id, limit=limit)
    zones = {known.spec.id: known.home.timezone for known in all_vehicles(daemon)}
    names = names_of(daemon)
    return await answer(
        request,
        "sessions.html",
        sessions=[_row(one, names, zones) for one in found],
        totals=totals(found),
        cars=[(known.spec.id, known.name) for known in all_vehicles(daemon)],
        chosen=vehicle_id or "",
        cut=len(found) == limit,
        limit=limit,
    )


def _row(record: SessionRecord, names: dict[str, str], zones: dict[str, str]) -> views.View:
    view = views.session_record_view(record, names)
    return view | {"timezone": zones.get(record.vehicle_id, "UTC"), "saved": saved(record)}


def saved(record: SessionRecord) -> float | None:
    """Return what a session cost less than charging at once would have; None where that is not known."""
    return None if record.cost is None or record.baseline_cost is None else record.baseline_cost - record.cost


def totals(records: Iterable[SessionRecord]) -> list[views.View]:
    """Return the sums by currency: `sessions`, `energy_kwh`, `cost`, `saved`, and how many sessions are `unpriced`."""
    sums: dict[str, views.View] = {}
    for record in records:
        empty = {
            "currency": record.currency,
            "sessions": 0,
            "energy_kwh": 0.0,
            "cost": 0.0,
            "saved": 0.0,
            "unpriced": 0,
        }
        total = sums.setdefault(record.currency, empty)
        total["sessions"] += 1
        total["energy_kwh"] += record.energy_kwh
        total["cost"] += record.cost or 0.0
        total["saved"] += saved(record) or 0.0
        total["unpriced"] += record.cost is None
    return [sums[currency] for currency in sorted(sums)]


COLUMNS = (
    "id", "vehicle", "name", "home", "plugged_at", "unplugged_at", "energy_kwh", "cost", "baseline_cost", "saved",
    "currency", "soc_start_pct", "soc_end_pct", "target_soc_pct", "departure_at", "met", "why",
)  # fmt: skip


@ROUTES.get("/sessions.csv")
async def sessions_csv(request: web.Request) -> web.Response:
    """Answer with the sessions as CSV, instants in UTC."""
    daemon = request.app[DAEMON]
    vehicle_id = asking.vehicle_id(request, daemon) if request.query.get("vehicle") else None
    found = await daemon.store.sessions(vehicle_id=vehicle_id, limit=asking.MOST_ROWS)
    headers = {"Content-Disposition": 'attachment; filename="kwhen-sessions.csv"'}
    return web.Response(text=as_csv(found, names_of(daemon)), content_type="text/csv", headers=headers)


def as_csv(records: Sequence[SessionRecord], names: dict[str, str]) -> str:
    """Return the table; no cell of it is a formula to a spreadsheet."""
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(COLUMNS)
    for record in records:
        view = views.session_record_view(record, names)
        view |= {"vehicle": record.vehicle_id, "home": record.home_id, "saved": saved(record)}
        table.writerow([_cell(view[column]) for column in COLUMNS])
    return written.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(FORMULAS):
        return f"'{value}"
    return "" if value is None else value


@ROUTES.get("/alerts")
async def alerts(request: web.Request) -> web.Response:
    """Show open alerts, and those that have passed."""
    daemon = request.app[DAEMON]
    names = names_of(daemon)
    found = await daemon.store.alerts(open_only=False, limit=ALERTS_SHOWN)
    zones = {known.spec.id: known.home.timezone for known in all_vehicles(daemon)}
    past = [views.alert_view(one, names) for one in found if one.cleared_at is not None]
    return await answer(request, "alerts.html", alerts=await open_alerts(request), past=past, zones=zones)
