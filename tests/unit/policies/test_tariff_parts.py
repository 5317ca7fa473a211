"""What a price is made of: the parts add up to it, whatever the contract, at every instant."""

from datetime import time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.tariff.flat import Flat
from policies.tariff.parts import Part, Tariff, total
from policies.tariff.spot import PARTS, Spot
from policies.tariff.time_of_use import TimeOfUse
from policies.tariff.windows import PricedWindow
from scheduler.core.calendar import local_days, local_windows
from scheduler.core.feeds import PriceSeries, StandIn
from scheduler.core.terms import PriceSlot
from scheduler.core.timeline import Interval
from tests.unit.policies.builders import AT, market, situation, utc

OSLO = "Europe/Oslo"
NOON = utc("2026-01-05T11:00")  # 12:00 in Oslo
HOUR = timedelta(hours=1)


def parts(tariff: Tariff, at=NOON, prices=()) -> list[tuple[str, float]]:
    found = tariff.parts_at({one.name: one for one in prices}, at, OSLO)
    return [(one.name, round(one.per_kwh, 9)) for one in found]


def test_a_spot_price_is_told_in_the_order_of_the_contract():
    tariff = Spot(
        source="spot",
        surcharge_per_kwh=0.02,
        surcharge_pct=3,
        grid_fees=(PricedWindow(per_kwh=0.1), PricedWindow(start=time(6), end=time(22), per_kwh=0.3)),
        tax_per_kwh=0.15,
        vat_pct=25,
        order=("surcharge", "vat", "grid-fee", "tax"),
    )
    prices = [market(1.0, start=NOON)]
    found = [("market", 1.0), ("surcharge", 0.05), ("vat", 0.2625), ("grid-fee", 0.3), ("tax", 0.15)]
    assert parts(tariff, prices=prices) == found
    (term,) = tariff.terms(situation(prices=prices))
    assert term.slots[0].per_kwh == pytest.approx(1.7625)


def test_parts_of_no_amount_are_told_too():
    found = parts(Spot(source="spot"), prices=[market(0.2, start=NOON)])
    assert found == [("market", 0.2), *((name, 0.0) for name in PARTS)]


def test_vat_may_lie_on_the_market_price_alone():
    tariff = Spot(
        source="spot", surcharge_per_kwh=0.5, tax_per_kwh=0.5, vat_pct=25, order=("vat", "surcharge", "grid-fee", "tax")
    )
    assert dict(parts(tariff, prices=[market(0.8, start=NOON)]))["vat"] == 0.2


def test_the_market_part_is_the_mean_that_is_billed():
    prices = [market(0.1, 0.3, start=NOON, step=HOUR / 2)]
    assert parts(Spot(source="spot", billing_min=60), NOON + HOUR / 2, prices)[0] == ("market", 0.2)
    assert parts(Spot(source="spot"), NOON + HOUR / 2, prices)[0] == ("market", 0.3)


def test_a_percentage_raises_a_negative_market_price_too():
    found = parts(Spot(source="spot", surcharge_pct=3), prices=[market(-0.2, start=NOON)])
    assert found[1] == ("surcharge", 0.006)


@pytest.mark.parametrize(
    ("day", "tax"), [("2026-03-31T21:00", 0.09), ("2026-03-31T22:00", 0.16), ("2026-12-31T23:00", 0.09)]
)
def test_a_tax_may_be_lower_in_some_months(day, tax):
    tariff = Spot(source="spot", tax_per_kwh=0.16, taxes=(PricedWindow(months=frozenset({1, 2, 3}), per_kwh=0.09),))
    assert dict(parts(tariff, utc(day), [market(1.0, start=utc(day))]))["tax"] == tax


def test_a_tax_cuts_a_slot_at_its_edge():
    tariff = Spot(source="spot", taxes=(PricedWindow(start=time(12, 30), end=time(13), per_kwh=0.2),))
    (term,) = tariff.terms(situation(prices=[market(0.1, start=NOON)]))
    published = [one for one in term.slots if one.published]
    assert [round(one.per_kwh, 6) for one in published] == [0.1, 0.3]


@pytest.mark.parametrize("at", [NOON - HOUR, NOON + HOUR])
def test_where_no_price_is_known_there_are_no_parts(at):
    whole = market(0.1, 0.2, 0.3, start=NOON - 2 * HOUR)
    holey = PriceSeries(name="spot", currency="EUR", slots=whole.slots[::2], fetched_at=NOON)
    assert parts(Spot(source="spot"), NOON, [holey])
    assert parts(Spot(source="spot"), NOON - HOUR, [holey]) == []
    assert parts(Spot(source="other"), at, [holey]) == []


def test_a_flat_price_and_one_by_the_clock_have_one_part():
    assert parts(Flat(per_kwh=0.3)) == [("price", 0.3)]
    tariff = TimeOfUse(per_kwh=0.4, windows=(PricedWindow(start=time(12), end=time(13), per_kwh=0.1),))
    assert parts(tariff) == [("price", 0.1)]
    assert parts(tariff, NOON + HOUR) == [("price", 0.4)]


def test_one_price_is_reckoned_once():
    """Terms are asked at every cycle of every car: the same prices must not be priced anew."""
    series = market(*[0.1] * 24, start=NOON)
    tariff = Spot(source="spot", billing_min=60, taxes=(PricedWindow(per_kwh=0.1),))
    (first,) = tariff.terms(situation(prices=[series]))
    (again,) = tariff.terms(situation(at=AT + timedelta(minutes=1), prices=[series]))
    assert first is again
    (other,) = tariff.terms(situation(prices=[market(*[0.1] * 24, start=NOON)]))
    assert other is not first


# --- stand-ins -----------------------------------------------------------------------------------------------------------


def why(*found: tuple[str, str]) -> str:
    stand_ins = tuple(StandIn(interval=Interval(start=utc(low), end=utc(high)), name="backup") for low, high in found)
    plain = market(*[0.1] * 48, start=utc("2026-01-04T23:00"))
    series = PriceSeries(name="market", currency="EUR", slots=plain.slots, fetched_at=AT, stand_ins=stand_ins)
    (term,) = Spot(source="market").terms(situation(prices=[series]))
    return term.why


def test_a_price_says_which_source_stands_in():
    assert why() == "spot market"
    assert why(("2026-01-05T23:00", "2026-01-06T23:00")) == "spot market (backup stands in from 2026-01-05T23:00Z)"
    until = "spot market (backup stands in from 2026-01-05T10:00Z to 2026-01-05T12:00Z)"
    assert why(("2026-01-05T10:00", "2026-01-05T12:00")) == until
    pieces = "spot market (backup stands in for 2 stretches from 2026-01-05T10:00Z)"
    assert why(("2026-01-05T10:00", "2026-01-05T12:00"), ("2026-01-05T20:00", "2026-01-06T23:00")) == pieces


def test_a_source_that_stood_in_yesterday_is_not_told_of_today():
    assert why(("2026-01-04T10:00", "2026-01-04T23:00")) == "spot market"


# --- settings ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tariff", [Flat, TimeOfUse])
@pytest.mark.parametrize("power", [0.0, -1.0, float("inf"), float("nan")])
def test_a_capacity_that_is_no_power_is_refused(tariff, power):
    assert tariff(per_kwh=0.1, capacity_kw=5.0).capacity_kw == 5.0
    with pytest.raises(ValueError, match="capacity_kw must be above 0"):
        tariff(per_kwh=0.1, capacity_kw=power)
    with pytest.raises(ValueError, match="capacity_kw must be above 0"):
        Spot(source="spot", capacity_kw=power)


@pytest.mark.parametrize("percentage", [-1, 100, float("nan")])
def test_a_percentage_that_makes_no_sense_is_refused(percentage):
    with pytest.raises(ValueError, match="surcharge_pct must be from 0"):
        Spot(source="spot", surcharge_pct=percentage)


# --- for all contracts ------------------------------------------------------------------------------------------------------

AMOUNTS = st.floats(-0.5, 2.0)
TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30]))
WINDOWS = st.lists(
    st.builds(
        PricedWindow,
        start=TIMES,
        end=TIMES,
        days=st.frozensets(st.integers(0, 6), min_size=1),
        months=st.frozensets(st.integers(1, 12), min_size=6),
        per_kwh=AMOUNTS,
    ),
    max_size=4,
).map(tuple)
SPOTS = st.builds(
    Spot,
    source=st.just("spot"),
    billing_min=st.sampled_from([None, 15, 30, 60]),
    surcharge_per_kwh=AMOUNTS,
    surcharge_pct=st.floats(0, 10),
    grid_fees=WINDOWS,
    tax_per_kwh=AMOUNTS,
    taxes=WINDOWS,
    vat_pct=st.floats(0, 30),
    vat_on_negative=st.booleans(),
    order=st.permutations(PARTS).map(tuple),
)
DAYS = st.sampled_from(["2026-01-05", "2026-03-29", "2026-10-25", "2026-06-30"])
ZONES = st.sampled_from([OSLO, "Australia/Adelaide", "America/Chicago"])
STEPS = st.sampled_from([15, 30, 60])


@st.composite
def series(draw) -> PriceSeries:
    first = utc(f"{draw(DAYS)}T00:00") - HOUR * draw(st.integers(0, 30))
    length = timedelta(minutes=draw(STEPS))
    return market(*draw(st.lists(AMOUNTS, min_size=1, max_size=60)), start=first, step=length)


@given(tariff=SPOTS, prices=series(), timezone=ZONES, hours=st.integers(0, 30))
def test_the_parts_add_up_to_the_price_at_every_instant(tariff, prices, timezone, hours):
    """Exactly, not about: also for expected prices, and where an edge cuts a slot."""
    now = situation(
        at=prices.slots[0].start + HOUR * hours, timezone=timezone, prices=[prices], horizon=timedelta(days=1)
    )
    stated: list[PriceSlot] = [slot for term in tariff.terms(now) for slot in term.slots]
    for slot in stated:
        for at in (slot.start, slot.start + (slot.end - slot.start) / 2):
            found = tariff.parts_at({"spot": prices}, at, timezone)
            assert total(found) == slot.per_kwh
            assert tuple(one.name for one in found) == ("market", *tariff.order)
    for one, other in pairwise(stated):  # where the tariff states nothing it has no parts
        assert one.end == other.start or tariff.parts_at({"spot": prices}, one.end, timezone) == ()


@given(tariff=SPOTS, prices=series())
def test_vat_is_a_share_of_what_stands_before_it(tariff, prices):
    found = tariff.parts_at({"spot": prices}, prices.slots[0].start, "UTC")
    if not found:
        return
    place = [one.name for one in found].index("vat")
    before = total(found[:place])
    bears = before >= 0 or tariff.vat_on_negative
    assert found[place] == Part("vat", before * tariff.vat_pct / 100 if bears else 0.0)
    if before < 0 and not tariff.vat_on_negative:
        assert total(found) == pytest.approx(total([*found[:place], *found[place + 1 :]]))


@given(rows=WINDOWS, day=DAYS, timezone=ZONES, quarter=st.integers(0, 91))
def test_the_last_window_that_matches_holds(rows, day, timezone, quarter):
    """Also on days on which the clock is set, for fees, for taxes and for prices by the clock."""
    whole = local_days(utc(f"{day}T12:00"), timedelta(0), timezone)
    at = whole.start + timedelta(minutes=15) * quarter
    matching = [
        row.per_kwh
        for row in rows
        if any(one.covers(at) for one in local_windows(row, within=whole, timezone=timezone))
    ]
    prices = {"spot": market(0.0, start=at, step=timedelta(minutes=15))}
    fees = dict(Spot(source="spot", grid_fees=rows).parts_at(prices, at, timezone))
    taxes = dict(Spot(source="spot", tax_per_kwh=0.7, taxes=rows).parts_at(prices, at, timezone))
    clock = dict(TimeOfUse(per_kwh=0.7, windows=rows).parts_at({}, at, timezone))
    assert fees["grid-fee"] == (matching[-1] if matching else 0.0)
    assert taxes["tax"] == clock["price"] == (matching[-1] if matching else 0.7)
