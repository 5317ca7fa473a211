"""No answer of the service has been captured: these are made of the examples in its own description."""

import json
from datetime import datetime, timedelta

import pytest

from scheduler.core.errors import PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.core.terms import PriceState
from scheduler.plugins import build
from scheduler.prices.amber import Amber
from scheduler.web_client import Throttled
from tests.unit.policies.builders import utc
from tests.unit.prices.answering import AT, covered, fetched, gapless, lengths, span

SITE = "01F5A5CRKMZ5BCX9P1S4V990AM"
TOKEN = "psk-kept-to-itself"
TWO_DAYS = span("2026-01-05T11:00", "2026-01-07T11:00")


@pytest.fixture(scope="module")
def described(data_dir):
    """The members of an interval with their examples, as the description gives them."""
    description = json.loads((data_dir / "tariff-fixtures" / "amber" / "swagger.json").read_text())
    members = description["components"]["schemas"]["Interval"]["properties"]
    return {
        "type": "ActualInterval",
        "duration": 30,
        "channelType": "general",
        "tariffInformation": None,
        "spikeStatus": "none",
        "descriptor": "neutral",
        **{name: one["example"] for name, one in members.items() if "example" in one},
    }


@pytest.fixture
def interval(described):
    """Makes intervals: they begin one second late, as the described one does."""

    def made(start: datetime, kind: str, cents: object, *, minutes: int = 30, **more) -> dict:
        end = start + timedelta(minutes=minutes)
        return {
            **described,
            "type": f"{kind}Interval",
            "duration": minutes,
            "perKwh": cents,
            "startTime": f"{start + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}",
            "endTime": f"{end:%Y-%m-%dT%H:%M:%SZ}",
            "nemTime": f"{end + timedelta(hours=10):%Y-%m-%dT%H:%M:%S}+10:00",
            **more,
        }

    return made


def test_the_described_interval(described):
    found = fetched(Amber(site_id=SITE), [described], within=span("2021-05-05T00:00", "2021-05-06T00:00"), token=TOKEN)
    assert (found.currency, found.zone) == ("AUD", "AU")
    assert [(slot.start, slot.end, slot.per_kwh, slot.state) for slot in found.slots] == [
        (utc("2021-05-05T02:00"), utc("2021-05-05T02:30"), 0.2433, PriceState.FINAL)
    ]


def test_a_day_of_both_kinds_and_all_channels(interval):
    starts = [AT + n * timedelta(minutes=30) for n in range(-2, 94)]
    kinds = ["Actual", "Actual", "Current", *["Forecast"] * 93]
    told = [
        interval(start, kind, cents + n, channelType=channel, **({"estimate": True} if kind == "Current" else {}))
        for channel, cents in (("general", 20), ("controlledLoad", 500), ("feedIn", -900))
        for n, (start, kind) in enumerate(zip(starts, kinds, strict=True))
    ]
    found = fetched(Amber(site_id=SITE), told, within=span("2026-01-05T10:00", "2026-01-07T10:00"), token=TOKEN).slots
    assert len(found) == 96
    assert gapless(found)
    assert lengths(found) == {30}
    assert covered(found) == (utc("2026-01-05T10:00"), utc("2026-01-07T10:00"))
    assert [round(slot.per_kwh * 100, 6) for slot in found] == [20 + n for n in range(96)]
    assert [slot.state.value for slot in found] == ["final", "final", "preliminary", *["forecast"] * 93]


def test_what_feeding_in_earns_is_a_gain(interval):
    told = [
        interval(AT, "Current", -7.5, channelType="feedIn", estimate=False),
        interval(AT + timedelta(minutes=30), "Forecast", 1, channelType="feedIn", advancedPrice={"predicted": 15}),
    ]
    found = fetched(Amber(site_id=SITE, channel="feedIn"), told, within=TWO_DAYS, token=TOKEN).slots
    assert [(slot.per_kwh, slot.state.value) for slot in found] == [(0.075, "final"), (-0.15, "forecast")]


def test_the_better_forecast_counts_where_there_is_one(interval):
    starts = [AT + n * timedelta(minutes=30) for n in range(5)]
    advanced = {"low": 1, "predicted": 3, "high": 10}
    told = [
        interval(starts[0], "Current", 30, estimate=True, advancedPrice=advanced),
        interval(starts[1], "Forecast", 30, advancedPrice=advanced, range={"min": 0, "max": 0}),
        interval(starts[2], "Forecast", 30, advancedPrice={**advanced, "predicted": 0}),
        interval(starts[3], "Forecast", 30, advancedPrice=None),
        interval(starts[4], "Forecast", 30),
    ]
    found = fetched(Amber(site_id=SITE), told, within=TWO_DAYS, token=TOKEN).slots
    assert [round(slot.per_kwh * 100, 6) for slot in found] == [30, 3, 0, 30, 30]


def test_slots_of_five_minutes_go_over_into_longer_ones(interval):
    told = [interval(AT, "Current", 1, minutes=5, estimate=False)]
    told += [interval(AT + timedelta(minutes=5 * n), "Forecast", n, minutes=5) for n in range(1, 12)]
    told += [interval(AT + timedelta(minutes=30 * n), "Forecast", n) for n in range(2, 5)]
    found = fetched(Amber(site_id=SITE, resolution=5), told, within=TWO_DAYS, token=TOKEN).slots
    assert gapless(found)
    assert [(slot.end - slot.start) // timedelta(minutes=1) for slot in found] == [5] * 12 + [30] * 3


@pytest.mark.parametrize(
    ("resolution", "start", "end", "asked"),
    [
        (30, "2026-01-05T11:00", "2026-01-07T11:00", {"next": "96", "previous": "0", "resolution": "30"}),
        (5, "2026-01-05T11:00", "2026-01-07T11:00", {"next": "576", "previous": "0", "resolution": "5"}),
        (30, "2026-01-05T09:59", "2026-01-05T11:01", {"next": "1", "previous": "3", "resolution": "30"}),
        (5, "2025-12-21T11:00", "2026-01-05T10:00", {"next": "0", "previous": "2048", "resolution": "5"}),
    ],
)
def test_what_it_asks(interval, resolution, start, end, asked):
    calls = []
    told = [interval(utc(start), "Actual", 1)]
    settings = {"site_id": SITE, "resolution": resolution}
    fetched(build(Amber, settings), told, within=span(start, end), token=TOKEN, calls=calls)
    assert [(call.method, call.url, call.params, call.headers["Authorization"]) for call in calls] == [
        ("GET", f"https://api.amber.com.au/v1/sites/{SITE}/prices/current", asked, f"Bearer {TOKEN}")
    ]


def test_it_is_asked_every_five_minutes_for_two_days_ahead():
    wanted = Amber.rhythm.wanted(AT)
    assert (wanted.start, wanted.end) == (AT, AT + timedelta(days=2))
    assert Amber.rhythm.next_news(AT) == AT + timedelta(minutes=5)
    assert Amber.rhythm.back == timedelta(0)


@pytest.mark.parametrize("cents", [-50_000, 0, 775_086])
def test_any_number_is_only_a_number(interval, cents):
    found = fetched(Amber(site_id=SITE), [interval(AT, "Actual", cents)], within=TWO_DAYS, token=TOKEN)
    assert [slot.per_kwh for slot in found.slots] == [cents / 100]


@pytest.mark.parametrize(
    ("more", "error", "why"),
    [
        ({"perKwh": None}, PricesNotPublished, "there is no price"),
        ({"channelType": "feedIn"}, PricesNotPublished, "there is no price"),
        ({"type": "Usage"}, PricesUnavailable, "something else"),
        ({"perKwh": "24.33"}, PricesUnavailable, "something else"),
        ({"startTime": "2026-01-05T11:00:01"}, PricesUnavailable, "something else"),
        ({"endTime": "2026-01-05T10:00:00Z"}, PricesUnavailable, "must end after it starts"),
    ],
)
def test_what_is_no_price_says_so(interval, more, error, why):
    told = {**interval(AT, "Actual", 1), **more}
    with pytest.raises(error, match=why):
        fetched(Amber(site_id=SITE), [told], within=TWO_DAYS, token=TOKEN)


def test_two_prices_of_one_time_are_refused(interval):
    told = [interval(AT, "Actual", 1), interval(AT, "Actual", 2)]
    with pytest.raises(PricesUnavailable, match="overlap"):
        fetched(Amber(site_id=SITE), told, within=TWO_DAYS, token=TOKEN)


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        ([], PricesNotPublished, "there is no price"),
        ({"message": "no"}, PricesUnavailable, "something else"),
        (b"<html>", PricesUnavailable, "no JSON"),
        (401, PricesRefused, "look at the token"),
        (404, PricesRefused, "look at the settings"),
        (500, PricesUnavailable, "answered 500"),
        (Throttled("GET x answered 429: wait 117 s", retry_after_s=117), PricesUnavailable, "wait 117 s"),
    ],
)
def test_error_answers_are_told_without_the_token(answer, error, why):
    with pytest.raises(error, match=why) as told:
        fetched(Amber(site_id=SITE), answer, within=TWO_DAYS, token=TOKEN)
    assert TOKEN not in str(told.value)


def test_without_a_token_nothing_is_asked():
    calls = []
    with pytest.raises(PricesRefused, match="KWHEN_PRICES_SECRET__TEST"):
        fetched(Amber(site_id=SITE), within=TWO_DAYS, calls=calls)
    assert calls == []
    assert Amber.needs_token


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"channel": "feedin"}, "channel must be one of general, controlledLoad, feedIn, not 'feedin'"),
        ({"resolution": 15}, "resolution must be one of 5, 30, not 15"),
        ({"site_id": ""}, "site_id must be letters and digits"),
        ({"site_id": "../sites"}, "site_id must be letters and digits"),
    ],
)
def test_settings_that_cannot_be_meant(settings, why):
    with pytest.raises(ValueError, match=why):
        Amber(**{"site_id": SITE, **settings})
