import itertools
from datetime import time, timedelta

import pytest

from policies.tariff.flat import Flat
from policies.tariff.spot import Spot
from policies.tariff.time_of_use import TimeOfUse
from policies.tariff.windows import PricedWindow
from tests.unit.policies.builders import AT, market, situation, utc

HOUR = timedelta(hours=1)


def slots(policy, now, *, published=True):
    return tuple(slot for term in policy.terms(now) for slot in term.slots if slot.published is published)


def prices(policy, now) -> list[float]:
    return [round(slot.per_kwh, 6) for slot in slots(policy, now)]


def test_a_flat_price_covers_the_horizon():
    (slot,) = slots(Flat(per_kwh=0.3), situation())
    assert slot.start <= AT
    assert slot.end >= AT + timedelta(days=8)
    assert slot.per_kwh == 0.3


def test_time_of_use_takes_the_last_window_that_matches():
    tariff = TimeOfUse(
        per_kwh=0.2,
        windows=(
            PricedWindow(start=time(6), end=time(22), per_kwh=0.4),
            PricedWindow(days=frozenset({5, 6}), per_kwh=0.25),
            PricedWindow(start=time(17), end=time(19), months=frozenset({12, 1, 2}), per_kwh=0.6),
        ),
    )
    sunday = situation(at=utc("2026-01-11T12:00"), horizon=timedelta(minutes=1))
    monday = situation(at=utc("2026-01-12T12:00"), horizon=timedelta(minutes=1))
    assert prices(tariff, sunday) == [0.25, 0.6, 0.25]
    assert prices(tariff, monday) == [0.2, 0.4, 0.6, 0.4, 0.2]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_time_of_use_covers_each_day_by_its_real_length(day, hours):
    tariff = TimeOfUse(per_kwh=0.4, windows=(PricedWindow(start=time(22), end=time(6), per_kwh=0.1),))
    found = slots(tariff, situation(at=utc(f"{day}T12:00"), horizon=timedelta(minutes=1)))
    assert all(a.end == b.start for a, b in itertools.pairwise(found))
    assert found[-1].end - found[0].start == hours * HOUR


@pytest.mark.parametrize(
    ("settings", "paid"),
    [
        pytest.param({}, 0.10, id="bare"),
        pytest.param({"surcharge_per_kwh": 0.02, "tax_per_kwh": 0.03, "vat_pct": 25}, 0.1875, id="vat-last"),
        pytest.param(
            {
                "surcharge_per_kwh": 0.02,
                "tax_per_kwh": 0.03,
                "vat_pct": 25,
                "order": ("surcharge", "vat", "grid-fee", "tax"),
            },
            0.18,
            id="taxes-given-with-vat",
        ),
        pytest.param({"grid_fees": (PricedWindow(per_kwh=0.05),), "vat_pct": 10}, 0.165, id="grid-fee"),
    ],
)
def test_spot_adds_up_in_the_order_of_the_contract(settings, paid):
    now = situation(prices=[market(0.10, start=AT)])
    assert prices(Spot(source="spot", **settings), now) == [pytest.approx(paid)]


@pytest.mark.parametrize(("on_negative", "paid"), [(True, -0.125), (False, -0.1)])
def test_vat_on_a_negative_price_is_the_contracts_choice(on_negative, paid):
    now = situation(prices=[market(-0.10, start=AT)])
    assert prices(Spot(source="spot", vat_pct=25, vat_on_negative=on_negative), now) == [pytest.approx(paid)]


def test_a_grid_fee_cuts_a_slot_at_its_edge():
    fee = PricedWindow(start=time(12, 30), end=time(13), per_kwh=0.2)
    now = situation(prices=[market(0.1, 0.1, start=utc("2026-01-05T11:00"))])
    found = slots(Spot(source="spot", grid_fees=(fee,)), now)
    assert [(f"{one.start:%H:%M}", f"{one.end:%H:%M}", round(one.per_kwh, 6)) for one in found] == [
        ("11:00", "11:30", 0.1),
        ("11:30", "12:00", 0.3),
        ("12:00", "13:00", 0.1),
    ]


def test_a_gap_in_the_market_stays_a_gap():
    whole = market(0.1, 0.2, 0.3, start=AT)
    now = situation(prices=[type(whole)(**{**_members(whole), "slots": (whole.slots[0], whole.slots[2])})])
    found = slots(Spot(source="spot"), now)
    assert [(one.start - AT) / HOUR for one in found] == [0, 2]


def _members(series):
    return {name: getattr(series, name) for name in ("name", "currency", "slots", "fetched_at")}


def test_slots_before_today_are_left_out():
    now = situation(prices=[market(*[0.1] * 100, start=AT - timedelta(hours=72))])
    assert slots(Spot(source="spot"), now)[0].start == utc("2026-01-04T23:00")


def test_without_prices_nothing_is_stated():
    assert slots(Spot(source="spot"), situation()) == ()
    assert slots(Spot(source="other"), situation(prices=[market(0.1, start=AT)])) == ()


def test_prices_in_another_currency_are_refused():
    now = situation(prices=[market(1.0, start=AT, currency="NOK")])
    with pytest.raises(ValueError, match="NOK, the home reckons in EUR"):
        list(Spot(source="spot").terms(now))


@pytest.mark.parametrize(
    "settings",
    [{"vat_pct": -1}, {"vat_pct": 100}, {"tax_per_kwh": float("nan")}, {"order": ("vat",)}, {"order": ("vat",) * 4}],
)
def test_formulas_without_a_meaning_are_refused(settings):
    with pytest.raises(ValueError, match="must"):
        Spot(source="spot", **settings)


def days_of(*means, start, amplitude=0.05):
    """Return a market of whole days, each dear by day and cheap by night around its own mean."""
    hours = [mean + (amplitude if 6 <= hour < 18 else -amplitude) for mean in means for hour in range(24)]
    return market(*hours, start=start)


def test_after_the_last_published_price_recent_days_are_expected_as_far_as_the_horizon():
    start = utc("2025-12-21T23:00")  # two weeks before a Monday, in local days
    now = situation(at=utc("2026-01-04T12:00"), prices=[days_of(*[0.2] * 14, start=start)])
    found = slots(Spot(source="spot", tax_per_kwh=0.1, vat_pct=25), now, published=False)
    assert found[0].start == utc("2026-01-04T23:00")
    assert found[-1].end >= now.at + now.limits.horizon
    assert all(a.end == b.start for a, b in itertools.pairwise(found))
    assert {round(one.per_kwh, 6) for one in found} == {0.3125, 0.4375}


def test_fees_of_days_without_a_price_are_those_of_their_own_hours():
    fees = (PricedWindow(per_kwh=0.01), PricedWindow(days=frozenset({2}), start=time(8), end=time(9), per_kwh=0.5))
    now = situation(prices=[market(*[0.2] * 24, start=utc("2026-01-04T23:00"))])
    found = slots(Spot(source="spot", grid_fees=fees), now, published=False)
    dear = [one for one in found if one.per_kwh > 0.3]
    assert [(one.start, round(one.per_kwh, 6)) for one in dear] == [(utc("2026-01-07T07:00"), 0.7)]


def test_what_is_expected_stays_the_same_all_day_and_through_midnight():
    series = days_of(0.1, 0.2, 0.3, 0.4, start=utc("2026-01-02T23:00"))
    tariff = Spot(source="spot")
    instants = [utc("2026-01-05T14:00"), utc("2026-01-05T22:59"), utc("2026-01-05T23:00"), utc("2026-01-06T12:00")]
    stated = [
        {(s.start, s.per_kwh) for s in slots(tariff, situation(at=at, prices=[series]), published=False)}
        for at in instants
    ]
    assert stated[0] == stated[1]
    assert stated[1] < stated[2]  # a day more of the same
    assert stated[2] == stated[3]


def test_days_before_today_are_carried_to_the_plan_though_they_are_not_stated():
    """Only the market knows them: the week was dear in the morning, the two days that are published are flat."""
    week = [*[0.5] * 6, *[0.1] * 18] * 7
    now = situation(at=utc("2026-01-12T12:00"), prices=[market(*week, *[0.1] * 48, start=utc("2026-01-04T23:00"))])
    (stated,) = Spot(source="spot").terms(now)
    assert stated.slots[0].start == utc("2026-01-11T23:00")
    expected = {one.start: one.per_kwh for one in stated.slots if not one.published}
    assert expected[utc("2026-01-13T23:00")] > 2 * expected[utc("2026-01-14T05:00")]


def test_a_market_that_ended_days_ago_is_expected_from_today_on():
    now = situation(prices=[market(*[0.3] * 24, start=AT - timedelta(days=4))])
    found = slots(Spot(source="spot"), now, published=False)
    assert (found[0].start, {one.per_kwh for one in found}) == (utc("2026-01-04T23:00"), {0.3})
    assert slots(Spot(source="spot"), now) == ()
