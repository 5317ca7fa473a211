from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.core.model import Flow
from scheduler.core.terms import PriceState
from scheduler.http.daemon import vehicle_called
from scheduler.http.overview import plan_of
from scheduler.http.views import price_view, series_view
from scheduler.http.web.series import car_chart, price_chart
from tests.fakes_daemon import HOUR, NOW, POLLY, READY_AT, a_session, make_daemon, price_slots

PRICE, EXPECTED, PLANNED, CHARGED, SOC = range(1, 6)


@pytest.fixture
def plan():
    daemon = make_daemon()
    return plan_of(daemon, vehicle_called(daemon, POLLY))


@pytest.fixture
def session():
    return make_daemon().states[POLLY].session


def at(chart, column, instant):
    """Return the value that is drawn at an instant."""
    stamps = chart["data"][0]
    index = max(i for i, stamp in enumerate(stamps) if stamp <= instant.timestamp())
    return chart["data"][column][index]


def test_columns_are_as_long_as_the_row_and_the_row_is_in_order(plan, session):
    chart = car_chart(plan, session, capacity_kwh=75)
    row = chart["data"][0]
    assert {len(column) for column in chart["data"]} == {len(row)}
    assert row == sorted(set(row))
    assert chart["now"] in row


def test_a_value_holds_until_its_edge_and_the_next_begins_there(plan):
    chart = car_chart(plan, None, capacity_kwh=75)
    edge = NOW.replace(minute=0) + HOUR
    assert at(chart, PRICE, edge - timedelta(seconds=1)) == 1.2
    assert at(chart, PRICE, edge) == 1.1
    last = price_slots()[-1].end
    assert at(chart, PRICE, last - timedelta(seconds=1)) == 1.8
    assert at(chart, PRICE, last) is None


def test_planned_energy_is_drawn_as_power(plan):
    chart = car_chart(plan, None, capacity_kwh=75)
    assert at(chart, PLANNED, NOW) is None
    assert at(chart, PLANNED, NOW + 2 * HOUR) == pytest.approx(11.0)


def test_the_expected_soc_rises_with_the_plan_from_what_it_is_now(plan):
    chart = car_chart(plan, None, capacity_kwh=75)
    assert at(chart, SOC, NOW) == 41
    energy = sum(slot["energy_kwh"] for slot in plan["slots"])
    assert at(chart, SOC, READY_AT) == pytest.approx(41 + energy * 0.9 / 75 * 100, abs=0.01)


def test_the_expected_soc_ends_at_full(plan):
    chart = car_chart(plan, None, capacity_kwh=20)
    assert at(chart, SOC, READY_AT) == 100


def test_without_a_capacity_the_soc_is_not_foretold(plan):
    chart = car_chart(plan, None, capacity_kwh=None)
    assert at(chart, SOC, READY_AT) == 41


def test_without_a_soc_nothing_is_said_of_it(plan):
    chart = car_chart(plan | {"soc_pct": None}, None, capacity_kwh=75)
    assert set(chart["data"][SOC]) == {None}


def test_past_charging_and_the_soc_that_it_brought_are_shown(plan, session):
    flows = (Flow(start=NOW - 4 * HOUR, end=NOW - 3 * HOUR, kw=4), Flow(start=NOW - 2 * HOUR, end=NOW - HOUR, kw=8))
    chart = car_chart(plan, replace(session, flows=flows, soc_at_start_pct=29), capacity_kwh=75)
    assert at(chart, CHARGED, NOW - 3.5 * HOUR) == 4
    assert at(chart, CHARGED, NOW - 2.5 * HOUR) is None
    assert at(chart, SOC, NOW - 4 * HOUR) == 29
    assert at(chart, SOC, NOW - 2.5 * HOUR) == pytest.approx(33)
    assert at(chart, SOC, NOW - HOUR) == pytest.approx(41)


def closed(number, start_h, end_h, kw=7.0, **changes):
    """A session that is over, charging from so many hours ago until so many."""
    flow = Flow(start=NOW - start_h * HOUR, end=NOW - end_h * HOUR, kw=kw)
    ends = {"plugged_at": flow.start - HOUR, "unplugged_at": flow.end + HOUR}
    return replace(a_session(), id=f"{POLLY}:{number}", flows=(flow,), **ends, **changes)


def test_charging_of_sessions_that_are_over_is_shown_beside_the_open_ones(plan, session):
    now = replace(session, plugged_at=NOW - 3 * HOUR, flows=(Flow(start=NOW - 2 * HOUR, end=NOW - HOUR, kw=8),))
    chart = car_chart(plan, now, past=[closed(8, 8, 6), closed(9, 20, 19, kw=3.5)], capacity_kwh=75)
    assert chart["data"][0][0] == (NOW - 20.25 * HOUR).timestamp()
    drawn = {hours: at(chart, CHARGED, NOW - hours * HOUR) for hours in (20.1, 19.5, 12, 7, 4, 1.5, 0.5)}
    assert drawn == {20.1: None, 19.5: 3.5, 12: None, 7: 7.0, 4: None, 1.5: 8, 0.5: None}


def test_charging_of_today_is_shown_of_a_car_that_is_away(plan):
    chart = car_chart(plan, None, past=[closed(1, 8, 6)], capacity_kwh=75)
    assert at(chart, CHARGED, NOW - 7 * HOUR) == 7.0


def test_charging_of_yesterday_is_cut_where_the_chart_begins(plan):
    chart = car_chart(plan, None, past=[closed(1, 26, 22), closed(2, 40, 30)], capacity_kwh=75)
    assert chart["data"][0][0] == (NOW - 24 * HOUR).timestamp()
    assert at(chart, CHARGED, NOW - 24 * HOUR) == 7.0
    assert at(chart, CHARGED, NOW - 22 * HOUR) is None


def test_a_session_that_is_both_kept_and_open_is_drawn_as_it_is_open(plan, session):
    now = replace(session, flows=(Flow(start=NOW - 2 * HOUR, end=NOW - HOUR, kw=8),))
    kept = replace(a_session(), id=session.id, flows=(Flow(start=NOW - 4 * HOUR, end=NOW - HOUR, kw=2),))
    chart = car_chart(plan, now, past=[kept], capacity_kwh=75)
    assert at(chart, CHARGED, NOW - 3 * HOUR) is None
    assert at(chart, CHARGED, NOW - 1.5 * HOUR) == 8


def test_a_session_of_many_days_shows_its_last(plan, session):
    chart = car_chart(plan, replace(session, plugged_at=NOW - timedelta(days=9)), capacity_kwh=75)
    assert chart["data"][0][0] == (NOW - timedelta(hours=24)).timestamp()


def test_a_plan_far_ahead_is_cut(plan):
    need = plan["needs"][0] | {"by": "2026-12-01T00:00:00Z"}
    chart = car_chart(plan | {"needs": [need]}, None, capacity_kwh=75)
    assert chart["data"][0][-1] == (NOW + timedelta(hours=48)).timestamp()
    assert chart["due"] == []


def test_nothing_planned_and_no_price_is_an_empty_chart():
    daemon = make_daemon()
    chart = car_chart(plan_of(daemon, vehicle_called(daemon, "elsie-3333")), None, capacity_kwh=None)
    assert all(value is None for column in chart["data"][1:] for value in column)


def test_published_prices_are_told_from_expected_ones():
    slots = [
        replace(slot, state=PriceState.FINAL if number < 3 else PriceState.FORECAST)
        for number, slot in enumerate(price_slots())
    ]
    view = {"name": "file", "currency": "NOK", "slots": [price_view(slot) for slot in slots]}
    chart = price_chart(view, timezone="Europe/Oslo", now=NOW)
    assert at(chart, PRICE, slots[0].start) == 1.2
    assert at(chart, EXPECTED, slots[0].start) is None
    assert at(chart, PRICE, slots[5].start) is None
    assert at(chart, EXPECTED, slots[5].start) == 0.6


def test_a_source_without_prices_has_an_empty_row():
    series = replace(make_daemon().store.series[0], slots=())
    assert price_chart(series_view(series), timezone="UTC", now=NOW)["data"] == [[], [], []]
