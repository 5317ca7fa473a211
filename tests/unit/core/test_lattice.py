"""The amounts of charging that are states: all that an optimal plan can have reached, none twice."""

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.core import lattice as module
from scheduler.core.lattice import MOST_STATES, lattice

EXAMPLES = settings(max_examples=150, deadline=None)

few_durations = st.lists(st.sampled_from([900.0, 900.0, 900.0, 3600.0, 300.0, 437.25, 60.5]), min_size=1, max_size=6)


def sums_of(durations: list[float]) -> set[float]:
    """Return every sum of some of the durations."""
    return {sum(some) for size in range(len(durations) + 1) for some in combinations(durations, size)}


def holds(amounts: np.ndarray, wanted: float) -> bool:
    return bool(np.abs(amounts - wanted).min() < 1e-5)


@EXAMPLES
@given(few_durations, st.floats(0, 1), st.lists(st.floats(0, 1), max_size=3))
def test_it_holds_whole_steps_from_the_start_from_the_need_and_from_every_mark(durations, share, marks):
    cap_s = round(share * sum(durations), 3)
    marks_s = [round(mark * cap_s, 3) for mark in marks]
    made = lattice(durations, marks_s=marks_s, cap_s=cap_s)
    amounts = made.amounts_s
    assert made.whole
    for origin in (0.0, cap_s, *marks_s):
        for total in sums_of(durations):
            for amount in (origin + total, origin - total):
                assert not 0 <= amount <= cap_s or holds(amounts, amount)


@EXAMPLES
@given(few_durations, st.floats(0, 1), st.lists(st.floats(0, 1.5), max_size=3))
def test_it_rises_from_nothing_to_the_cap_and_has_the_marks_exactly(durations, share, marks):
    cap_s = round(share * sum(durations), 3)
    marks_s = [round(mark * cap_s, 3) for mark in marks]
    amounts = lattice(durations, marks_s=marks_s, cap_s=cap_s).amounts_s
    assert (np.diff(amounts) > 0).all()
    assert (amounts[0], amounts[-1]) == (0.0, cap_s)
    assert {mark_s for mark_s in marks_s if mark_s <= cap_s} <= set(amounts.tolist())


def test_even_steps_and_a_need_of_so_many_of_them_are_few_states():
    assert lattice([900.0] * 96, marks_s=(), cap_s=7200.0).amounts_s.tolist() == [900.0 * i for i in range(9)]


def test_a_need_that_is_no_whole_number_of_steps_doubles_them():
    made = lattice([900.0] * 4, marks_s=(), cap_s=2000.0)
    assert made.amounts_s.tolist() == [0.0, 200.0, 900.0, 1100.0, 1800.0, 2000.0]


def test_a_need_of_whole_strides_is_counted_back_over_an_odd_step_too():
    made = lattice([900.0, 900.0, 900.0, 300.0], marks_s=(), cap_s=900.0)
    assert made.amounts_s.tolist() == [0.0, 300.0, 600.0, 900.0]


def test_hours_and_quarters_share_the_quarters_stride():
    made = lattice([3600.0] * 3 + [900.0] * 3, marks_s=(), cap_s=3600.0)
    assert made.amounts_s.tolist() == [0.0, 900.0, 1800.0, 2700.0, 3600.0]


def test_a_given_stride_is_taken():
    made = lattice([900.0] * 4, marks_s=(), cap_s=900.0, stride_s=300.0)
    assert made.amounts_s.tolist() == [0.0, 300.0, 600.0, 900.0]


def test_nothing_to_charge_is_one_state():
    assert lattice([900.0] * 4, marks_s=[0.0, 1800.0], cap_s=0.0).amounts_s.tolist() == [0.0]


def test_cuts_on_whole_minutes_beside_an_odd_first_piece_leave_no_sum_out():
    cuts = [piece for minute in (1, 4, 7, 11, 13) for piece in (minute * 60.0, 900.0 - minute * 60.0)]
    assert lattice([437.25, *cuts, *[900.0] * 40], marks_s=(), cap_s=14_400.0).whole


def test_too_many_sums_are_told_and_the_sure_amounts_are_kept():
    durations = [61.25, 127.5, 293.75, 333.3, 411.9, 507.1, 613.7, 701.3, 811.9, *[900.0] * 9]
    sure_s = np.cumsum(durations[:9]).tolist()
    made = lattice(durations, marks_s=(), cap_s=9000.0, sure_s=sure_s)
    assert not made.whole
    assert all(holds(made.amounts_s, amount_s) for amount_s in sure_s)


def test_a_mark_that_would_make_too_many_states_is_a_point_only(monkeypatch):
    durations = [437.0, *[900.0] * 20]
    marks_s = [101.5 * i for i in range(1, 60)]
    made = lattice(durations, marks_s=marks_s, cap_s=18_000.0, sure_s=[55.5])
    assert len(made.amounts_s) <= MOST_STATES + len(marks_s) + 2
    assert {*marks_s, 55.5} <= set(made.amounts_s.tolist())
    monkeypatch.setattr(module, "MOST_STATES", 100_000)
    made = lattice(durations, marks_s=marks_s, cap_s=18_000.0, sure_s=[55.5])
    assert holds(made.amounts_s, marks_s[-1] - 437.0)
    assert not holds(made.amounts_s, 55.5)
