import json
import re
from datetime import datetime, timedelta

import pytest

from scheduler.core.errors import PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.prices.tibber import Tibber
from tests.unit.policies.builders import utc
from tests.unit.prices.answering import covered, fetched, gapless, lengths, span

TOKEN = "tibber-token-of-nobody"
EVER = span("2020-01-01T00:00", "2030-01-01T00:00")


@pytest.fixture
def fixtures(data_dir):
    return data_dir / "tariff-fixtures"


def with_currency(path, currency):
    """Return a captured answer as our question has it answered: with a currency, which those asked by others lack."""
    text = re.sub(r'"startsAt"', f'"currency": "{currency}", "startsAt"', path.read_text())
    return text.encode()


def told(text):
    """Read the totals with regular expressions alone: by the minutes since 1970."""
    part = text[text.index('"today"') :]
    pairs = re.findall(r'"total": (-?[\d.]+),[^{}]*?"startsAt": "([^"]+)"', part)
    return {datetime.fromisoformat(start).timestamp() / 60: float(total) for total, start in pairs}


def read(found):
    return {slot.start.timestamp() / 60: slot.per_kwh for slot in found}


def home(*prices, name="one", currency="NOK", contract=True, tomorrow=()):
    """A home as the service words it; a price is (start, total)."""
    days = {
        day: [{"total": total, "startsAt": start, "currency": currency} for start, total in rows]
        for day, rows in (("today", prices), ("tomorrow", tomorrow))
    }
    return {"id": name, "currentSubscription": {"priceInfo": days} if contract else None}


def account(*homes):
    return {"data": {"viewer": {"homes": list(homes)}}}


def test_two_days_of_quarters_as_captured(fixtures):
    path = fixtures / "tibber" / "priceInfo_quarter_hourly_1_1homes.json"
    found = fetched(Tibber(), with_currency(path, "EUR"), within=EVER, token=TOKEN)
    assert (found.currency, len(found.slots)) == ("EUR", 192)
    assert gapless(found.slots)
    assert lengths(found.slots) == {15}
    assert covered(found.slots) == (utc("2025-09-18T22:00"), utc("2025-09-20T22:00"))
    assert read(found.slots) == told(path.read_text())


def test_the_hours_of_the_demo_home_as_captured(fixtures):
    """The wrapper `data` is missing in what was captured; it is put around it here."""
    path = fixtures / "tibber" / "demo_home_priceInfo_hourly.json"
    text = path.read_text()
    found = fetched(Tibber(resolution="HOURLY"), b'{"data":' + text.encode() + b"}", within=EVER, token=TOKEN)
    assert (found.currency, len(found.slots)) == ("SEK", 48)
    assert gapless(found.slots)
    assert lengths(found.slots) == {60}
    assert covered(found.slots) == (utc("2023-01-17T23:00"), utc("2023-01-19T23:00"))
    assert read(found.slots) == told(text)
    assert found.slots[0].per_kwh == 0.6995
    assert found.slots[-1].per_kwh == 1.6198


@pytest.mark.parametrize(
    ("day", "slots", "start", "end"),
    [
        ("2025-10-26", 100, "2025-10-25T22:00", "2025-10-26T23:00"),
        ("2026-03-29", 92, "2026-03-28T23:00", "2026-03-29T22:00"),
    ],
)
def test_the_days_the_clock_changes_while_tomorrow_is_not_there(fixtures, day, slots, start, end):
    path = fixtures / "derived" / f"tibber_priceInfo_SE3_{day}_quarter_hourly.json"
    assert (
        json.loads(path.read_text())["data"]["viewer"]["homes"][0]["currentSubscription"]["priceInfo"]["tomorrow"] == []
    )
    found = fetched(Tibber(), with_currency(path, "SEK"), within=span(start, end), token=TOKEN).slots
    assert len(found) == slots
    assert gapless(found)
    assert lengths(found) == {15}
    assert covered(found) == (utc(start), utc(end))
    assert sum((s.end - s.start for s in found), timedelta()) == timedelta(minutes=15 * slots)
    assert read(found) == told(path.read_text())


def test_an_answer_without_a_currency_is_not_believed(fixtures):
    path = fixtures / "tibber" / "priceInfo_quarter_hourly_1_1homes.json"
    with pytest.raises(PricesUnavailable, match="`currency`"):
        fetched(Tibber(), path, within=EVER, token=TOKEN)


def test_only_what_touches_the_span_is_returned():
    rows = [(f"2026-01-05T{hour:02}:00:00.000+01:00", hour) for hour in range(24)]
    asked = span("2026-01-05T03:30", "2026-01-05T05:00")
    found = fetched(Tibber(resolution="HOURLY"), account(home(*rows)), within=asked, token=TOKEN).slots
    assert [slot.per_kwh for slot in found] == [4, 5]


@pytest.mark.parametrize("resolution", ["QUARTER_HOURLY", "HOURLY"])
def test_it_asks_once_for_its_resolution_with_the_token_in_a_header(resolution):
    calls = []
    answer = account(home(("2026-01-05T00:00:00.000+01:00", 1.0)))
    found = fetched(Tibber(resolution=resolution), answer, within=EVER, token=TOKEN, calls=calls).slots
    assert lengths(found) == {15 if resolution == "QUARTER_HOURLY" else 60}
    assert [(call.method, call.url, call.params) for call in calls] == [
        ("POST", "https://api.tibber.com/v1-beta/gql", {})
    ]
    assert calls[0].headers == {"Authorization": f"Bearer {TOKEN}"}
    assert calls[0].body == {
        "query": f"{{viewer{{homes{{id currentSubscription{{priceInfo(resolution:{resolution})"
        "{today{total startsAt currency} tomorrow{total startsAt currency}}}}}}"
    }


def test_without_a_token_nothing_is_asked():
    calls = []
    with pytest.raises(PricesRefused, match="set KWHEN_PRICES_SECRET__TEST"):
        fetched(Tibber(), account(), within=EVER, calls=calls)
    assert calls == []
    assert Tibber.needs_token


ROW = ("2026-01-05T00:00:00.000+01:00", 1.0)


def test_the_only_home_with_a_subscription_is_meant():
    answer = account(home(name="old", contract=False), home(ROW, name="new"))
    for source in (Tibber(), Tibber(home_id="new")):
        assert [slot.per_kwh for slot in fetched(source, answer, within=EVER, token=TOKEN).slots] == [1]


def test_of_several_homes_the_one_that_is_named():
    answer = account(home(("2026-01-05T00:00:00+01:00", 2.0), name="a", currency="SEK"), home(ROW, name="b"))
    found = fetched(Tibber(home_id="a"), answer, within=EVER, token=TOKEN)
    assert (found.currency, found.slots[0].per_kwh) == ("SEK", 2)


@pytest.mark.parametrize(
    ("source", "homes", "why"),
    [
        pytest.param(Tibber(), [home(ROW, name="a"), home(ROW, name="b")], r"\(a, b\), not ''", id="which-of-two"),
        pytest.param(Tibber(home_id="c"), [home(ROW, name="a")], r"\(a\), not 'c'", id="no-such-home"),
        pytest.param(Tibber(home_id="a"), [home(name="a", contract=False)], r"\(none\), not 'a'", id="moved-out"),
        pytest.param(Tibber(), [home(name="a", contract=False)], "with a subscription .none.", id="no-subscription"),
        pytest.param(Tibber(), [], "with a subscription .none.", id="no-home"),
    ],
)
def test_a_home_without_a_subscription_or_in_doubt_is_a_matter_of_settings(source, homes, why):
    with pytest.raises(PricesRefused, match=why):
        fetched(source, account(*homes), within=EVER, token=TOKEN)


def test_an_unknown_price_is_a_hole_and_any_number_is_a_price():
    worth = [-0.5, None, 0, 77.5]
    rows = [(f"2026-01-05T00:{15 * n:02}:00.000+01:00", price) for n, price in enumerate(worth)]
    found = fetched(Tibber(), account(home(*rows)), within=EVER, token=TOKEN).slots
    assert [(slot.start.minute, slot.per_kwh) for slot in found] == [(0, -0.5), (30, 0), (45, 77.5)]
    assert lengths(found) == {15}


@pytest.mark.parametrize(
    "days",
    [{"today": [], "tomorrow": []}, {"today": None, "tomorrow": None}, None],
)
def test_no_prices_at_all_are_not_published_yet(days):
    answer = account({"id": "a", "currentSubscription": {"priceInfo": days}})
    with pytest.raises(PricesNotPublished):
        fetched(Tibber(), answer, within=EVER, token=TOKEN)


def test_when_only_today_is_there_tomorrow_is_not_published():
    tomorrow = span("2026-01-05T23:00", "2026-01-06T23:00")
    with pytest.raises(PricesNotPublished, match="there is no price from 2026-01-05 23:00Z"):
        fetched(Tibber(), account(home(ROW)), within=tomorrow, token=TOKEN)


def fault(message, code=None, **more):
    return {"errors": [{"message": message, **({"extensions": {"code": code}} if code else {})}], **more}


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        (
            fault(f"invalid token {TOKEN}", "UNAUTHENTICATED", data=None),
            PricesRefused,
            "UNAUTHENTICATED: look at the t",
        ),
        (fault("no", "FORBIDDEN"), PricesRefused, "no FORBIDDEN"),
        (fault("boom", "INTERNAL_SERVER_ERROR", data=None), PricesUnavailable, "errors: boom INTERNAL_SERVER_ERROR$"),
        (fault("boom", **account(home(ROW))), PricesUnavailable, "errors: boom$"),
        ({"errors": [{}], "data": None}, PricesUnavailable, "answered with errors"),
        (fault("x" * 999), PricesUnavailable, "errors: x{200}$"),
        ({"data": None}, PricesUnavailable, "something else"),
        ({"data": {}}, PricesUnavailable, "answered without 'viewer'"),
        ({"data": {"viewer": {"homes": None}}}, PricesUnavailable, "something else"),
        ({"data": {"viewer": {"homes": [{"id": "a"}]}}}, PricesUnavailable, "currentSubscription"),
        (account(home(("2026-01-05T00:00:00", 1.0))), PricesUnavailable, "something else"),
        (account(home(("2026-01-05T00:00:00Z", "1.0"))), PricesUnavailable, "something else"),
        ([], PricesUnavailable, "something else"),
        (b"<html>", PricesUnavailable, "no JSON"),
        (401, PricesRefused, "look at the token"),
        (400, PricesRefused, "answered 400"),
        (503, PricesUnavailable, "answered 503"),
    ],
)
def test_what_is_no_price_says_so_and_never_tells_the_token(answer, error, why):
    with pytest.raises(error, match=why) as caught:
        fetched(Tibber(), answer, within=EVER, token=TOKEN)
    assert TOKEN not in str(caught.value)
    assert isinstance(caught.value, PricesRefused) == (error is PricesRefused)


def test_two_currencies_for_one_home_are_refused():
    mixed = home(ROW, tomorrow=[("2026-01-06T00:00:00.000+01:00", 1.0)])
    mixed["currentSubscription"]["priceInfo"]["tomorrow"][0]["currency"] = "SEK"
    with pytest.raises(PricesUnavailable, match="NOK and SEK"):
        fetched(Tibber(), account(mixed), within=EVER, token=TOKEN)


def test_an_unknown_resolution_is_refused():
    with pytest.raises(ValueError, match="resolution must be one of QUARTER_HOURLY, HOURLY, not 'DAILY'"):
        Tibber(resolution="DAILY")


def test_tomorrow_is_asked_for_from_one_o_clock():
    ends = [Tibber.rhythm.wanted(utc(at)).end for at in ("2026-01-05T11:59", "2026-01-05T12:00")]
    assert ends == [utc("2026-01-05T23:00"), utc("2026-01-06T23:00")]
