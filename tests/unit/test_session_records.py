"""What is kept of a session that has closed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scheduler.core.model import Flow, Home, Session, Situation, VehicleSpec, VehicleState
from scheduler.core.observation import Observation
from scheduler.core.terms import Price, PriceSlot, Stated
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


def recorded(session, per_kwh=(1.0, 2.0, 3.0)):
    slots = tuple(
        PriceSlot(start=AT + i * HOUR, end=AT + (i + 1) * HOUR, per_kwh=price) for i, price in enumerate(per_kwh)
    )
    state = VehicleState(vehicle_id="v", home_id="h", user_id="u", observation=Observation())
    now = Situation(
        at=AT + 9 * HOUR, mono_ns=0, run=1, home=HOME, vehicle=VehicleSpec(id="v"), observation=Observation()
    )
    terms = (Stated(rank=1, policy="spot", term=Price(slots=slots)),)
    return session_record(session, home=HOME, state=state, terms=terms, soc_end_pct=None, now=now)


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
