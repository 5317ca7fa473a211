import json

import pytest

from scheduler.core.errors import PricesNotPublished, PricesUnavailable
from scheduler.prices.energy_charts import EnergyCharts
from tests.unit.policies.builders import utc
from tests.unit.prices.answering import covered, fetched, gapless, lengths, span

TWO_DAYS = span("2024-12-09T23:00", "2024-12-11T23:00")


@pytest.fixture
def captured(data_dir):
    return data_dir / "tariff-fixtures" / "energy-charts"


def test_the_raw_answer_of_two_days(captured):
    path = captured / "DE-LU_2024-12-10_raw.json"
    found = fetched(EnergyCharts(zone="DE-LU"), path, within=TWO_DAYS)
    told = json.loads(path.read_text())
    assert len(found.slots) == 48
    assert gapless(found.slots)
    assert lengths(found.slots) == {60}
    assert covered(found.slots) == (utc("2024-12-09T23:00"), utc("2024-12-11T23:00"))
    assert [round(slot.per_kwh * 1000, 6) for slot in found.slots] == told["price"]
    assert found.slots[0].per_kwh == 0.09285
    assert found.slots[-1].per_kwh == 0.13596


@pytest.mark.parametrize(
    ("day", "slots", "hours"),
    [("2025-09-30", 24, 24), ("2025-10-01", 96, 24), ("2025-10-26", 100, 25), ("2026-03-29", 92, 23)],
)
def test_days_of_every_length(captured, day, slots, hours):
    rows = json.loads((captured / f"AT_{day}_reshaped.json").read_text())["data"]
    raw = {  # as the service itself would have told it
        "unix_seconds": [row["start_timestamp"] // 1000 for row in rows],
        "price": [row["marketprice"] for row in rows],
        "unit": rows[0]["unit"],
    }
    whole = span("2025-09-01T00:00", "2026-04-30T00:00")
    found = fetched(EnergyCharts(zone="AT"), raw, within=whole).slots
    assert len(found) == slots
    assert gapless(found)
    assert (found[-1].end - found[0].start).total_seconds() == hours * 3600
    assert found[0].start.timestamp() * 1000 == rows[0]["start_timestamp"]
    assert found[-1].end.timestamp() * 1000 == rows[-1]["end_timestamp"]
    assert [round(slot.per_kwh * 1000, 6) for slot in found] == [row["marketprice"] for row in rows]


def test_it_asks_for_the_local_days_that_touch_the_span():
    calls = []
    answer = {"unix_seconds": [1733785200], "price": [1], "unit": "EUR/MWh"}
    fetched(EnergyCharts(zone="DE-LU"), answer, within=TWO_DAYS, calls=calls)
    assert calls[0].params == {"bzn": "DE-LU", "start": "2024-12-10", "end": "2024-12-11"}


def test_hours_of_one_day_and_quarters_of_the_next(captured):
    hours, quarters = (
        json.loads((captured / f"AT_{day}_reshaped.json").read_text())["data"] for day in ("2025-09-30", "2025-10-01")
    )
    rows = hours + quarters
    raw = {
        "unix_seconds": [row["start_timestamp"] // 1000 for row in rows],
        "price": [row["marketprice"] for row in rows],
        "unit": "EUR / MWh",
    }
    found = fetched(EnergyCharts(zone="AT"), raw, within=span("2025-09-01T00:00", "2025-11-01T00:00")).slots
    assert [lengths(found[:24]), lengths(found[24:])] == [{60}, {15}]
    assert gapless(found)


def test_a_null_is_unknown_and_nothing_is_stretched_over_it():
    raw = {"unix_seconds": [1733785200 + 900 * n for n in range(4)], "price": [10, None, -500, 0], "unit": "EUR/MWh"}
    found = fetched(EnergyCharts(zone="AT"), raw, within=TWO_DAYS).slots
    assert [slot.per_kwh for slot in found] == [0.01, -0.5, 0]
    assert lengths(found) == {15}


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        ({"unix_seconds": [], "price": [], "unit": "EUR/MWh"}, PricesNotPublished, "there is no price"),
        (
            {"unix_seconds": [1733785200], "price": [], "unit": "EUR/MWh"},
            PricesUnavailable,
            "more instants than prices",
        ),
        ({"unix_seconds": [1733785200], "price": [1], "unit": "EUR/GJ"}, PricesUnavailable, "'EUR/GJ' cannot be used"),
        ({"unix_seconds": [1733785200], "price": ["1"], "unit": "EUR/MWh"}, PricesUnavailable, "something else"),
        (404, PricesNotPublished, "nothing yet"),
        (b"<html>", PricesUnavailable, "no JSON"),
        (503, PricesUnavailable, "answered 503"),
    ],
)
def test_what_is_no_price_says_so(answer, error, why):
    with pytest.raises(error, match=why):
        fetched(EnergyCharts(zone="AT"), answer, within=TWO_DAYS)
