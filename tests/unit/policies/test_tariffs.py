import itertools
from datetime import time, timedelta

import pytest

from policies.tariff.flat import Flat
from policies.tariff.spot import Spot
from policies.tariff.time_of_use import TimeOfUse
from policies.tariff.windows import PricedWindow
from tests.unit.policies.builders import AT, market, situation, utc

HOUR = timedelta(hours=1)


def slots(policy, now):
    terms = list(policy.terms(now))
    return terms[0].slots if terms else ()


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
