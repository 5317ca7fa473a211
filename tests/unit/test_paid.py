"""What a kWh costs a home, in parts: exactly what its policies state, however it is cut."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from policies.tariff.spot import Spot
from policies.tariff.windows import PricedWindow
from scheduler.core.calendar import local_days
from scheduler.core.feeds import GRAMS, PriceSeries, StandIn
from scheduler.core.model import Home, Limits, PolicySpec
from scheduler.core.policy import Policy
from scheduler.core.pricing import HomePrices
from scheduler.core.terms import Price, PriceSlot, PriceState
from scheduler.core.timeline import Interval
from scheduler.plugins.paid import paid, situation_of
from scheduler.plugins.policy_set import PATIENCE, PolicySet, Speaker
from scheduler.plugins.registry import POLICIES, Registry
from tests.unit.policies.builders import market, utc

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OSLO = "Europe/Oslo"
MIDNIGHT = utc("2026-01-04T23:00")  # of Monday in Oslo
FEES = ({"per_kwh": 0.1}, {"start": "06:00", "end": "22:00", "per_kwh": 0.3})
SPOT = PolicySpec(
    name="spot",
    settings={"source": "spot", "surcharge_per_kwh": 0.05, "grid_fees": FEES, "tax_per_kwh": 0.09, "vat_pct": 25.0},
)
REGISTRY = Registry(POLICIES)
LIMITS = Limits(horizon=3 * DAY)


def home_with(*specs: PolicySpec, timezone: str = OSLO) -> Home:
    return Home(id="h", user_id="u", timezone=timezone, currency="EUR", policies=specs)


def asked(
    home: Home, *prices: PriceSeries, at=MIDNIGHT, days: int = 2, speakers: list[Speaker] | None = None
) -> HomePrices:
    span = local_days(at, (days - 1) * DAY, home.timezone)
    now = situation_of(home, at=span.start, prices=prices, limits=LIMITS)
    return asyncio.run(paid(speakers or PolicySet.of(home, REGISTRY).speakers, now, span, timeout_s=0.2))


def summed(parts) -> float:
    added = 0.0
    for _, amount in parts:
        added += amount
    return added


def two_days(**changes) -> PriceSeries:
    return replace(market(*[0.2 + n / 100 for n in range(24)] * 2, start=MIDNIGHT), **changes)


def test_a_market_price_is_told_with_all_that_comes_on_top_of_it():
    found = asked(home_with(SPOT), two_days())
    assert len(found.slots) == 48
    night, day = found.slots[0], found.slots[6]
    assert [name for name, _ in night.parts] == ["market", "surcharge", "grid-fee", "tax", "vat"]
    assert [round(amount, 4) for _, amount in night.parts] == [0.2, 0.05, 0.1, 0.09, 0.11]
    assert round(day.per_kwh, 4) == round((0.26 + 0.05 + 0.3 + 0.09) * 1.25, 4)
    assert all(summed(slot.parts) == slot.per_kwh for slot in found.slots)
    assert {slot.state for slot in found.slots} == {PriceState.FINAL}


def test_the_sum_is_the_very_number_that_the_tariff_states():
    fees = (PricedWindow(per_kwh=0.1),)
    tariff = Spot(source="spot", surcharge_pct=3.3, grid_fees=fees, tax_per_kwh=0.0123, vat_pct=19.0)
    home = home_with()
    found = asked(home, two_days(), speakers=[Speaker(label="spot", rank=0, policy=tariff)])
    now = situation_of(home, at=MIDNIGHT, prices=(two_days(),), limits=LIMITS)
    (price,) = tariff.terms(now)
    assert [slot.per_kwh for slot in found.slots] == [slot.per_kwh for slot in price.slots[:48]]


def test_what_is_not_published_is_told_as_expected():
    found = asked(home_with(SPOT), replace(two_days(), slots=two_days().slots[:24]))
    assert {slot.state for slot in found.slots[:24]} == {PriceState.FINAL}
    assert {slot.state for slot in found.slots[24:]} == {PriceState.FORECAST}
    assert found.slots[-1].end == found.span.end
    assert all(summed(slot.parts) == slot.per_kwh for slot in found.slots)


@pytest.mark.parametrize(("midnight", "hours"), [("2026-03-28T23:00", 23), ("2026-10-24T22:00", 25)])
def test_a_day_is_as_long_as_it_is(midnight, hours):
    at = utc(midnight)
    found = asked(home_with(SPOT), market(*[0.2] * 60, start=at), at=at, days=1)
    assert len(found.slots) == hours
    assert found.span.duration == hours * HOUR


def test_a_price_by_the_clock_is_cut_at_midnight_and_has_one_part():
    flat = asked(home_with(PolicySpec(name="flat", settings={"per_kwh": 0.31})))
    assert [(s.end - s.start, s.per_kwh, s.parts) for s in flat.slots] == [(DAY, 0.31, (("price", 0.31),))] * 2


def test_several_tariffs_add_up_and_their_parts_are_told_apart():
    grid = PolicySpec(name="flat", settings={"per_kwh": 0.1})
    found = asked(home_with(SPOT, grid, PolicySpec(name="flat", settings={"per_kwh": 0.02})), two_days())
    slot = found.slots[0]
    assert [name for name, _ in slot.parts][-2:] == ["price", "flat-2 price"]
    assert slot.per_kwh == summed(slot.parts)
    assert round(slot.per_kwh, 4) == 0.67


def test_where_one_of_several_is_unknown_nothing_is_told():
    known = PriceSlot(start=MIDNIGHT + HOUR, end=MIDNIGHT + 2 * HOUR, per_kwh=0.1)
    speakers = [
        Speaker(label=f"p{n}", rank=n, policy=Stating(slots)) for n, slots in enumerate([(known,), two_days().slots])
    ]
    (slot,) = asked(home_with(), speakers=speakers).slots
    assert (slot.start, slot.end) == (known.start, known.end)
    assert slot.parts == (("p0", 0.1), ("p1", two_days().slots[1].per_kwh))


def test_nothing_is_known_without_a_tariff_or_a_price():
    assert asked(home_with()).slots == ()
    assert asked(home_with(SPOT)).slots == ()


@dataclass(frozen=True, kw_only=False)
class Stating:
    """States these slots, and parts that are so much off; without that, its parts fail."""

    slots: tuple[PriceSlot, ...]
    off: float | None = None
    billed: bool = True

    def terms(self, now):
        yield Price(slots=self.slots, billed=self.billed)

    def parts_at(self, prices, at, timezone):
        if self.off is None:
            raise LookupError(at)
        slot = next(s for s in self.slots if s.start <= at < s.end)
        return (("energy", slot.per_kwh - 0.05), ("grid", 0.05 + self.off))


class Failing:
    def terms(self, now):
        raise LookupError(now.at)


def alone(policy: Policy, *, trusted: bool = True) -> HomePrices:
    return asked(home_with(), speakers=[Speaker(label="mine", rank=0, policy=policy, trusted=trusted)])


@pytest.mark.parametrize("trusted", [True, False])
def test_parts_that_do_not_come_to_the_price_are_not_told(trusted):
    slots = two_days().slots
    assert [name for name, _ in alone(Stating(slots, 0.0), trusted=trusted).slots[0].parts] == ["energy", "grid"]
    assert alone(Stating(slots, 0.01), trusted=trusted).slots[0].parts == (("mine", 0.2),)
    assert alone(Stating(slots), trusted=trusted).slots[0].parts == (("mine", 0.2),)


def test_what_is_not_billed_is_no_part_of_the_price():
    assert alone(Stating(two_days().slots, 0.0, billed=False)).slots == ()


@pytest.mark.parametrize("trusted", [True, False])
def test_of_one_that_fails_nothing_is_told_and_nothing_remembered(trusted):
    speaker = Speaker(label="mine", rank=0, policy=Failing(), trusted=trusted)
    assert asked(home_with(), speakers=[speaker]).slots == ()
    assert (speaker.failures, speaker.why) == (0, "")
    speaker.failures = PATIENCE
    assert speaker.disabled
    assert asked(home_with(), speakers=[speaker]).slots == ()


@pytest.mark.parametrize("slots", [(1,), tuple(reversed(two_days().slots))])
def test_nonsense_of_a_stranger_is_not_shown(slots):
    assert alone(Stating(slots, 0.0), trusted=False).slots == ()


def test_stand_ins_count_like_any_other_price():
    stand_in = StandIn(interval=Interval(start=MIDNIGHT + DAY, end=MIDNIGHT + 2 * DAY), name="backup")
    found = asked(home_with(SPOT), two_days(stand_ins=(stand_in,)))
    assert {slot.state for slot in found.slots} == {PriceState.FINAL}


def test_the_grams_of_the_grid_are_told_with_what_a_tonne_is_worth():
    carbon = PolicySpec(name="carbon", settings={"source": "grid", "per_tonne": 100})
    grams = market(*[300.0, 50.0] * 24, start=MIDNIGHT, name="grid", currency=GRAMS)
    found = asked(home_with(SPOT, carbon), two_days(), grams)
    (told,) = found.carbon
    assert (told.source, told.per_tonne, len(told.slots)) == ("grid", 100.0, 48)
    assert [slot.per_kwh for slot in told.slots[:2]] == [300.0, 50.0]
    assert [name for name, _ in found.slots[0].parts][-1] == "vat", "no money that anybody pays"
    assert asked(home_with(carbon), replace(grams, currency="EUR")).carbon == ()
