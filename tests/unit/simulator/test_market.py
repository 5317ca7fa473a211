"""The simulated market: published when a real one is, whole on days of any length, real prices as they were recorded."""

import csv
import gzip
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from simulator.market import Slot, Zone, bounds, delivery_day, recorded
from simulator.market_made import made
from simulator.scenario import RECORDED_FILE, demo_zone

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TUESDAY = date(2026, 1, 13)
PUBLISHED = datetime(2026, 1, 12, 11, 57, tzinfo=UTC)  # 12:57 in Brussels, on the day before


@pytest.fixture
def zone() -> Zone:
    return Zone(name="NO1", currency="NOK", prices=made(seed=1))


def test_tomorrow_is_known_from_the_publication_on(zone):
    assert zone.known(TUESDAY, PUBLISHED - timedelta(seconds=1)) == []
    assert len(zone.known(TUESDAY, PUBLISHED)) == 24
    assert len(zone.known(TUESDAY - DAY, PUBLISHED - DAY)) == 24


def test_a_day_may_be_late_or_never_come(zone):
    zone.late = {TUESDAY: PUBLISHED + 3 * HOUR, TUESDAY + DAY: None}
    assert zone.known(TUESDAY, PUBLISHED + 2 * HOUR) == []
    assert len(zone.known(TUESDAY, PUBLISHED + 3 * HOUR)) == 24
    assert zone.known(TUESDAY + DAY, PUBLISHED + 30 * DAY) == []


def test_a_correction_holds_from_its_instant_on(zone):
    start = bounds(TUESDAY)[0] + 5 * HOUR
    before = zone.known(TUESDAY, PUBLISHED)
    zone.correct(start, 9.0, from_at=PUBLISHED + HOUR)
    assert zone.known(TUESDAY, PUBLISHED) == before
    after = zone.known(TUESDAY, PUBLISHED + HOUR)
    assert [slot.start for slot, old in zip(after, before, strict=True) if slot != old] == [start]


def test_what_is_told_may_be_spoilt(zone):
    zone.spoil = lambda slots: slots[:3]
    assert len(zone.known(TUESDAY, PUBLISHED)) == 3


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (TUESDAY, 24), (date(2026, 10, 25), 25)])
@pytest.mark.parametrize("quarters", [1, 4])
def test_the_slots_of_a_day_cover_its_real_length(day, hours, quarters):
    slots = made(seed=1, step=HOUR / quarters)(day)
    assert len(slots) == hours * quarters
    assert slots[-1].end - slots[0].start == hours * HOUR
    assert all(earlier.end == later.start for earlier, later in pairwise(slots))
    assert {delivery_day(slot.start) for slot in slots} == {day}


def test_a_seed_makes_a_market_and_another_another():
    assert made(seed=1)(TUESDAY) == made(seed=1)(TUESDAY)
    assert made(seed=1)(TUESDAY) != made(seed=2)(TUESDAY)


def test_nights_are_cheap_and_evenings_dear_and_some_days_dearer():
    days = [[slot.per_kwh for slot in made(seed=1)(TUESDAY + n * DAY)] for n in range(30)]
    assert all(min(day[:6]) < 0.8 * max(day[16:20]) for day in days)
    levels = sorted(sum(day) / len(day) for day in days)
    assert levels[-1] > 1.8 * levels[len(levels) // 2]


@pytest.mark.parametrize(
    ("name", "day", "count", "per_kwh"),
    [
        ("SE3_15min.csv.gz", date(2026, 3, 29), 92, 0.001),
        ("DK1_15min.csv.gz", date(2025, 10, 26), 100, 0.001),
        ("DE-LU_60min.csv.gz", date(2023, 10, 29), 25, 0.001),
        ("GB-AGILE-J_30min.csv.gz", date(2022, 3, 27), 46, 0.01),
    ],
)
def test_recorded_days_are_those_of_the_file(data_dir, name, day, count, per_kwh):
    path = data_dir / "prices" / name
    with gzip.open(path, "rt") as lines:
        rows = list(csv.reader(line for line in lines if not line.startswith("#")))[1:]
    start, end = (at.strftime("%Y-%m-%dT%H:%M:%SZ") for at in bounds(day))
    expected = [(first, last, float(price) * per_kwh) for first, last, price in rows if start <= first < end]
    found = recorded(path)(day)
    assert len(found) == count
    assert [(_text(slot.start), _text(slot.end)) for slot in found] == [row[:2] for row in expected]
    assert [slot.per_kwh for slot in found] == pytest.approx([row[2] for row in expected])


def test_the_demonstration_takes_real_prices_where_they_are(data_dir, tmp_path):
    assert demo_zone(seed=1, recorded_in=data_dir / "prices").name == RECORDED_FILE.partition("_")[0]
    assert demo_zone(seed=1, recorded_in=tmp_path).name == "NO1"
    assert len(demo_zone(seed=1, recorded_in=data_dir / "prices").prices(TUESDAY)) == 96


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_slots_between_two_instants(zone):
    start = bounds(TUESDAY)[0]
    found = zone.between(start - HOUR / 2, start + HOUR / 2, PUBLISHED)
    assert [type(slot) for slot in found] == [Slot, Slot]
    assert [slot.start for slot in found] == [start - HOUR, start]
