"""How long each page takes beside the same template rendered from ready objects: `bench/pages.py`.

The daemon's state is in memory: 50 cars in 25 homes. The store is a file with a year of sessions of each. Both sides
are asked for over HTTP behind the same login in the same run, by turns, and the least of many times is taken: the rest
is the machine's. What counts is the ratio (at most 3) and the SQL statements that SQLite executes (at most 5), the
login's with them; the status is 1 when a page needs more, or when there is a page that is not in the list.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import aiohttp
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1]))

from scheduler.http.daemon import Daemon
from scheduler.http.web.app import web_app
from scheduler.http.web.passwords import Passwords
from scheduler.http.web.rendering import RENDERER
from storage.store import SqlStore
from tests.fakes_daemon import FakeDaemon
from tests.web_fleet import LOADED, PAGES, Traced, a_fleet, fill, publish, unlisted
from tests.web_site import PASSWORD, QUICK
from tests.web_support import serving

CARS, DAYS, ROUNDS = 50, 365, 25
MOST_TIMES, MOST_STATEMENTS = 3.0, 5
READY = "/_ready"


class Bench:
    """One server with both sides, and a browser that is logged in."""

    def __init__(self, app: web.Application, database: Traced, origin: str, browser: aiohttp.ClientSession) -> None:
        self._renderer, self._database, self._origin, self._browser = app[RENDERER], database, origin, browser
        self.ready: dict[str, tuple[str, Mapping[str, Any]]] = {}

    async def get(self, path: str) -> float:
        started = time.perf_counter()
        how = {"headers": {"Accept": "text/html"}, "allow_redirects": False}
        async with self._browser.get(self._origin + path, **how) as answer:
            text = await answer.text()
        took_s = time.perf_counter() - started
        assert answer.status == 200, (path, answer.status, text[:1000])
        return took_s

    async def prepare(self, path: str) -> int:
        """Ask for a page once, keep of what it was rendered, and return how many statements that took."""
        text, caught = self._renderer.text, []

        def catching(template: str, values: Mapping[str, Any]) -> str:
            caught.append((template, values))
            return text(template, values)

        self._renderer.text = catching  # type: ignore[method-assign]
        executed = await self.executed(path)
        self._renderer.text = text  # type: ignore[method-assign]
        self.ready[path] = caught[-1]
        return executed

    async def executed(self, path: str) -> int:
        """Return how many statements SQLite executes while something is asked for."""
        with self._database.telling() as executed:
            await self.get(path)
        return len(executed)

    async def compare(self, path: str) -> tuple[float, float]:
        whole, alone = [], []
        for _ in range(ROUNDS):  # by turns: what else the machine does should touch both alike
            whole.append(await self.get(path))
            alone.append(await self.get(f"{READY}?{path}"))
        return min(whole), min(alone)


async def run(database: Traced) -> int:
    store = SqlStore(database, clock=cast("Any", FakeDaemon().clock))
    await store.open(node="bench")
    daemon = a_fleet(store, cars=CARS)
    fill(database, daemon.homes(), days=DAYS)
    await publish(store)
    passwords = Passwords(store, QUICK)
    await passwords.put(PASSWORD)
    app = web_app(cast("Daemon", daemon), hosts=("127.0.0.1",), passwords=passwords)
    missing = unlisted(app)
    held: list[Bench] = []

    async def ready(request: web.Request) -> web.Response:
        template, values = held[0].ready[request.query_string]
        return web.Response(text=app[RENDERER].text(template, values), content_type="text/html")

    app.router.add_get(READY, ready)
    async with serving(app) as origin, aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.post(f"{origin}/login", data={"password": PASSWORD}, headers={"Origin": origin}) as answer:
            assert answer.status == 200, answer.status
        held.append(Bench(app, database, origin, browser))
        print(f"{CARS} cars, {DAYS} days of sessions, two days of prices; least of {ROUNDS}, by turns")
        worst = await report(held[0])
    await store.close()
    for page in sorted(missing):
        print(f"{page} is in no list of tests/web_fleet.py")
    return worst + len(missing)


async def report(bench: Bench) -> int:
    """Print a line for each page; return how many are not good enough."""
    worst = 0
    for path in PAGES:
        executed = await bench.prepare(path)
        whole_s, alone_s = await bench.compare(path)
        good = whole_s / alone_s <= MOST_TIMES and executed <= MOST_STATEMENTS
        worst += not good
        mark = "" if good else "   <-- too much"
        print(f"{path:32} {whole_s * 1000:7.1f} ms  ready {alone_s * 1000:7.1f} ms  "
              f"ratio {whole_s / alone_s:4.2f}  statements {executed}{mark}")  # fmt: skip
    for path in (*LOADED, "/sessions.csv"):
        executed, took_s = await bench.executed(path), await bench.get(path)
        good = path not in LOADED or executed <= MOST_STATEMENTS
        worst += not good
        print(f"{path:32} {took_s * 1000:7.1f} ms  no template {'':13} statements {executed}"
              f"{'' if good else '   <-- too much'}")  # fmt: skip
    return worst


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        return min(1, asyncio.run(run(Traced(Path(directory) / "bench.db"))))


if __name__ == "__main__":
    sys.exit(main())
