"""The one captured answer is of a single half hour; longer ones are recorded values put into its shape."""

import csv
import gzip
import json
from datetime import datetime, timedelta

import pytest

from scheduler.core.errors import PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.core.feeds import GRAMS
from scheduler.core.terms import PriceState
from scheduler.core.timeline import Interval
from scheduler.plugins import build
from scheduler.prices.carbon_intensity_gb import CarbonIntensityGb
from tests.unit.policies.builders import utc
from tests.unit.prices.answering import AT, covered, fetched, gapless, lengths, span

HALF_HOUR = timedelta(minutes=30)
TWO_DAYS = span("2026-01-05T11:00", "2026-01-07T11:00")


def half_hour(start: datetime, **grams) -> dict:
    return {"from": f"{start:%Y-%m-%dT%H:%MZ}", "to": f"{start + HALF_HOUR:%Y-%m-%dT%H:%MZ}", "intensity": grams}


@pytest.fixture
def recorded(data_dir):
    """The half hours of 2023, by their start as it is written: start, end, forecast, actual."""
    text = gzip.decompress((data_dir / "prices" / "GB-CARBON_30min.csv.gz").read_bytes()).decode()
    return {row[0]: row for row in csv.reader(text.splitlines()) if row[0].startswith("20")}


def recorded_answer(recorded, within: Interval) -> dict:
    """What the service would have said: the first row is the one that ends at the asked time."""
    rows = [r for r in recorded.values() if within.start - HALF_HOUR <= datetime.fromisoformat(r[0]) < within.end]
    grams = [(int(forecast), int(actual) if actual else None) for _, _, forecast, actual in rows]
    return {
        "data": [
            half_hour(datetime.fromisoformat(row[0]), forecast=forecast, actual=actual, index="low")
            for row, (forecast, actual) in zip(rows, grams, strict=True)
        ]
    }


def test_the_documented_half_hour(data_dir):
    path = data_dir / "tariff-fixtures" / "carbon-intensity" / "documented_example.json"
    found = fetched(CarbonIntensityGb(), path, within=span("2018-01-20T12:00", "2018-01-20T12:30"))
    assert (found.currency, found.zone) == (GRAMS, "GB")
    assert [(slot.start, slot.end, slot.per_kwh, slot.state) for slot in found.slots] == [
        (utc("2018-01-20T12:00"), utc("2018-01-20T12:30"), 263, PriceState.FINAL)
    ]


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [
        ("2023-06-01T23:00", "2023-06-02T23:00", 48),
        ("2023-03-26T00:00", "2023-03-26T23:00", 46),
        ("2023-10-28T23:00", "2023-10-30T00:00", 50),
    ],
)
def test_local_days_of_every_length(recorded, start, end, count):
    within = span(start, end)
    found = fetched(CarbonIntensityGb(), recorded_answer(recorded, within), within=within).slots
    assert len(found) == count
    assert gapless(found)
    assert lengths(found) == {30}
    assert covered(found) == (within.start, within.end)
    assert sum((slot.end - slot.start for slot in found), timedelta(0)) == within.end - within.start
    told = [float(recorded[f"{slot.start:%Y-%m-%dT%H:%M:%SZ}"][3]) for slot in found]
    assert [slot.per_kwh for slot in found] == told
    assert {slot.state for slot in found} == {PriceState.FINAL}


def test_a_hole_stays_a_hole(recorded):
    within = span("2023-10-20T20:00", "2023-10-22T20:00")
    found = fetched(CarbonIntensityGb(), recorded_answer(recorded, within), within=within).slots
    assert lengths(found) == {30}
    assert [slot.per_kwh for slot in found] == [89, 90, 89, 100, 261]
    assert found[-1].start - found[-2].end == timedelta(hours=45, minutes=30)


def test_what_was_never_measured_is_still_to_be_confirmed(recorded):
    within = span("2023-01-26T13:00", "2023-01-26T16:30")
    found = fetched(CarbonIntensityGb(), recorded_answer(recorded, within), within=within).slots
    unmeasured = [slot for slot in found if slot.state is PriceState.PRELIMINARY]
    assert [slot.per_kwh for slot in unmeasured] == [214, 225, 223, 218, 212]
    assert all(slot.state is PriceState.FINAL for slot in (found[0], found[-1]))


def test_the_present_counts_as_published_and_the_time_ahead_is_a_forecast():
    told = [
        half_hour(AT - HALF_HOUR, forecast=90, actual=80, index="low"),
        half_hour(AT, forecast=100, actual=None, index="low"),
        half_hour(AT + HALF_HOUR, forecast=110, actual=None, index="low"),
    ]
    found = fetched(CarbonIntensityGb(), {"data": told}, within=Interval(start=AT - HALF_HOUR, end=AT + 2 * HALF_HOUR))
    assert [(slot.per_kwh, slot.state.value) for slot in found.slots] == [
        (80, "final"),
        (100, "preliminary"),
        (110, "forecast"),
    ]


@pytest.mark.parametrize(
    ("settings", "path", "zone"),
    [
        ({}, "/intensity/2026-01-05T11:00Z/fw48h", "GB"),
        ({"postcode": "BS16"}, "/regional/intensity/2026-01-05T11:00Z/fw48h/postcode/BS16", "GB-BS16"),
        ({"region_id": 11}, "/regional/intensity/2026-01-05T11:00Z/fw48h/regionid/11", "GB-11"),
    ],
)
def test_what_it_asks(settings, path, zone):
    calls, told = [], [half_hour(AT, forecast=162, index="moderate")]
    answer = {"data": {"regionid": 11, "shortname": "South West England", "data": told} if settings else told}
    within = Interval(start=utc("2026-01-05T11:29"), end=utc("2026-01-07T10:59"))
    found = fetched(build(CarbonIntensityGb, settings), answer, within=within, calls=calls)
    assert [(call.method, call.url, call.params, call.body) for call in calls] == [
        ("GET", f"https://api.carbonintensity.org.uk{path}", {}, None)
    ]
    assert (found.zone, [slot.per_kwh for slot in found.slots]) == (zone, [162])


def test_what_it_wants_by_its_rhythm_fits_into_one_answer():
    wanted = CarbonIntensityGb.rhythm.wanted(utc("2026-01-05T11:29:59"))
    calls = []
    fetched(CarbonIntensityGb(), {"data": [half_hour(AT, forecast=1)]}, within=wanted, calls=calls)
    assert len(calls) == 1


def test_a_longer_span_is_asked_for_by_two_days_each():
    starts = [utc("2026-01-01T00:00") + n * timedelta(days=2) for n in range(3)]
    answers = [  # each begins with the half hour before, which the answer before it has told already
        {"data": [half_hour(start + n * HALF_HOUR, forecast=n, actual=7) for n in range(-1, 96)]} for start in starts
    ]
    calls = []
    found = fetched(
        CarbonIntensityGb(), *answers, within=span("2026-01-01T00:00", "2026-01-06T12:00"), calls=calls
    ).slots
    assert [call.url.split("/")[-2] for call in calls] == [f"{start:%Y-%m-%dT%H:%MZ}" for start in starts]
    assert len(found) == 11 * 24
    assert gapless(found)


@pytest.mark.parametrize("grams", [-500, 0, 7750.86])
def test_any_number_is_only_a_number(grams):
    found = fetched(CarbonIntensityGb(), {"data": [half_hour(AT, forecast=grams, actual=None)]}, within=TWO_DAYS)
    assert [slot.per_kwh for slot in found.slots] == [grams]


ERROR = {"error": {"code": "400 Bad Request", "message": "Please enter a valid date"}}


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        ({"data": []}, PricesNotPublished, "there is no price"),
        ({"data": [half_hour(AT, forecast=None, actual=None)]}, PricesNotPublished, "there is no price"),
        (ERROR, PricesUnavailable, "Please enter a valid date"),
        ({}, PricesUnavailable, "answered: nothing"),
        ({"data": [half_hour(AT, forecast="many")]}, PricesUnavailable, "something else"),
        ({"data": [{"from": "11:00", "to": "11:30", "intensity": {"forecast": 1}}]}, PricesUnavailable, "no instant"),
        (b"<html>", PricesUnavailable, "no JSON"),
        (400, PricesRefused, "answered 400"),
        (503, PricesUnavailable, "answered 503"),
    ],
)
def test_what_is_no_forecast_says_so(answer, error, why):
    with pytest.raises(error, match=why):
        fetched(CarbonIntensityGb(), answer, within=TWO_DAYS)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"postcode": "RG10 9XX"}, "must be an outward code such as RG10, not 'RG10 9XX'"),
        ({"postcode": "rg10"}, "must be an outward code"),
        ({"postcode": "RG10/../x"}, "must be an outward code"),
        ({"region_id": 18}, "region_id must be one of None, 1, .*, not 18"),
        ({"region_id": 0}, "region_id must be one of"),
        ({"region_id": 1, "postcode": "RG10"}, "not both"),
    ],
)
def test_settings_that_cannot_be_meant(settings, why):
    with pytest.raises(ValueError, match=why):
        CarbonIntensityGb(**settings)


def test_nothing_beside_the_numbers_is_needed():
    told = json.dumps({"data": [{**half_hour(AT, forecast=1), "generationmix": [{"fuel": "gas", "perc": 44.2}]}]})
    assert len(fetched(CarbonIntensityGb(), told.encode(), within=TWO_DAYS).slots) == 1
