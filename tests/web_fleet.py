"""Many cars with a long past in a real store, which tells every statement that is executed on its connections."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from scheduler.core.feeds import PriceSeries
from scheduler.core.garage import Prompt
from scheduler.core.model import Flow, Home, VehicleSpec
from scheduler.core.terms import PriceSlot
from scheduler.onboard.prompts import prompts_of
from scheduler.onboard.setting_up import DISMISSED
from scheduler.ports import AlertChange, SessionRecord, Store
from storage import rows
from storage.database import Connection
from storage.sqlite import SqliteDatabase
from storage.statements import Statements
from storage.store import SqlStore
from tests.fake_onboarding import USER, FakeOnboarding, a_card, an_account
from tests.fakes_daemon import NOW, FakeDaemon, a_command, a_session, make_home, seen, waiting

QUARTER = timedelta(minutes=15)
CAR, HOME, STORED, NEWCOMER = "car-00", "home-0", "home-stored", "user-new"

PAGES = (
    "/", f"/cars/{CAR}", f"/cars/{CAR}/explain", "/sessions", "/sessions?limit=1000", f"/sessions?vehicle={CAR}",
    "/prices", "/alerts", "/policies", "/settings", f"/setup?user={USER}", f"/setup/charger?user={NEWCOMER}",
    f"/setup/cars/{CAR}", f"/setup/homes/{HOME}", f"/setup/homes/{STORED}/change", f"/setup/place?user={USER}",
    "/setup/preferences",
)  # fmt: skip
"""Every page that a person sees who is logged in."""

LOADED = (f"/cars/{CAR}/chart.json", "/prices/0/chart.json", "/diagnostics.json")
"""What pages load, or offer for a report."""

ELSEWHERE = {
    "/login": "who is logged in needs it no more",
    "/login/code": "who is logged in needs it no more",
    "/linked": "spends a state; it shows nothing of the owner's",
    "/sessions.csv": "a file, not a page: read some at a time, however long it is",
    "/events": "a stream",
    "/healthz": "no page",
    "/readyz": "no page",
    "/metrics": "no page",
}


class Traced(SqliteDatabase):
    """SQLite that tells every statement it executes on the store's own connections, as SQLite itself sees it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._connections: list[Any] = []

    def reader(self) -> Connection:
        return self._watched(super().reader())

    def writer(self) -> Connection:
        return self._watched(super().writer())

    def _watched(self, connection: Connection) -> Connection:
        self._connections.append(connection)
        return connection

    @contextmanager
    def telling(self) -> Iterator[list[str]]:
        """Yield a list of what is executed meanwhile. Outside of it nothing is slowed down by the telling."""
        executed: list[str] = []
        for connection in self._connections:
            plain(connection).set_trace_callback(executed.append)
        try:
            yield executed
        finally:
            for connection in self._connections:
                plain(connection).set_trace_callback(None)


def plain(connection: Any) -> Any:
    """Return the driver's own connection, out of the box that bounds its time."""
    return getattr(connection, "_connection", connection)


@dataclass(kw_only=True)
class StoredOnboarding(FakeOnboarding):
    """Asks the store what the real setting-up asks it when a page is shown; the rest of that is in memory."""

    store: Store

    async def prompts(self, user_id: str) -> tuple[Prompt, ...]:
        return prompts_of(await self.account(user_id), await self.store.all_kept(DISMISSED))


def a_fleet(store: Store, *, cars: int) -> FakeDaemon:
    """Return a daemon with so many cars, two a home, all of one user."""
    specs = [VehicleSpec(id=f"car-{i:02d}", name=f"Car {i}") for i in range(cars)]
    homes = tuple(make_home(f"home-{i}", *specs[2 * i : 2 * i + 2], user_id=USER) for i in range((cars + 1) // 2))
    daemon = FakeDaemon(store=store, home_list=homes, onboarding=StoredOnboarding(store=store))
    for home in homes:
        for spec in home.vehicles:
            daemon.put(home, spec, seen(), waiting())
    cards = tuple(a_card(spec.id, name=spec.name) for spec in specs)
    daemon.onboarding.accounts[USER] = an_account(vehicles=cards)
    daemon.onboarding.accounts[NEWCOMER] = an_account(user_id=NEWCOMER, chargers=())
    daemon.onboarding.file_homes = tuple(home.id for home in homes)
    stored = make_home(STORED, VehicleSpec(id="car-stored"), user_id=USER)
    daemon.home_list += (stored,)
    daemon.onboarding.stored[STORED] = stored
    daemon.onboarding.tables[STORED] = {
        "id": STORED,
        "user_id": USER,
        "timezone": stored.timezone,
        "currency": stored.currency,
        "charger_ids": list(stored.charger_ids),
        "vehicle": [{"id": "car-stored"}],
        "policy": [{"name": "ready-by", "at": "07:30", "soc_pct": 80}],
    }
    return daemon


def fill(database: SqliteDatabase, homes: tuple[Home, ...], *, days: int) -> None:
    """Put a session a day of each car into the store, and some commands and alerts."""
    statements, connection = Statements(database.dialect), SqliteDatabase.writer(database)  # none of the store's own
    cursor = connection.cursor()
    cursor.execute(database.begin)
    for number, (vehicle_id, home_id) in enumerate((spec.id, home.id) for home in homes for spec in home.vehicles):
        for day in range(days):
            cursor.execute(statements.upsert_session, rows.session_row(_session(vehicle_id, home_id, day)))
        cursor.execute(statements.upsert_command, rows.command_row(a_command(f"c-{number}", vehicle_id)))
        if number % 5 == 0:
            alert = AlertChange(
                code="NO_PAUSE", vehicle_id=vehicle_id, text="It resumes by itself.", severity="warning", raised_at=NOW
            )
            cursor.execute(statements.raise_alert, rows.alert_row(alert))
    cursor.execute("COMMIT")
    connection.close()


def _session(vehicle_id: str, home_id: str, day: int) -> SessionRecord:
    """Return a session of three hours, charging in half of them."""
    at = NOW - timedelta(days=day, hours=4)
    flows = tuple(Flow(start=at + i * QUARTER, end=at + (i + 1) * QUARTER, kw=7.0 + i % 3) for i in range(2, 8))
    return replace(
        a_session(), id=f"{vehicle_id}:{day}", vehicle_id=vehicle_id, home_id=home_id,
        plugged_at=at, unplugged_at=at + timedelta(hours=3), flows=flows,
    )  # fmt: skip


async def publish(store: SqlStore) -> None:
    """Put two days of prices by the quarter of an hour into the store."""
    start = NOW.replace(minute=0) - timedelta(hours=12)
    slots = tuple(
        PriceSlot(start=start + i * QUARTER, end=start + (i + 1) * QUARTER, per_kwh=0.2 + i % 24 / 100)
        for i in range(192)
    )
    await store.put_prices(PriceSeries(name="market", currency="NOK", slots=slots, fetched_at=NOW, zone="NO1"))


def unlisted(app: web.Application) -> set[str]:
    """Return the addresses of the application that are in none of the lists above."""
    asked = {path.partition("?")[0] for path in (*PAGES, *LOADED)} | ELSEWHERE.keys()
    resources = {route.resource for route in app.router.routes() if route.method == "GET" and route.resource}
    pages = [one for one in resources if not one.canonical.startswith(("/api/", "/static/"))]
    return {page.canonical for page in pages if not any(_is_at(page, path) for path in asked)}


def _is_at(page: web.AbstractResource, path: str) -> bool:
    where = page.get_info()
    return bool(where["pattern"].fullmatch(path)) if "pattern" in where else where["path"] == path
