import re
from datetime import datetime, timedelta

import pytest

from scheduler.core.errors import PricesNotPublished, PricesRefused, PricesUnavailable
from scheduler.core.terms import PriceState
from scheduler.prices.entso_e import EntsoE
from scheduler.prices.zones import EIC
from tests.unit.policies.builders import utc
from tests.unit.prices.answering import covered, fetched, gapless, lengths, span

ALWAYS = span("2023-01-01T00:00", "2026-12-31T00:00")
QUARTER, HOUR = timedelta(minutes=15), timedelta(hours=1)


@pytest.fixture
def captured(data_dir):
    return data_dir / "tariff-fixtures" / "entsoe"


def asked(answer, *, zone="DE-LU", within=ALWAYS, **more):
    return fetched(EntsoE(zone=zone, **more.pop("settings", {})), answer, within=within, token="s3cret", **more)


def periods(text, sequence=None):
    """Each period of a document: its start, its length, its step, its points; read as text, without a parser of XML."""
    found = []
    for series in re.split("<TimeSeries>", text)[1:]:
        position = re.search(r"position>(\d)</classification", series)
        if sequence is not None and position and int(position[1]) != sequence:
            continue
        for period in series.split("<Period>")[1:]:
            start, end = (
                datetime.fromisoformat(re.search(f"<{edge}>(.*?)<", period)[1].replace("Z", ":00+00:00"))
                for edge in ("start", "end")
            )
            step = {"PT15M": QUARTER, "PT60M": HOUR, "PT1H": HOUR}[re.search("<resolution>(.*?)<", period)[1]]
            points = re.findall(r"<position>(\d+)</position>\s*<price.amount>(.*?)</price", period)
            found.append((start, end, step, [(int(n), float(price)) for n, price in points]))
    return found


def stretched(period):
    """Start, end and price of each slot of a period: each point up to the next one, the last to the end."""
    start, end, step, points = period
    points = sorted(points)
    slots = []
    for (n, price), (after, _) in zip(points, [*points[1:], ((end - start) // step + 1, 0)], strict=True):
        slots += [(start + m * step, start + (m + 1) * step, price) for m in range(n - 1, after - 1)]
    return [slot for slot in slots if slot[1] <= end]


def shown(slots):
    return [(slot.start, slot.end, round(slot.per_kwh * 1000, 6)) for slot in slots]


@pytest.mark.parametrize(
    ("name", "zone", "slots", "minutes", "first", "last"),
    [
        (
            "ES_A03_60to15min_2025-09-29_10-02",
            "ES",
            24 + 24 + 96 + 96,
            {15, 60},
            "2025-09-28T22:00",
            "2025-10-02T22:00",
        ),
        ("DE-LU_A03_15min_two_sequences_2026-02-02", "DE-LU", 192, {15}, "2026-02-01T23:00", "2026-02-03T23:00"),
        ("FR_A01_60min_2023-05-07", "FR", 48, {60}, "2023-05-06T22:00", "2023-05-08T22:00"),
        ("hass_BE_15M_exact4", "BE", 4, {15}, "2024-10-05T22:00", "2024-10-05T23:00"),
        ("hass_BE_60M", "BE", 24, {60}, "2024-10-07T22:00", "2024-10-08T22:00"),
        ("hass_BE_60M_15M_mix", "BE", 96 + 96 + 24, {15, 60}, "2024-10-05T22:00", "2024-10-08T22:00"),
        ("hass_BE_15M_avg", "BE", 20 + 2, {15, 60}, "2024-10-05T22:00", "2024-10-06T05:00"),
        ("hass_DE_60M_15M_overlap", "DE-LU", 48, {60}, "2024-10-05T22:00", "2024-10-07T22:00"),
    ],
)
def test_it_reads_every_document_that_was_captured(captured, name, zone, slots, minutes, first, last):  # noqa: PLR0917
    path = captured / f"{name}.xml"
    found = asked(path, zone=zone)
    assert (found.currency, found.zone) == ("EUR", zone)
    assert len(found.slots) == slots
    assert gapless(found.slots)
    assert lengths(found.slots) == minutes
    assert covered(found.slots) == (utc(first), utc(last))
    assert sum((slot.end - slot.start for slot in found.slots), timedelta()) == utc(last) - utc(first)
    told = [slot for period in periods(path.read_text(), sequence=1) for slot in stretched(period)]
    assert shown(found.slots) == sorted(told)
    assert {slot.state for slot in found.slots} == {PriceState.FINAL}


def test_prices_that_were_left_out_because_they_repeat(captured):
    path = captured / "ES_A03_60to15min_2025-09-29_10-02.xml"
    points = [len(points) for *_, points in periods(path.read_text())]
    assert points == [24, 24, 93, 89], "the fixture is to have holes"
    day = asked(path, zone="ES", within=span("2025-10-01T22:00", "2025-10-02T22:00")).slots
    assert len(day) == 96
    assert gapless(day)


def test_an_hour_that_repeats_the_one_before_it(captured):
    path = captured / "hass_DE_60M_15M_overlap.xml"
    (missing,) = set(range(1, 25)) - {n for n, _ in periods(path.read_text(), sequence=1)[0][3]}
    found = asked(path).slots
    assert found[missing - 1].per_kwh == found[missing - 2].per_kwh


def test_the_document_without_quarters_of_its_own_measure_is_refused(captured):
    path = captured / "hexagon_publication.a03curvetype.xml"
    with pytest.raises(PricesUnavailable, match="told prices in EUR/EUR, asked for EUR/MWH"):
        asked(path)
    mended = path.read_bytes().replace(b"<price_Measure_Unit.name>EUR", b"<price_Measure_Unit.name>MWH")
    found = asked(mended, zone="10YSK-SEPS-----K")
    assert found.zone == "10YSK-SEPS-----K"
    assert [slot.per_kwh for slot in found.slots] == [0.05, 0.05, 0.055, 0.055, 0.055, 0.06]
    assert lengths(found.slots) == {60}
    assert covered(found.slots) == (utc("2024-01-01T00:00"), utc("2024-01-01T06:00"))


def test_nothing_there_yet(captured):
    with pytest.raises(PricesNotPublished, match="No matching data found"):
        asked(captured / "hexagon_acknowledgement.invalidrequest.xml")


def test_what_is_asked():
    calls = []
    with pytest.raises(PricesUnavailable):
        asked(503, within=span("2025-10-11T22:00", "2025-10-26T23:00"), calls=calls)
    (call,) = calls
    assert (call.method, call.url) == ("GET", "https://web-api.tp.entsoe.eu/api")
    assert call.params == {
        "documentType": "A44",
        "contract_MarketAgreement.type": "A01",
        "in_Domain": "10Y1001A1001A82H",
        "out_Domain": "10Y1001A1001A82H",
        "periodStart": "202510112200",
        "periodEnd": "202510262300",
        "securityToken": "s3cret",
    }


def test_without_a_token_nothing_is_asked():
    calls = []
    with pytest.raises(PricesRefused, match="wants a token: set KWHEN_PRICES_SECRET__TEST"):
        fetched(EntsoE(zone="AT"), within=ALWAYS, calls=calls)
    assert calls == []
    assert EntsoE.needs_token


# What follows has the documented shape and is not captured: cases of which there is no capture.


def period(start, end, resolution, points):
    told = "".join(
        f"<Point><position>{n}</position>" + (f"<price.amount>{p}</price.amount>" if p is not None else "") + "</Point>"
        for n, p in points.items()
    )
    return (
        f"<Period><timeInterval><start>{start}Z</start><end>{end}Z</end></timeInterval>"
        f"<resolution>{resolution}</resolution>{told}</Period>"
    )


def series(*periods, sequence=None, curve="A03", contract="A01", currency="EUR", unit="MWH"):
    position = "classificationSequence_AttributeInstanceComponent.position"
    return (
        f"<TimeSeries><contract_MarketAgreement.type>{contract}</contract_MarketAgreement.type>"
        f"<currency_Unit.name>{currency}</currency_Unit.name><price_Measure_Unit.name>{unit}</price_Measure_Unit.name>"
        + (f"<{position}>{sequence}</{position}>" if sequence else "")
        + f"<curveType>{curve}</curveType>{''.join(periods)}</TimeSeries>"
    )


def document(*series, kind="Publication_MarketDocument", namespace="urn:iec62325.351:publication:9:9"):
    return f'<?xml version="1.0"?><{kind} xmlns="{namespace}">{"".join(series)}</{kind}>'.encode()


def reason(*texts):
    told = "".join(f"<Reason><code>999</code><text>{text}</text></Reason>" for text in texts)
    return document(told, kind="Acknowledgement_MarketDocument")


def prices(*series):
    return [round(slot.per_kwh * 1000, 6) for slot in asked(document(*series)).slots]


@pytest.mark.parametrize(
    ("start", "end", "resolution", "slots"),
    [
        ("2025-10-25T22:00", "2025-10-26T23:00", "PT15M", 100),
        ("2026-03-28T23:00", "2026-03-29T22:00", "PT15M", 92),
        ("2025-10-25T22:00", "2025-10-26T23:00", "PT30M", 50),
        ("2026-03-28T23:00", "2026-03-29T22:00", "PT1H", 23),
    ],
)
def test_the_days_of_the_clock_change_in_one_point(start, end, resolution, slots):
    found = asked(document(series(period(start, end, resolution, {1: 42})))).slots
    assert len(found) == slots
    assert gapless(found)
    assert covered(found) == (utc(start), utc(end))
    assert {slot.per_kwh for slot in found} == {0.042}


def test_a_curve_with_all_its_points_is_not_filled_up():
    one = period("2026-01-05T00:00", "2026-01-05T04:00", "PT60M", {1: 10, 2: 20, 4: 40})
    assert prices(series(one, curve="A01")) == [10, 20, 40]
    assert prices(series(one, curve="A03")) == [10, 20, 20, 40]


def test_before_the_first_point_nothing_is_known():
    assert prices(series(period("2026-01-05T00:00", "2026-01-05T03:00", "PT60M", {2: 20}))) == [20, 20]


def test_points_beyond_the_interval_are_left_out():
    assert prices(series(period("2026-01-05T00:00", "2026-01-05T02:00", "PT60M", {1: 10, 3: 30}))) == [10, 10]


def test_prices_of_every_size_and_a_point_without_one():
    points = {1: -500, 2: 0, 3: None, 4: "2325.83", 5: "NaN"}
    found = asked(document(series(period("2026-01-05T00:00", "2026-01-05T05:00", "PT60M", points)))).slots
    assert shown(found) == [
        (utc("2026-01-05T00:00"), utc("2026-01-05T01:00"), -500),
        (utc("2026-01-05T01:00"), utc("2026-01-05T02:00"), 0),
        (utc("2026-01-05T03:00"), utc("2026-01-05T04:00"), 2325.83),
    ]


def test_of_one_sequence_the_finest_series_holds_where_it_speaks():
    hours = series(period("2026-01-05T00:00", "2026-01-05T03:00", "PT60M", {1: 10, 2: 20, 3: 30}))
    quarters = series(period("2026-01-05T01:00", "2026-01-05T01:45", "PT15M", {1: 1, 2: 2, 3: 3}))
    for told in ((hours, quarters), (quarters, hours)):
        assert prices(*told) == [10, 1, 2, 3, 30]


def test_a_lower_sequence_holds_before_a_finer_series():
    hours = series(period("2026-01-05T00:00", "2026-01-05T01:00", "PT60M", {1: 10}), sequence=1)
    quarters = series(period("2026-01-05T00:00", "2026-01-05T01:00", "PT15M", {1: 1}), sequence=2)
    assert prices(quarters, hours) == [10]


def test_another_auction_alone_is_only_expected():
    today = series(period("2026-01-05T23:00", "2026-01-06T00:00", "PT60M", {1: 10}), sequence=1)
    both = series(period("2026-01-05T23:00", "2026-01-06T01:00", "PT60M", {1: 7, 2: 8}), sequence=2)
    found = asked(document(both, today)).slots
    assert [(slot.per_kwh, slot.state) for slot in found] == [(0.01, PriceState.FINAL), (0.008, PriceState.FORECAST)]


def test_intraday_auctions_are_passed_over():
    ahead = series(period("2026-01-05T00:00", "2026-01-05T01:00", "PT60M", {1: 10}))
    later = series(period("2026-01-05T00:00", "2026-01-05T02:00", "PT60M", {1: 99}), contract="A07")
    assert prices(later, ahead) == [10]


def test_the_same_price_told_twice_counts_once_and_two_prices_refuse_the_answer():
    one, other = (series(period("2026-01-05T00:00", "2026-01-05T01:00", "PT60M", {1: price})) for price in (10, 11))
    assert prices(one, one) == [10]
    with pytest.raises(PricesUnavailable, match="overlap at 2026-01-05 00:00Z and differ"):
        prices(one, other)


HOURS = ("2026-01-05T00:00", "2026-01-05T02:00")
TWICE = period(*HOURS, "PT60M", {1: 1}).replace(
    "</Period>", "<Point><position>1</position><price.amount>2</price.amount></Point></Period>"
)
ENTITIES = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
BOMB = f'<!DOCTYPE b [<!ENTITY a0 "ha">{ENTITIES}]><b>&a11;</b>'.encode()


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        (document(), PricesNotPublished, "there is no price"),
        (
            document(series(period(*HOURS, "PT60M", {1: 1}), currency="PLN")),
            PricesUnavailable,
            "PLN/MWH, asked for EUR/MWH",
        ),
        (document(series(period(*HOURS, "PT60M", {1: 1}), unit="KWH")), PricesUnavailable, "EUR/KWH, asked"),
        (document(series(period(*HOURS, "P1D", {1: 1}))), PricesUnavailable, "'P1D' is no length"),
        (document(series(period(*HOURS, "PT0M", {1: 1}))), PricesUnavailable, "'PT0M' is no length"),
        (document(series(period(*HOURS, "PT", {1: 1}))), PricesUnavailable, "'PT' is no length"),
        (document(series(period(*HOURS, "PT45M", {1: 1}))), PricesUnavailable, "in steps of 0:45:00"),
        (
            document(series(period("2026-01-05T00:00", "2999-01-05T00:00", "PT1M", {1: 1}))),
            PricesUnavailable,
            "in steps",
        ),
        (document(series(period(HOURS[1], HOURS[0], "PT60M", {1: 1}))), PricesUnavailable, "in steps"),
        (document(series(period("soon", HOURS[1], "PT60M", {1: 1}))), PricesUnavailable, "'soonZ' is no instant"),
        (document(series(period(*HOURS, "PT60M", {1: "1,5"}))), PricesUnavailable, "cannot be read: could not convert"),
        (document(series(period(*HOURS, "PT60M", {"": 1}))), PricesUnavailable, "cannot be read: invalid literal"),
        (document(series(TWICE)), PricesUnavailable, "two prices for one time"),
        (document(kind="Balancing_MarketDocument"), PricesUnavailable, "a Balancing_MarketDocument instead of prices"),
        (reason("No matching data found for Data item ENERGY_PRICES [12.1.D] (x)"), PricesNotPublished, "12.1.D"),
        (reason("Delivered Area EIC 10Y is not valid."), PricesRefused, "refused: Delivered Area EIC 10Y is not valid"),
        (reason("one", "two"), PricesRefused, "refused: one two"),
        (reason(), PricesRefused, "it says no reason"),
        (b"<html>", PricesUnavailable, "no XML"),
        (b"", PricesUnavailable, "no XML"),
        (b"{}", PricesUnavailable, "no XML"),
        (BOMB, PricesUnavailable, r"declares a document type \(b\)"),
        (BOMB.decode().encode("utf-16"), PricesUnavailable, "declares a document type"),
        (b"<!DOCTYPE html><html></html>", PricesUnavailable, r"declares a document type \(html\)"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', PricesUnavailable, "no XML"),
        (400, PricesUnavailable, "no XML"),
        (401, PricesRefused, "answered 401: look at the token .KWHEN_PRICES_SECRET__TEST"),
        (503, PricesUnavailable, "answered 503"),
    ],
)
def test_what_is_no_price_says_so(answer, error, why):
    with pytest.raises(error, match=why) as caught:
        asked(answer)
    assert type(caught.value) is error
    assert "s3cret" not in str(caught.value)


def test_a_reason_that_repeats_the_token_is_told_without_it():
    with pytest.raises(PricesRefused, match="refused: bad query securityToken=…&x") as caught:
        asked(reason("bad query securityToken=s3cret&amp;x"))
    assert "s3cret" not in str(caught.value)


def test_prices_in_another_currency():
    told = document(series(period(*HOURS, "PT60M", {1: 400}), currency="PLN"))
    found = asked(told, zone="PL", settings={"currency": "PLN"})
    assert (found.currency, found.slots[0].per_kwh) == ("PLN", 0.4)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"zone": "DE"}, "zone must be one of AT, .*, an EIC of 16 characters, not 'DE'"),
        ({"zone": "10Y1001A1001A82"}, "zone must be one of .* not '10Y1001A1001A82'"),
        ({"zone": "AT", "currency": "euro"}, "currency must be one of EUR, .*, not 'euro'"),
    ],
)
def test_wrong_settings_are_refused(settings, why):
    with pytest.raises(ValueError, match=why):
        EntsoE(**settings)


def test_every_zone_has_a_code_of_its_own():
    assert len(set(EIC.values())) == len(EIC)
    assert all(EntsoE(zone=code).zone == code for code in EIC.values())
