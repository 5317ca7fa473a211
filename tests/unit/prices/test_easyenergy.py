import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from scheduler.core.errors import PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.prices.easyenergy import EasyEnergy
from tests.unit.policies.builders import utc
from tests.unit.prices.answering import covered, fetched, gapless, lengths, span

DAY = span("2026-04-18T22:00", "2026-04-19T22:00")
QUARTERS, HOURS = "QUARTER_HOURLY", "HOURLY"
SUMMER = timezone(timedelta(hours=2))


@pytest.fixture
def captured(data_dir):
    return data_dir / "tariff-fixtures" / "easyenergy"


def row(start, price, *, granularity="quarter", unit="kWh"):
    """A row as the service words it, its end left to the wall clock."""
    return {
        "from": f"{start}:00.0000000",
        "until": f"{start}:00.0000000",
        "price": price,
        "unit": unit,
        "priceIncVat": None if price is None else price + 1,
        "energyTax": 0.11085,
        "purchasePrice": 0.02178,
        "invoicePrice": None if price is None else price + 2,
        "granularity": granularity,
    }


def answer(*rows):
    return {"providedAt": "2026-04-19T22:16:44.4866876Z", "prices": list(rows)}


@pytest.mark.parametrize(
    "asked",
    [
        ({}, "priceIncVat"),
        ({"vat": False}, "price"),
        ({"all_in": True}, "invoicePrice"),
    ],
)
@pytest.mark.parametrize(
    ("name", "resolution", "edges"),
    [
        ("energy.json", HOURS, ("2026-04-18T22:00", "2026-04-19T22:00")),
        ("energy_quarter.json", QUARTERS, ("2026-04-19T12:00", "2026-04-19T13:15")),
    ],
)
def test_what_was_captured(captured, asked, name, resolution, edges):
    settings, member = asked
    rows = json.loads((captured / name).read_text())["prices"]
    found = fetched(EasyEnergy(resolution=resolution, **settings), captured / name, within=DAY)
    assert (found.currency, found.zone) == ("EUR", "NL")
    assert len(found.slots) == {HOURS: 24, QUARTERS: 5}[resolution] == len(rows)
    assert gapless(found.slots)
    assert lengths(found.slots) == {60 if resolution == HOURS else 15}
    assert covered(found.slots) == (utc(edges[0]), utc(edges[1]))
    walls = [
        (f"{s.start.astimezone(SUMMER):%Y-%m-%dT%H:%M}", f"{s.end.astimezone(SUMMER):%Y-%m-%dT%H:%M}")
        for s in found.slots
    ]
    assert walls == [(one["from"][:16], one["until"][:16]) for one in rows]
    assert [slot.per_kwh for slot in found.slots] == [one[member] for one in rows]


@pytest.mark.parametrize("resolution", [HOURS, QUARTERS])
@pytest.mark.parametrize(
    ("day", "hours", "start"),
    [("2025-10-26", 25, "2025-10-25T22:00"), ("2026-03-29", 23, "2026-03-28T23:00")],
)
def test_the_days_the_clock_changes_by_the_order_of_wall_times(resolution, day, hours, start):
    """Wall times without an offset were captured; those of these two days are documented, not captured."""
    step = timedelta(hours=1) if resolution == HOURS else timedelta(minutes=15)
    count, change = hours * timedelta(hours=1) // step, timedelta(hours=3 if hours == 25 else 2) // step
    lost = timedelta(hours=1 if hours == 25 else -1)
    midnight = utc(f"{day}T00:00")  # of a wall clock, in the place of one without a zone
    walls = [midnight + n * step - (lost if n >= change else timedelta(0)) for n in range(count)]
    rows = [
        row(f"{wall:%Y-%m-%dT%H:%M}", n / 1000, granularity="hour" if resolution == HOURS else "quarter")
        for n, wall in enumerate(walls)
    ]
    twice = len(rows) - len({one["from"] for one in rows})
    assert twice == (timedelta(hours=1) // step if hours == 25 else 0)
    begin = utc(start)
    within = span(start, f"{begin + timedelta(hours=hours):%Y-%m-%dT%H:%M}")
    calls = []
    found = fetched(EasyEnergy(resolution=resolution, vat=False), answer(*rows), within=within, calls=calls).slots
    assert [slot.start for slot in found] == [begin + n * step for n in range(count)]
    assert [slot.per_kwh for slot in found] == [n / 1000 for n in range(count)]
    assert gapless(found)
    assert covered(found) == (within.start, within.end)
    assert calls[0].params["start"] == day


@pytest.mark.parametrize(("resolution", "granularity"), [(HOURS, "hour"), (QUARTERS, "quarter")])
def test_it_asks_once_for_all_local_days(resolution, granularity):
    calls = []
    told = answer(row("2026-04-19T00:00", 1, granularity=granularity))
    fetched(EasyEnergy(resolution=resolution), told, within=span("2026-04-04T22:00", "2026-04-20T22:00"), calls=calls)
    assert [(call.method, call.url, call.headers, call.body) for call in calls] == [
        ("GET", "https://price-graph.mijn.easyenergy.com/api/prices", {}, None)
    ]
    assert calls[0].params == {
        "start": "2026-04-05",
        "end": "2026-04-21",
        "type": "electricity",
        "granularity": granularity,
    }


def test_an_unknown_price_is_a_hole_and_any_number_is_a_price():
    worth = [-0.5, None, 0, 77.5]
    rows = [row(f"2026-04-19T00:{15 * n:02}", price) for n, price in enumerate(worth)]
    found = fetched(EasyEnergy(vat=False), answer(*rows), within=DAY).slots
    assert [(slot.start.minute, slot.per_kwh) for slot in found] == [(0, -0.5), (30, 0), (45, 77.5)]
    assert lengths(found) == {15}
    assert found[0].start == datetime(2026, 4, 18, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "error", "why"),
    [
        (answer(), PricesNotPublished, "there is no price"),
        (answer(row("2026-04-20T00:00", 1)), PricesNotPublished, "there is no price"),
        (answer(row("2026-04-19T00:00", 1, unit="MWh")), PricesUnavailable, "something else .*unit"),
        (
            answer(row("2026-04-19T00:00", 1, granularity="hour")),
            PricesUnavailable,
            "one quarter, it told some of one h",
        ),
        (answer(row("2026-04-19T00:00", 1), row("2026-04-19T00:00", 2)), PricesUnavailable, "overlap"),
        (answer({**row("2026-04-19T00:00", 1), "from": "2026-04-19T00:00:00Z"}), PricesUnavailable, "something else"),
        (answer({**row("2026-04-19T00:00", 1), "priceIncVat": "1"}), PricesUnavailable, "something else"),
        ([], PricesUnavailable, "something else"),
        (b"<html>", PricesUnavailable, "no JSON"),
        (400, PricesRefused, "look at the settings"),
        (502, PricesUnavailable, "answered 502"),
    ],
)
def test_what_is_no_price_says_so(told, error, why):
    with pytest.raises(error, match=why):
        fetched(EasyEnergy(), told, within=DAY)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"resolution": "DAILY"}, "resolution must be one of QUARTER_HOURLY, HOURLY, not 'DAILY'"),
        ({"all_in": True, "vat": False}, "vat must be true with all_in"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, why):
    with pytest.raises(ValueError, match=why):
        EasyEnergy(**settings)
