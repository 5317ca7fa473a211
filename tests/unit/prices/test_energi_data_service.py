import calendar
import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from scheduler.core.errors import PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.prices.energi_data_service import EnergiDataService
from tests.unit.policies.builders import utc
from tests.unit.prices.answering import covered, fetched, gapless, lengths, span

DK1 = EnergiDataService(zone="DK1")
DAY = span("2026-01-04T23:00", "2026-01-05T23:00")


@pytest.fixture
def derived(data_dir):
    return data_dir / "tariff-fixtures" / "derived"


def told(path):
    """Read the lines of the file with regular expressions alone: EUR per MWh by the seconds since 1970."""
    text = path.read_text()
    starts = [
        calendar.timegm(tuple(map(int, re.split(r"[-T:]", one)))) for one in re.findall(r'"TimeUTC": "([^"]+)"', text)
    ]
    return dict(zip(starts, map(float, re.findall(r'"DayAheadPriceEUR": ([-\d.]+)', text)), strict=True))


def quarter(start, eur, dkk=None, area="DK1"):
    return {"TimeUTC": start, "TimeDK": start, "PriceArea": area, "DayAheadPriceEUR": eur, "DayAheadPriceDKK": dkk}


def hour(start, eur, dkk=None, area="DK1"):
    """A record of the older dataset: its shape is documented, not captured."""
    return {"HourUTC": start, "HourDK": start, "PriceArea": area, "SpotPriceEUR": eur, "SpotPriceDKK": dkk}


def answer(*records):
    return {"total": len(records), "dataset": "of that name", "records": list(records)}


@pytest.mark.parametrize(
    ("day", "slots", "start", "end"),
    [
        ("2025-10-26", 100, "2025-10-25T22:00", "2025-10-26T23:00"),
        ("2026-03-29", 92, "2026-03-28T23:00", "2026-03-29T22:00"),
    ],
)
def test_the_days_the_clock_changes_newest_first(derived, day, slots, start, end):
    path, calls = derived / f"eds_DayAheadPrices_DK1_{day}.json", []
    found = fetched(DK1, path, within=span(start, end), calls=calls)
    assert (found.currency, found.zone) == ("EUR", "DK1")
    assert len(found.slots) == slots == json.loads(path.read_text())["total"]
    assert gapless(found.slots)
    assert lengths(found.slots) == {15}
    assert covered(found.slots) == (utc(start), utc(end))
    assert sum((s.end - s.start for s in found.slots), timedelta()) == timedelta(minutes=15 * slots)
    assert {slot.start.timestamp(): round(slot.per_kwh * 1000, 6) for slot in found.slots} == told(path)
    assert (calls[0].params["start"], calls[0].params["end"]) == (
        f"{day}T00:00",
        f"{datetime.fromisoformat(day) + timedelta(days=1):%Y-%m-%d}T00:00",
    )


def test_kroner_that_are_null_are_unknown(derived):
    path = derived / "eds_DayAheadPrices_DK1_2025-10-26.json"
    whole = span("2025-10-25T22:00", "2025-10-26T23:00")
    with pytest.raises(PricesNotPublished, match="there is no price"):
        fetched(EnergiDataService(zone="DK1", currency="DKK"), path, within=whole)


def test_one_call_for_a_fortnight_of_quarters_without_a_limit():
    calls = []
    rows = answer(quarter("2026-01-05T00:00:00", 1))
    fetched(DK1, rows, within=span("2025-12-21T23:00", "2026-01-06T23:00"), calls=calls)
    assert [(call.method, call.url, call.headers, call.body) for call in calls] == [
        ("GET", "https://api.energidataservice.dk/dataset/DayAheadPrices", {}, None)
    ]
    assert calls[0].params == {
        "start": "2025-12-22T00:00",
        "end": "2026-01-07T00:00",
        "filter": '{"PriceArea": ["DK1"]}',
        "sort": "TimeUTC",
        "limit": "0",
    }


def test_hours_until_september_and_quarters_from_october_on():
    """The older dataset's shape is documented, not captured."""
    calls = []
    hours = answer(*(hour(f"2025-09-30T{n}:00:00", 40 + n) for n in (21, 20)))
    quarters = answer(*(quarter(f"2025-09-30T22:{n:02}:00", n) for n in (15, 0, 30)))
    found = fetched(DK1, hours, quarters, within=span("2025-09-28T22:00", "2025-10-01T22:00"), calls=calls).slots
    assert gapless(found)
    assert [(slot.end - slot.start) // timedelta(minutes=1) for slot in found] == [60, 60, 15, 15, 15]
    assert [round(slot.per_kwh * 1000) for slot in found] == [60, 61, 0, 15, 30]
    assert [call.url.rpartition("/")[2] for call in calls] == ["Elspotprices", "DayAheadPrices"]
    assert [(call.params["start"], call.params["end"], call.params["sort"]) for call in calls] == [
        ("2025-09-29T00:00", "2025-10-01T00:00", "HourUTC"),
        ("2025-10-01T00:00", "2025-10-02T00:00", "TimeUTC"),
    ]


def test_before_october_only_the_older_dataset_is_asked():
    calls = []
    asked = span("2024-10-26T22:00", "2024-10-27T23:00")
    found = fetched(DK1, answer(hour("2024-10-27T00:00:00", 5)), within=asked, calls=calls).slots
    assert lengths(found) == {60}
    assert [call.params["end"] for call in calls] == ["2024-10-28T00:00"]


def test_one_of_two_datasets_without_rows_leaves_the_other():
    asked = span("2025-09-29T22:00", "2025-10-01T22:00")
    found = fetched(DK1, answer(hour("2025-09-30T00:00:00", 5)), answer(), within=asked).slots
    assert [slot.per_kwh for slot in found] == [0.005]


@pytest.mark.parametrize(("currency", "per_kwh"), [("EUR", [-0.5, 0, 0.1101]), ("DKK", [-3.73, 0, 0.8214])])
def test_both_currencies_holes_noise_and_prices_below_nothing(currency, per_kwh):
    rows = [
        quarter("2026-01-05T00:45:00", 110.099998, 821.400024),
        quarter("2026-01-05T00:30:00", 0, 0),
        quarter("2026-01-05T00:15:00", None, None),
        quarter("2026-01-05T00:00:00", -500, -3730),
    ]
    found = fetched(EnergiDataService(zone="DK1", currency=currency), answer(*rows), within=DAY)
    assert found.currency == currency
    assert [round(slot.per_kwh, 6) for slot in found.slots] == per_kwh
    assert [slot.start.minute for slot in found.slots] == [0, 30, 45]
    assert lengths(found.slots) == {15}


def test_germany_is_asked_for_by_its_name_there_and_told_by_ours():
    calls = []
    source = EnergiDataService(zone="DE-LU")
    found = fetched(source, answer(quarter("2026-01-05T00:00:00", 7, area="DE")), within=DAY, calls=calls)
    assert found.zone == "DE-LU"
    assert json.loads(calls[0].params["filter"]) == {"PriceArea": ["DE"]}


def test_another_area_s_prices_are_not_taken():
    rows = answer(quarter("2026-01-05T00:00:00", 7), quarter("2026-01-05T00:00:00", 9, area="DK2"))
    assert [slot.per_kwh for slot in fetched(DK1, rows, within=DAY).slots] == [0.007]


def test_instants_are_aware_utc():
    slot = fetched(DK1, answer(quarter("2026-01-05T00:00:00", 7)), within=DAY).slots[0]
    assert (slot.start, slot.end) == (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 5, 0, 15, tzinfo=UTC))


@pytest.mark.parametrize(
    ("told", "error", "why"),
    [
        (answer(), PricesNotPublished, "there is no price"),
        (answer(quarter("2026-01-04T22:00:00", 7)), PricesNotPublished, "there is no price"),
        (answer(quarter("2026-01-05T00:00:00Z", 7)), PricesUnavailable, "something else"),
        (answer(quarter("2026-01-05T00:00:00", "7")), PricesUnavailable, "something else"),
        (answer(hour("2026-01-05T00:00:00", 7)), PricesUnavailable, "something else"),
        ({"statusCode": 400}, PricesUnavailable, "something else"),
        (400, PricesRefused, "look at the settings"),
        (500, PricesUnavailable, "answered 500"),
        (b"<html>", PricesUnavailable, "no JSON"),
    ],
)
def test_what_is_no_price_says_so(told, error, why):
    with pytest.raises(error, match=why):
        fetched(DK1, told, within=DAY)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"zone": "DE"}, "zone must be one of DK1, DK2, NO2, SE3, SE4, DE-LU, not 'DE'"),
        ({"zone": "DK1", "currency": "SEK"}, "currency must be one of EUR, DKK, not 'SEK'"),
    ],
)
def test_unknown_settings_are_refused(settings, why):
    with pytest.raises(ValueError, match=why):
        EnergiDataService(**settings)
