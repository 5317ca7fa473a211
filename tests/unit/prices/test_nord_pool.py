from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from scheduler.core.errors import PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.core.terms import PriceState
from scheduler.prices.nord_pool import NordPool
from tests.unit.policies.builders import utc
from tests.unit.prices.answering import covered, fetched, gapless, lengths, span

ONE_DAY = span("2025-05-06T22:00", "2025-05-07T22:00")


@pytest.fixture
def fixtures(data_dir):
    return data_dir / "tariff-fixtures"


def the_day(text):
    """The span of the delivery day that an answer is of, from the answer's own first and last instant."""
    instants = [word for word in text.split('"') if word.endswith(":00Z")]
    return span(min(instants)[:16], max(instants)[:16])


def told(text, area):
    """What an answer says of an area: start and price of each slot, read line by line of the text."""
    slots = []
    for piece in text.split('"deliveryStart"')[1:]:
        if "entryPerArea" not in piece:
            continue  # an average of several hours
        start = datetime.fromisoformat(piece.split('"')[1])
        price = piece.split(f'"{area}"')[1].split(":")[1].split("}")[0].split(",")[0]
        slots.append((start, float(price)))
    return slots


@pytest.mark.parametrize(
    ("name", "settings", "slots", "minutes"),
    [
        ("nordpool/delivery_period_NL_2024-11-05.json", {"zone": "NL"}, 24, 60),
        ("nordpool/delivery_period_SE3_2024-11-05.json", {"zone": "SE3"}, 24, 60),
        ("nordpool/indices_15_FI_2025-05-07.json", {"zone": "FI", "resolution": 15}, 96, 15),
        ("nordpool/indices_15_SE3_2025-10-01.json", {"zone": "SE3", "resolution": 15, "currency": "SEK"}, 96, 15),
        ("nordpool/indices_30_FI_2025-05-07.json", {"zone": "FI", "resolution": 30}, 48, 30),
        ("nordpool/indices_60_SE1-SE4_2025-05-07.json", {"zone": "SE1", "resolution": 60}, 24, 60),
        ("nordpool/indices_60_SE1-SE4_2025-05-07.json", {"zone": "SE4", "resolution": 60}, 24, 60),
        ("nordpool/indices_60_SE3_2025-10-01.json", {"zone": "SE3", "resolution": 60, "currency": "SEK"}, 24, 60),
        ("nordpool/indices_60_SYS_2025-05-07.json", {"zone": "SYS", "resolution": 60}, 24, 60),
        (
            "nordpool/indices_60_other_currency_2025-05-07.json",
            {"zone": "SE1", "resolution": 60, "currency": "SEK"},
            24,
            60,
        ),
        ("derived/nordpool_delivery_period_DK1_DK2_2025-10-26_15min.json", {"zone": "DK1"}, 100, 15),
        ("derived/nordpool_delivery_period_DK1_DK2_2025-10-26_15min.json", {"zone": "DK2"}, 100, 15),
        ("derived/nordpool_delivery_period_DK1_DK2_2026-03-29_15min.json", {"zone": "DK1"}, 92, 15),
        ("derived/nordpool_delivery_period_DK1_DK2_2026-03-29_15min.json", {"zone": "DK2"}, 92, 15),
    ],
)
def test_it_reads_every_answer_that_was_captured(fixtures, name, settings, slots, minutes):
    text = (fixtures / name).read_text()
    day = the_day(text)
    found = fetched(NordPool(**settings), fixtures / name, within=day)
    assert (found.currency, found.zone) == (settings.get("currency", "EUR"), settings["zone"])
    assert len(found.slots) == slots
    assert gapless(found.slots)
    assert lengths(found.slots) == {minutes}
    assert covered(found.slots) == (day.start, day.end)
    assert sum((slot.end - slot.start).total_seconds() for slot in found.slots) == slots * minutes * 60
    area = "SYSTEM" if found.zone == "SYS" else found.zone
    assert [(slot.start, round(slot.per_kwh * 1000, 6)) for slot in found.slots] == told(text, area)
    assert {slot.state for slot in found.slots} == {PriceState.FINAL}


def test_the_first_and_the_last_price_of_the_day_of_25_hours(fixtures):
    path = fixtures / "derived" / "nordpool_delivery_period_DK1_DK2_2025-10-26_15min.json"
    found = fetched(NordPool(zone="DK2"), path, within=span("2025-10-25T22:00", "2025-10-26T23:00")).slots
    assert (found[0].start, found[0].per_kwh) == (utc("2025-10-25T22:00"), 0.00718)
    assert (found[-1].end, found[-1].per_kwh) == (utc("2025-10-26T23:00"), 0.00416)


def entries(start, *prices, minutes=60, area="SE3"):
    """Members of an answer, one after the other from an instant."""
    starts = [utc(start) + timedelta(minutes=minutes * n) for n in range(len(prices) + 1)]
    return [
        {"deliveryStart": f"{a:%FT%TZ}", "deliveryEnd": f"{b:%FT%TZ}", "entryPerArea": {area: price}}
        for (a, b), price in zip(pairwise(starts), prices, strict=True)
    ]


def answer(*members, currency="EUR", states=(("Final", "SE3"),), of="multiAreaEntries"):
    """An answer with the members that are read."""
    told = [{"state": state, "areas": [area]} for state, area in states]
    return {"version": 1, "currency": currency, "areaStates": told, of: [*members]}


def test_it_asks_once_for_each_delivery_day_that_touches_the_span():
    calls = []
    days = [answer(*entries(f"2025-10-{day}T12:00", day)) for day in (25, 26, 27)]
    within = span("2025-10-24T22:00", "2025-10-27T23:00")
    found = fetched(NordPool(zone="SE3"), *days, within=within, calls=calls).slots
    assert [(slot.start, slot.per_kwh) for slot in found] == [
        (utc("2025-10-25T12:00"), 0.025),
        (utc("2025-10-26T12:00"), 0.026),
        (utc("2025-10-27T12:00"), 0.027),
    ]
    assert {call.url for call in calls} == {"https://dataportal-api.nordpoolgroup.com/api/DayAheadPrices"}
    assert [call.params.pop("date") for call in calls] == ["2025-10-25", "2025-10-26", "2025-10-27"]
    assert all(
        call.params == {"market": "DayAhead", "deliveryArea": "SE3", "currency": "EUR"} and not call.headers
        for call in calls
    )


def test_it_asks_the_index_of_a_resolution_elsewhere():
    calls = []
    raw = answer(*entries("2025-05-07T00:00", 1.5, area="GER"), currency="SEK", of="multiIndexEntries")
    source = NordPool(zone="DE-LU", resolution=30, currency="SEK", url="http://localhost:9/portal")
    assert fetched(source, raw, within=ONE_DAY, calls=calls).zone == "DE-LU"
    (call,) = calls
    assert call.url == "http://localhost:9/portal/api/DayAheadPriceIndices"
    assert call.params == {
        "date": "2025-05-07",
        "market": "DayAhead",
        "indexNames": "GER",
        "currency": "SEK",
        "resolutionInMinutes": "30",
    }


def test_days_of_hours_and_of_quarters_in_one_span():
    hours = answer(*entries("2025-09-29T22:00", *range(24)))
    quarters = answer(*entries("2025-09-30T22:00", *range(96), minutes=15))
    found = fetched(NordPool(zone="SE3"), hours, quarters, within=span("2025-09-29T22:00", "2025-10-01T22:00")).slots
    assert [lengths(found[:24]), lengths(found[24:])] == [{60}, {15}]
    assert len(found) == 120
    assert gapless(found)


def test_finland_needs_two_delivery_days_for_one_local_day(fixtures):
    path = fixtures / "nordpool" / "indices_15_FI_2025-05-07.json"
    helsinki = span("2025-05-06T21:00", "2025-05-07T21:00")
    found = fetched(NordPool(zone="FI", resolution=15), 204, path, within=helsinki).slots
    assert covered(found) == (utc("2025-05-06T22:00"), utc("2025-05-07T21:00"))


def test_the_days_that_are_there_when_another_is_not():
    today = answer(*entries("2025-05-07T00:00", 10))
    empty = answer(states=())
    within = span("2025-05-05T22:00", "2025-05-08T22:00")
    found = fetched(NordPool(zone="SE3"), 204, today, empty, within=within).slots
    assert [(slot.start, slot.per_kwh) for slot in found] == [(utc("2025-05-07T00:00"), 0.01)]


def test_a_day_that_is_not_published(fixtures):
    path = fixtures / "nordpool" / "indices_60_FI_not_published_yet.json"
    with pytest.raises(PricesNotPublished, match="there is no price from 2025-05-09 22:00Z"):
        fetched(NordPool(zone="FI", resolution=60), path, within=span("2025-05-09T22:00", "2025-05-10T22:00"))
    with pytest.raises(PricesNotPublished, match="there is no price"):
        fetched(NordPool(zone="FI"), 204, within=ONE_DAY)


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ([("Final", "SE3"), ("Preliminary", "SE4")], PriceState.FINAL),
        ([("Final", "SE4"), ("Preliminary", "SE3")], PriceState.PRELIMINARY),
        ([], PriceState.PRELIMINARY),
    ],
)
def test_what_is_not_final_may_still_change(states, state):
    raw = answer(*entries("2025-05-07T00:00", 1), states=states)
    assert fetched(NordPool(zone="SE3"), raw, within=ONE_DAY).slots[0].state is state


def test_prices_of_every_size_and_a_missing_one():
    raw = answer(*entries("2025-05-07T00:00", -500, 0, None, 2325.83, -0.01))
    raw["multiAreaEntries"][4]["entryPerArea"] = {"SE4": 1}
    found = fetched(NordPool(zone="SE3"), raw, within=ONE_DAY).slots
    assert [(slot.start.hour, slot.per_kwh) for slot in found] == [(0, -0.5), (1, 0), (3, 2.32583)]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("priced_api_SE_2024-07-08.json", "Expected `object`, got `array`"),
        ("aggregate_daily_2025.json", "missing required field"),
        ("indices_60_SE3_2025-10-01.json", "missing required field `multiAreaEntries`"),
    ],
)
def test_an_answer_of_another_shape_is_refused(fixtures, name, why):
    with pytest.raises(PricesUnavailable, match=why):
        fetched(NordPool(zone="SE3", currency="SEK"), fixtures / "nordpool" / name, within=ONE_DAY)


@pytest.mark.parametrize(
    ("raw", "error", "why"),
    [
        (answer(currency="SEK"), PricesUnavailable, "answered in SEK, asked for EUR"),
        (answer(*entries("2025-05-07T00:00", 1, area="NO1")), PricesRefused, "nothing of SE3, only of NO1"),
        (answer({**entries("2025-05-07T00:00", 1)[0], "entryPerArea": {}}), PricesRefused, "only of no area"),
        (answer(*entries("2025-05-07T00:00", "1")), PricesUnavailable, "got `str`"),
        (
            answer({**entries("2025-05-07T00:00", 1)[0], "deliveryStart": "2025-05-07T00:00:00"}),
            PricesUnavailable,
            "timezone",
        ),
        (400, PricesRefused, "answered 400: look at the settings"),
        (401, PricesRefused, "answered 401: it may want a token"),
        (503, PricesUnavailable, "answered 503"),
        (b"<html>", PricesUnavailable, "no JSON"),
    ],
)
def test_what_is_no_price_says_so(raw, error, why):
    with pytest.raises(error, match=why) as caught:
        fetched(NordPool(zone="SE3"), raw, within=ONE_DAY)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"zone": "SE5"}, "zone must be one of AT, .*, SYS, not 'SE5'"),
        ({"zone": "GER"}, "zone must be one of .*DE-LU.*, not 'GER'"),
        ({"zone": "SE3", "currency": "eur"}, "currency must be one of EUR, .*, not 'eur'"),
        ({"zone": "SE3", "resolution": 5}, "resolution must be one of None, 15, 30, 60, not 5"),
        ({"zone": "SYS"}, "resolution must be one of 15, 30, 60, not None"),
    ],
)
def test_wrong_settings_are_refused(settings, why):
    with pytest.raises(ValueError, match=why):
        NordPool(**settings)
