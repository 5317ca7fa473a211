"""What the faces tell of a random delay."""

from datetime import timedelta

import pytest

from scheduler.core.decide import decide
from scheduler.core.model import Desired, Turn
from scheduler.core.terms import Price, RandomDelay, Target
from scheduler.http.reasons import margins, reasons
from scheduler.http.views import decision_view
from scheduler.http.wording import rfc3339
from tests.unit.core.builders import NOW, in_hours, price_slots, situation, span


@pytest.fixture
def waiting():
    """A car whose plan has come to its start a moment ago."""
    price = Price(slots=price_slots([0.1, 0.1, 0.1, 0.1, *[0.4] * 8]))
    terms = [price, Target(soc_pct=80.0, by=in_hours(12)), RandomDelay(longest=timedelta(minutes=10))]
    return situation(terms=terms, turned=Turn(desired=Desired.HOLD), committed=(span(0, 3),))


def test_a_delay_is_told_in_a_sentence_and_in_figures(waiting):
    decision = decide(waiting)
    drawn_s = decision.delay.drawn_s
    told = decision_view(decision, waiting, "Europe/Oslo")
    until = rfc3339(NOW + timedelta(seconds=drawn_s))
    assert told["delay"] == {"edge_at": "2025-11-20T18:00:00Z", "drawn_s": drawn_s, "until": until, "cut": False}
    assert told["next_due_at"] == until
    length = f"{drawn_s // 60} min {drawn_s % 60} s"
    assert f"starting at 19:00 plus {length}: random delay, a courtesy to the grid" in told["why"]


def test_without_one_there_is_none(waiting):
    bare = situation()
    assert decision_view(decide(bare), bare, "UTC")["delay"] is None
    assert decision_view(None, None, "UTC")["delay"] is None


def test_the_plan_tells_the_longest_among_its_margins_and_its_terms(waiting):
    assert margins(waiting)["random_delay_s"] == 600
    told = {one["kind"]: one for one in reasons(decide(waiting).plan, waiting)}
    assert told["random-delay"]["asked"] == {"longest": 600.0}
    assert told["random-delay"]["outcome"] == "counted"
