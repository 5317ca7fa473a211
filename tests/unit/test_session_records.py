"""What is kept of a session that has closed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scheduler.core.feeds import GRAMS, PriceSeries
from scheduler.core.model import Flow, Home, PolicySpec, Session, Situation, VehicleSpec, VehicleState
from scheduler.core.observation import Observation
from scheduler.core.terms import Price, PriceSlot, PriceState, Stated
from scheduler.loop.sessions import by_quarter, session_record

AT = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOME = Home(id="h", user_id="u", timezone="Europe/Oslo", currency="NOK")


def minutes(number):
    return AT + timedelta(minutes=number)


def flow(start, end, kw):
    return Flow(start=minutes(start), end=minutes(end), kw=kw)


def energy_kwh(flows):
    return sum(one.kw * ((one.end - one.start) / HOUR) for one in flows)


def hours(per_kwh):
    return tuple(
        PriceSlot(start=AT + i * HOUR, end=AT + (i + 1) * HOUR, per_kwh=price) for i, price in enumerate(per_kwh)
    )


def recorded(session, per_kwh=(1.0, 2.0, 3.0), home=HOME, **changes):
    state = VehicleState(vehicle_id="v", home_id="h", user_id="u", observation=Observation())
    now = Situation(
        at=AT + 9 * HOUR, mono_ns=0, run=1, home=home, vehicle=VehicleSpec(id="v"), observation=Observation()
    )
    bill, weight = Price(slots=hours(per_kwh)), Price(slots=hours([7.0] * 2), billed=False)
    terms = (Stated(rank=1, policy="spot", term=bill), Stated(rank=2, policy="carbon", term=weight))
    now = replace(now, **changes)
    return session_record(session, home=home, state=state, terms=terms, soc_end_pct=None, now=now)


SESSION = Session(
    id="v:1",
    plugged_at=AT,
    opened_at=AT,
    at_home=True,
    energy_kwh=10.0,
    max_kw=10.0,
    flows=(flow(60, 90, 10), flow(120, 150, 10)),
)


def test_a_record_tells_when_it_was_charging_and_what_that_cost():
    record = recorded(SESSION)
    assert record.flows == SESSION.flows
    assert record.cost == pytest.approx(5 * 2.0 + 5 * 3.0)
    assert record.baseline_cost == pytest.approx(10 * 1.0)


def test_a_record_without_all_prices_has_no_cost_yet_tells_when_it_was_charging():
    record = recorded(SESSION, per_kwh=(1.0, 2.0))
    assert record.cost is None
    assert record.flows == SESSION.flows


def of_the_grid(grams, **changes):
    series = PriceSeries(name="grid", currency=GRAMS, slots=hours(grams), fetched_at=AT)
    policy = PolicySpec(name="carbon", settings={"source": "grid", "per_tonne": 0})
    return {"home": replace(HOME, policies=(policy,)), "prices": (replace(series, **changes),)}


def test_a_record_tells_the_grams_of_what_was_charged_and_of_charging_at_once():
    record = recorded(SESSION, **of_the_grid([50.0, 100.0, 400.0]))
    assert record.grams == pytest.approx(5 * 100.0 + 5 * 400.0)
    assert record.baseline_grams == pytest.approx(10 * 50.0)


def test_a_record_whose_grams_are_not_all_published_has_none():
    forecast = tuple(replace(slot, state=PriceState.FORECAST) for slot in hours([50.0, 100.0, 400.0]))
    for unknown in (of_the_grid([50.0, 100.0]), of_the_grid([], slots=(*forecast[:2], *hours([1.0] * 3)[2:])), {}):
        assert recorded(SESSION, **unknown).grams is None
    assert recorded(SESSION, **of_the_grid([50.0, 100.0])).baseline_grams == pytest.approx(500.0)


def test_a_session_that_took_nothing_has_no_grams_in_it():
    idle = replace(SESSION, flows=(), energy_kwh=0.0, max_kw=0.0)
    record = recorded(idle, **of_the_grid([50.0]))
    assert (record.grams, record.baseline_grams) == (0.0, 0.0)


def test_what_flows_within_a_quarter_is_one_at_its_mean_power():
    fine = (flow(0, 5, 6), flow(5, 14, 9), flow(14, 20, 11), flow(20, 29, 7), flow(29, 75, 10))
    coarse = by_quarter(fine)
    assert coarse == (flow(0, 20, 8.85), flow(20, 75, pytest.approx(9.509, abs=0.001)))
    assert energy_kwh(coarse) == pytest.approx(energy_kwh(fine), abs=0.001)


def test_a_gap_within_a_quarter_stays():
    assert by_quarter([flow(0, 3, 6), flow(4, 6, 6)]) == (flow(0, 3, 6), flow(4, 6, 6))


def test_a_session_of_many_readings_makes_a_short_record():
    readings = tuple(flow(n, n + 1, 5 + n % 7) for n in range(400))
    record = recorded(replace(SESSION, flows=readings))
    assert len(record.flows) <= 400 / 15 + 1
    assert energy_kwh(record.flows) == pytest.approx(energy_kwh(readings), abs=0.01)
