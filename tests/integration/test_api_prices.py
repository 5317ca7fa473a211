"""Prices as the API tells them: how each source is, and what a kWh costs a home, in parts."""

from dataclasses import replace
from datetime import datetime, timedelta

import aiohttp
import pytest

from scheduler.core.feeds import GRAMS, PriceSeries, StandIn
from scheduler.core.pricing import GridCarbon, SourceStatus
from scheduler.core.terms import PriceSlot, PriceState
from scheduler.core.timeline import Interval
from scheduler.http.api import api_app
from scheduler.http.price_views import known_until
from tests.fakes_daemon import HOUR, NOW, file_source, make_daemon, price_slots
from tests.web_support import serving

V1 = "/api/v1"


@pytest.fixture
def daemon():
    return make_daemon()


@pytest.fixture
async def http(daemon):
    async with serving(api_app(daemon)) as address, aiohttp.ClientSession(address) as session:
        yield session


async def get(http, path, **query):
    async with http.get(f"{V1}{path}", params=query) as answer:
        return answer.status, await answer.json(content_type=None)


def standing_in(**changes) -> SourceStatus:
    series = file_source().series
    assert series is not None
    spans = [Interval(start=NOW + n * 24 * HOUR, end=NOW + n * 24 * HOUR + HOUR) for n in (-2, 0)]
    stand_ins = tuple(StandIn(interval=span, name="backup") for span in spans)
    return file_source(series=replace(series, stand_ins=stand_ins), stand_in="backup", **changes)


async def test_each_source_says_how_it_is(http, daemon):
    daemon.sources = [standing_in(trouble="answered 503", late=True), SourceStatus(name="backup", kind="energy-charts")]
    told, silent = (await get(http, "/prices"))[1]["prices"]
    assert {k: v for k, v in told.items() if k not in {"slots", "stand_ins"}} == {
        "name": "file",
        "source": "nord-pool",
        "zone": "NO1",
        "currency": "NOK",
        "state": "final",
        "fetched_at": "2026-11-20T22:27:00Z",
        "until": "2026-11-21T08:00:00Z",
        "next_fetch_at": "2026-11-20T22:42:00Z",
        "late": True,
        "trouble": "answered 503",
        "stand_in": "backup",
    }
    assert told["stand_ins"] == [{"name": "backup", "start": "2026-11-20T22:30:00Z", "end": "2026-11-20T23:30:00Z"}]
    assert (silent["source"], silent["fetched_at"], silent["until"], silent["slots"]) == (
        "energy-charts",
        None,
        None,
        [],
    )


async def test_nothing_internal_is_told_of_a_source(http, daemon):
    series = replace(daemon.store.series[0], product="nord-pool 0123456789ab")
    daemon.store.series, daemon.sources = [series], [file_source(series=series)]
    for path in ("/prices", "/homes/lindgren/prices"):
        async with http.get(f"{V1}{path}") as answer:
            assert "0123456789ab" not in await answer.text()


async def test_prices_of_a_source_that_is_configured_no_more_are_still_told(http, daemon):
    daemon.sources = []
    (told,) = (await get(http, "/prices"))[1]["prices"]
    assert (told["source"], len(told["slots"]), told["late"], told["until"]) == (None, 10, False, None)
    assert told["fetched_at"] == "2026-11-20T21:30:00Z"


async def test_what_a_home_pays_comes_in_parts_that_add_up(http):
    status, view = await get(http, "/homes/lindgren/prices")
    assert status == 200
    assert (view["home"], view["timezone"], view["currency"]) == ("lindgren", "Europe/Oslo", "NOK")
    assert (view["start"], view["end"]) == ("2026-11-19T23:00:00Z", "2026-11-21T23:00:00Z")
    assert view["parts"] == ["market", "grid-fee", "vat"]
    assert len(view["slots"]) == 10
    for slot in view["slots"]:
        added = 0.0
        for part in slot["parts"]:
            added += part["per_kwh"]
        assert added == slot["price_per_kwh"]
    (source,) = view["sources"]
    assert (source["name"], source["source"], source["fetched_at"]) == ("file", "nord-pool", "2026-11-20T22:27:00Z")
    assert "slots" not in source


async def test_the_sources_are_those_that_the_home_reads_with_their_stand_ins(http, daemon):
    daemon.sources = [SourceStatus(name=name, kind="file") for name in ("other", "backup")] + [standing_in()]
    view = (await get(http, "/homes/lindgren/prices"))[1]
    assert [one["name"] for one in view["sources"]] == ["file", "backup"]
    assert [one["start"] for one in view["sources"][0]["stand_ins"]] == ["2026-11-20T22:30:00Z"]


@pytest.mark.parametrize(
    ("day", "start", "hours", "slots"),
    [
        ("today", "2026-11-19T23:00:00Z", 24, 1),
        ("tomorrow", "2026-11-20T23:00:00Z", 24, 9),
        ("yesterday", "2026-11-18T23:00:00Z", 24, 0),
        ("2026-11-21", "2026-11-20T23:00:00Z", 24, 9),
        ("2026-11-27", "2026-11-26T23:00:00Z", 24, 0),
    ],
)
async def test_a_day_is_a_local_day(http, day, start, hours, slots):
    status, view = await get(http, "/homes/lindgren/prices", day=day)
    assert (status, view["start"], len(view["slots"])) == (200, start, slots)
    assert datetime.fromisoformat(view["end"]) - datetime.fromisoformat(start) == hours * HOUR


async def test_a_day_on_which_the_clock_changes_is_as_long_as_it_is(http, daemon):
    daemon.clock.at = datetime.fromisoformat("2026-10-24T12:00:00Z")
    for day, hours in (("today", 24), ("tomorrow", 25), ("2026-10-26", 24)):
        view = (await get(http, "/homes/lindgren/prices", day=day))[1]
        assert datetime.fromisoformat(view["end"]) - datetime.fromisoformat(view["start"]) == hours * HOUR
    view = (await get(http, "/homes/lindgren/prices"))[1]
    assert datetime.fromisoformat(view["end"]) - datetime.fromisoformat(view["start"]) == 49 * HOUR


@pytest.mark.parametrize(
    "day", ["", "soon", "2026-13-01", "2026-W47-5", "2026-11-05", "2026-11-28", "9999-12-31", "0001-01-01"]
)
async def test_no_day_and_one_out_of_reach_are_refused_with_what_may_be_asked(http, day):
    status, problem = await get(http, "/homes/lindgren/prices", day=day)
    assert status == 400
    assert "2026-11" in problem["remedy"]


async def test_a_home_is_known_by_the_beginning_of_its_id(http, daemon):
    assert (await get(http, "/homes/lind/prices"))[1]["home"] == "lindgren"
    status, problem = await get(http, "/homes/nobody/prices")
    assert (status, problem["detail"]) == (404, "Known: lindgren, hytta.")
    daemon.home_list = tuple(replace(home, id=f"home-{home.id}") for home in daemon.home_list)
    assert (await get(http, "/homes/home/prices"))[0] == 409


async def test_carbon_is_told_with_what_it_weighs(http, daemon):
    slots = (PriceSlot(start=NOW, end=NOW + HOUR, per_kwh=250.0, state=PriceState.FORECAST),)
    daemon.carbon = (GridCarbon(source="grid", per_tonne=400.0, slots=slots),)
    ((carbon,),) = ((await get(http, "/homes/lindgren/prices"))[1]["carbon"],)
    assert (carbon["source"], carbon["per_tonne"]) == ("grid", 400.0)
    (slot,) = carbon["slots"]
    assert (slot["grams_per_kwh"], slot["weight_per_kwh"], slot["published"]) == (250.0, 0.1, False)


def test_known_until_is_the_end_of_what_is_known_without_a_gap():
    slots = price_slots()
    assert known_until(slots, NOW) == slots[-1].end
    assert known_until([*slots[:3], *slots[4:]], NOW) == slots[2].end
    assert known_until(slots, NOW + timedelta(days=3)) == slots[-1].end
    assert known_until([], NOW) is None


async def test_grams_are_their_own_currency(http, daemon):
    series = PriceSeries(name="grid", currency=GRAMS, slots=price_slots(), fetched_at=NOW)
    daemon.store.series, daemon.sources = (
        [series],
        [SourceStatus(name="grid", kind="carbon-intensity-gb", series=series)],
    )
    assert (await get(http, "/prices"))[1]["prices"][0]["currency"] == GRAMS
