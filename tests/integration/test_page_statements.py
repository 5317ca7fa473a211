"""How often a page asks the database, counted by SQLite itself: no more for many cars than for one."""

import pytest

from scheduler.http.web.app import web_app
from storage.store import SqlStore
from tests.fakes_daemon import FakeDaemon
from tests.web_fleet import LOADED, PAGES, Traced, a_fleet, fill, publish, unlisted
from tests.web_site import HOSTS, site_of

MOST = 5


async def executed_of(database, *paths, cars, days):
    """Return by path what SQLite executes to answer a browser that is logged in."""
    store, found = SqlStore(database, clock=FakeDaemon().clock), {}
    await store.open(node="here")
    try:
        daemon = a_fleet(store, cars=cars)
        fill(database, daemon.homes(), days=days)
        await publish(store)
        async with site_of(daemon) as site:
            await site.log_in()
            for path in paths:
                with database.telling() as executed:
                    await site.page(path)
                found[path] = list(executed)
    finally:
        await store.close()
    return found


async def test_no_page_asks_the_database_more_than_a_few_times_however_many_cars_there_are(tmp_path):
    one, many = [
        await executed_of(Traced(tmp_path / f"{cars}.db"), *PAGES, *LOADED, cars=cars, days=days)
        for cars, days in ((2, 2), (20, 30))
    ]
    assert {path: len(executed) for path, executed in many.items()} == {path: len(one[path]) for path in one}
    assert {path: executed for path, executed in many.items() if len(executed) > MOST} == {}


async def test_every_statement_is_counted(tmp_path):
    ((path, executed),) = (await executed_of(Traced(tmp_path / "kwhen.db"), "/sessions", cars=2, days=2)).items()
    tables = [statement.partition("FROM ")[2].split()[0] for statement in executed]
    assert sorted(tables) == ["alert", "kept", "session", "session"], (path, executed)


@pytest.mark.parametrize("hidden", [None, "/alerts", "/cars/{vehicle}"])
def test_every_page_is_among_those_that_are_counted(monkeypatch, hidden):
    if hidden is not None:
        left = tuple(path for path in PAGES if path != hidden and path.count("/") != hidden.count("/"))
        monkeypatch.setattr("tests.web_fleet.PAGES", left)
    found = unlisted(web_app(FakeDaemon(), hosts=HOSTS))
    assert (hidden in found) if hidden else found == set()
