"""Captured answers of several services, each read by nothing but its settings."""

import json
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from scheduler.core.errors import PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.core.feeds import GRAMS
from scheduler.plugins import SettingsError, build
from scheduler.prices.url import UrlSource
from tests.unit.policies.builders import utc
from tests.unit.prices.answering import AT, covered, fetched, gapless, lengths, span

EVER = span("2018-01-01T00:00", "2027-01-01T00:00")
TODAY = span("2026-01-05T00:00", "2026-01-06T00:00")
TOKEN = "kept-to-itself"
PLAIN = {
    "url": "https://prices.example.org/today.json",
    "rows": "@",
    "start": "start",
    "price": "price",
    "unit": "EUR/MWh",
    "currency": "EUR",
}


def source(**settings) -> UrlSource:
    return build(UrlSource, {**PLAIN, **settings})


def told(source: UrlSource, *answers, within=TODAY, **more) -> list[tuple[str, float]]:
    """Return when the slots begin and what they cost [MWh]."""
    found = fetched(source, *answers, within=within, **more).slots
    return [(f"{slot.start:%d %H:%M}", round(slot.per_kwh * 1000, 6)) for slot in found]


@pytest.mark.parametrize(
    ("day", "first", "count"),
    [
        ("2024-06-15", "2024-06-14T22:00", 24),
        ("2024-03-31", "2024-03-30T23:00", 24),
        ("2023-10-29", "2023-10-28T22:00", 24),
        ("2023-07-02", "2023-07-01T22:00", 24),
    ],
)
def test_awattar_with_milliseconds_and_ends(data_dir, day, first, count):
    path = data_dir / "tariff-fixtures" / "awattar" / f"AT_{day}.json"
    by_settings = source(rows="data", start="start_timestamp", end="end_timestamp", price="marketprice", zone="AT")
    found = fetched(by_settings, path, within=EVER)
    rows = json.loads(path.read_text())["data"]
    assert (found.currency, found.zone, len(found.slots)) == ("EUR", "AT", count)
    assert gapless(found.slots)
    assert lengths(found.slots) == {60}
    assert covered(found.slots)[0] == utc(first)
    assert [slot.end.timestamp() * 1000 for slot in found.slots] == [row["end_timestamp"] for row in rows]
    assert [round(slot.per_kwh * 1000, 6) for slot in found.slots] == [row["marketprice"] for row in rows]


@pytest.mark.parametrize(("day", "count"), [("2025-10-26", 100), ("2026-03-29", 92)], ids=["autumn", "spring"])
@pytest.mark.parametrize(
    ("start", "timezone"), [("TimeDK", "Europe/Copenhagen"), ("TimeUTC", "UTC"), ("join('', [TimeUTC, 'Z'])", "")]
)
def test_energi_data_service_newest_first_and_without_offsets(data_dir, day, count, start, timezone):
    path = data_dir / "tariff-fixtures" / "derived" / f"eds_DayAheadPrices_DK1_{day}.json"
    by_settings = source(rows="records", start=start, price="DayAheadPriceEUR", timezone=timezone)
    found = fetched(by_settings, path, within=EVER).slots
    rows = json.loads(path.read_text())["records"][::-1]
    assert len(found) == count
    assert gapless(found)
    assert lengths(found) == {15}
    assert found[-1].end - found[0].start == count * timedelta(minutes=15)
    assert [f"{slot.start:%Y-%m-%dT%H:%M:%S}" for slot in found] == [row["TimeUTC"] for row in rows]
    assert [round(slot.per_kwh * 1000, 6) for slot in found] == [row["DayAheadPriceEUR"] for row in rows]


def test_easyenergy_by_the_wall_clock_of_amsterdam(data_dir):
    path = data_dir / "tariff-fixtures" / "easyenergy" / "energy_quarter.json"
    found = fetched(
        source(rows="prices", start='"from"', end="until", unit="EUR/kWh", timezone="Europe/Amsterdam"),
        path,
        within=EVER,
    ).slots
    rows = json.loads(path.read_text())["prices"]
    assert [slot.per_kwh for slot in found] == [row["price"] for row in rows]
    assert covered(found)[0] == datetime.fromisoformat(f"{rows[0]['from'][:19]}+02:00")
    assert gapless(found)
    assert lengths(found) == {15}


def test_energyzero_with_prices_as_text(data_dir):
    path = data_dir / "tariff-fixtures" / "energyzero" / "rest_electricity_quarter_response.json"
    found = fetched(source(rows="base", price="price.value", unit="EUR/kWh"), path, within=EVER).slots
    rows = json.loads(path.read_text())["base"]
    assert len(found) == len(rows) == 3 * 96
    assert [f"{slot.end:%Y-%m-%dT%H:%M:%SZ}" for slot in found] == [row["end"] for row in rows]
    assert [slot.per_kwh for slot in found] == [float(row["price"]["value"]) for row in rows]


def test_octopus_in_pence_newest_first(data_dir):
    path = data_dir / "tariff-fixtures" / "octopus" / "standard_unit_rates.json"
    by_settings = source(
        rows="results[?valid_to]",
        start="valid_from",
        end="valid_to",
        price="value_inc_vat",
        unit="p/kWh",
        currency="GBP",
    )
    found = fetched(by_settings, path, within=EVER)
    rows = json.loads(path.read_text())["results"]
    assert found.currency == "GBP"
    assert sorted(round(slot.per_kwh * 100, 6) for slot in found.slots) == sorted(row["value_inc_vat"] for row in rows)


def test_nord_pool_with_a_name_that_needs_quotes(data_dir):
    path = data_dir / "tariff-fixtures" / "nordpool" / "indices_15_SE3_2025-10-01.json"
    by_settings = source(
        rows="multiIndexEntries",
        start="deliveryStart",
        end="deliveryEnd",
        price='entryPerArea."SE3"',
        unit="SEK/MWh",
        currency="SEK",
    )
    found = fetched(by_settings, path, within=EVER).slots
    rows = json.loads(path.read_text())["multiIndexEntries"]
    assert [round(slot.per_kwh * 1000, 6) for slot in found] == [row["entryPerArea"]["SE3"] for row in rows]
    assert len(found) == 96


def test_grams_of_carbon_are_prices_too(data_dir):
    path = data_dir / "tariff-fixtures" / "carbon-intensity" / "documented_example.json"
    by_settings = source(
        rows="data", start='"from"', end='"to"', price="intensity.actual", unit="gCO2/kWh", currency=GRAMS
    )
    found = fetched(by_settings, path, within=EVER)
    assert (found.currency, [slot.per_kwh for slot in found.slots]) == (GRAMS, [263])


def test_any_number_is_only_a_number_and_what_is_none_is_unknown():
    prices = [-500, 0, "7750.86", None, "SN", True, "nan", [1], 5]
    rows = [{"start": 1767610800 + 900 * n, "price": price} for n, price in enumerate(prices)]
    del rows[3]["price"]
    assert told(source(), rows) == [("05 11:00", -500), ("05 11:15", 0), ("05 11:30", 7750.86), ("05 13:00", 5)]
    assert lengths(fetched(source(), rows, within=TODAY).slots) == {15}


def test_the_hour_that_spring_skips_may_be_listed_without_a_price():
    rows = [{"start": f"2026-03-29T0{hour}:00", "price": price} for hour, price in enumerate([1, 2, None, 4, 5])]
    by_the_clock = source(timezone="Europe/Oslo")
    for listed in (rows, rows[::-1]):
        found = told(by_the_clock, listed, within=span("2026-03-28T23:00", "2026-03-29T22:00"))
        assert found == [("28 23:00", 1), ("29 00:00", 2), ("29 01:00", 4), ("29 02:00", 5)]


def test_the_hour_that_autumn_doubles_is_two_with_ends_too():
    times = ["02:00", "02:30", "02:00", "02:30", "03:00"]
    rows = [
        {"start": f"2025-10-26T{a}", "end": f"2025-10-26T{b}", "price": n} for n, (a, b) in enumerate(pairwise(times))
    ]
    found = fetched(source(end="end", timezone="Europe/Oslo"), rows, within=EVER).slots
    assert covered(found) == (utc("2025-10-26T00:00"), utc("2025-10-26T02:00"))
    assert gapless(found)
    assert lengths(found) == {30}


# ---------------------------------------------------------------------------------------------------- what is asked


ROWS = [{"start": "2026-01-05T11:00Z", "price": 1}]


def test_an_address_without_placeholders_is_asked_as_it_is():
    calls = []
    told(source(), ROWS, calls=calls)
    assert [(call.method, call.url, call.params) for call in calls] == [("GET", PLAIN["url"], {})]
    assert "Authorization" not in calls[0].headers


def test_instants_are_filled_in():
    calls = []
    asking = source(
        url="https://prices.example.org/{from:%Y%m%d%H%M}/list",
        params={"start": "{from}", "end": "{to}", "filter": '{"PriceArea":["DK1"]}'},
    )
    told(asking, ROWS, calls=calls, within=span("2026-01-05T00:00", "2026-01-07T12:30"))
    assert [(call.url, call.params) for call in calls] == [
        (
            "https://prices.example.org/202601050000/list",
            {"start": "2026-01-05T00:00:00Z", "end": "2026-01-07T12:30:00Z", "filter": '{"PriceArea":["DK1"]}'},
        )
    ]


def test_each_local_date_is_asked_for():
    calls = []
    asking = source(
        url="https://prices.example.org/{date:%Y/%m-%d}_NO1.json", params={"d": "{date}"}, timezone="Europe/Oslo"
    )
    days = [[{"start": f"2026-01-0{day}T12:00+01:00", "price": day}] for day in (5, 6)]
    found = told(asking, *days, calls=calls, within=span("2026-01-04T23:00", "2026-01-06T23:00"))
    assert [(call.url.rpartition("/")[2], call.params) for call in calls] == [
        ("01-05_NO1.json", {"d": "2026-01-05"}),
        ("01-06_NO1.json", {"d": "2026-01-06"}),
    ]
    assert found == [("05 11:00", 5), ("06 11:00", 6)]


@pytest.mark.parametrize("absent", [404, 204, []])
def test_a_date_that_is_not_there_leaves_the_others(absent):
    asking = source(url="https://prices.example.org/{date}.json")
    assert told(asking, ROWS, absent, within=span("2026-01-05", "2026-01-07")) == [("05 11:00", 1)]


@pytest.mark.parametrize(("absent", "error"), [(404, PricesRefused), (204, PricesNotPublished)])
def test_where_no_date_is_there_it_says_why(absent, error):
    with pytest.raises(error):
        told(
            source(url="https://prices.example.org/{date}.json"),
            absent,
            absent,
            within=span("2026-01-05", "2026-01-07"),
        )


def test_a_failure_of_one_date_is_a_failure():
    with pytest.raises(PricesUnavailable, match="503"):
        told(source(url="https://prices.example.org/{date}.json"), ROWS, 503, within=span("2026-01-05", "2026-01-07"))


def test_the_secret_goes_into_the_header_and_nowhere_else():
    calls = []
    told(source(auth_header="Authorization", auth_prefix="Bearer "), ROWS, token=TOKEN, calls=calls)
    told(source(auth_header="X-Key"), ROWS, token=TOKEN, calls=calls)
    assert [calls[0].headers["Authorization"], calls[1].headers["X-Key"]] == [f"Bearer {TOKEN}", TOKEN]
    for answer in (401, 500, b"<html>", {"rows": 1}):
        with pytest.raises((PricesRefused, PricesUnavailable)) as error:
            told(source(auth_header="X-Key"), answer, token=TOKEN)
        assert TOKEN not in str(error.value)


def test_without_the_secret_nothing_is_asked():
    calls = []
    with pytest.raises(PricesRefused, match="KWHEN_PRICES_SECRET__TEST"):
        told(source(auth_header="X-Key"), calls=calls)
    assert calls == []


# ---------------------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("settings", "answer", "why"),
    [
        ({"rows": "data.list"}, {"data": {}}, r"^rows: 'data.list' found no list in the answer$"),
        ({"rows": "data"}, {"data": {"a": 1}}, r"^rows: 'data' found no list"),
        ({"rows": "sum(@)"}, {"a": 1}, r"^rows: 'sum\(@\)' does not fit the answer$"),
        ({"start": "begin"}, ROWS, r"^start: 'begin' found nothing in a row$"),
        ({"end": "stop"}, ROWS, r"^end: 'stop' found nothing in a row$"),
        ({"price": "value"}, ROWS, r"^price: 'value' found no number in any row$"),
        ({"price": "start"}, ROWS, r"^price: 'start' found no number in any row$"),
        ({}, [{"start": "2026-01-05T11:00", "price": 1}], "has no offset: set timezone"),
        ({}, [{"start": "noon", "price": 1}], "'noon' is no instant"),
        ({"end": "end"}, [{"start": "2026-01-05T11:00Z", "end": "2026-01-05T11:00Z", "price": 1}], "must end after"),
        ({}, [*ROWS, {"start": "2026-01-05T12:00+01:00", "price": 2}], "begin at the same instant and differ"),
        (
            {"end": "end"},
            [
                {"start": "2026-01-05T11:00Z", "end": "2026-01-05T13:00Z", "price": 1},
                {"start": "2026-01-05T12:00Z", "end": "2026-01-05T13:00Z", "price": 1},
            ],
            "overlap at",
        ),
        ({}, b"<html>", "no JSON"),
        ({}, 503, "answered 503"),
    ],
)
def test_an_answer_of_another_shape_says_what_found_nothing(settings, answer, why):
    with pytest.raises(PricesUnavailable, match=why):
        told(source(**settings), answer)


def test_an_empty_list_is_not_published_yet():
    with pytest.raises(PricesNotPublished):
        told(source(), [])


def test_a_row_that_comes_twice_counts_once():
    assert told(source(), ROWS * 2) == [("05 11:00", 1)]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"rows": "data["}, r"rows is no JMESPath expression: 'data\['"),
        ({"price": ""}, "price is no JMESPath expression"),
        ({"end": "a b"}, "end is no JMESPath expression"),
        ({"unit": "SEK/MWh"}, "unit is of SEK, currency is EUR"),
        ({"unit": "EUR/GJ"}, "unit: prices in 'EUR/GJ' cannot be used"),
        ({"currency": "€"}, "currency must be one of ISO 4217"),
        ({"timezone": "Oslo"}, "no time zone is called 'Oslo'"),
        ({"url": "https://prices.example.org/{day}"}, r"url has the placeholder \{day\}; known are from, to, date"),
        ({"params": {"t": "{until:%d}"}}, r"params.t has the placeholder \{until:%d\}"),
        ({"params": {"limit": 0}}, "params"),
    ],
)
def test_settings_that_cannot_be_meant(settings, why):
    with pytest.raises(SettingsError, match=why):
        source(**settings)


def test_its_present_is_asked_for():
    wanted = UrlSource.rhythm.wanted(AT)
    assert wanted.start == AT
    assert wanted.end > AT + timedelta(hours=36)
