from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.core.decide import decide
from scheduler.core.model import Hand, Override, Will
from scheduler.core.planner import plan
from scheduler.core.terms import Block, MinDwell, Opportunity, PriceLimit, Run, StartCost, Target
from scheduler.http.reasons import expected_prices, expected_socs, margins, reasons
from tests.unit.core.builders import NOW, in_hours, situation, span, stated


def told(*terms, prices=(3, 1, 2, 4, 5, 5), **more):
    """Return the reasons by kind, with the policy that stated them; the tariff is p0."""
    now = situation(prices=prices, **more)
    now = replace(now, terms=(*now.terms, *stated(terms, first_rank=len(now.terms))))
    return {(one["policy"], one["kind"]): one for one in reasons(plan(now), now)}


READY = Target(energy_kwh=7.0, by=in_hours(6), why="ready")


def test_a_target_that_is_met_says_when_and_a_price_what_it_spans():
    found = told(READY)
    need = found["p1", "target"]
    assert (need["outcome"], need["missing_kwh"], need["to"]) == ("met", 0.0, [])
    assert need["asked"] == {"soc_pct": None, "energy_kwh": 7.0, "by": "2025-11-21T00:00:00Z"}
    assert need["done_at"] == "2025-11-20T20:00:00Z"
    assert found["p0", "price"]["asked"] == {
        "billed": True,
        "slots": 6,
        "least_per_kwh": 1,
        "most_per_kwh": 5,
        "published_until": "2025-11-21T00:00:00Z",
    }


def test_a_target_out_of_reach_is_short_and_one_that_is_reached_has_nothing_to_do():
    found = told(Target(energy_kwh=30.0, by=in_hours(3), why="much"), Target(soc_pct=20, why="minimum"))
    assert (found["p1", "target"]["outcome"], found["p1", "target"]["missing_kwh"]) == (
        "short",
        pytest.approx(9.0),
    )
    assert found["p2", "target"]["outcome"] == "nothing to do"


def test_a_target_that_nothing_can_measure_says_why():
    need = told(Target(soc_pct=80, by=in_hours(6)), charge_power_kw=None)["p1", "target"]
    assert need["outcome"] == "unknown"
    assert "charge_power_kw" in need["because"]


def test_a_block_is_kept_or_gave_way_to_a_target_of_higher_precedence():
    kept = told(Block(interval=span(1, 2), why="quiet"), READY)["p1", "block"]
    assert (kept["outcome"], kept["charged_s"]) == ("kept", 0.0)
    assert kept["asked"]["start"] == "2025-11-20T19:00:00Z"
    gave = told(Target(energy_kwh=35.0, by=in_hours(6), why="much"), Block(interval=span(0, 6), why="quiet"))[
        "p2", "block"
    ]
    assert (gave["outcome"], gave["to"]) == ("gave way", ["p1"])
    assert gave["charged_s"] == pytest.approx(5 * 3600, rel=0.1)


def test_a_target_that_a_block_withholds_says_whose_it_is():
    need = told(Block(interval=span(0, 6), why="quiet"), READY)["p2", "target"]
    assert (need["outcome"], need["to"]) == ("short", ["p1"])


def test_an_opportunity_is_used_or_not():
    term = Opportunity(soc_pct=70, per_kwh=2.5, why="cheap")
    assert told(term)["p1", "opportunity"]["energy_kwh"] == pytest.approx(2 * 7.0, rel=0.05)
    missed = told(term, prices=(9, 9, 9))["p1", "opportunity"]
    assert (missed["outcome"], missed["energy_kwh"]) == ("not used", 0)


def test_a_limit_and_a_run_say_which_gave_way():
    run, limit = Run(interval=span(0, 1), why="window"), PriceLimit(per_kwh=2.0)
    assert told(limit, run)["p2", "run"]["to"] == ["p1"]
    found = told(run, limit)
    assert (found["p1", "run"]["outcome"], found["p1", "run"]["charged_s"]) == ("kept", 3600.0)
    assert found["p2", "price-limit"]["outcome"] == "gave way"


def test_what_only_weighs_is_told_with_its_members():
    found = told(StartCost(amount=0.5), MinDwell(duration=timedelta(minutes=20)), READY)
    assert found["p1", "start-cost"]["asked"] == {"amount": 0.5}
    assert found["p2", "min-dwell"]["asked"] == {"duration": 1200.0}
    assert {found[key]["outcome"] for key in (("p0", "price"), ("p1", "start-cost"), ("p2", "min-dwell"))} == {
        "counted"
    }


def test_what_a_person_wants_comes_first_and_a_silent_policy_last():
    override = Override(will=Will.HOLD, by=Hand.CLI, set_at=NOW, until=in_hours(2))
    now = situation(prices=(1, 2), override=override, set_aside=("spot: no prices",))
    found = reasons(plan(now), now)
    assert (found[0]["kind"], found[0]["asked"]) == ("hold", {"until": "2025-11-20T20:00:00Z"})
    assert (found[-1]["policy"], found[-1]["why"], found[-1]["outcome"]) == ("spot", "no prices", "set aside")


def test_margins_name_the_slack_that_holds():
    kept = {"slack_s": 1800.0, "resume_s": 1800.0, "start_latency_s": 60.0, "random_delay_s": 0.0}
    assert margins(situation()) == kept
    assert margins(situation(home={"slack": timedelta(minutes=5)}))["slack_s"] == 300.0


def test_the_state_of_charge_grows_with_each_slot_and_is_not_told_without_a_capacity():
    now = situation(prices=(3, 1, 2, 4, 5, 5), soc_pct=50.0)
    now = replace(now, terms=(*now.terms, *stated([Target(soc_pct=80, by=in_hours(6))], first_rank=1)))
    socs = expected_socs(decide(now), now)
    assert socs == sorted(socs)
    assert socs[-1] == pytest.approx(80.0, abs=0.1)
    blind = replace(
        now, observation=replace(now.observation, battery=replace(now.observation.battery, capacity_kwh=None))
    )
    assert set(expected_socs(replace(decide(now), soc_pct=50.0), blind)) == {None}


def test_prices_are_expected_after_the_last_stated_one_as_far_as_the_needs_reach():
    now = situation(prices=(3, 1, 2))
    now = replace(now, terms=(*now.terms, *stated([Target(energy_kwh=7.0, by=in_hours(5))], first_rank=1)))
    found = list(expected_prices(plan(now), now, after=in_hours(3)))
    assert (found[0].start, found[-1].end) == (in_hours(3), in_hours(5))
    assert not any(slot.published for slot in found)
