"""No answer of the service has been captured: these have the shape that it documents."""

from datetime import timedelta

import pytest

from scheduler.core.errors import PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.core.feeds import GRAMS
from scheduler.core.terms import PriceState
from scheduler.plugins import build
from scheduler.prices.electricity_maps import ElectricityMaps
from tests.unit.policies.builders import utc
from tests.unit.prices.answering import AT, covered, fetched, gapless, lengths, span

NOW = span("2026-01-05T11:00", "2026-01-08T11:00")
WITH_THE_DAY_BEFORE = span("2026-01-04T11:00", "2026-01-08T11:00")
TOKEN = "kept-to-itself"


def hour(at: str, grams: float | None, **more) -> dict:
    return {
        "zone": "DE",
        "carbonIntensity": grams,
        "datetime": f"{at}:00.000Z",
        "updatedAt": "2026-01-05T10:59:15.908Z",
        "emissionFactorType": "lifecycle",
        "isEstimated": False,
        "estimationMethod": None,
        **more,
    }


def hours(start: str, *grams: float, **more) -> list[dict]:
    starts = [utc(start) + n * timedelta(hours=1) for n in range(len(grams))]
    return [hour(f"{at:%Y-%m-%dT%H:%M}", one, **more) for at, one in zip(starts, grams, strict=True)]


LATEST = hour("2026-01-05T11:00", 322, isEstimated=True, estimationMethod="TIME_SLICER_AVERAGE")


def test_the_latest_hour_is_all_there_is_of_now():
    calls = []
    found = fetched(ElectricityMaps(zone="DE"), LATEST, within=NOW, token=TOKEN, calls=calls)
    assert (found.currency, found.zone) == (GRAMS, "DE")
    assert [(slot.start, slot.end, slot.per_kwh, slot.state) for slot in found.slots] == [
        (AT, AT + timedelta(hours=1), 322, PriceState.PRELIMINARY)
    ]
    assert [(call.method, call.url, call.params, call.headers["auth-token"]) for call in calls] == [
        ("GET", "https://api.electricitymaps.com/v3/carbon-intensity/latest", {"zone": "DE"}, TOKEN)
    ]


def test_the_day_before_comes_from_the_history():
    grams = [200.0 + n for n in range(24)]
    calls = []
    history = {"zone": "DE", "history": hours("2026-01-04T11:00", *grams)}
    found = fetched(
        ElectricityMaps(zone="DE"), history, LATEST, within=WITH_THE_DAY_BEFORE, token=TOKEN, calls=calls
    ).slots
    assert [call.url.rpartition("/")[2] for call in calls] == ["history", "latest"]
    assert [slot.per_kwh for slot in found] == [*grams, 322]
    assert [slot.state for slot in found] == [PriceState.FINAL] * 24 + [PriceState.PRELIMINARY]
    assert covered(found) == (utc("2026-01-04T11:00"), utc("2026-01-05T12:00"))
    assert gapless(found)
    assert lengths(found) == {60}


def test_the_forecast_is_asked_for_where_the_plan_allows_and_gives_way_to_what_was_measured():
    calls = []
    ahead = {"zone": "DE", "forecast": hours("2026-01-05T10:00", 1, 2, *(float(n) for n in range(70)))}
    history = {"zone": "DE", "history": hours("2026-01-05T09:00", 290, 300)}
    found = fetched(
        ElectricityMaps(zone="DE", forecast=True),
        ahead,
        history,
        LATEST,
        within=span("2026-01-05T09:00", "2026-01-08T10:00"),
        token=TOKEN,
        calls=calls,
    ).slots
    assert [call.url.rpartition("/")[2] for call in calls] == ["forecast", "history", "latest"]
    assert {call.headers["auth-token"] for call in calls} == {TOKEN}
    assert [slot.per_kwh for slot in found] == [290, 300, 322, *range(70)]
    assert [slot.state for slot in found[:4]] == ["final", "final", "preliminary", "forecast"]
    assert {slot.state for slot in found[3:]} == {PriceState.FORECAST}
    assert gapless(found)


def test_a_forecast_of_the_hour_that_runs_counts_as_published():
    ahead = {"forecast": hours("2026-01-05T11:00", 100, 110)}
    found = fetched(
        ElectricityMaps(zone="DE", forecast=True),
        ahead,
        hour("2026-01-05T11:00", None),
        within=NOW,
        token=TOKEN,
    ).slots
    assert [(slot.per_kwh, slot.state) for slot in found] == [
        (100, PriceState.PRELIMINARY),
        (110, PriceState.FORECAST),
    ]


def test_an_instant_within_the_hour_means_the_hour():
    found = fetched(ElectricityMaps(zone="DE"), hour("2026-01-05T11:07", 5), within=NOW, token=TOKEN).slots
    assert (found[0].start, found[0].state) == (AT, PriceState.FINAL)


@pytest.mark.parametrize(
    ("zone", "asked"),
    [
        ("DE-LU", "DE"),
        ("DK1", "DK-DK1"),
        ("NO5", "NO-NO5"),
        ("SE3", "SE-SE3"),
        ("SE-SE3", "SE-SE3"),
        ("GB", "GB"),
        ("US-CAL-CISO", "US-CAL-CISO"),
        ("IT-NO", "IT-NO"),
    ],
)
def test_zones_are_named_as_people_know_them(zone, asked):
    calls = []
    found = fetched(build(ElectricityMaps, {"zone": zone}), LATEST, within=NOW, token=TOKEN, calls=calls)
    assert (calls[0].params, found.zone) == ({"zone": asked}, zone)


@pytest.mark.parametrize("grams", [-500, 0, 7750.86])
def test_any_number_is_only_a_number(grams):
    found = fetched(ElectricityMaps(zone="DE"), hour("2026-01-05T11:00", grams), within=NOW, token=TOKEN)
    assert [slot.per_kwh for slot in found.slots] == [grams]


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        (hour("2026-01-05T11:00", None), PricesNotPublished, "there is no price"),
        (hour("2026-01-05T09:00", 1), PricesNotPublished, "there is no price"),
        ({"status": "error", "message": "no"}, PricesUnavailable, "something else"),
        ({**LATEST, "datetime": "2026-01-05T11:00:00"}, PricesUnavailable, "something else"),
        ({**LATEST, "carbonIntensity": "322"}, PricesUnavailable, "something else"),
        (b"", PricesUnavailable, "no JSON"),
        (401, PricesRefused, "look at the token"),
        (404, PricesRefused, "look at the settings"),
        (500, PricesUnavailable, "answered 500"),
    ],
)
def test_what_is_no_intensity_says_so_without_the_token(answer, error, why):
    with pytest.raises(error, match=why) as told:
        fetched(ElectricityMaps(zone="DE"), answer, within=NOW, token=TOKEN)
    assert TOKEN not in str(told.value)


def test_without_a_token_nothing_is_asked():
    calls = []
    with pytest.raises(PricesRefused, match="KWHEN_PRICES_SECRET__TEST"):
        fetched(ElectricityMaps(zone="DE"), within=NOW, calls=calls)
    assert calls == []
    assert ElectricityMaps.needs_token


@pytest.mark.parametrize("zone", ["", "de", "Germany", "DE/../x", "DE&zone=FR", "10Y1001A1001A82H"])
def test_a_zone_that_can_be_none_is_refused(zone):
    with pytest.raises(ValueError, match="zone must be a name such as DE"):
        ElectricityMaps(zone=zone)
