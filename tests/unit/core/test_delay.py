"""Random delays (U1): how they are drawn, what they put off, and the time that plans keep for them."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.core.command import Action, Why
from scheduler.core.decide import decide
from scheduler.core.delay import delay, drawn_s, turn
from scheduler.core.desire import Want
from scheduler.core.model import Desired, Hand, Home, Learned, Limits, Override, Plan, Reason, Turn, Will
from scheduler.core.needs import longest_delay, reserved_deadline
from scheduler.core.planner import plan
from scheduler.core.policy import nonsense_in
from scheduler.core.safety import price_of_safety
from scheduler.core.terms import Block, Price, RandomDelay, Target
from scheduler.core.timeline import Interval
from tests.unit.core.builders import NOW, in_hours, price_slots, situation, span

MIN = timedelta(minutes=1)
LONGEST = timedelta(minutes=10)
HOME = Home(id="home", user_id="user", timezone="UTC")
COURTESY = RandomDelay(longest=LONGEST)
CHEAP_NOW = [0.1, 0.1, 0.1, 0.1, *[0.4] * 8]
CHEAP_LATER = [*[0.4] * 4, *[0.1] * 4, *[0.4] * 4]
HELD, CHARGED = Turn(desired=Desired.HOLD), Turn(desired=Desired.CHARGE)


def scene(prices, *, courtesy=COURTESY, by_h=12.0, **changes):
    """A car at 50 % that is wanted with 80 %: nearly three hours of charging."""
    terms = [Price(slots=price_slots(prices)), Target(soc_pct=80.0, by=in_hours(by_h))]
    return situation(terms=[*terms, *([courtesy] if courtesy else [])], **changes)


def at_edge(**changes):
    """The plan has come to its start; the car was to wait until now."""
    return scene(CHEAP_NOW, **{"turned": HELD, "committed": (span(0, 3),), **changes})


def after(now, *, minutes=0.0, seconds=0.0, **changes):
    """Return the situation a while later, seen anew, with what the last decision said."""
    decision = decide(now)
    later = timedelta(minutes=minutes, seconds=seconds)
    seen = replace(now.observation, received=replace(now.observation.received, at=now.at + later))
    committed = tuple(slot.interval for slot in decision.plan.slots)[:2]
    kept = {"turned": decision.turned, "committed": committed, "observation": seen}
    return replace(now, at=now.at + later, **{**kept, **changes})


# --- the draw -----------------------------------------------------------------------------------------------------


def test_every_second_up_to_the_longest_is_as_likely_as_another():
    """By the chi-squared of eleven thousand edges in eleven classes: above 29.6 once in a thousand fair draws."""
    edges = [NOW + timedelta(minutes=15) * n for n in range(11_000)]
    drawn = [drawn_s(HOME, "car", edge, timedelta(seconds=10)) for edge in edges]
    counts = Counter(drawn)
    assert sorted(counts) == list(range(11))
    assert sum((count - 1000) ** 2 / 1000 for count in counts.values()) < 29.6


@pytest.mark.parametrize("longest_s", [1, 600, 1800])
def test_a_delay_lies_between_nothing_and_the_longest(longest_s):
    drawn = [drawn_s(HOME, f"car-{n}", NOW, timedelta(seconds=longest_s)) for n in range(5000)]
    assert min(drawn) <= longest_s / 100
    assert longest_s * 0.99 <= max(drawn) <= longest_s
    assert sum(drawn) / len(drawn) == pytest.approx(longest_s / 2, rel=0.05)


def test_an_edge_keeps_its_delay_and_another_vehicle_home_or_edge_has_another():
    def draw(home=HOME, vehicle_id="car", at=NOW):
        return drawn_s(home, vehicle_id, at, timedelta(minutes=30))

    others = [
        draw(vehicle_id="other"),
        draw(at=in_hours(1)),
        draw(replace(HOME, id="b")),
        draw(replace(HOME, user_id="b")),
    ]
    assert draw() == draw(at=NOW + timedelta(microseconds=3))
    assert len({draw(), *others}) == 5


def test_neighbouring_vehicles_at_one_edge_have_nothing_to_do_with_one_another():
    pairs = [(drawn_s(HOME, f"{n}-a", NOW, LONGEST), drawn_s(HOME, f"{n}-b", NOW, LONGEST)) for n in range(4000)]
    together = sum((a - 300) * (b - 300) for a, b in pairs) / len(pairs)
    assert abs(together) < 0.06 * 600**2 / 12


# --- since when ---------------------------------------------------------------------------------------------------


def courteous(**changes):
    return situation(terms=[COURTESY], **changes)


@pytest.mark.parametrize(
    ("before", "committed", "desired", "edge_h"),
    [
        pytest.param(HELD, (span(0, 1),), Desired.CHARGE, 0, id="a-start"),
        pytest.param(HELD, (span(-0.1, 1),), Desired.CHARGE, -0.1, id="a-start-seen-late"),
        pytest.param(HELD, (span(2, 3),), Desired.CHARGE, 0, id="a-plan-that-changed-begins-now"),
        pytest.param(CHARGED, (span(-1, 0), span(2, 3)), Desired.HOLD, 0, id="an-end"),
        pytest.param(CHARGED, (span(-2, -1), span(-1, -0.1)), Desired.HOLD, -0.1, id="an-end-seen-late"),
        pytest.param(CHARGED, (span(-1, 0), span(0, 1)), Desired.HOLD, 0, id="a-plan-that-changed-ends-now"),
        pytest.param(CHARGED, (), Desired.LEAVE, 0, id="nothing-asks-any-more"),
        pytest.param(HELD, (span(0, 1),), Desired.HOLD, None, id="nothing-turned"),
        pytest.param(None, (span(0, 1),), Desired.CHARGE, None, id="the-first-word-of-a-session"),
    ],
)
def test_what_is_wanted_has_turned_at_an_edge_of_the_last_plan(before, committed, desired, edge_h):
    found = turn(courteous(turned=before, committed=committed), desired)
    assert found == Turn(desired=desired, edge_at=None if edge_h is None else in_hours(edge_h))


def test_a_wish_that_begins_or_ends_is_no_edge():
    wish = Override(will=Will.READY_BY, by=Hand.CLI, set_at=in_hours(-1), ready_at=in_hours(8))
    begun = turn(courteous(turned=HELD, override=wish), Desired.CHARGE)
    assert begun == Turn(desired=Desired.CHARGE, wish_at=wish.set_at)
    assert turn(courteous(turned=begun), Desired.HOLD) == HELD
    went_on = turn(courteous(turned=begun, override=wish, committed=(span(-1, 0),)), Desired.HOLD)
    assert went_on.edge_at == NOW


def test_a_car_that_is_not_plugged_in_has_no_turn():
    assert turn(courteous(plugged=False, turned=HELD), Desired.LEAVE) is None


def test_a_car_that_seems_away_for_a_moment_keeps_it():
    now = at_edge()
    seen = now.observation
    away = replace(seen, charge=replace(seen.charge, charger_id="another"))
    assert decide(replace(now, observation=away)).turned == HELD


def test_an_edge_lies_on_a_whole_second():
    off = Interval(start=NOW - timedelta(microseconds=2), end=in_hours(1))
    assert turn(courteous(turned=HELD, committed=(off,)), Desired.CHARGE).edge_at == NOW


# --- what is put off ----------------------------------------------------------------------------------------------


def wanted(why, desired=Desired.CHARGE):
    return Want(desired=desired, why=why, reason=Reason(code="", text=""))


@pytest.mark.parametrize("why", Why)
def test_only_what_the_plan_alone_asks_for_is_put_off(why):
    found = delay(scene(CHEAP_NOW), Plan(), wanted(why), replace(CHARGED, edge_at=NOW))
    assert (found is not None) == (why not in (Why.USER, Why.TARGET, Why.MIN_SOC))


def test_without_the_policy_nothing_is_put_off():
    for nothing in (None, RandomDelay(longest=timedelta(0))):
        decision = decide(at_edge(courtesy=nothing))
        assert decision.command.action is Action.START
        assert decision.turned is decision.delay is None


def test_a_start_waits_for_its_delay_and_wakes_when_that_is_over():
    decision = decide(at_edge())
    assert decision.desired is Desired.CHARGE
    assert decision.command is None
    assert decision.delay.edge_at == NOW
    assert decision.next_due_at == decision.delay.until == NOW + timedelta(seconds=decision.delay.drawn_s)
    assert decision.reasons[1].code == "random-delay"
    told = f"Starting at 18:00Z plus {decision.delay.drawn_s // 60} min {decision.delay.drawn_s % 60} s: random delay"
    assert decision.reasons[1].text.startswith(told)
    almost = decide(after(at_edge(), seconds=decision.delay.drawn_s - 0.001))
    assert almost.command is None
    then = decide(after(at_edge(), seconds=decision.delay.drawn_s))
    assert (then.command.action, then.command.why) == (Action.START, Why.PLAN)
    assert then.delay == almost.delay == decision.delay
    assert then.reasons[1] == decision.reasons[1]


def test_a_stop_waits_too_and_the_target_does_not():
    waiting = scene(CHEAP_LATER, charging=True, turned=CHARGED, committed=(span(-1, 0),))
    decision = decide(waiting)
    assert (decision.desired, decision.command) == (Desired.HOLD, None)
    assert decision.reasons[1].text.startswith("Stopping at 18:00Z plus")
    then = decide(after(waiting, seconds=decision.delay.drawn_s))
    assert then.command.action is Action.STOP
    reached = decide(scene(CHEAP_LATER, charging=True, soc_pct=80.0, turned=CHARGED, committed=(span(-1, 0),)))
    assert (reached.command.action, reached.command.why) == (Action.STOP, Why.TARGET)


def test_a_delay_is_kept_while_the_plan_is_made_again():
    now, drawn = at_edge(), decide(at_edge()).delay
    for _ in range(3):
        now = after(now, seconds=20)
        assert decide(now).delay == drawn


def test_the_first_start_after_the_plug_in_is_not_put_off():
    assert decide(at_edge(turned=None)).command.action is Action.START


def test_a_late_start_is_not_put_off_beyond_what_the_deadline_leaves():
    """Three hours and a half are left for three hours, the slack and the latency: no minute of it for the grid."""
    now = at_edge(by_h=2.857 + 0.5 + 1 / 60)
    decision = decide(now)
    assert (decision.command.action, decision.command.why) == (Action.START, Why.DEADLINE)
    assert decision.delay.cut
    assert "cut short" in decision.reasons[1].text


def test_a_delay_is_cut_where_the_latest_start_comes_first():
    whole = decide(at_edge()).delay.drawn_s
    assert whole > 100
    left = timedelta(seconds=100)
    decision = decide(at_edge(by_h=(plan(at_edge()).needs[0].energy_kwh / 7) + 31 / 60 + left / timedelta(hours=1)))
    assert decision.command is None
    assert (decision.delay.until - NOW).total_seconds() == pytest.approx(100, abs=1)
    assert decision.delay.cut
    assert decision.delay.drawn_s == whole


# --- the time kept for it -----------------------------------------------------------------------------------------


def test_the_longest_of_several_counts():
    both = situation(terms=[COURTESY, RandomDelay(longest=3 * MIN)])
    assert longest_delay(both) == LONGEST
    assert longest_delay(situation()) == timedelta(0)


@pytest.mark.parametrize("charging", [False, True])
def test_plans_are_done_so_much_earlier(charging):
    now, without = (scene(CHEAP_LATER, courtesy=one, charging=charging) for one in (COURTESY, None))
    by = in_hours(12)
    assert reserved_deadline(without, by) - reserved_deadline(now, by) == LONGEST


@pytest.mark.parametrize("longest_min", [0, 10, 30])
def test_the_latest_start_leaves_time_for_the_longest_delay(longest_min):
    made = plan(scene(CHEAP_LATER, courtesy=RandomDelay(longest=longest_min * MIN)))
    without = plan(scene(CHEAP_LATER, courtesy=None))
    assert without.needs[0].lst_at - made.needs[0].lst_at == longest_min * MIN
    assert made.start_by == (without.needs[0].lst_at if longest_min else None)


def test_a_plan_that_waits_to_the_last_ends_so_much_earlier():
    falling = [0.5 - 0.03 * hour for hour in range(12)]
    made, without = (plan(scene(falling, courtesy=one)) for one in (COURTESY, None))
    assert without.slots[-1].end - made.slots[-1].end == LONGEST
    assert made.slots[0].start == made.needs[0].lst_at


def test_a_pause_ends_the_reserve_and_the_longest_delay_before_the_latest_start_without_one():
    """Resuming is put off as any start is: a pause for which only the reserve is left is refused (S11)."""
    prices = [0.5, *[0.1] * 3, *[0.5] * 8]
    need_h = plan(scene(prices)).needs[0].energy_kwh / 7
    turned = replace(CHARGED, edge_at=in_hours(-1))
    for courtesy, spare_min, paused in ((None, 62, True), (COURTESY, 62, False), (COURTESY, 73, True)):
        by_h = 1 + need_h + spare_min / 60
        now = scene(prices, courtesy=courtesy, by_h=by_h, charging=True, turned=turned, committed=(span(-2, -1),))
        decision = decide(now)
        assert (decision.desired is Desired.HOLD) == paused
        assert (decision.command is not None) == paused


def test_it_has_its_part_in_the_price_of_safety():
    falling = [0.5 - 0.03 * hour for hour in range(12)]
    bare = {"limits": Limits(r_out=0 * MIN, r_stop=0 * MIN), "learned": Learned(start_latency_s=0.0)}
    assert price_of_safety(scene(falling, courtesy=None, **bare)) == 0.0
    moved_kwh = 7.0 * (LONGEST / timedelta(hours=1))  # from the last hour to that two hours before it
    assert price_of_safety(scene(falling, **bare)) == pytest.approx(moved_kwh * 0.03 * 2, rel=0.1)


def test_a_block_after_the_last_minutes_leaves_the_deadline_its_time():
    """Where charging ends at a wall, the time for the delay cannot lie behind it: the start is cut short in the end."""
    terms = [
        Block(interval=span(11, 12)),
        Price(slots=price_slots([0.1] * 12)),
        Target(soc_pct=80.0, by=in_hours(11.7)),
        COURTESY,
    ]
    made = plan(situation(terms=terms))
    assert made.start_by == made.needs[0].lst_at == in_hours(11) - timedelta(hours=made.needs[0].energy_kwh / 7)
    late = replace(
        situation(terms=terms), at=made.start_by, turned=HELD, observation=situation(at=made.start_by).observation
    )
    decision = decide(late)
    assert decision.command.action is Action.START
    assert decision.delay.cut


@pytest.mark.parametrize("longest", [timedelta(seconds=-1), timedelta(minutes=31)])
def test_a_delay_that_makes_no_sense_is_refused(longest):
    assert "RandomDelay.longest" in nonsense_in([RandomDelay(longest=longest)], at=NOW)
    assert nonsense_in([RandomDelay(longest=timedelta(minutes=30))], at=NOW) == ""
