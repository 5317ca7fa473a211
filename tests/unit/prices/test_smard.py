"""No answer of SMARD was captured: these have its documented shape, some with real prices of the same market."""

import csv
import gzip
from datetime import timedelta

import pytest

from scheduler.core.errors import PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.prices.smard import Smard
from scheduler.prices.zones import SMARD
from tests.unit.policies.builders import utc
from tests.unit.prices.answering import covered, fetched, gapless, lengths, span

MONDAYS = ["2025-10-12T22:00", "2025-10-19T22:00", "2025-10-26T23:00", "2025-11-02T23:00"]
QUARTER = timedelta(minutes=15)


def ms(text):
    return round(utc(text).timestamp() * 1000)


def index(*mondays):
    return {"timestamps": [ms(monday) for monday in mondays]}


def week(start, *prices, step=QUARTER):
    first, length = ms(start), round(step.total_seconds() * 1000)
    return {
        "meta_data": {"version": 1, "created": 1},
        "series": [[first + n * length, p] for n, p in enumerate(prices)],
    }


@pytest.fixture
def recorded(data_dir):
    """Start and price [EUR/MWh] of the quarters of Austria."""
    with gzip.open(data_dir / "prices" / "AT_15min.csv.gz", "rt") as file:
        rows = csv.reader(line for line in file if not line.startswith("#"))
        next(rows)
        return [(utc(row[0].removesuffix("Z").removesuffix("+00:00")), float(row[2])) for row in rows]


@pytest.mark.parametrize(
    ("start", "end", "slots"),
    [
        ("2025-10-19T22:00", "2025-10-26T23:00", 6 * 96 + 100),
        ("2026-03-22T23:00", "2026-03-29T22:00", 6 * 96 + 92),
        ("2025-11-02T23:00", "2025-11-09T23:00", 7 * 96),
    ],
)
def test_weeks_with_days_of_every_length(recorded, start, end, slots):
    prices = [price for at, price in recorded if utc(start) <= at < utc(end)]
    assert len(prices) == slots
    found = fetched(Smard(zone="AT"), index(start), week(start, *prices), within=span(start, end))
    assert (found.currency, found.zone) == ("EUR", "AT")
    assert gapless(found.slots)
    assert lengths(found.slots) == {15}
    assert covered(found.slots) == (utc(start), utc(end))
    assert [round(slot.per_kwh * 1000, 6) for slot in found.slots] == prices


@pytest.mark.parametrize(
    ("start", "end", "weeks"),
    [
        pytest.param("2025-10-21T22:00", "2025-10-23T22:00", [1], id="within-one-week"),
        pytest.param("2025-10-25T22:00", "2025-10-27T23:00", [1, 2], id="sunday-and-monday"),
        pytest.param("2025-10-25T22:00", "2025-10-26T23:00", [1], id="a-week-ends-on-time"),
        pytest.param("2025-10-26T23:00", "2025-10-27T23:00", [2], id="a-week-begins-on-time"),
        pytest.param("2025-10-14T22:00", "2025-11-03T23:00", [0, 1, 2, 3], id="all-that-touch-it"),
        pytest.param("2025-12-01T23:00", "2025-12-02T23:00", [3], id="the-last-may-go-on"),
    ],
)
def test_it_asks_for_the_weeks_that_touch_the_span(start, end, weeks):
    calls = []
    answers = [week(start, 1)] * len(weeks)
    fetched(Smard(zone="DE-LU"), index(*reversed(MONDAYS)), *answers, within=span(start, end), calls=calls)
    folder = "https://www.smard.de/app/chart_data/4169/DE"
    assert [call.url for call in calls] == [
        f"{folder}/index_quarterhour.json",
        *(f"{folder}/4169_DE_quarterhour_{ms(MONDAYS[n])}.json" for n in weeks),
    ]
    assert all(not call.params and not call.headers and call.method == "GET" for call in calls)


def test_hours_of_another_root():
    calls = []
    source = Smard(zone="NL", resolution="hour", url="http://localhost:9")
    answer = week("2025-10-19T22:00", 1, 2, 3, step=timedelta(hours=1))
    found = fetched(source, index(MONDAYS[1]), answer, within=span(*MONDAYS[1:3]), calls=calls).slots
    assert lengths(found) == {60}
    assert covered(found) == (utc("2025-10-19T22:00"), utc("2025-10-20T01:00"))
    assert [call.url for call in calls] == [
        "http://localhost:9/app/chart_data/256/DE/index_hour.json",
        f"http://localhost:9/app/chart_data/256/DE/256_DE_hour_{ms(MONDAYS[1])}.json",
    ]


def test_a_null_is_unknown_and_no_price_is_stretched_over_it():
    answer = week(MONDAYS[1], -500, None, 0, 2325.83, None, None)
    found = fetched(Smard(zone="AT"), index(MONDAYS[1]), answer, within=span(*MONDAYS[1:3])).slots
    assert [(slot.start - utc(MONDAYS[1])) // QUARTER for slot in found] == [0, 2, 3]
    assert [slot.per_kwh for slot in found] == [-0.5, 0, 2.32583]
    assert lengths(found) == {15}


def test_a_week_that_is_not_told_yet():
    with pytest.raises(PricesNotPublished, match="there is no price"):
        fetched(Smard(zone="AT"), index(MONDAYS[1]), week(MONDAYS[1], None, None), within=span(*MONDAYS[1:3]))
    with pytest.raises(PricesNotPublished, match="there is no price"):
        fetched(Smard(zone="AT"), index(), within=span(*MONDAYS[1:3]))
    with pytest.raises(PricesNotPublished, match="there is no price"):
        fetched(Smard(zone="AT"), index(MONDAYS[3]), within=span(*MONDAYS[1:3]))


def test_two_files_that_tell_the_same_and_two_that_do_not():
    listed = index(*MONDAYS[1:3])
    within = span("2025-10-25T22:00", "2025-10-27T23:00")
    one, other = week("2025-10-26T22:00", 1, 2), week("2025-10-26T22:00", 1, 3)
    assert len(fetched(Smard(zone="AT"), listed, one, one, within=within).slots) == 2
    with pytest.raises(PricesUnavailable, match="overlap at 2025-10-26 22:15Z and differ"):
        fetched(Smard(zone="AT"), listed, one, other, within=within)


@pytest.mark.parametrize(
    ("answers", "error", "why"),
    [
        ([404], PricesRefused, "index_quarterhour.json answered 404: look at the settings"),
        ([index(MONDAYS[1]), 404], PricesRefused, "answered 404"),
        ([index(MONDAYS[1]), 503], PricesUnavailable, "answered 503"),
        ([{"stamps": []}], PricesUnavailable, "missing required field `timestamps`"),
        ([index(MONDAYS[1]), {"series": [[1, "2"]]}], PricesUnavailable, "something else than expected"),
        ([index(MONDAYS[1]), {"series": [[1]]}], PricesUnavailable, "something else than expected"),
        ([b"<html>"], PricesUnavailable, "no JSON"),
    ],
)
def test_what_is_no_price_says_so(answers, error, why):
    with pytest.raises(error, match=why) as caught:
        fetched(Smard(zone="AT"), *answers, within=span(*MONDAYS[1:3]))
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"zone": "ES"}, "zone must be one of AT, BE, .*, not 'ES'"),
        ({"zone": "AT", "resolution": "60"}, "resolution must be one of quarterhour, hour, not '60'"),
    ],
)
def test_wrong_settings_are_refused(settings, why):
    with pytest.raises(ValueError, match=why):
        Smard(**settings)


def test_every_zone_has_a_number_of_its_own():
    assert len(set(SMARD.values())) == len(SMARD)
