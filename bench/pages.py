"""How long each page takes beside the same template rendered from ready objects: `bench/pages.py`.

The daemon's state is in memory: 50 cars in 25 homes. The store is a file with a year of sessions of each. Both sides
are asked for over HTTP behind the same login in the same run, by turns, and the least of many times is taken: the rest
is the machine's. What counts is the ratio (at most 3) and the number of store queries, the login's with them (at most
5); the status is 1 when a page needs more.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import aiohttp
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1]))

from scheduler.core.model import PriceSeries, VehicleSpec
from scheduler.core.terms import PriceSlot
from scheduler.http.daemon import Daemon
from scheduler.http.web.app import web_app
from scheduler.http.web.passwords import Passwords
from scheduler.http.web.rendering import RENDERER
from scheduler.ports import AlertChange
from storage import rows
from storage.sqlite import SqliteDatabase
from storage.statements import Statements
from storage.store import SqlStore
from tests.fake_onboarding import USER, a_card, an_account
from tests.fakes_daemon import NOW, FakeDaemon, a_command, a_session, make_home, seen, waiting
from tests.web_site import PASSWORD, QUICK
from tests.web_support import serving

CARS, DAYS, ROUNDS = 50, 365, 25
MOST_TIMES, MOST_QUERIES = 3.0, 5
READY = "/_ready"


class Counting:
    """A store that counts what is asked of it."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if asyncio.iscoroutinefunction(found):
            self.asked.append(name)
        return found


def a_daemon(store: Any) -> FakeDaemon:
    specs = [VehicleSpec(id=f"car-{i:02d}", name=f"Car {i}") for i in range(CARS)]
    homes = tuple(make_home(f"home-{i}", *specs[2 * i : 2 * i + 2], user_id=USER) for i in range(CARS // 2))
    daemon = FakeDaemon(store=store, home_list=homes)
    for home in homes:
        for spec in home.vehicles:
            daemon.put(home, spec, seen(), waiting())
    cards = tuple(a_card(spec.id, name=spec.name) for spec in specs)
    daemon.onboarding.accounts[USER] = an_account(vehicles=cards)
    daemon.onboarding.file_homes = tuple(home.id for home in homes)
    return daemon


def fill(database: SqliteDatabase) -> None:
    """Put a year of sessions of each car, and some commands, into the store."""
    statements, connection = Statements(database.dialect), database.writer()
    cursor = connection.cursor()
    cursor.execute(database.begin)
    for car in range(CARS):
        for day in range(DAYS):
            at = NOW - timedelta(days=day, hours=4)
            record = replace(
                a_session(), id=f"car-{car:02d}:{day}", vehicle_id=f"car-{car:02d}", home_id=f"home-{car // 2}",
                plugged_at=at, unplugged_at=at + timedelta(hours=3),
            )  # fmt: skip
            cursor.execute(statements.upsert_session, rows.session_row(record))
        cursor.execute(statements.upsert_command, rows.command_row(a_command(f"c-{car}", f"car-{car:02d}")))
        if car % 5 == 0:
            alert = AlertChange(
                code="NO_PAUSE",
                vehicle_id=f"car-{car:02d}",
                text="It resumes by itself.",
                severity="warning",
                raised_at=NOW,
            )
            cursor.execute(statements.raise_alert, rows.alert_row(alert))
    cursor.execute("COMMIT")
    connection.close()


async def publish(store: SqlStore) -> None:
    """Put two days of prices by the quarter of an hour into the store."""
    quarter, start = timedelta(minutes=15), NOW.replace(minute=0) - timedelta(hours=12)
    slots = tuple(
        PriceSlot(start=start + i * quarter, end=start + (i + 1) * quarter, per_kwh=0.2 + i % 24 / 100)
        for i in range(192)
    )
    await store.put_prices(PriceSeries(name="market", currency="NOK", slots=slots, fetched_at=NOW, zone="NO1"))


def pages() -> list[str]:
    car = "car-00"
    return [
        "/", f"/cars/{car}", f"/cars/{car}/explain", "/sessions", "/sessions?limit=1000", f"/sessions?vehicle={car}",
        "/prices", "/alerts", "/policies", "/settings", f"/setup?user={USER}", f"/setup/cars/{car}",
        "/setup/homes/home-0", f"/setup/place?user={USER}", "/setup/preferences",
    ]  # fmt: skip


class Bench:
    """One server with both sides, and a browser that is logged in."""

    def __init__(self, app: web.Application, store: Counting, origin: str, browser: aiohttp.ClientSession) -> None:
        self._renderer, self._store, self._origin, self._browser = app[RENDERER], store, origin, browser
        self.ready: dict[str, tuple[str, Mapping[str, Any]]] = {}

    async def get(self, path: str) -> float:
        started = time.perf_counter()
        async with self._browser.get(self._origin + path, headers={"Accept": "text/html"}) as answer:
            text = await answer.text()
        took_s = time.perf_counter() - started
        assert answer.status == 200, (path, answer.status, text[:1000])
        return took_s

    async def prepare(self, path: str) -> int:
        """Ask for a page once, keep of what it was rendered, and return how many queries that took."""
        text, caught = self._renderer.text, []

        def catching(template: str, values: Mapping[str, Any]) -> str:
            caught.append((template, values))
            return text(template, values)

        self._renderer.text = catching  # type: ignore[method-assign]
        self._store.asked.clear()
        await self.get(path)
        self._renderer.text = text  # type: ignore[method-assign]
        self.ready[path] = caught[-1]
        return len(self._store.asked)

    async def compare(self, path: str) -> tuple[float, float]:
        whole, alone = [], []
        for _ in range(ROUNDS):  # by turns: what else the machine does should touch both alike
            whole.append(await self.get(path))
            alone.append(await self.get(f"{READY}?{path}"))
        return min(whole), min(alone)


async def run(database: SqliteDatabase) -> int:
    real = SqlStore(database, clock=FakeDaemon().clock)
    await real.open(node="bench")
    fill(database)
    await publish(real)
    store = Counting(real)
    passwords = Passwords(store, QUICK)  # type: ignore[arg-type]
    await passwords.put(PASSWORD)
    app = web_app(cast("Daemon", a_daemon(store)), hosts=("127.0.0.1",), passwords=passwords)
    held: list[Bench] = []

    async def ready(request: web.Request) -> web.Response:
        template, values = held[0].ready[request.query_string]
        return web.Response(text=app[RENDERER].text(template, values), content_type="text/html")

    app.router.add_get(READY, ready)
    worst = 0
    async with serving(app) as origin, aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.post(f"{origin}/login", data={"password": PASSWORD}, headers={"Origin": origin}) as answer:
            assert answer.status == 200, answer.status
        bench = Bench(app, store, origin, browser)
        held.append(bench)
        print(f"{CARS} cars, {DAYS} days of sessions, two days of prices; least of {ROUNDS}, by turns")
        for path in pages():
            queries = await bench.prepare(path)
            whole_s, alone_s = await bench.compare(path)
            good = whole_s / alone_s <= MOST_TIMES and queries <= MOST_QUERIES
            worst += not good
            mark = "" if good else "   <-- too much"
            print(f"{path:28} {whole_s * 1000:7.1f} ms  ready {alone_s * 1000:7.1f} ms  "
                  f"ratio {whole_s / alone_s:4.2f}  queries {queries}{mark}")  # fmt: skip
    await real.close()
    return worst


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        return min(1, asyncio.run(run(SqliteDatabase(Path(directory) / "bench.db"))))


if __name__ == "__main__":
    sys.exit(main())
