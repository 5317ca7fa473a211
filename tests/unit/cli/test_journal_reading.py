import pytest

from scheduler.cli.journal import _last_row, _latest, _pages, _short
from scheduler.cli.replaying import _differences


class FakeRecords:
    def __init__(self, rows):
        self.rows = rows
        self.asked = 0

    def journal(self, *, after, limit, run, car):
        self.asked += 1
        found = [{"row": row, "v": "a" if row % 10 else "b"} for row in self.rows if row > after]
        return [event for event in found if car in (None, event["v"])][:limit]


@pytest.mark.parametrize(
    "rows", [[], [1], [2], [5, 6, 7], range(1, 1000), range(70_000, 70_100), [3, 900_000]], ids=str
)
def test_the_newest_row_is_found_without_reading_all(rows):
    records = FakeRecords(rows)
    assert _last_row(records, None, None) == max(rows, default=0)
    assert records.asked <= 50


@pytest.mark.parametrize(("count", "car"), [(5, None), (5, "b"), (0, None), (5_000, None)])
def test_the_latest_events_are_the_last_of_all(count, car):
    records = FakeRecords(range(1, 1000))
    every = records.journal(after=0, limit=10**9, run=None, car=car)
    last = _last_row(records, None, car)
    assert _latest(records, last, count, None, car) == (every[-count:] if count else [])


def test_all_pages_are_read(monkeypatch):
    monkeypatch.setattr("scheduler.cli.journal.PAGE", 7)
    assert [event["row"] for event in _pages(FakeRecords(range(1, 100)))] == list(range(1, 100))


def test_differences_are_named_by_their_path():
    before = {"desired": "hold", "plan": {"slots": [1, 2]}, "gone": 1}
    now = {"desired": "charge", "plan": {"slots": [1, 3]}, "reasons": []}
    assert sorted(_differences("", before, now)) == [
        ("desired", "hold", "charge"),
        ("gone", 1, None),
        ("plan.slots[1]", 2, 3),
        ("reasons", None, []),
    ]
    assert list(_differences("", before, before)) == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        (None, "null"),
        (True, "true"),
        ({"charge": 1_795_000_001_500_000_000, "kw": 7.40001}, '{"charge":"11:06:41Z","kw":7.4}'),
        ([[1_795_000_001_500_000_000, 12]], '[["11:06:41Z",12]]'),
        ("x" * 200, "x" * 99 + "…"),
    ],
)
def test_members_are_shown_in_few_words(value, shown):
    assert _short(value) == shown
