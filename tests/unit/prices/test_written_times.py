from datetime import datetime, timedelta

import pytest

from scheduler.core.errors import PricesUnavailable
from scheduler.prices.written_times import ends, starts
from tests.unit.policies.builders import utc

QUARTER = timedelta(minutes=15)
OSLO = "Europe/Oslo"


@pytest.mark.parametrize(
    "told",
    [
        "2026-01-05T11:00:00Z",
        "2026-01-05T11:00Z",
        " 2026-01-05T12:00:00.0000000+01:00 ",
        "20260105T110000Z",
        1767610800,
        1767610800.0,
        1767610800000,
        "1767610800",
        "1767610800000",
    ],
)
def test_every_way_to_write_an_instant(told):
    assert starts([told], "") == [utc("2026-01-05T11:00")]


def test_a_time_without_an_offset_is_one_of_its_place():
    assert starts(["2026-01-05T11:00", "2026-07-05T11:00:00"], OSLO) == [
        utc("2026-01-05T10:00"),
        utc("2026-07-05T09:00"),
    ]
    assert starts(["2026-01-05"], OSLO) == [utc("2026-01-04T23:00")]
    assert starts(["2026-01-05T11:00Z"], OSLO) == [utc("2026-01-05T11:00")]


def wall_clock(day: str, quarters: int) -> list[str]:
    """Return how the quarters of a local day look on a clock in Oslo, by counting from its midnight."""
    at = starts([day], OSLO)[0]
    return [_oslo(at + n * QUARTER) for n in range(quarters)]


def _oslo(at: datetime) -> str:
    summer = utc("2025-03-30T01:00") <= at < utc("2025-10-26T01:00") or at >= utc("2026-03-29T01:00")
    return f"{at + timedelta(hours=2 if summer else 1):%Y-%m-%dT%H:%M:%S}"


@pytest.mark.parametrize(("day", "quarters"), [("2025-10-26", 100), ("2026-03-29", 92), ("2026-01-05", 96)])
@pytest.mark.parametrize("newest_first", [False, True])
def test_days_of_every_length_on_a_wall_clock(day, quarters, newest_first):
    told = wall_clock(day, quarters)
    found = starts(told[::-1] if newest_first else told, OSLO)
    found = found[::-1] if newest_first else found
    assert found == [found[0] + n * QUARTER for n in range(quarters)]
    assert _oslo(found[0]) == f"{day}T00:00:00"


def test_the_end_of_a_slot_in_the_doubled_hour_comes_after_its_start():
    told = wall_clock("2025-10-26", 100)
    began = starts(told, OSLO)
    over = ends([*told[1:], "2025-10-27T00:00:00"], OSLO, after=began)
    assert over == [start + QUARTER for start in began]


@pytest.mark.parametrize("told", ["soon", "", None, True, [], {}, 1e300, float("nan"), "2026-13-01", "25:00"])
def test_what_is_no_instant_is_refused(told):
    with pytest.raises(PricesUnavailable, match="is no instant"):
        starts([told], OSLO)


def test_without_a_place_a_wall_clock_means_nothing():
    with pytest.raises(PricesUnavailable, match="'2026-01-05T11:00' has no offset: set timezone"):
        starts(["2026-01-05T11:00"], "")
