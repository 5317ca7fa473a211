import json
from datetime import UTC, datetime, timedelta

import pytest

from scheduler.core.errors import PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.prices.octopus import Octopus
from tests.unit.policies.builders import utc
from tests.unit.prices.answering import covered, fetched, gapless, lengths, span

AGILE = Octopus(tariff="E-1R-AGILE-18-02-21-J")
DAY = span("2024-05-07T00:00", "2024-05-08T00:00")
ADDRESS = "https://api.octopus.energy/v1/products/AGILE-24-10-01/electricity-tariffs/E-1R-AGILE-24-10-01-J"


@pytest.fixture
def captured(data_dir):
    return data_dir / "tariff-fixtures" / "octopus"


@pytest.fixture
def derived(data_dir):
    return data_dir / "tariff-fixtures" / "derived"


def told(*paths):
    """Read pages with plain json: price in pence by the number of the half hour since 1970."""
    rows = [row for path in paths for row in json.loads(path.read_text())["results"]]
    halves = {}
    for row in rows:
        start, end = (
            datetime.strptime(row[key], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp() / 1800
            for key in ("valid_from", "valid_to")
        )
        assert end == start + 1
        halves[start] = (row["value_inc_vat"], row["value_exc_vat"])
    assert len(halves) == len(rows)
    return halves


def page(*rows, following=None):
    """An answer as the service words it; a row is (from, to, price with VAT[, payment method])."""
    results = [
        {
            "value_exc_vat": None if row[2] is None else row[2] / 1.05,
            "value_inc_vat": row[2],
            "valid_from": row[0],
            "valid_to": row[1],
            "payment_method": row[3] if len(row) > 3 else None,
        }
        for row in rows
    ]
    return {"count": len(rows), "next": following, "previous": None, "results": results}


@pytest.mark.parametrize(
    ("day", "slots", "edges"),
    [
        ("2022-03-27", 46, ("2022-03-27T00:00", "2022-03-27T23:00")),
        ("2022-10-30", 50, ("2022-10-29T23:00", "2022-10-31T00:00")),
    ],
)
@pytest.mark.parametrize("vat", [True, False])
def test_agile_on_both_days_the_clock_changes_comes_in_two_pages(derived, day, slots, edges, vat):
    pages = [derived / f"octopus_agile_J_{day}_page{n}.json" for n in (1, 2)]
    calls = []
    source = Octopus(product="AGILE-18-02-21", region="J", vat=vat)
    found = fetched(source, *pages, within=span(*edges), calls=calls)
    assert (found.currency, found.zone) == ("GBP", "GB-J")
    assert len(found.slots) == slots
    assert gapless(found.slots)
    assert lengths(found.slots) == {30}
    assert covered(found.slots) == (utc(edges[0]), utc(edges[1]))
    assert sum((s.end - s.start for s in found.slots), timedelta()) == timedelta(hours=slots / 2)
    raw = told(*pages)
    assert {slot.start.timestamp() / 1800: round(slot.per_kwh * 100, 6) for slot in found.slots} == {
        half: prices[0 if vat else 1] for half, prices in raw.items()
    }
    assert [call.url for call in calls[1:]] == [json.loads(pages[0].read_text())["next"]]
    assert calls[1].params == {}


def test_the_half_hours_that_were_captured(captured):
    path = captured / "standard_unit_rates.json"
    found = fetched(Octopus(product="AGILE-24-04-03", region="A"), path, within=DAY).slots
    assert covered(found) == (utc("2024-05-07T19:30"), utc("2024-05-07T22:00"))
    assert gapless(found)
    assert [round(slot.per_kwh * 100, 6) for slot in found] == [22.5435, 20.1915, 18.291, 18.753, 18.291]
    assert len(found) == json.loads(path.read_text())["count"]


@pytest.mark.parametrize(
    ("rates", "payment", "vat", "pence"),
    [
        ("day-unit-rates", "DIRECT_DEBIT", True, [37.1847, 31.5084]),
        ("day-unit-rates", "DIRECT_DEBIT", False, [35.414, 30.008]),
        ("day-unit-rates", "NON_DIRECT_DEBIT", True, [37.9512, 32.1867]),
        ("night-unit-rates", "DIRECT_DEBIT", True, [15.5988, 13.2174]),
        ("night-unit-rates", "NON_DIRECT_DEBIT", True, [16.30335, 13.50195]),
        ("night-unit-rates", "NON_DIRECT_DEBIT", False, [15.527, 12.859]),
    ],
)
def test_two_ways_to_pay_two_prices_and_no_end(captured, rates, payment, vat, pence):
    path = captured / f"{rates.replace('-', '_')}.json"
    assert all(
        round(row["value_inc_vat" if vat else "value_exc_vat"], 6) in pence
        for row in json.loads(path.read_text())["results"]
        if row["payment_method"] == payment
    )
    asked, calls = span("2024-03-25T23:00", "2024-04-09T22:00"), []
    source = Octopus(product="VAR-22-11-01", region="C", rates=rates, payment=payment, vat=vat)
    found = fetched(source, path, within=asked, calls=calls).slots
    assert [(slot.start, slot.end) for slot in found] == [
        (asked.start, utc("2024-03-31T23:00")),
        (utc("2024-03-31T23:00"), asked.end),
    ]
    assert [round(slot.per_kwh * 100, 6) for slot in found] == pence
    assert calls[0].url == (
        f"https://api.octopus.energy/v1/products/VAR-22-11-01/electricity-tariffs/E-2R-VAR-22-11-01-C/{rates}/"
    )


def test_a_standing_charge_that_depends_on_payment_reads_as_one_price_by_its_validity(captured):
    """Not a price per kWh, yet the same shape and the longest of those captured: five periods, two ways to pay."""
    path = captured / "standing_charges.json"
    rows = [r for r in json.loads(path.read_text())["results"] if r["payment_method"] in (None, "DIRECT_DEBIT")]
    asked = span("2010-01-01T00:00", "2030-01-01T00:00")
    found = fetched(AGILE, path, within=asked).slots
    assert [round(slot.per_kwh * 100, 6) for slot in found] == [
        row["value_inc_vat"] for row in sorted(rows, key=lambda row: row["valid_from"])
    ]
    assert gapless(found)
    assert found[-1].end == asked.end


def test_every_tariff_of_the_products_captured_has_the_code_that_we_make(captured):
    codes = {
        region: tariff["code"]
        for name in ("product.json", "product_2.json", "tariff.json")
        for region, ways in json.loads((captured / name).read_text())["single_register_electricity_tariffs"].items()
        for tariff in ways.values()
    }
    assert len(codes) == 14
    for region, code in codes.items():
        product = code.removeprefix("E-1R-").removesuffix(region.replace("_", "-"))
        for source in (Octopus(tariff=code), Octopus(product=product, region=region[1])):
            calls = []
            fetched(source, page(("2024-05-07T00:00:00Z", None, 1.0)), within=DAY, calls=calls)
            assert f"/v1/products/{product}/electricity-tariffs/{code}/standard-unit-rates/" in calls[0].url


def test_it_asks_once_for_the_whole_span():
    calls = []
    agile = Octopus(product="AGILE-24-10-01", region="J")
    asked = span("2026-01-01T23:00", "2026-01-17T23:00")
    fetched(agile, page(("2026-01-02T00:00:00Z", "2026-01-02T00:30:00Z", 20)), within=asked, calls=calls)
    assert [(call.method, call.url, call.headers, call.body) for call in calls] == [
        ("GET", f"{ADDRESS}/standard-unit-rates/", {}, None)
    ]
    assert calls[0].params == {
        "period_from": "2026-01-01T23:00Z",
        "period_to": "2026-01-17T23:00Z",
        "page_size": "1500",
    }


def test_bands_and_days_end_at_the_edges_and_half_hours_stay_whole():
    """Go and Tracker as documented, not captured: a row for each band or day."""
    asked = span("2026-01-04T23:45", "2026-01-05T04:45")
    rows = [
        ("2026-01-05T04:30:00Z", "2026-01-06T00:30:00Z", 27.5),
        ("2026-01-05T00:30:00Z", "2026-01-05T04:30:00Z", 8.5),
        ("2026-01-05T00:00:00+00:00", "2026-01-05T01:30:00+01:00", -1),
        ("2026-01-04T23:30:00Z", "2026-01-05T00:00:00Z", 0),
    ]
    found = fetched(AGILE, page(*rows), within=asked).slots
    assert [(f"{s.start:%d %H:%M}", f"{s.end:%d %H:%M}", s.per_kwh) for s in found] == [
        ("04 23:30", "05 00:00", 0),
        ("05 00:00", "05 00:30", -0.01),
        ("05 00:30", "05 04:30", 0.085),
        ("05 04:30", "05 04:45", 0.275),
    ]


def test_an_unknown_price_is_a_hole_and_any_number_is_a_price():
    rows = [(f"2024-05-07T{n:02}:00:00Z", f"2024-05-07T{n:02}:30:00Z", p) for n, p in enumerate([-500, None, 0, 7750])]
    found = fetched(AGILE, page(*rows), within=DAY).slots
    assert [(slot.start.hour, slot.per_kwh) for slot in found] == [(0, -5), (2, 0), (3, 77.5)]


NEXT = "https://api.octopus.energy/v1/products/X/?page="
ROW = ("2024-05-07T00:00:00Z", "2024-05-07T00:30:00Z", 1.0)


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://api.octopus.energy.example.org/v1/?page=2",
        "http://api.octopus.energy/v1/?page=2",
        "https://api.octopus.energy@example.org/?page=2",
        "https://[bad",
        "?page=2",
    ],
)
def test_a_page_elsewhere_is_not_asked_for(elsewhere):
    calls = []
    with pytest.raises(PricesUnavailable, match="another address") as caught:
        fetched(AGILE, page(ROW, following=elsewhere), page(ROW), within=DAY, calls=calls)
    assert len(calls) == 1
    assert elsewhere not in str(caught.value)


def test_pages_without_an_end_are_given_up():
    calls = []
    pages = [page(ROW, following=f"{NEXT}{n}") for n in range(99)]
    with pytest.raises(PricesUnavailable, match="without an end"):
        fetched(AGILE, *pages, within=DAY, calls=calls)
    assert len(calls) == 20


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        (page(), PricesNotPublished, "there is no price from 2024-05-07 00:00Z"),
        (page(("2024-05-08T00:00:00Z", None, 1.0)), PricesNotPublished, "there is no price"),
        (page(("2024-05-06T00:00:00Z", "2024-05-07T00:00:00Z", 1.0)), PricesNotPublished, "there is no price"),
        (page(ROW, ("2024-05-07T00:00:00Z", "2024-05-07T00:30:00Z", 2.0)), PricesUnavailable, "overlap"),
        (page(("2024-05-07T01:00:00Z", "2024-05-07T00:30:00Z", 1.0)), PricesUnavailable, "end after it starts"),
        (page(("2024-05-07T01:00:00", "2024-05-07T01:30:00", 1.0)), PricesUnavailable, "something else"),
        (page(("2024-05-07T01:00:00Z", "2024-05-07T01:30:00Z", 1.0, 5)), PricesUnavailable, "something else"),
        ({"results": [], "detail": "no next"}, PricesUnavailable, "something else"),
        (404, PricesRefused, "look at the settings"),
        (503, PricesUnavailable, "answered 503"),
        (b"<html>", PricesUnavailable, "no JSON"),
    ],
)
def test_what_is_no_price_says_so(answer, error, why):
    with pytest.raises(error, match=why):
        fetched(AGILE, answer, within=DAY)


def test_the_other_answers_of_the_service_are_not_taken_for_prices(captured):
    others = [path for path in captured.glob("*.json") if path.name.startswith(("product", "tariff"))]
    assert len(others) == 10
    for path in others:
        with pytest.raises(PricesUnavailable, match="something else"):
            fetched(AGILE, path, within=DAY)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "set product and region"),
        ({"product": "AGILE-24-10-01"}, "E-1R-AGILE-24-10-01-'"),
        ({"region": "J"}, "E-1R--J"),
        ({"product": "AGILE-24-10-01", "region": "I"}, "no I or O"),
        ({"product": "AGILE-24-10-01", "region": "Q"}, "set product and region"),
        ({"product": "../accounts", "region": "A"}, "set product and region"),
        ({"tariff": "E-1R-AGILE-24-10-01-O"}, "no I or O"),
        ({"tariff": "E-1R-AGILE-24-10-01-J", "region": "J"}, "or tariff"),
        ({"tariff": "G-1R-VAR-22-11-01-J"}, "G-1R"),
        (
            {"product": "X", "region": "J", "rates": "unit-rates"},
            "rates must be one of standard-unit-rates, .*, not 'u",
        ),
        ({"product": "X", "region": "J", "payment": "CASH"}, "payment must be one of DIRECT_DEBIT, .*, not 'CASH'"),
    ],
)
def test_settings_that_name_no_tariff_are_refused(settings, why):
    with pytest.raises(ValueError, match=why):
        Octopus(**settings)


def test_tomorrow_is_asked_for_from_four_in_london_and_late_at_half_past_eight():
    day_end = [utc("2026-01-05T23:00"), utc("2026-01-06T23:00")]
    assert [AGILE.rhythm.wanted(utc(at)).end for at in ("2026-01-05T15:59", "2026-01-05T16:00")] == day_end
    assert [AGILE.rhythm.due(utc(at)).end for at in ("2026-01-05T20:29", "2026-01-05T20:30")] == day_end
