import pytest

from scheduler.prices.slots import local_dates, require_one_of
from tests.unit.prices.answering import span


@pytest.mark.parametrize(
    ("start", "end", "dates"),
    [
        pytest.param("2026-01-04T23:00", "2026-01-05T23:00", ["2026-01-05"], id="one-whole-day"),
        pytest.param("2026-01-04T22:59", "2026-01-05T23:01", ["2026-01-04", "2026-01-05", "2026-01-06"], id="edges"),
        pytest.param("2025-10-25T22:00", "2025-10-26T23:00", ["2025-10-26"], id="the-day-of-25-hours"),
        pytest.param("2026-03-28T23:00", "2026-03-29T22:00", ["2026-03-29"], id="the-day-of-23-hours"),
        pytest.param("2025-12-31T12:00", "2026-01-01T12:00", ["2025-12-31", "2026-01-01"], id="the-turn-of-the-year"),
    ],
)
def test_the_local_dates_that_touch_a_span(start, end, dates):
    assert [str(day) for day in local_dates(span(start, end), "Europe/Brussels")] == dates


def test_a_setting_that_is_none_of_those_known_is_refused_by_name():
    require_one_of("AT", ("AT", "DE"), "country")
    with pytest.raises(ValueError, match=r"^country must be one of AT, DE, not 'CH'$"):
        require_one_of("CH", ("AT", "DE"), "country")
