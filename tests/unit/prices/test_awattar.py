import json
from datetime import UTC, datetime

import pytest

from scheduler.core.errors import PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.prices.awattar import Awattar
from tests.unit.policies.builders import utc
from tests.unit.prices.answering import covered, fetched, gapless, lengths, span

ALWAYS = span("2023-01-01T00:00", "2026-12-31T00:00")


def told(text):
    """Start, end and price of each row, read piece by piece of the text."""
    rows = []
    for piece in text.split("{")[2:]:
        value = {
            name: float(piece.split(f'"{name}":')[1].split(",")[0].split("}")[0])
            for name in ("start_timestamp", "end_timestamp", "marketprice")
        }
        begin, end, price = value.values()
        rows.append((datetime.fromtimestamp(begin // 1000, UTC), datetime.fromtimestamp(end // 1000, UTC), price))
    return rows


def shown(slots):
    return [(slot.start, slot.end, round(slot.per_kwh * 1000, 6)) for slot in slots]


@pytest.mark.parametrize(
    ("day", "first", "last", "lowest"),
    [
        ("2024-06-15", "2024-06-14T22:00", "2024-06-15T22:00", -0.08362),
        # Asked with a start alone it told 24 hours: beyond the spring day, and short of the autumn day.
        ("2024-03-31", "2024-03-30T23:00", "2024-03-31T23:00", -0.03139),
        ("2023-10-29", "2023-10-28T22:00", "2023-10-29T22:00", 0.00458),
        ("2023-07-02", "2023-07-01T22:00", "2023-07-02T22:00", -0.5),
    ],
)
def test_it_reads_every_answer_that_was_captured(data_dir, day, first, last, lowest):
    path = data_dir / "tariff-fixtures" / "awattar" / f"AT_{day}.json"
    found = fetched(Awattar(country="AT"), path, within=ALWAYS)
    assert (found.currency, found.zone) == ("EUR", "AT")
    assert len(found.slots) == 24
    assert gapless(found.slots)
    assert lengths(found.slots) == {60}
    assert covered(found.slots) == (utc(first), utc(last))
    assert shown(found.slots) == told(path.read_text())
    assert min(slot.per_kwh for slot in found.slots) == lowest


def test_what_lies_beyond_the_span_is_left_out(data_dir):
    path = data_dir / "tariff-fixtures" / "awattar" / "AT_2024-03-31.json"
    found = fetched(Awattar(country="AT"), path, within=span("2024-03-30T23:00", "2024-03-31T22:00")).slots
    assert len(found) == 23
    assert covered(found) == (utc("2024-03-30T23:00"), utc("2024-03-31T22:00"))


@pytest.mark.parametrize(
    ("day", "slots", "minutes", "hours"),
    [("2025-09-30", 24, 60, 24), ("2025-10-01", 96, 15, 24), ("2025-10-26", 100, 15, 25), ("2026-03-29", 92, 15, 23)],
)
def test_days_of_every_length(data_dir, day, slots, minutes, hours):
    """The prices are real and from another source, in aWATTar's documented shape."""
    rows = json.loads((data_dir / "tariff-fixtures" / "energy-charts" / f"AT_{day}_reshaped.json").read_text())["data"]
    raw = {"object": "list", "data": [{**row, "unit": "Eur/MWh"} for row in reversed(rows)]}
    found = fetched(Awattar(country="AT"), raw, within=ALWAYS).slots
    assert len(found) == slots
    assert gapless(found)
    assert lengths(found) == {minutes}
    assert sum((slot.end - slot.start).total_seconds() for slot in found) == hours * 3600
    assert covered(found)[0].timestamp() * 1000 == rows[0]["start_timestamp"]
    assert [round(slot.per_kwh * 1000, 6) for slot in found] == [row["marketprice"] for row in rows]


def row(hour, price, **other):
    begin = round(utc("2026-01-05T00:00").timestamp() * 1000) + hour * 3_600_000
    return {
        "start_timestamp": begin,
        "end_timestamp": begin + 3_600_000,
        "marketprice": price,
        "unit": "Eur/MWh",
        **other,
    }


@pytest.mark.parametrize(
    ("country", "host", "zone"), [("AT", "https://api.awattar.at", "AT"), ("DE", "https://api.awattar.de", "DE-LU")]
)
def test_it_asks_the_country_for_the_whole_span_at_once(country, host, zone):
    calls = []
    within = span("2025-10-25T22:00", "2026-01-06T23:00")
    found = fetched(Awattar(country=country), {"data": [row(0, 1)]}, within=within, token="s3cret", calls=calls)
    (call,) = calls
    assert found.zone == zone
    assert (call.method, call.url) == ("GET", f"{host}/v1/marketdata")
    assert call.params == {"start": "1761429600000", "end": "1767740400000"}
    assert call.headers == {}


def test_another_root():
    calls = []
    source = Awattar(country="AT", url="http://localhost:8080")
    fetched(source, {"data": [row(0, 1)]}, within=ALWAYS, calls=calls)
    assert calls[0].url == "http://localhost:8080/v1/marketdata"


def test_prices_of_every_size_and_a_missing_one():
    raw = {"data": [row(0, -500), row(1, 0), row(2, None), row(3, 2325.83)]}
    found = fetched(Awattar(country="AT"), raw, within=ALWAYS).slots
    assert [(slot.start.hour, slot.per_kwh) for slot in found] == [(0, -0.5), (1, 0), (3, 2.32583)]


def test_tomorrow_is_not_there_yet():
    raw = {"data": [row(n, 10 + n) for n in range(24)]}
    found = fetched(Awattar(country="DE"), raw, within=span("2026-01-05T00:00", "2026-01-07T00:00")).slots
    assert covered(found) == (utc("2026-01-05T00:00"), utc("2026-01-06T00:00"))


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        ({"object": "list", "data": []}, PricesNotPublished, "there is no price"),
        (204, PricesNotPublished, "nothing yet"),
        ({"data": [row(0, 1), row(1, 1, unit="Eur/kWh")]}, PricesUnavailable, "prices in Eur/kWh, not in EUR/MWh"),
        ({"data": [row(0, 1, unit="CHF/MWh")]}, PricesUnavailable, "prices in CHF/MWh, not in EUR/MWh"),
        ({"data": [row(0, 1), row(0, 2)]}, PricesUnavailable, "overlap at 2026-01-05 00:00Z and differ"),
        ({"data": [row(0, 1, end_timestamp=1767571200000)]}, PricesUnavailable, "must end after it starts"),
        ({"data": [row(0, "1")]}, PricesUnavailable, "something else than expected"),
        ({"error": "no"}, PricesUnavailable, "missing required field `data`"),
        (b"<html>", PricesUnavailable, "no JSON"),
        (404, PricesRefused, "answered 404: look at the settings"),
        (503, PricesUnavailable, "answered 503"),
    ],
)
def test_what_is_no_price_says_so(answer, error, why):
    with pytest.raises(error, match=why) as caught:
        fetched(Awattar(country="AT"), answer, within=ALWAYS, token="s3cret")
    assert type(caught.value) is error
    assert "s3cret" not in str(caught.value)


def test_another_country_is_refused():
    with pytest.raises(ValueError, match="country must be one of AT, DE, not 'CH'"):
        Awattar(country="CH")
