"""One charge by itself: the tables are minutes, the property is a search through all subsets of a small grid."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core.charging import ChargeCurve, tapering
from scheduler.core.exercise import Answer, Exercise, Priced, TooLarge, work_out

MIN = 60.0
HOUR = 3600.0


def priced(*values, slot_s=HOUR, begin_s=0.0):
    """Return slots of one length; None is a gap."""
    return tuple(
        Priced(begin_s + i * slot_s, begin_s + (i + 1) * slot_s, float(value))
        for i, value in enumerate(values)
        if value is not None
    )


def exercise(*values, need_min, slot_s=HOUR, begin_s=0.0, precondition_min=0.0, target_s=None, kw=6.0, **more):
    more.setdefault("curve", ChargeCurve.at(kw))
    return Exercise(
        target_s=begin_s + len(values) * slot_s if target_s is None else target_s,
        need_s=need_min * MIN,
        precondition_s=precondition_min * MIN,
        prices=priced(*values, slot_s=slot_s, begin_s=begin_s),
        **more,
    )


def minutes(answer: Answer):
    return [(round(run.start_s / MIN, 6), round(run.end_s / MIN, 6)) for run in answer.runs]


@pytest.mark.parametrize(
    ("given", "runs", "cost"),
    [
        pytest.param(exercise(3, 1, 2, need_min=60), [(60, 120)], 6, id="the-cheapest-hour"),
        pytest.param(exercise(3, 1, 2, need_min=90), [(60, 150)], 12, id="a-part-of-the-next-cheapest-beside-it"),
        pytest.param(exercise(1, 3, 1, need_min=120), [(0, 60), (120, 180)], 12, id="two-blocks-when-starts-are-free"),
        pytest.param(exercise(1, 3, 1, need_min=120, start_cost=20), [(0, 120)], 44, id="one-when-a-start-is-dear"),
        pytest.param(
            exercise(1, 3, 1, need_min=120, start_cost=11), [(0, 60), (120, 180)], 34, id="two-if-not-so-dear"
        ),
        pytest.param(exercise(1, 3, 1, need_min=120, once=True), [(0, 120)], 24, id="one-block-asked-for"),
        pytest.param(exercise(2, 2, 2, need_min=60), [(0, 60)], 12, id="of-equals-the-earlier"),
        pytest.param(exercise(-1, 2, -3, need_min=60), [(120, 180)], -18, id="negative-values-are-only-prices"),
        pytest.param(exercise(1, 3, need_min=60, precondition_min=30), [(0, 30), (90, 120)], 12, id="precondition"),
        pytest.param(
            exercise(1, 3, need_min=60, precondition_min=30, start_cost=9), [(60, 120)], 27, id="precondition-in-one"
        ),
        pytest.param(
            exercise(1, 3, need_min=60, precondition_min=30, once=True), [(60, 120)], 18, id="precondition-continuous"
        ),
        pytest.param(
            exercise(1, 3, need_min=15, precondition_min=45), [(75, 120)], 13.5, id="precondition-is-the-need"
        ),
        pytest.param(exercise(1, 3, need_min=0, precondition_min=30), [(90, 120)], 9, id="precondition-alone"),
        pytest.param(exercise(9, None, 9, need_min=60), [(0, 60)], 54, id="a-gap-is-the-last-resort"),
        pytest.param(exercise(9, None, 9, need_min=150), [(0, 90), (120, 180)], 108, id="a-gap-costs-nothing-known"),
        pytest.param(exercise(2, 1, need_min=30, begin_s=-1800.0), [(30, 60)], 3, id="now-in-the-middle-of-a-slot"),
        pytest.param(exercise(9, 9, 1, need_min=60, target_s=1.5 * HOUR), [(0, 60)], 54, id="rates-after-the-target"),
    ],
)
def test_a_need_is_charged_where_it_is_cheapest(given, runs, cost):
    answer = work_out(given)
    assert minutes(answer) == runs
    assert answer.cost == pytest.approx(cost, abs=1e-9)
    assert answer.shortfall_kwh == 0


@pytest.mark.parametrize(
    ("given", "runs", "shortfall_kwh"),
    [
        pytest.param(exercise(3, 1, need_min=180), [(0, 120)], 6, id="too-long"),
        pytest.param(exercise(3, 1, need_min=180, once=True, precondition_min=60), [(0, 120)], 6, id="all-at-once"),
        pytest.param(exercise(3, 1, need_min=60, precondition_min=150), [(0, 120)], 3, id="too-long-a-precondition"),
        pytest.param(exercise(3, 1, need_min=120), [(0, 120)], 0, id="just-fits"),
        pytest.param(exercise(3, 1, need_min=60, target_s=-HOUR), [], 6, id="target-before-now"),
        pytest.param(exercise(3, 1, need_min=60, target_s=0.0), [], 6, id="target-is-now"),
        pytest.param(exercise(3, 1, need_min=0), [], 0, id="nothing-needed"),
        pytest.param(exercise(need_min=60, target_s=2 * HOUR), [(0, 60)], 0, id="no-rates-at-all"),
    ],
)
def test_what_does_not_fit_is_a_shortfall(given, runs, shortfall_kwh):
    answer = work_out(given)
    assert minutes(answer) == runs
    assert answer.shortfall_kwh == pytest.approx(shortfall_kwh)
    assert answer.energy_kwh == pytest.approx(sum(end - start for start, end in runs) / 60 * 6)


def test_energy_at_unknown_prices_is_told_apart():
    answer = work_out(exercise(9, None, 9, need_min=150))
    assert (answer.energy_kwh, answer.unknown_kwh) == (pytest.approx(15), pytest.approx(3))


def test_a_tapering_car_charges_its_fast_part_where_energy_is_cheap():
    curve = tapering([(HOUR, 10.0), (2 * HOUR, 12.0)])
    answer = work_out(exercise(1, 9, 2, need_min=120, curve=curve))
    assert minutes(answer) == [(0, 60), (120, 180)]
    assert answer.cost == pytest.approx(10 + 4)


@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1.0, 1e5])
def test_the_unit_of_money_does_not_matter(scale):
    prices = [0.31, 0.12, 0.29, 0.1, 0.44, 0.11]
    plain = work_out(exercise(*prices, need_min=150, start_cost=0.4))
    scaled = work_out(exercise(*(price * scale for price in prices), need_min=150, start_cost=0.4 * scale))
    assert minutes(scaled) == minutes(plain)
    assert scaled.cost == pytest.approx(plain.cost * scale)


def test_a_very_dear_start_leaves_the_cheapest_single_block():
    answer = work_out(exercise(0.31, 0.12, 0.29, 0.1, 0.44, 0.11, need_min=90, start_cost=1e6))
    assert minutes(answer) == [(60, 150)] or minutes(answer) == [(150, 240)]
    assert answer.cost == pytest.approx(1e6 + 6 * (0.1 + 0.29 / 2))


def test_lengths_with_no_common_measure_are_still_planned_to_the_second():
    lengths = [1117.0, 2503.0, 641.0, 3301.0, 1789.0, 997.0, 2111.0, 1433.0, 809.0, 2719.0]
    values = [0.3, 0.1, 0.35, 0.2, 0.05, 0.4, 0.15, 0.33, 0.02, 0.21]
    edges = [0.0]
    for length in lengths:
        edges.append(edges[-1] + length)
    need_s = 641.0 + 809.0 + 1789.0 + 2503.0 + 300.0
    slots = tuple(Priced(*span) for span in zip(edges, edges[1:], values, strict=False))
    answer = work_out(Exercise(target_s=edges[-1], need_s=need_s, curve=ChargeCurve.at(3.6), prices=slots))
    dearest_first = sorted(zip(values, lengths, strict=True))
    left_s, best = need_s, 0.0
    for value, length in dearest_first:
        best += value * min(left_s, length) / 1000
        left_s -= min(left_s, length)
    assert answer.cost == pytest.approx(best, rel=1e-6)


def test_a_problem_beyond_memory_is_refused():
    slots = priced(*range(40_000), slot_s=900.0)
    with pytest.raises(TooLarge):
        work_out(Exercise(target_s=9e2 * 40_000, need_s=1e7, curve=ChargeCurve.at(7.0), prices=slots))


def cheapest(given: Exercise, unit_s: float) -> tuple[int, float]:
    """Return the least unknown units and the least cost, by trying every subset of the units."""
    count, need = round(given.target_s / unit_s), round(given.whole_need_s / unit_s)
    must = set(range(count - round(given.precondition_s / unit_s), count))
    at = [next((p.per_kwh for p in given.prices if p.start_s <= u * unit_s < p.end_s), None) for u in range(count)]
    taken = [given.curve.energy((k + 1) * unit_s) - given.curve.energy(k * unit_s) for k in range(need)]
    found = []
    for chosen in combinations(range(count), need):
        starts = sum(unit - 1 not in chosen for unit in chosen)
        if must <= set(chosen) and not (given.once and starts > 1):
            known = sum(kwh * (at[unit] or 0.0) for unit, kwh in zip(chosen, taken, strict=True))
            found.append((sum(at[unit] is None for unit in chosen), known + given.start_cost * starts))
    return min(found)


@st.composite
def small_exercises(draw):
    unit_s = draw(st.sampled_from([77.0, 300.0, 900.0]))
    lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))
    edges = [sum(lengths[:i]) for i in range(len(lengths) + 1)]
    count = min(edges[-1], 11)
    value = st.none() | st.integers(-30, 90).map(lambda cents: cents / 100)
    values = draw(st.lists(value, min_size=len(lengths), max_size=len(lengths)))
    slots = [
        Priced(start * unit_s, end * unit_s, price)
        for start, end, price in zip(edges, edges[1:], values, strict=False)
        if price is not None
    ]
    need = draw(st.integers(1, count))
    bends = draw(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 9)), min_size=1, max_size=3))
    points = [(0.0, 0.0)]
    for units, kw in bends:
        points.append((points[-1][0] + units * unit_s, points[-1][1] + units * unit_s * kw / HOUR))
    return unit_s, Exercise(
        target_s=count * unit_s,
        need_s=need * unit_s,
        precondition_s=draw(st.sampled_from([0, 0, 1, 2])) % (need + 1) * unit_s,
        once=draw(st.booleans()),
        start_cost=draw(st.sampled_from([0.0, 0.0, 0.02, 0.3, 40.0])),
        curve=ChargeCurve(points=tuple(points)),
        prices=tuple(slots),
    )


@settings(max_examples=150, deadline=None)
@given(small_exercises())
def test_it_is_as_cheap_as_the_best_of_all_plans(drawn):
    unit_s, given_one = drawn
    answer = work_out(given_one)
    unknown, cost = cheapest(given_one, unit_s)
    assert sum(run.end_s - run.start_s for run in answer.runs) == pytest.approx(given_one.whole_need_s, abs=1e-3)
    assert answer.runs[-1].end_s <= given_one.target_s + 1e-6
    assert not given_one.once or len(answer.runs) == 1
    if given_one.precondition_s:
        assert answer.runs[-1].end_s == pytest.approx(given_one.target_s)
        assert answer.runs[-1].start_s <= given_one.target_s - given_one.precondition_s + 1e-6
    at_unknown_s = sum(
        max(0.0, min(run.end_s, (unit + 1) * unit_s) - max(run.start_s, unit * unit_s))
        for run in answer.runs
        for unit in range(round(given_one.target_s / unit_s))
        if not any(p.start_s <= unit * unit_s < p.end_s for p in given_one.prices)
    )
    assert at_unknown_s == pytest.approx(unknown * unit_s, abs=1e-3)
    assert answer.cost == pytest.approx(cost, rel=1e-5, abs=1e-6)
