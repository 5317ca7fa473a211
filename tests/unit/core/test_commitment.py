"""Which spans a task allows to charge in: all that the optimum has to keep, but not its cost."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.battery import estimate_soc
from scheduler.core.commitment import allows, promised, purpose
from scheduler.core.energy import charge_curve
from scheduler.core.model import PolicySpec
from scheduler.core.needs import claims
from scheduler.core.optimum import WHOLE, solve
from scheduler.core.planner import plan
from scheduler.core.problem import pose
from scheduler.core.runs import trace
from scheduler.core.steps import lay_out
from scheduler.core.terms import Block, Price, Target
from scheduler.core.timeline import merge
from tests.unit.core.builders import NOW, in_hours, price_slots, situation, span

HOUR_S = 3600.0


def board_of(now):
    charge = estimate_soc(now)
    return lay_out(pose(now, charge, claims(now, charge), charge_curve(now, low_pct=charge.low_pct)))


def task(prices=(9, 5, 1, 9, 9), kwh=7.0, *, blocks=(), **changes):
    terms = [*(Block(interval=one, why="quiet") for one in blocks), Price(slots=price_slots(prices))]
    return board_of(situation(terms=[*terms, Target(energy_kwh=kwh, by=in_hours(5))], **changes)).task


@pytest.mark.parametrize(
    ("spans", "allowed"),
    [
        pytest.param([(2, 3)], True, id="the-hour"),
        pytest.param([(0, 0.5), (2, 2.5)], True, id="two-halves"),
        pytest.param([(2, 2.9)], False, id="too-little"),
        pytest.param([(2, 3.1)], False, id="too-much"),
        pytest.param([(3.6, 4.6)], False, id="too-late"),
        pytest.param([(4.5, 5.5)], False, id="beyond-the-end"),
    ],
)
def test_what_is_due_must_be_charged_in_time(spans, allowed):
    assert allows(task(), [(start * HOUR_S, end * HOUR_S) for start, end in spans]) is allowed


def test_no_block_is_entered():
    spans = [(2 * HOUR_S, 3 * HOUR_S)]
    assert not allows(task(blocks=[span(2.25, 2.5)]), spans)
    assert allows(task(blocks=[span(3, 3.5)]), spans)


def test_what_cannot_wait_does_not():
    free = task()
    forced = replace(free, forced_s=np.maximum(free.forced_s, 600.0))
    assert not allows(forced, [(2 * HOUR_S, 3 * HOUR_S)])
    assert allows(forced, [(0.0, 600.0), (2 * HOUR_S, 3 * HOUR_S - 600.0)])
    whole = replace(free, forced_s=np.maximum(free.forced_s, WHOLE))
    assert not allows(whole, [(0.0, HOUR_S)])


def test_a_pause_leaves_the_time_to_resume():
    spans = [(3.2 * HOUR_S, 4.2 * HOUR_S)]
    assert allows(task(), spans), "a car that has not begun is in no pause"
    assert not allows(task(session={"held_since": in_hours(-1)}), spans)
    assert not allows(task(charging=True), spans)


@given(st.data())
@settings(max_examples=60, deadline=timedelta(seconds=5))
def test_the_optimum_is_always_allowed(data):
    prices = data.draw(st.lists(st.integers(1, 9), min_size=6, max_size=6))
    kwh = data.draw(st.floats(0.5, 30))
    held = {"held_since": in_hours(-1)} if data.draw(st.booleans()) else {}
    block = [span(2, 2 + data.draw(st.floats(0.1, 2)))] if data.draw(st.booleans()) else []
    made = task(prices, kwh, blocks=block, session=held, charging=not held and data.draw(st.booleans()))
    runs = trace(solve(made))
    if runs:
        assert allows(made, [(run.start_s, run.end_s) for run in runs])


def test_a_run_that_has_begun_is_not_withdrawn_because_a_reading_shows_a_little_more():
    """What is left is too short for two runs, and the later one alone would be cheaper."""
    terms = [Price(slots=price_slots([5, 9, 1, 9, 9])), Target(energy_kwh=1.5, by=in_hours(5))]
    now = situation(charging=True, terms=terms)
    promise = (span(0, 0.1), span(2, 2.25))
    made = plan(replace(now, committed=promise, committed_to=purpose(now, claims(now, estimate_soc(now)))))
    assert merge(slot.interval for slot in made.slots) == (span(0, 1.5 / 7),)
    assert plan(now).slots[0].start == in_hours(2)


def test_what_is_promised_are_the_runs_that_are_left():
    now = situation(prices=[1, 2, 9, 9, 1])
    made = plan(replace(now, terms=(*now.terms, *situation(terms=[Target(energy_kwh=17.5, by=in_hours(6))]).terms)))
    runs = promised(made, NOW)
    assert runs[0].start == NOW
    assert len(runs) < len(made.slots)
    assert promised(made, runs[0].end) == runs[1:]


def test_a_tariff_that_was_edited_is_another_purpose():
    now = situation(prices=[1])
    edited = replace(now.home, policies=(PolicySpec(name="flat", settings={"per_kwh": 0.2}),))
    assert purpose(replace(now, home=edited), ()) != purpose(now, ())


def test_a_purpose_outlasts_what_only_the_clock_changes():
    now = situation(prices=[1])
    assert purpose(now, ()) == purpose(replace(now, at=in_hours(1)), ()) != ""
