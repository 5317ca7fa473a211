import json
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from scheduler.core.errors import PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.prices.energyzero import EnergyZero
from tests.unit.policies.builders import utc
from tests.unit.prices.answering import covered, fetched, gapless, lengths, span

THREE_DAYS = span("2025-12-15T23:00", "2025-12-18T23:00")
DAY = span("2026-01-04T23:00", "2026-01-05T23:00")
BLOCKS = {
    (False, True): "base_with_vat",
    (False, False): "base",
    (True, True): "all_in_with_vat",
    (True, False): "all_in",
}


@pytest.fixture
def captured(data_dir):
    return data_dir / "tariff-fixtures" / "energyzero"


def answer(*rows):
    """An answer as the service words it; a row is (start, end, price), and each block costs a cent more."""
    blocks = {
        name: [
            {"start": start, "end": end, "price": {"value": price if price is None else str(Decimal(price) + n)}}
            for start, end, price in rows
        ]
        for n, name in enumerate(["base", "base_with_vat", "all_in", "all_in_with_vat"])
    }
    return {"interval": 1, "range": {}, **blocks}


def hour(start, price):
    begin = datetime.fromisoformat(start)
    return (start, f"{begin + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}", price)


ROW = hour("2026-01-05T00:00:00Z", "0.1")


@pytest.mark.parametrize(("all_in", "vat"), BLOCKS)
@pytest.mark.parametrize(("resolution", "slots"), [("QUARTER_HOURLY", 288), ("HOURLY", 72)])
def test_three_days_in_every_block(captured, resolution, slots, all_in, vat):
    path = captured / f"rest_electricity_{'quarter' if slots == 288 else 'hour'}_response.json"
    told = json.loads(path.read_text(), parse_float=Decimal)[BLOCKS[all_in, vat]]
    calls = []
    source = EnergyZero(resolution=resolution, all_in=all_in, vat=vat)
    found = fetched(source, path, within=THREE_DAYS, calls=calls)
    assert (found.currency, found.zone) == ("EUR", "NL")
    assert len(found.slots) == slots == len(told)
    assert gapless(found.slots)
    assert lengths(found.slots) == {3 * 24 * 60 // slots}
    assert covered(found.slots) == (THREE_DAYS.start, THREE_DAYS.end)
    assert [f"{slot.start:%Y-%m-%dT%H:%M:%SZ}" for slot in found.slots] == [row["start"] for row in told]
    assert [f"{slot.end:%Y-%m-%dT%H:%M:%SZ}" for slot in found.slots] == [row["end"] for row in told]
    assert [slot.per_kwh for slot in found.slots] == [float(Decimal(row["price"]["value"])) for row in told]
    assert [call.params["date"] for call in calls] == ["16-12-2025"]  # the days beside it came with it


def test_the_first_values_of_what_was_captured(captured):
    path = captured / "rest_electricity_quarter_response.json"
    firsts = [
        fetched(EnergyZero(all_in=all_in, vat=vat), path, within=THREE_DAYS).slots[0].per_kwh for all_in, vat in BLOCKS
    ]
    assert firsts == [0.0967274, 0.07994, 0.2195908, 0.18148]


@pytest.mark.parametrize(
    ("resolution", "interval"), [("QUARTER_HOURLY", "INTERVAL_QUARTER"), ("HOURLY", "INTERVAL_HOUR")]
)
def test_it_asks_for_one_local_day(resolution, interval):
    calls = []
    fetched(EnergyZero(resolution=resolution), answer(ROW), within=DAY, calls=calls)
    assert [(call.method, call.url, call.body) for call in calls] == [
        ("GET", "https://public.api.energyzero.nl/public/v1/prices", None)
    ]
    assert calls[0].params == {
        "energyType": "ENERGY_TYPE_ELECTRICITY",
        "date": "05-01-2026",
        "interval": interval,
    }


def test_each_day_is_asked_for_that_did_not_come_with_another():
    """How many days come with one is seen from the captured answers, not documented."""
    day = [hour(f"2026-01-05T{n:02}:00:00Z", "0.1") for n in range(23)]
    two = [*day, hour("2026-01-05T23:00:00Z", "0.2"), ("2026-01-06T00:00:00Z", "2026-01-06T23:00:00Z", "0.3")]
    calls = []
    within = span("2026-01-04T23:00", "2026-01-07T23:00")
    last = answer(("2026-01-06T23:00:00Z", "2026-01-07T23:00:00Z", "0.4"))
    found = fetched(EnergyZero(vat=False), answer(*two), last, within=within, calls=calls).slots
    assert [call.params["date"] for call in calls] == ["05-01-2026", "07-01-2026"]
    assert covered(found)[1] == within.end
    assert gapless(found)


@pytest.mark.parametrize(
    "nothing",
    [
        pytest.param(answer(), id="empty-lists"),
        pytest.param((404, {"code": 5, "message": "not found", "details": []}), id="not-found"),
    ],
)
def test_a_day_that_is_not_there_leaves_the_others(nothing):
    within = span("2026-01-04T23:00", "2026-01-06T23:00")
    found = fetched(EnergyZero(vat=False), answer(ROW), nothing, within=within).slots
    assert [slot.per_kwh for slot in found] == [0.1]
    with pytest.raises(PricesNotPublished, match="there is no price"):
        fetched(EnergyZero(), nothing, within=DAY)


@pytest.mark.parametrize(("day", "hours"), [("2025-10-26", 25), ("2026-03-29", 23)])
def test_the_days_the_clock_changes(day, hours):
    """Instants are UTC in what was captured; these two days are documented so, not captured."""
    start = {25: utc("2025-10-25T22:00"), 23: utc("2026-03-28T23:00")}[hours]
    quarters = [start + n * timedelta(minutes=15) for n in range(4 * hours)]
    text = "%Y-%m-%dT%H:%M:%SZ"
    rows = [(f"{at:{text}}", f"{at + timedelta(minutes=15):{text}}", f"0.{n:03}") for n, at in enumerate(quarters)]
    calls = []
    within = span(f"{start:%Y-%m-%dT%H:%M}", f"{start + timedelta(hours=hours):%Y-%m-%dT%H:%M}")
    found = fetched(EnergyZero(vat=False), answer(*rows), within=within, calls=calls).slots
    assert [slot.per_kwh for slot in found] == [n / 1000 for n in range(4 * hours)]
    assert gapless(found)
    assert covered(found) == (within.start, within.end)
    assert [call.params["date"] for call in calls] == [f"{datetime.fromisoformat(day):%d-%m-%Y}"]


def test_an_unknown_price_is_a_hole_and_any_number_is_a_price():
    worth = ["-0.5", None, "0", "77.5", "NaN"]
    rows = [hour(f"2026-01-05T{n:02}:00:00Z", price) for n, price in enumerate(worth)]
    found = fetched(EnergyZero(vat=False), answer(*rows), within=DAY).slots
    assert [(slot.start.hour, slot.per_kwh) for slot in found] == [(0, -0.5), (2, 0), (3, 77.5)]


@pytest.mark.parametrize(
    ("told", "error", "why"),
    [
        (answer(("2026-01-05T00:00:00Z", "2026-01-05T00:15:00", "1")), PricesUnavailable, "something else"),
        (answer(("2026-01-05T00:15:00Z", "2026-01-05T00:00:00Z", "1")), PricesUnavailable, "end after it starts"),
        ({**answer(ROW), "base_with_vat": [{"start": 1}]}, PricesUnavailable, "something else"),
        ({"interval": 1}, PricesUnavailable, "something else than prices"),
        (b'{"base_with_vat": "soon"}', PricesUnavailable, "something else"),
        (b"<html>", PricesUnavailable, "something else"),
        (400, PricesRefused, "look at the settings"),
        (404, PricesUnavailable, "something else"),
        ((404, {"message": "no such page"}), PricesUnavailable, "something else than prices: no such page"),
        (500, PricesUnavailable, "answered 500"),
    ],
)
def test_what_is_no_price_says_so(told, error, why):
    with pytest.raises(error, match=why):
        fetched(EnergyZero(), told, within=DAY)


def test_the_error_that_was_captured_is_a_matter_of_the_question(captured):
    path = captured / "rest_error_response.json"
    with pytest.raises(PricesRefused, match="answered 400"):
        fetched(EnergyZero(), (400, path), within=DAY)
    with pytest.raises(PricesUnavailable, match=r"invalid DailyEnergyPricesRequest\.Date"):  # whatever its status
        fetched(EnergyZero(), path, within=DAY)


@pytest.mark.parametrize("name", ["energy", "energy_no_prices", "gql_error", "no_data"])
def test_answers_of_the_service_s_other_interface_are_not_taken_for_prices(captured, name):
    """Only hours, and optional by now: prices are asked of the REST interface alone."""
    with pytest.raises(PricesUnavailable, match="something else than prices"):
        fetched(EnergyZero(), captured / f"graphql_{name}.json", within=DAY)


def test_an_unknown_resolution_is_refused():
    with pytest.raises(ValueError, match="resolution must be one of QUARTER_HOURLY, HOURLY, not 'DAILY'"):
        EnergyZero(resolution="DAILY")
