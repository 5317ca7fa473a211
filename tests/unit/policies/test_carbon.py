import itertools
from datetime import timedelta

import pytest

from policies.tariff.carbon import Carbon
from policies.tariff.spot import Spot
from scheduler.core.feeds import GRAMS
from tests.unit.policies.builders import AT, market, situation, utc

TODAY = utc("2026-01-04T23:00")  # the local day's start


def grid(*grams, start=TODAY, **how):
    return market(*grams, start=start, name="grid", currency=GRAMS, **how)


def weight(now, *, per_tonne=80.0):
    (price,) = Carbon(source="grid", per_tonne=per_tonne).terms(now)
    assert not price.billed
    return price


def test_grams_weigh_by_what_a_tonne_is_worth():
    found = weight(situation(prices=[grid(250.0, 100.0, 0.0)])).slots[:3]
    assert [one.per_kwh for one in found] == pytest.approx([0.02, 0.008, 0.0])
    assert [one.start for one in found] == [TODAY + n * timedelta(hours=1) for n in range(3)]
    assert all(one.published for one in found)


def test_after_the_last_slot_what_is_usual_is_expected_as_far_as_the_horizon():
    now = situation(prices=[grid(*[100.0] * 12, *[300.0] * 12)])
    slots = weight(now).slots
    assert all(a.end == b.start for a, b in itertools.pairwise(slots))
    assert slots[-1].end >= AT + now.limits.horizon
    ahead = {one.start: one.per_kwh for one in slots if not one.published}
    assert min(ahead) == TODAY + timedelta(days=1)
    assert [ahead[TODAY + timedelta(days=1, hours=n)] for n in (0, 12)] == pytest.approx([0.008, 0.024])


def test_slots_before_today_are_left_out_and_the_one_at_its_edge_is_cut():
    days = grid(*[100.0] * 20, start=TODAY - timedelta(days=3), step=timedelta(hours=5))
    assert weight(situation(prices=[days])).slots[0].start == TODAY


def test_the_same_grams_are_weighed_once():
    now = situation(prices=[grid(*[100.0] * 24)])
    later = situation(at=AT + timedelta(hours=1), prices=now.prices)
    assert weight(now) is weight(later)
    assert weight(now) is not weight(now, per_tonne=81.0)
    assert weight(situation(prices=[grid(*[101.0] * 24)])) is not weight(now)


def test_without_grams_nothing_is_stated():
    assert list(Carbon(source="grid", per_tonne=80).terms(situation())) == []


def test_a_tonne_that_is_worth_nothing_weighs_nothing():
    """Not even as a price of 0 at every hour: a home without a tariff would take that for its prices."""
    assert list(Carbon(source="grid", per_tonne=0).terms(situation(prices=[grid(100.0)]))) == []


@pytest.mark.parametrize("per_tonne", [0.0, 80.0])
def test_money_is_no_carbon(per_tonne):
    now = situation(prices=[market(0.2, start=AT, name="grid")])
    with pytest.raises(ValueError, match="EUR per kWh, not in gCO2: name a source of grams"):
        list(Carbon(source="grid", per_tonne=per_tonne).terms(now))


def test_carbon_is_no_money():
    with pytest.raises(ValueError, match="in gCO2, the home reckons in EUR"):
        list(Spot(source="grid").terms(situation(prices=[grid(100.0)])))


@pytest.mark.parametrize("per_tonne", [-1.0, float("inf"), float("nan")])
def test_a_tonne_cannot_be_worth_that(per_tonne):
    with pytest.raises(ValueError, match="per_tonne must be 0 or more"):
        Carbon(source="grid", per_tonne=per_tonne)
