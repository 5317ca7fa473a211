"""From targets to needs: energy, precedence, latest start."""

from datetime import timedelta

import pytest

from scheduler.core.battery import estimate_soc
from scheduler.core.model import Hand, Learned, Overdue, Override, Quality, Will
from scheduler.core.needs import OVERDUE, OVERRIDE, Tier, barriers, claims, full_kwh, latest_start, reserved_deadline
from scheduler.core.terms import Block, Target
from tests.unit.core.builders import NOW, in_hours, situation, span


def claims_of(now):
    return claims(now, estimate_soc(now))


def energies(now):
    return [None if c.energy_kwh is None else round(c.energy_kwh, 3) for c in claims_of(now)]


def test_a_target_in_percent_becomes_grid_energy():
    now = situation(soc_pct=50.0, capacity_kwh=60.0, terms=[Target(soc_pct=80, by=in_hours(8))])
    assert energies(now) == [20.0]


def test_a_target_in_energy_counts_from_the_plug_in_on():
    now = situation(energy_kwh=3.0, terms=[Target(energy_kwh=10, by=in_hours(8))])
    assert energies(now) == [7.0]


def test_a_met_target_asks_for_nothing_but_is_told():
    assert energies(situation(soc_pct=85.0, terms=[Target(soc_pct=80, by=in_hours(8))])) == [0.0]


@pytest.mark.parametrize(("charging", "needed_kwh"), [(False, 0.0), (True, 0.267)])
def test_a_car_at_rest_is_not_started_for_less_than_half_a_point(charging, needed_kwh):
    now = situation(soc_pct=79.6, charging=charging, terms=[Target(soc_pct=80, by=in_hours(8))])
    assert energies(now) == [needed_kwh]


def test_the_cars_own_limit_bounds_the_need_and_is_named():
    now = situation(soc_pct=50.0, limit_pct=65, terms=[Target(soc_pct=80, by=in_hours(8))])
    assert energies(now) == [10.0]
    assert "own limit is 65 %" in claims_of(now)[0].why


def test_energy_beyond_full_is_not_asked_for():
    now = situation(soc_pct=91.0, terms=[Target(energy_kwh=20, by=in_hours(8))])
    assert energies(now) == [6.0]
    assert full_kwh(now, estimate_soc(now)) == pytest.approx(6.0)


def test_without_capacity_percent_says_nothing_and_energy_does():
    terms = [Target(soc_pct=80, by=in_hours(8)), Target(energy_kwh=5, by=in_hours(8))]
    assert energies(situation(capacity_kwh=None, terms=terms)) == [None, 5.0]


TWENTY = tuple(float(energy) for energy in range(1, 21))


@pytest.mark.parametrize(
    ("learned_kwh", "delivered_kwh", "needed_kwh"),
    [
        pytest.param((), 0.0, 66.667, id="the-whole-battery"),
        pytest.param(TWENTY[:19], 0.0, 66.667, id="too-few-sessions-teach-nothing"),
        pytest.param(TWENTY, 0.0, 19.0, id="the-95th-percentile-of-sessions"),
        pytest.param(TWENTY, 4.0, 15.0, id="less-what-was-delivered"),
        pytest.param(TWENTY, 30.0, 0.0, id="never-negative"),
        pytest.param(tuple(e * 100 for e in TWENTY), 0.0, 66.667, id="never-more-than-the-battery"),
    ],
)
def test_an_unknown_state_of_charge_means_the_worst_that_the_session_allows(learned_kwh, delivered_kwh, needed_kwh):
    learned = Learned(session_energy_kwh=learned_kwh)
    terms = [Target(soc_pct=80, by=in_hours(8))]
    now = situation(soc_pct=None, energy_kwh=delivered_kwh, learned=learned, terms=terms)
    assert energies(now) == [needed_kwh]
    assert claims_of(now)[0].quality is Quality.UNKNOWN


def test_the_energy_of_a_session_may_be_configured_for_a_car_that_tells_nothing():
    terms = [Target(soc_pct=20), Target(soc_pct=80, by=in_hours(8))]
    now = situation(soc_pct=None, energy_kwh=2.0, vehicle={"energy_per_session_kwh": 12.0}, terms=terms)
    assert energies(now) == [10.0]
    assert claims_of(now)[0].quality is Quality.ESTIMATED


@pytest.mark.parametrize(("plugged_min", "needed_kwh"), [(5, []), (15, [13.333])])
def test_a_minimum_waits_a_little_for_the_first_reading_and_then_assumes_an_empty_battery(plugged_min, needed_kwh):
    now = situation(soc_pct=None, plugged_for=timedelta(minutes=plugged_min), terms=[Target(soc_pct=20)])
    assert energies(now) == needed_kwh


def test_precedence_is_the_person_then_at_once_then_the_config():
    override = Override(will=Will.READY_BY, by=Hand.CLI, set_at=NOW, soc_pct=90, ready_at=in_hours(2))
    due = Overdue(policy="p0", soc_pct=70, energy_kwh=None, due_at=in_hours(-1))
    terms = [Target(soc_pct=80, by=in_hours(8)), Target(soc_pct=20)]
    found = claims_of(situation(terms=terms, override=override, overdue=(due,)))
    assert [(c.policy, c.tier, c.by) for c in found] == [
        (OVERRIDE, Tier.PERSON, in_hours(2)),
        (OVERDUE, Tier.AT_ONCE, None),
        ("p1", Tier.AT_ONCE, None),
        ("p0", Tier.CONFIGURED, in_hours(8)),
    ]


def test_a_wish_without_a_state_of_charge_means_the_highest_target():
    override = Override(will=Will.READY_BY, by=Hand.CLI, set_at=NOW, ready_at=in_hours(2))
    terms = [Target(soc_pct=80, by=in_hours(8)), Target(soc_pct=65, by=in_hours(8))]
    assert claims_of(situation(terms=terms, override=override))[0].soc_pct == 80


def test_a_wish_that_came_due_acts_at_once():
    override = Override(will=Will.READY_BY, by=Hand.CLI, set_at=NOW, soc_pct=90, ready_at=NOW)
    assert [(c.policy, c.by) for c in claims_of(situation(override=override))] == [(OVERDUE, None)]


def stops(now):
    """Return, claim by claim, which blocks it must give way to."""
    return [[wall.policy for wall in barriers(now) if wall.stops(claim)] for claim in claims_of(now)]


@pytest.mark.parametrize(
    ("terms", "stopped_by"),
    [
        pytest.param([Block(interval=span(0, 1)), Target(soc_pct=80, by=in_hours(8))], [["p0"]], id="listed-before"),
        pytest.param([Target(soc_pct=80, by=in_hours(8)), Block(interval=span(0, 1))], [[]], id="listed-after"),
        pytest.param([Block(interval=span(0, 1)), Target(soc_pct=80)], [[]], id="never-before-the-minimum"),
        pytest.param(
            [Block(interval=span(0, 1), even_below_minimum=True), Target(soc_pct=80)], [["p0"]], id="unless-on-purpose"
        ),
    ],
)
def test_a_target_gives_way_to_blocks_of_higher_precedence(terms, stopped_by):
    assert stops(situation(terms=terms)) == stopped_by


def test_a_block_below_the_minimum_withholds_a_start_and_never_stops_a_car():
    terms = [Block(interval=span(0, 1), even_below_minimum=True), Target(soc_pct=80)]
    assert stops(situation(terms=terms, charging=True)) == [[]]


def test_a_persons_hold_stands_before_everything():
    override = Override(will=Will.HOLD, by=Hand.CLI, set_at=NOW)
    now = situation(override=override, terms=[Target(soc_pct=80, by=in_hours(8)), Target(soc_pct=60)])
    assert stops(now) == [[OVERRIDE], [OVERRIDE]]


@pytest.mark.parametrize(
    ("hours", "holes", "start_h"),
    [
        pytest.param(2, [], 6, id="nothing-in-the-way"),
        pytest.param(2, [(7, 9)], 5, id="the-end-is-blocked"),
        pytest.param(2, [(6.5, 7)], 5.5, id="a-hole-in-the-middle"),
        pytest.param(2, [(6, 7), (4, 5)], 5, id="it-fits-exactly-between"),
        pytest.param(2, [(1, 7.5)], 0, id="past-already"),
        pytest.param(2, [(2, 7)], 1, id="on-both-sides"),
        pytest.param(9, [], 0, id="it-does-not-fit"),
    ],
)
def test_the_latest_start_leaves_just_enough_permitted_time(hours, holes, start_h):
    found = latest_start(
        at=NOW, seconds=hours * 3600, deadline=in_hours(8), not_permitted=[span(start, end) for start, end in holes]
    )
    assert found == in_hours(start_h)


def test_a_reading_that_stands_still_does_not_charge_beyond_the_target():
    frozen = {"soc_pct": 30.0, "session": {"soc_at_start_pct": 30.0}, "charging": True}
    terms = [Target(soc_pct=80, by=in_hours(8))]
    assert energies(situation(**frozen, energy_kwh=30.0, terms=terms)) == [33.333]  # 75 % by the meter
    assert energies(situation(**frozen, energy_kwh=34.0, terms=terms)) == [0.0]  # 81 % by the meter


@pytest.mark.parametrize(
    ("home", "reserve_min"),
    [
        pytest.param({}, 30, id="the-outage-reserve"),
        pytest.param({"slack": timedelta(minutes=90)}, 90, id="the-homes-own-slack"),
        pytest.param({"slack": timedelta(0)}, 0, id="none-at-all"),
    ],
)
def test_a_plan_is_done_the_slack_before_a_departure(home, reserve_min):
    by = in_hours(8)
    learned = Learned(start_latency_s=120.0)
    found = reserved_deadline(situation(home=home, learned=learned), by)
    assert by - found == timedelta(minutes=reserve_min + 2)
