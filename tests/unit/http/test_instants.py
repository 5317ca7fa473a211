from datetime import UTC, datetime, timedelta

import pytest

from scheduler.http.instants import instant
from scheduler.http.problem import Problem
from scheduler.http.wording import mass, rfc3339, span

ZONE = "Europe/Oslo"
NOW = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)  # 23:30 in Oslo


@pytest.mark.parametrize(
    ("text", "past", "expected"),
    [
        pytest.param("2026-11-21T03:10", False, "2026-11-21T02:10:00Z", id="local-without-an-offset"),
        pytest.param("2026-11-21 03:10", False, "2026-11-21T02:10:00Z", id="a-blank-for-the-T"),
        pytest.param("2026-11-21T03:10Z", False, "2026-11-21T03:10:00Z", id="utc"),
        pytest.param("2026-11-21T03:10+05:30", False, "2026-11-20T21:40:00Z", id="another-offset"),
        pytest.param("07:30", False, "2026-11-21T06:30:00Z", id="the-next-coming"),
        pytest.param("23:00", True, "2026-11-20T22:00:00Z", id="the-last-coming-is-today"),
        pytest.param("23:45", True, "2026-11-19T22:45:00Z", id="the-last-coming-was-yesterday"),
        pytest.param("now", False, "2026-11-20T22:30:00Z", id="now"),
        pytest.param("2026-10-25T02:30", False, "2026-10-25T00:30:00Z", id="a-time-that-comes-twice-is-its-first"),
        pytest.param("2026-03-29T02:30", False, "2026-03-29T01:00:00Z", id="a-time-that-is-skipped-is-after-the-gap"),
    ],
)
def test_it_reads_what_a_person_types(text, past, expected):
    assert rfc3339(instant(text, timezone=ZONE, now=NOW, past=past)) == expected


@pytest.mark.parametrize("text", ["", "soon", "25:00", "2026-13-01T00:00", "07:30:99", "9999-12-31T23:59-23:59"])
def test_it_refuses_what_is_no_instant_and_shows_how_to_write_one(text):
    with pytest.raises(Problem) as caught:
        instant(text, timezone=ZONE, now=NOW)
    assert caught.value.status == 400
    assert "2026-11-21T03:10" in caught.value.body["remedy"]


@pytest.mark.parametrize(
    ("duration", "words"),
    [(160, "2 h 40 min"), (120, "2 h"), (35, "35 min"), (0.5, "30 s")],
)
def test_it_tells_a_duration_in_words(duration, words):
    assert span(timedelta(minutes=duration)) == words


@pytest.mark.parametrize(
    ("grams", "text"),
    [(0.0, "0 g"), (999.4, "999 g"), (999.6, "1.0 kg"), (1234.0, "1.2 kg"), (9940.0, "9.9 kg"), (9960.0, "10 kg"), (-1500, "-1.5 kg")],
)  # fmt: skip
def test_it_tells_a_mass_by_its_size(grams, text):
    assert mass(grams) == text
