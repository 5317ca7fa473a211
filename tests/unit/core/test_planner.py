"""The planner finds the cheapest plan that honours the terms."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scheduler.core.commitment import promised, purpose
from scheduler.core.feeds import PriceSeries
from scheduler.core.model import Hand, Learned, Overdue, Override, PriceRung, Will
from scheduler.core.planner import plan as make_plan
from scheduler.core.terms import Block, Opportunity, PriceLimit, Run, Target
from tests.unit.core.builders import (
    NOW,
    charging_minutes,
    in_hours,
    minutes_within,
    plan_for,
    price_slots,
    situation,
    span,
)


@pytest.mark.parametrize(
    ("prices", "missing_kwh", "minutes", "shortfall_kwh"),
    [
        pytest.param([20, 60, 10, 80], 7.0, [0, 0, 60, 0], 0.0, id="one-hour-in-the-cheapest-slot"),
        pytest.param([20, 60, 10, 80], 10.5, [31, 0, 59, 0], 0.0, id="a-pause-leaves-time-to-resume"),
        pytest.param([20, 20, 20, 20], 7.0, [60, 0, 0, 0], 0.0, id="equal-prices-go-to-the-earlier"),
        pytest.param([9, -5, 9, -2], 7.0, [0, 60, 0, 0], 0.0, id="negative-prices-are-only-prices"),
        pytest.param([20, 60, 10, 80], 35.0, [60, 60, 60, 60], 7.0, id="too-late-charges-all-and-says-so"),
    ],
)
def test_a_target_is_met_in_the_cheapest_slots(prices, missing_kwh, minutes, shortfall_kwh):
    now = situation(prices=prices, missing_kwh=missing_kwh, charge_power_kw=7.0)
    plan = plan_for(now, [Target(energy_kwh=missing_kwh, by=now.horizon_end)])
    assert charging_minutes(plan, now) == minutes
    assert plan.shortfall_kwh == pytest.approx(shortfall_kwh)


@pytest.mark.parametrize(
    ("prices", "hours", "minutes"),
    [
        pytest.param([30, 10, 30, 20, 50], 1.5, [0, 60, 0, 30, 0], id="a-part-slot-begins-its-slot"),
        pytest.param([20, 10, 30, 40], 1.5, [30, 60, 0, 0], id="a-part-slot-leans-on-the-next"),
        pytest.param([40, 10, 20, 40], 1.5, [0, 60, 30, 0], id="a-part-slot-leans-on-the-one-before"),
        pytest.param([20, 30, 10, 20, 50], 1.5, [0, 0, 60, 30, 0], id="of-equals-the-one-that-lengthens-a-run"),
        pytest.param([20, None, 10, 90, 90], 2.5, [60, 0, 60, 30, 0], id="an-unknown-price-is-avoided"),
        pytest.param([20, None, 10, 90], 3.25, [60, 60, 60, 15], id="unless-the-deadline-needs-it"),
    ],
)
def test_part_slots_ties_and_gaps(prices, hours, minutes):
    now = situation(prices=prices)
    plan = plan_for(now, [Target(energy_kwh=7.0 * hours, by=in_hours(len(prices)))])
    made = [round(minutes_within(plan, in_hours(i), in_hours(i + 1))) for i in range(len(prices))]
    assert made == minutes


def test_a_part_slot_that_leans_on_the_next_ends_where_that_begins():
    now = situation(prices=[20, 10, 30, 40])
    plan = plan_for(now, [Target(energy_kwh=10.5, by=in_hours(4))])
    assert [(s.start, s.end) for s in plan.slots] == [(in_hours(0.5), in_hours(1)), (in_hours(1), in_hours(2))]


def test_the_reserve_before_the_deadline_is_kept_while_it_can_be():
    now = situation(prices=[50, 50, 1, 1])
    plan = plan_for(now, [Target(energy_kwh=14.0, by=in_hours(4))])
    assert charging_minutes(plan, now) == [0, 31, 60, 29]  # half an hour of reserve, a minute for the START


def test_what_does_not_fit_before_the_reserve_uses_it():
    now = situation(prices=[50, 50, 1, 1])
    plan = plan_for(now, [Target(energy_kwh=26.6, by=in_hours(4))])
    assert charging_minutes(plan, now) == [60, 60, 60, 48]
    assert plan.shortfall_kwh == 0.0


def test_two_departures_share_what_is_charged():
    now = situation(prices=[30, 20, 10, 5, 1, 1], soc_pct=50, capacity_kwh=63)
    targets = [Target(soc_pct=60, by=in_hours(3)), Target(soc_pct=80, by=in_hours(6))]  # 1 h, then 3 h in all
    plan = plan_for(now, targets)
    assert charging_minutes(plan, now) == [0, 31, 30, 60, 59, 0]  # half an hour of slack after the pause
    assert [round(need.energy_kwh, 3) for need in plan.needs] == [7.0, 21.0]


def test_a_minimum_is_charged_at_once_and_the_rest_when_it_is_cheap():
    now = situation(prices=[90, 90, 1, 1, 90], soc_pct=10, capacity_kwh=63)
    plan = plan_for(now, [Target(soc_pct=40, by=in_hours(5)), Target(soc_pct=20)])
    assert charging_minutes(plan, now) == [60, 1, 60, 59, 0]  # a pause leaves half an hour of slack
    assert plan.needs[0].lst_at == now.at


def test_an_overdue_target_is_charged_at_once_until_it_is_met():
    due = Overdue(policy="p9", soc_pct=70, energy_kwh=None, due_at=in_hours(-1))
    now = situation(prices=[90, 90, 1, 1], soc_pct=50, capacity_kwh=63, overdue=(due,))
    plan = plan_for(now, [Target(soc_pct=70, by=in_hours(28))])
    assert charging_minutes(plan, now) == [60, 60, 0, 0]


def test_a_deadline_beyond_the_horizon_does_not_hurry():
    now = situation(terms=[Target(soc_pct=80, by=NOW + timedelta(days=20))])
    made = make_plan(now)
    assert (made.slots, made.asks) == ((), True)
    assert made.needs[0].lst_at == NOW + timedelta(days=20) - timedelta(minutes=31) - timedelta(hours=20 / 7)


def test_a_target_breaks_a_block_listed_later_and_says_so():
    now = situation(prices=[10, 10, 10, 10])
    blocked = Block(interval=span(0, 2), why="quiet")
    plan = plan_for(now, [Target(energy_kwh=14.0, by=in_hours(4)), blocked])
    assert charging_minutes(plan, now) == [0, 31, 60, 29]
    assert [(b.policy, b.for_policy) for b in plan.broken] == [("p2", "p1")]


def test_a_target_does_not_break_a_block_listed_before_it_and_says_what_it_lacks():
    now = situation(prices=[10, 10, 10, 10])
    plan = plan_for(now, [Block(interval=span(0, 2.5), why="quiet"), Target(energy_kwh=14.0, by=in_hours(4))])
    assert charging_minutes(plan, now) == [0, 0, 30, 60]
    assert plan.shortfall_kwh == pytest.approx(3.5)
    assert "quiet" in plan.shortfall_why
    assert [(b.policy, b.for_policy) for b in plan.broken] == [("p2", "p1")]


def test_of_two_blocks_the_one_listed_last_is_broken_first():
    now = situation(prices=[10, 1, 50, 10])
    terms = [Target(energy_kwh=14.0, by=in_hours(4)), Block(interval=span(1, 2)), Block(interval=span(2, 3))]
    plan = plan_for(now, terms)
    assert charging_minutes(plan, now) == [60, 0, 31, 29]


def test_a_run_charges_whatever_it_costs_and_serves_the_target():
    now = situation(prices=[90, 5, 1, 1, 1], soc_pct=10)
    plan = plan_for(now, [Run(interval=span(0, 1)), Target(energy_kwh=14.0, by=in_hours(5))])
    assert charging_minutes(plan, now) == [60, 0, 60, 0, 0]


def test_a_run_ends_when_the_car_is_full():
    now = situation(prices=[9] * 4, soc_pct=79, limit_pct=89.5, capacity_kwh=60)  # 7 kWh to the limit
    assert charging_minutes(plan_for(now, [Run(interval=span(0, 4))]), now) == [60, 0, 0, 0]


def test_off_peak_runs_inside_and_holds_outside():
    now = situation(prices=[1, 50, 50, 1], soc_pct=10)
    plan = plan_for(now, [Run(interval=span(1, 3)), Block(interval=span(0, 1)), Block(interval=span(3, 9))])
    assert charging_minutes(plan, now) == [0, 60, 60, 0]
    assert plan.asks


@pytest.mark.parametrize(
    ("terms", "minutes", "gave_way"),
    [
        pytest.param(
            [PriceLimit(per_kwh=20), Run(interval=span(0, 3))], [60, 0, 60], [("p2", "p1")], id="a-limit-listed-before"
        ),
        pytest.param(
            [Run(interval=span(0, 3)), PriceLimit(per_kwh=20)], [60, 60, 60], [("p2", "p1")], id="a-limit-listed-after"
        ),
        pytest.param(
            [PriceLimit(per_kwh=20), Target(energy_kwh=21, by=in_hours(8))], [60, 60, 60], [], id="no-limit-for-targets"
        ),
    ],
)
def test_a_price_limit_bounds_what_no_target_needs(terms, minutes, gave_way):
    now = situation(prices=[20, 60, 10], soc_pct=10)
    plan = plan_for(now, [replace(t, by=in_hours(3)) if isinstance(t, Target) else t for t in terms])
    assert charging_minutes(plan, now) == minutes
    assert [(b.policy, b.for_policy) for b in plan.broken] == gave_way


def test_an_opportunity_goes_on_where_it_is_cheap_and_no_further_than_asked():
    now = situation(prices=[9, -5, -1, -2, 9], soc_pct=50, capacity_kwh=63)  # 20 points are 2 h
    plan = plan_for(now, [Opportunity(soc_pct=70, per_kwh=0)])
    assert charging_minutes(plan, now) == [0, 60, 0, 60, 0]
    assert plan.cost == pytest.approx(-49.0)


def test_an_opportunity_tops_a_target_up():
    now = situation(prices=[9, -5, 3, -2, 9], soc_pct=50, capacity_kwh=63)
    plan = plan_for(now, [Target(soc_pct=60, by=in_hours(2)), Opportunity(soc_pct=80, per_kwh=0)])
    assert charging_minutes(plan, now) == [31, 60, 0, 60, 0]


def test_nothing_asks_when_there_are_only_prices_limits_and_blocks():
    now = situation(prices=[9, 1], terms=[PriceLimit(per_kwh=5), Block(interval=span(0, 1))])
    made = make_plan(now)
    assert (made.asks, made.slots, made.needs, made.rung) == (False, (), (), PriceRung.FRESH)


@pytest.mark.parametrize(
    ("now", "remedy"),
    [
        (situation(charge_power_kw=None, terms=[Target(soc_pct=80, by=in_hours(8))]), "set charge_power_kw"),
        (situation(capacity_kwh=None, terms=[Target(soc_pct=80, by=in_hours(8))]), "set capacity_kwh"),
    ],
)
def test_a_car_of_which_nothing_is_known_is_set_aside_with_the_remedy(now, remedy):
    made = make_plan(now)
    assert (made.asks, made.slots) == (True, ())
    assert made.shortfall_why == f"capacity or charge power unknown: {remedy}"


def test_a_met_target_still_asks_so_that_the_car_is_held():
    made = make_plan(situation(prices=[1, 2], soc_pct=90, terms=[Target(soc_pct=80, by=in_hours(8))]))
    assert (made.asks, made.slots, made.shortfall_kwh) == (True, (), 0.0)
    assert [(need.energy_kwh, need.lst_at) for need in made.needs] == [(0.0, None)]


def test_without_prices_the_night_is_chosen():
    made = make_plan(situation(soc_pct=50, capacity_kwh=63, terms=[Target(soc_pct=80, by=in_hours(13))]))
    assert made.rung is PriceRung.PROFILE
    assert [(s.start, s.end) for s in made.slots] == [(in_hours(5), in_hours(8))]
    assert (made.cost, made.slots[0].per_kwh, made.slots[0].published) == (None, None, False)


def test_without_prices_and_time_zone_charging_begins_at_once():
    terms = [Target(soc_pct=80, by=in_hours(13))]
    made = make_plan(situation(soc_pct=50, capacity_kwh=63, home={"timezone": "Nowhere/Atall"}, terms=terms))
    assert (made.rung, made.slots[0].start) == (PriceRung.NOW, NOW)


def test_expected_prices_place_charging_and_are_marked():
    now = situation(prices=[5] * 20 + [1] * 4, soc_pct=10, capacity_kwh=63)
    made = plan_for(now, [Target(energy_kwh=42, by=in_hours(60))])
    assert [(s.start, s.published) for s in made.slots] == [(in_hours(20), True), (in_hours(44), False)]
    assert made.cost == pytest.approx(42.0)


@pytest.mark.parametrize("until", [None, in_hours(2)])
def test_a_person_who_asks_to_charge_gets_it_now(until):
    override = Override(will=Will.CHARGE, by=Hand.CLI, set_at=NOW, until=until)
    now = situation(prices=[90, 90, 90, 1], soc_pct=58, capacity_kwh=60, override=override)
    full_h = 4.0  # 42 points are 28 kWh on the grid
    hours = full_h if until is None else 2.0
    made = make_plan(now)
    assert made.slots[0].start == NOW
    assert minutes_within(made, NOW, in_hours(9)) == pytest.approx(hours * 60)
    assert made.asks


def test_a_person_who_asks_to_hold_is_not_overruled_by_any_target():
    override = Override(will=Will.HOLD, by=Hand.CLI, set_at=NOW, until=in_hours(2))
    now = situation(prices=[1, 1, 50, 50], soc_pct=10, capacity_kwh=63, override=override)
    made = plan_for(now, [Target(soc_pct=20), Target(soc_pct=30, by=in_hours(4))])
    assert charging_minutes(made, now) == [0, 0, 60, 60]


def test_an_unknown_state_of_charge_is_charged_in_one_run_at_the_best_time():
    now = situation(prices=[5, 9, 1, 1, 9, 1, 1, 1, 9], soc_pct=None, capacity_kwh=18.9)  # 3 h
    made = plan_for(now, [Target(soc_pct=80, by=in_hours(9))])
    assert charging_minutes(made, now) == [0, 0, 0, 0, 0, 60, 60, 60, 0]


def test_a_running_charge_of_unknown_extent_goes_on():
    now = situation(prices=[9, 9, 1, 1, 1, 1], soc_pct=None, capacity_kwh=12.6, charging=True)
    made = plan_for(now, [Target(soc_pct=80, by=in_hours(6))])
    assert charging_minutes(made, now) == [60, 60, 0, 0, 0, 0]
    assert {slot.why for slot in made.slots} == {"pause not allowed"}


@pytest.mark.parametrize(
    "more", [{"vehicle": {"no_pause": True}}, {"learned": Learned(no_pause=True)}, {"session": {"failed_resumes": 1}}]
)
def test_a_car_that_does_not_resume_is_charged_in_one_run(more):
    now = situation(prices=[1, 9, 1, 2, 9], soc_pct=50, capacity_kwh=63, **more)
    made = plan_for(now, [Target(soc_pct=70, by=in_hours(5))])
    assert charging_minutes(made, now) == [0, 0, 60, 60, 0]


def test_a_running_charge_is_not_paused_when_it_could_not_be_resumed_in_time():
    now = situation(prices=[9, 9, 1, 1, 1], charging=True)
    made = plan_for(now, [Target(energy_kwh=16.1, by=in_hours(5))])  # 2 h 18 min
    assert charging_minutes(made, now) == [18, 0, 60, 60, 0]
    made = plan_for(now, [Target(energy_kwh=28.0, by=in_hours(5))])  # 4 h of the 4 h 30 min before the reserve
    assert charging_minutes(made, now)[0] == 60


def test_a_running_charge_is_not_paused_for_a_price_that_is_not_published():
    made = make_plan(situation(soc_pct=50, capacity_kwh=63, charging=True, terms=[Target(soc_pct=80, by=in_hours(13))]))
    assert minutes_within(made, NOW, in_hours(3)) == 180
    assert {slot.why for slot in made.slots} == {"pause not allowed"}


def promise(now, target, *spans):
    """The last plan for the target meant to charge in these spans."""
    return replace(now, committed=spans, committed_to=purpose(now, plan_for(now, [target]).needs))


def fetched(now, at):
    """Prices have arrived."""
    return replace(now, prices=(PriceSeries(name="spot", currency="EUR", slots=price_slots([1]), fetched_at=at),))


@pytest.mark.parametrize("noise_kwh", [-0.7, -0.1, 0.0])
def test_a_committed_start_is_not_moved_by_noise(noise_kwh):
    now = situation(prices=[9, 5, 1, 9, 9])
    target = Target(energy_kwh=10.5, by=in_hours(5))
    assert plan_for(now, [target]).slots[0].start == in_hours(1.5)
    again = plan_for(promise(now, target, span(1.5, 3)), [replace(target, energy_kwh=10.5 + noise_kwh)])
    assert again.slots[0].start == in_hours(1.5)
    assert sum(s.energy_kwh for s in again.slots) == pytest.approx(10.5 + noise_kwh)


@pytest.mark.parametrize(
    ("changed", "starts_h"),
    [
        pytest.param({}, 1.5, id="nothing"),
        pytest.param({"energy_kwh": 5.0}, 2.0, id="a-need"),
        pytest.param({"by": in_hours(4.75)}, 2.0, id="a-departure"),
    ],
)
def test_a_committed_start_moves_for_another_need(changed, starts_h):
    target = Target(energy_kwh=7.0, by=in_hours(5))
    now = promise(situation(prices=[9, 5, 1, 9, 9]), target, span(1.5, 2.7))
    assert plan_for(now, [replace(target, **changed)]).slots[0].start == in_hours(starts_h)


def test_a_committed_start_moves_where_another_policy_asks():
    target = Target(energy_kwh=7.0, by=in_hours(5))
    now = promise(situation(prices=[9, 5, 1, 9, 9]), target, span(1.5, 2.7))
    assert plan_for(now, [Target(energy_kwh=1.0, by=in_hours(6)), target]).slots[0].start == in_hours(2)


def test_a_committed_start_moves_for_changed_prices_and_for_a_wish():
    target = Target(energy_kwh=7.0, by=in_hours(5))
    now = promise(situation(prices=[9, 9, 9, 1, 1]), target, span(1.5, 2.5))
    assert plan_for(now, [target]).slots[0].start == in_hours(1.5)
    assert plan_for(fetched(now, in_hours(-1)), [target]).slots[0].start == in_hours(3)
    wish = Override(will=Will.READY_BY, by=Hand.CLI, set_at=NOW, ready_at=in_hours(5), soc_pct=1)
    assert plan_for(replace(now, override=wish), [target]).slots[0].start == in_hours(3)


def test_what_was_promised_is_not_kept_where_it_is_not_allowed_any_more():
    target = Target(energy_kwh=7.0, by=in_hours(5))
    now = promise(situation(prices=[9, 9, 9, 1, 1]), target, span(1.5, 2.5))
    block = Block(interval=span(2, 2.25), why="quiet")
    assert plan_for(now, [block, target]).slots[0].start == in_hours(3)
    late = promise(situation(prices=[9, 9, 9, 1, 1]), target, span(1.5, 2), span(4.25, 4.75))
    assert plan_for(late, [target]).slots[0].start == in_hours(3), "it would reach into the reserve"


def test_one_unbroken_run_is_kept_too():
    now = situation(prices=[9, 5, 1, 9, 9], vehicle={"no_pause": True})
    target = Target(energy_kwh=7.0, by=in_hours(5))
    assert plan_for(now, [target]).slots[0].start == in_hours(2)
    assert plan_for(promise(now, target, span(1.5, 2.6)), [target]).slots[0].start == in_hours(1.5)
    assert plan_for(promise(now, target, span(1.5, 2), span(3, 3.5)), [target]).slots[0].start == in_hours(2)


def test_noise_there_and_back_does_not_creep():
    target = Target(energy_kwh=10.5, by=in_hours(5))
    now = promise(situation(prices=[9, 5, 1, 9, 9]), target, span(1.5, 3))
    for noise_kwh in (-0.7, 0.0, -0.6, -0.1, -0.7, 0.0):
        made = plan_for(now, [replace(target, energy_kwh=10.5 + noise_kwh)])
        assert made.slots[0].start == in_hours(1.5)
        now = replace(now, committed=promised(made, NOW))


def test_a_slot_that_has_begun_goes_on_through_noise():
    at, target = in_hours(1.75), Target(energy_kwh=1.75, by=in_hours(5))
    now = situation(at=at, prices=[5, 1, 9, 9], slot_min=15, charging=True)
    assert plan_for(now, [target]).slots[0].start == in_hours(2), "the next quarter of an hour would do"
    assert plan_for(promise(now, target, span(1.5, 2.25)), [target]).slots[0].start == at


def test_a_pause_shorter_than_the_minimum_is_closed():
    now = situation(prices=[5, 9, 5, 80, 80])
    made = plan_for(now, [Target(energy_kwh=7.0 * 2.9, by=in_hours(5))])  # would leave 6 min in the second hour
    assert charging_minutes(made, now) == [60, 60, 54, 0, 0]
    open_now = situation(prices=[5, 9, 5, 80, 80], home={"min_dwell": timedelta(0)})
    made = plan_for(open_now, [Target(energy_kwh=7.0 * 2.9, by=in_hours(5))])
    assert charging_minutes(made, open_now) == [60, 54, 60, 0, 0]


def test_the_start_after_the_present_run_is_not_moved_by_noise():
    committed = (span(-0.5, 0.5), span(3.25, 4.0))
    now = situation(prices=[1, 9, 9, 2, 1, 9, 9, 9], charging=True)
    target = Target(energy_kwh=7.0 * 1.17, by=in_hours(8))
    assert plan_for(now, [target]).slots[1].start == in_hours(4)
    made = plan_for(promise(now, target, *committed), [target])
    assert made.slots[0].start == NOW
    assert made.slots[1].start <= in_hours(3.25)


def test_the_doubled_hour_is_two_slots():
    # Oslo, 26 October 2025: 02:00 to 03:00 comes twice, at 00:00 and 01:00 UTC
    at = datetime(2025, 10, 25, 22, 0, tzinfo=UTC)
    now = situation(at=at, prices=[9, 9, 1, 1, 9, 9])
    made = plan_for(now, [Target(energy_kwh=14.0, by=at + timedelta(hours=6))])
    assert charging_minutes(made, now) == [0, 0, 60, 60, 0, 0]


def test_a_target_that_cannot_be_sized_is_named_beside_those_that_can():
    now = situation(prices=[1, 2], capacity_kwh=None)
    made = plan_for(now, [Target(energy_kwh=3.5, by=in_hours(2)), Target(soc_pct=80, by=in_hours(2))])
    assert charging_minutes(made, now) == [30, 0]
    assert "set capacity_kwh" in made.shortfall_why
