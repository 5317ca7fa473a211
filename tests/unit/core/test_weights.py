"""What weighs in a plan and is on no bill: carbon at a price per tonne."""

from dataclasses import replace

import pytest

from scheduler.core.dispatch import published_now
from scheduler.core.feeds import GRAMS, PriceSeries
from scheduler.core.model import PriceRung
from scheduler.core.prices import curve
from scheduler.core.telling import published_spans
from scheduler.core.terms import Opportunity, Price, PriceLimit, Run, StartCost, Target
from tests.unit.core.builders import NOW, charging_minutes, in_hours, plan_for, price_slots, situation, span


def carbon(grams, *, per_tonne=100.0, start=NOW, published=True):
    """Grams of each hour as a weight; None leaves a gap."""
    weights = [None if one is None else one * per_tonne / 1e6 for one in grams]
    return Price(slots=price_slots(weights, start=start, published=published), billed=False, why="carbon")


def target(hours, kwh):
    return Target(energy_kwh=kwh, by=in_hours(hours))


def evening(prices, *, missing_kwh=7.0, **changes):
    """A car that takes 7 kW, without slack and margins, so that an hour is an hour."""
    now = situation(prices=prices, missing_kwh=missing_kwh, **changes)
    limits = replace(now.limits, r_out=0 * now.limits.r_out, r_stop=0 * now.limits.r_stop)
    return replace(now, limits=limits, learned=replace(now.learned, start_latency_s=0.0))


def test_at_equal_prices_the_greener_hour_is_taken():
    now = evening([0.2] * 4)
    made = plan_for(now, [target(4, 7.0), carbon([400, 300, 90, 300])])
    assert charging_minutes(made, now) == [0, 0, 60, 0]


@pytest.mark.parametrize(
    ("per_tonne", "minutes", "cost"),
    [
        pytest.param(0.0, [60, 0], 0.70, id="weighs-nothing"),
        pytest.param(49.0, [60, 0], 0.70, id="too-dear-to-be-worth-it"),
        pytest.param(51.0, [0, 60], 0.84, id="worth-it"),
    ],
)
def test_what_a_tonne_is_worth_decides_between_cheap_and_green(per_tonne, minutes, cost):
    """2 cent more spare 400 g, so they are worth it from 50 a tonne on. The cost is what is on the bill."""
    now = evening([0.10, 0.12])
    made = plan_for(now, [target(2, 7.0), carbon([500, 100], per_tonne=per_tonne)])
    assert charging_minutes(made, now) == minutes
    assert made.cost == pytest.approx(cost)
    assert {slot.per_kwh for slot in made.slots} == {0.10 if minutes[0] else 0.12}


def test_neighbours_of_one_price_are_one_slot_whatever_they_weigh():
    now = evening([0.2] * 4, missing_kwh=14.0)
    made = plan_for(now, [target(4, 14.0), carbon([400, 90, 80, 300])])
    assert charging_minutes(made, now) == [0, 60, 60, 0]
    assert len(made.slots) == 1


def test_a_gap_in_what_weighs_makes_no_price_unknown():
    now = evening([0.10, 0.20, 0.10], terms=[carbon([100, None, 300])])
    spans = curve(now, until=in_hours(3)).spans
    assert [(s.per_kwh, s.published) for s in spans] == [(0.10, True), (0.20, True), (0.10, True)]
    assert [s.weight for s in spans] == pytest.approx([0.01, 0.02, 0.03])  # between them: their mean


def test_after_the_last_slot_what_weighs_is_expected_and_the_price_stays_published():
    now = evening([0.2] * 26, terms=[carbon([hour * 10.0 for hour in range(24)])])
    spans = curve(now, until=in_hours(26)).spans
    assert all(one.published for one in spans)
    assert [s.weight for s in spans if s.start_s >= 24 * 3600] == pytest.approx([0.0, 0.001])


@pytest.mark.parametrize(
    "unsure",
    [
        pytest.param(carbon([900, 100], published=False), id="only-expected"),
        pytest.param(carbon([900, 100], start=in_hours(-3)), id="ended"),
        pytest.param(carbon([100, 900], start=in_hours(1)), id="begins-later"),
        pytest.param(Price(slots=(), billed=False), id="empty"),
    ],
)
def test_a_price_is_published_however_sure_what_weighs_is(unsure):
    """Else a car could not be paused (S10), nor an opportunity be taken, because a source of carbon lags behind."""
    now = evening([0.2, 0.2], terms=[unsure])
    found = curve(now, until=in_hours(2))
    assert {(s.per_kwh, s.published) for s in found.spans} == {(0.2, True)}
    assert (found.rung, found.money) == (PriceRung.FRESH, True)
    assert published_now(now)
    assert published_spans(now) == (span(0, 2),)


def test_what_weighs_makes_no_price_published():
    now = evening(None, terms=[carbon([100, 100]), Price(slots=price_slots([0.2, 0.2], published=False))])
    assert curve(now, until=in_hours(2)).rung is PriceRung.OLDER
    assert not published_now(now)
    assert published_spans(now) == ()


def test_a_home_that_only_knows_carbon_plans_by_it():
    now = evening(None, terms=[carbon([400, 90, 300])])
    made = plan_for(now, [target(3, 7.0)])
    assert [(slot.start, slot.end) for slot in made.slots] == [(in_hours(1), in_hours(2))]
    assert (made.cost, made.rung, made.slots[0].per_kwh) == (None, PriceRung.FRESH, None)
    assert published_now(now)
    assert not published_now(replace(now, terms=evening(None, terms=[carbon([1, 2], published=False)]).terms))


def test_a_source_of_carbon_is_no_market_where_no_tariff_speaks():
    grams = PriceSeries(name="grid", currency=GRAMS, slots=price_slots([300.0, 10.0]), fetched_at=NOW)
    now = replace(evening(None), prices=(grams,))
    assert curve(now, until=in_hours(2)).rung is PriceRung.PROFILE


def test_a_limit_looks_at_the_bill_alone():
    now = evening([0.20, 0.20, 0.30])
    terms = [PriceLimit(per_kwh=0.20), Run(interval=span(0, 3)), carbon([500, 500, 0])]
    assert charging_minutes(plan_for(now, terms), now) == [60, 60, 0]


def test_an_opportunity_looks_at_the_bill_alone():
    now = evening([0.0, 0.3, 0.0], soc_pct=50, missing_kwh=None)
    made = plan_for(now, [Opportunity(soc_pct=90, per_kwh=0.0), carbon([800, 10, 100])])
    assert charging_minutes(made, now) == [60, 0, 60]


def test_of_the_hours_of_an_opportunity_the_greenest_are_taken():
    now = evening([0.0, 0.3, 0.0, 0.0], soc_pct=50, missing_kwh=None)
    made = plan_for(now, [Opportunity(soc_pct=60, per_kwh=0.0), carbon([800, 10, 300, 100]), StartCost(amount=0.0)])
    assert charging_minutes(made, now) == [0, 0, 0, 57]  # 6 kWh in the battery of 60, from the meter 6.67
