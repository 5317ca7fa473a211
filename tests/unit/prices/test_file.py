import gzip
import json
import os
from datetime import timedelta
from typing import Any

import pytest

from scheduler.core.errors import PricesNotPublished, PricesUnavailable
from scheduler.core.timeline import Interval
from scheduler.plugins import build
from scheduler.prices.file import FileSource
from tests.unit.policies.builders import utc

NO_WEB: Any = None
AT = utc("2026-01-05T11:00")
SPAN = Interval(start=utc("2026-01-05T00:00"), end=utc("2026-01-06T00:00"))
HEAD = "# currency: EUR\n# unit: EUR/MWh\n# zone: NO1\nstart_utc,end_utc,price\n"


def row(hour: int, price: object, minutes: int = 60) -> str:
    start = SPAN.start + timedelta(hours=hour)
    return f"{start:%Y-%m-%dT%H:%M:%SZ},{start + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ},{price}\n"


def source(tmp_path, *rows: str, head: str = HEAD, **settings) -> FileSource:
    path = tmp_path / "prices.csv"
    path.write_text(head + "".join(rows))
    return FileSource(path=str(path), **settings)


async def read(prices: FileSource, span: Interval = SPAN) -> list[tuple[int, float]]:
    series = await prices.fetch(span, at=AT, web=NO_WEB)
    return [((slot.start - SPAN.start) // timedelta(hours=1), round(slot.per_kwh, 9)) for slot in series.slots]


async def test_notes_and_rows_become_a_series_per_kwh(tmp_path):
    series = await source(tmp_path, row(0, 50), row(1, -12.5)).fetch(SPAN, at=AT, web=NO_WEB)
    assert (series.currency, series.zone, series.fetched_at) == ("EUR", "NO1", AT)
    assert [slot.per_kwh for slot in series.slots] == [pytest.approx(0.05), pytest.approx(-0.0125)]


@pytest.mark.parametrize(("unit", "per_kwh"), [("EUR/MWh", 0.02), ("EUR/kWh", 20), ("p/kWh", 0.2), ("ct/kWh", 0.2)])
async def test_the_noted_unit_counts(tmp_path, unit, per_kwh):
    assert await read(source(tmp_path, row(0, 20), head=HEAD.replace("EUR/MWh", unit))) == [(0, per_kwh)]


async def test_settings_fill_in_what_the_file_does_not_say(tmp_path):
    prices = source(tmp_path, row(0, 20), head="start_utc,end_utc,price\n", currency="SEK", unit="MWh", zone="SE3")
    series = await prices.fetch(SPAN, at=AT, web=NO_WEB)
    assert (series.currency, series.zone, series.slots[0].per_kwh) == ("SEK", "SE3", 0.02)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([row(1, 2), row(0, 1)], [(0, 0.001), (1, 0.002)], id="D11-unsorted"),
        pytest.param([row(0, 1), row(0, 1)], [(0, 0.001)], id="D11-twice"),
        pytest.param([row(0, 1), row(2, 3)], [(0, 0.001), (2, 0.003)], id="D05-gap"),
        pytest.param([row(0, 1), row(1, 2, 15)], [(0, 0.001), (1, 0.002)], id="D03-mixed-length"),
        *(
            pytest.param([row(0, bad), row(1, 2)], [(1, 0.002)], id=f"D07-{bad or 'empty'}")
            for bad in ("nan", "inf", "-inf", "", "null", "SN")
        ),
    ],
)
async def test_what_can_be_put_right_is(tmp_path, rows, expected):
    assert await read(source(tmp_path, *rows)) == expected


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        pytest.param([row(0, 1), row(0, 2)], "overlap", id="D11-two-prices"),
        pytest.param([row(0, 1, 90), row(1, 1)], "overlap", id="D11-overlap"),
        pytest.param([row(0, 1, -15)], "slot 1: an interval must end after it starts", id="ends-first"),
        pytest.param([row(0, 1).replace("Z", "")], "no offset", id="naive"),
        pytest.param(["yesterday,today,1\n"], "slot 1: Invalid isoformat", id="no-instant"),
    ],
)
async def test_what_cannot_refuses_the_whole_file(tmp_path, rows, why):
    with pytest.raises(PricesUnavailable, match=why):
        await read(source(tmp_path, row(5, 1), *rows) if "slot 1" not in why else source(tmp_path, *rows))


@pytest.mark.parametrize(
    ("head", "settings", "why"),
    [
        ("start_utc,end_utc,price\n", {"currency": "EUR"}, "set unit"),
        ("start_utc,end_utc,price\n", {"unit": "kWh"}, "set currency"),
        (HEAD, {"currency": "NOK"}, "says its currency is EUR, the setting says NOK"),
        (HEAD, {"unit": "kWh"}, "says its unit is EUR/MWh, the setting says kWh"),
        (HEAD.replace("EUR/MWh", "gCO2"), {}, "cannot be used"),
        (HEAD.replace("start_utc", "time"), {}, "has no start_utc"),
    ],
)
async def test_a_file_that_leaves_a_doubt_is_refused(tmp_path, head, settings, why):
    with pytest.raises(PricesUnavailable, match=why):
        await read(source(tmp_path, row(0, 1), head=head, **settings))


async def test_only_slots_that_touch_the_span_come_back(tmp_path):
    prices = source(tmp_path, *(row(hour, hour) for hour in range(-5, 40)))
    assert [hour for hour, _ in await read(prices)] == list(range(24))
    with pytest.raises(PricesNotPublished):
        await read(prices, Interval(start=utc("2026-02-01"), end=utc("2026-02-02")))


@pytest.mark.parametrize("name", ["missing.csv", "."])
async def test_a_file_that_is_not_there_is_unavailable(tmp_path, name):
    with pytest.raises(PricesUnavailable, match="cannot read"):
        await read(FileSource(path=str(tmp_path / name), currency="EUR", unit="kWh"))


async def test_json_is_read_with_and_without_notes(tmp_path):
    slots = [
        {"start": "2026-01-05T01:00:00+01:00", "end": "2026-01-05T01:00:00Z", "price": 0.2},
        {"start": "2026-01-05T01:00:00Z", "end": "2026-01-05T02:00:00Z", "price": None},
    ]
    bare, noted = tmp_path / "bare.json", tmp_path / "noted.json.gz"
    bare.write_text(json.dumps(slots))
    noted.write_bytes(gzip.compress(json.dumps({"currency": "EUR", "unit": "EUR/kWh", "slots": slots}).encode()))
    assert await read(FileSource(path=str(bare), currency="EUR", unit="kWh")) == [(0, 0.2)]
    assert await read(FileSource(path=str(noted))) == [(0, 0.2)]


@pytest.mark.parametrize("text", ["", "{}", "[1]", "{", '"prices"', '{"slots": {}}'])
async def test_json_of_another_shape_is_unavailable(tmp_path, text):
    path = tmp_path / "prices.json"
    path.write_text(text)
    with pytest.raises(PricesUnavailable):
        await read(FileSource(path=str(path), currency="EUR", unit="kWh"))


@pytest.mark.parametrize("content", [b"\x1f\x8b\x08\x00", b"no gzip", gzip.compress(HEAD.encode(), mtime=0)[:30]])
async def test_a_broken_archive_is_unavailable(tmp_path, content):
    path = tmp_path / "prices.csv.gz"
    path.write_bytes(content)
    with pytest.raises(PricesUnavailable):
        await read(FileSource(path=str(path)))


async def test_the_file_is_read_again_when_it_has_changed(tmp_path):
    prices = source(tmp_path, row(0, 10))
    assert await read(prices) == [(0, 0.01)]
    os.utime(prices.path, ns=(0, 1))
    source(tmp_path, row(0, 20))
    assert await read(prices) == [(0, 0.02)]


def test_an_unknown_unit_is_refused_at_load():
    with pytest.raises(ValueError, match="unit must be one of"):
        FileSource(path="x", unit="J")


def test_it_is_built_from_settings():
    assert build(FileSource, {"path": "a.csv", "unit": "MWh"}) == FileSource(path="a.csv", unit="MWh")


@pytest.mark.parametrize(
    ("name", "day", "count"),
    [
        ("DK1_15min.csv.gz", ("2026-03-28T23:00", "2026-03-29T22:00"), 92),
        ("DK1_15min.csv.gz", ("2025-10-25T22:00", "2025-10-26T23:00"), 100),
        ("DE-LU_60min.csv.gz", ("2023-10-28T22:00", "2023-10-29T23:00"), 25),
        ("AU-SA1_5min.csv.gz", ("2019-12-25T02:00", "2019-12-25T03:00"), 12),
    ],
)
async def test_recorded_prices_cover_days_of_every_length(data_dir, name, day, count):
    """D02: intervals come from their times, so 92, 96 and 100 quarters are all a day."""
    series = await FileSource(path=str(data_dir / "prices" / name)).fetch(
        Interval(start=utc(day[0]), end=utc(day[1])), at=AT, web=NO_WEB
    )
    assert len(series.slots) == count
    assert all(a.end == b.start for a, b in zip(series.slots, series.slots[1:], strict=False))
    assert all(-1 < slot.per_kwh < 10 for slot in series.slots)
