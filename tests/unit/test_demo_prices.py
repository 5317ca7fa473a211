"""The demonstration's market: the same for a seed, published as a real one is, whole on days of any length."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from scheduler.cli import demo_prices
from scheduler.core.timeline import Interval
from scheduler.prices.file import FileSource

NOON = datetime(2026, 1, 13, 12, 0, tzinfo=UTC)  # 13:00 in Oslo


def test_tomorrow_is_published_at_one_in_the_afternoon():
    before = demo_prices.known_at(NOON - timedelta(minutes=1), seed=1)
    after = demo_prices.known_at(NOON, seed=1)
    assert before.slots[-1].end == datetime(2026, 1, 13, 23, 0, tzinfo=UTC)
    assert after.slots[-1].end == datetime(2026, 1, 14, 23, 0, tzinfo=UTC)
    assert after.slots[: len(before.slots)] == before.slots
    assert demo_prices.next_publication(NOON - timedelta(minutes=1)) == NOON
    assert demo_prices.next_publication(NOON) == NOON + timedelta(days=1)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 1, 13), 24), (date(2026, 10, 25), 25)])
def test_the_slots_of_a_day_cover_its_real_length(day, hours):
    slots = list(demo_prices.slots_of(day, seed=1))
    assert slots[-1].end - slots[0].start == timedelta(hours=hours)
    assert all(earlier.end == later.start for earlier, later in pairwise(slots))


def test_a_seed_makes_a_market_and_another_another():
    day = date(2026, 1, 13)
    assert list(demo_prices.slots_of(day, seed=1)) == list(demo_prices.slots_of(day, seed=1))
    assert list(demo_prices.slots_of(day, seed=1)) != list(demo_prices.slots_of(day, seed=2))


def test_nights_are_cheap_and_evenings_dear_and_some_days_dearer():
    days = [[s.per_kwh for s in demo_prices.slots_of(date(2026, 1, 12) + timedelta(days=n), seed=1)] for n in range(30)]
    assert all(min(day[:6]) < 0.8 * max(day[16:20]) for day in days)
    levels = sorted(sum(day) / len(day) for day in days)
    assert levels[-1] > 1.8 * levels[len(levels) // 2]


async def test_the_file_is_read_by_the_price_source_of_the_daemon(tmp_path):
    path = tmp_path / "prices.csv"
    demo_prices.publish(path, NOON, seed=1)
    series = await FileSource(path=str(path)).fetch(Interval(start=NOON, end=NOON + timedelta(days=3)), at=NOON)
    known = [slot for slot in demo_prices.known_at(NOON, seed=1).slots if slot.end > NOON]
    assert (series.currency, series.zone, list(series.slots)) == ("NOK", "NO1", known)
    assert [one.name for one in tmp_path.iterdir()] == ["prices.csv"]
