"""What a person sees of the sessions, and takes along as a table."""

import csv
import io
from collections import Counter
from dataclasses import replace

import aiohttp
import pytest

from scheduler.core.errors import StoreError
from scheduler.http.web.history import ROWS_AT_ONCE
from tests.fakes_daemon import HOUR, POLLY, ROVER, a_session, make_daemon
from tests.web_site import TOKEN, site_of

BEARER = {"Authorization": f"Bearer {TOKEN}"}


def daemon_with(*sessions):
    daemon = make_daemon()
    daemon.store.session_rows = list(sessions)
    return daemon


def many(count, **changes):
    """Sessions of two cars; several begin at the same instant."""
    first = a_session()
    return [
        replace(first, id=f"s-{n:05}", vehicle_id=(POLLY, ROVER)[n % 2], plugged_at=first.plugged_at - n // 3 * HOUR)
        for n in range(count)
    ]


async def page_of(daemon, path):
    async with site_of(daemon) as site:
        await site.log_in()
        return await site.page(path)


async def table_of(daemon, path):
    async with site_of(daemon) as site:
        status, text = await site.get(path, headers=BEARER)
    assert status == 200
    return list(csv.DictReader(io.StringIO(text)))


async def test_sessions_show_energy_cost_and_savings():
    missed = replace(a_session(), id="2", cost=None, met=False, why="unplugged early")
    text = await page_of(daemon_with(a_session(), missed), "/sessions")
    for shown in (
        "22.4",
        "9.10",
        "+16.10",
        "50 → 80",
        "reached",
        "missed",
        "unplugged early",
        "1 of them have no price",
    ):
        assert shown in text


async def test_the_figures_are_of_all_sessions_however_few_are_listed():
    text = await page_of(daemon_with(*many(250)), "/sessions?limit=10")
    assert text.count("reached") == 10
    assert "<dd>250</dd>" in text
    assert "5600.0\N{NARROW NO-BREAK SPACE}kWh" in text
    assert "the newest 10 are listed" in text


async def test_the_figures_of_one_car_are_its_own():
    text = await page_of(daemon_with(*many(5)), f"/sessions?vehicle={ROVER}")
    assert "<dd>2</dd>" in text
    assert "are listed" not in text


async def test_each_currency_has_figures_of_its_own():
    text = await page_of(daemon_with(a_session(), replace(a_session(), id="2", currency="EUR")), "/sessions")
    assert "9.10\N{NARROW NO-BREAK SPACE}EUR" in text
    assert "9.10\N{NARROW NO-BREAK SPACE}NOK" in text


async def test_carbon_is_shown_where_it_is_known():
    weighed = replace(a_session(), grams=1234.0, baseline_grams=5234.0)
    daemon = daemon_with(weighed, replace(a_session(), id="2"))
    text = (await page_of(daemon, "/sessions")).replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "<dd>1.2 kg</dd>" in text
    assert "<dd>4.0 kg</dd>" in text
    assert "The CO₂ is known of 1 of them." in text
    assert ('<td class="num">1.2 kg</td>' in text, text.count('<td class="num">–</td>')) == (True, 1)
    first, second = await table_of(daemon, "/sessions.csv")
    assert {(one["grams"], one["baseline_grams"]) for one in (first, second)} == {("1234.0", "5234.0"), ("", "")}


async def test_without_carbon_nothing_is_said_of_it():
    assert "CO₂" not in await page_of(daemon_with(a_session()), "/sessions")
    daemon = daemon_with(replace(a_session(), grams=0.0, baseline_grams=0.0))
    assert "known of" not in await page_of(daemon, "/sessions")


async def test_the_table_has_no_formula():
    daemon = daemon_with(a_session())
    object.__setattr__(daemon.home_list[0].vehicles[0], "name", "=HYPERLINK(1)")
    (row,) = await table_of(daemon, "/sessions.csv?vehicle=")
    assert (row["name"], row["energy_kwh"], row["saved"]) == ("'=HYPERLINK(1)", "22.4", "16.1")
    assert row["plugged_at"] == "2026-11-19T16:30:00Z"


@pytest.mark.parametrize("count", [0, 1, ROWS_AT_ONCE - 1, ROWS_AT_ONCE, 2 * ROWS_AT_ONCE + 7])
async def test_the_table_has_every_session_once(count):
    daemon = daemon_with(*many(count))
    rows = await table_of(daemon, "/sessions.csv")
    assert Counter(row["id"] for row in rows) == Counter(f"s-{n:05}" for n in range(count))
    assert [row["plugged_at"] for row in rows] == sorted((row["plugged_at"] for row in rows), reverse=True)


async def test_the_table_of_one_car_has_no_other():
    rows = await table_of(daemon_with(*many(2 * ROWS_AT_ONCE + 6)), f"/sessions.csv?vehicle={ROVER}")
    assert len(rows) == ROWS_AT_ONCE + 3
    assert {row["vehicle"] for row in rows} == {ROVER}


async def test_no_more_than_a_few_sessions_are_read_at_once():
    daemon = daemon_with(*many(3 * ROWS_AT_ONCE))
    read, asked = daemon.store.sessions, []

    async def watched(**how):
        asked.append(how["limit"])
        return await read(**how)

    daemon.store.sessions = watched
    await table_of(daemon, "/sessions.csv")
    assert asked == [ROWS_AT_ONCE] * 4


async def test_a_table_that_cannot_be_begun_is_refused():
    daemon = daemon_with()
    async with site_of(daemon) as site:
        daemon.store.broken = StoreError("the disk is gone")
        status, text = await site.get("/sessions.csv", headers=BEARER)
    assert status == 503
    assert "the disk is gone" in text


async def test_a_table_that_breaks_off_does_not_pass_for_a_whole():
    daemon = daemon_with(*many(2 * ROWS_AT_ONCE))
    read = daemon.store.sessions

    async def breaking(*, behind=None, **how):
        if behind is not None:
            raise StoreError("the disk is gone")
        return await read(**how)

    daemon.store.sessions = breaking
    async with site_of(daemon) as site:
        with pytest.raises(aiohttp.ClientError):
            await site.get("/sessions.csv", headers=BEARER)
        daemon.store.sessions = read
        assert (await site.get("/sessions.csv", headers=BEARER))[0] == 200


async def test_asking_only_for_the_head_of_the_table_sends_none_of_it():
    async with (
        site_of(daemon_with(a_session())) as site,
        site.visitor.head(f"{site.origin}/sessions.csv", headers=BEARER) as answer,
    ):
        assert answer.status == 200
        assert answer.content_type == "text/csv"
        assert await answer.read() == b""
