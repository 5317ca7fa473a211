"""A night with the grid's carbon beside the price: what it chooses, what it costs, and how many grams that was.

Every hour costs 0.30, save three in the evening that cost 0.32. In those a kWh carries 100 g, else 500 g: 2 cent more
spare 400 g, so they are worth it from 50 a tonne on.
"""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from scheduler.core.model import Flow
from scheduler.http.daemon import vehicle_called
from scheduler.http.overview import plan_of
from scheduler.ports import SessionRecord
from tests.e2e.stage import HOUR, Stage, perform

GREEN = (20, 21, 22)
DAILY = [0.32 if hour in GREEN else 0.30 for hour in range(24)]
GRAMS = [100.0 if hour in GREEN else 500.0 for hour in range(24)]
SECOND = timedelta(seconds=1)


def by_hand(flows: Sequence[Flow], daily: Sequence[float]) -> float:
    """Add up second by second what the flows come to at so much per kWh in each hour of the day."""
    total = 0.0
    for flow in flows:
        at = flow.start
        while at < flow.end:
            step = min(SECOND, flow.end - at)
            total += flow.kw * (step / HOUR) * daily[at.hour]
            at += step
    return total


async def the_session(stage: Stage) -> SessionRecord:
    """Unplug, and return the session that this ends."""
    stage.car.unplug()
    await stage.wait(hours=1)
    (record,) = await stage.app.store.sessions()
    return record


def main_part(record: SessionRecord) -> tuple[str, str]:
    """Return when the longest stretch of charging began and ended, to the hour, in UTC."""
    longest = max(record.flows, key=lambda flow: flow.end - flow.start)
    return f"{longest.start:%H}", f"{longest.end:%H}"


def test_greener_hours_are_worth_two_cent_at_80_a_tonne():
    async def story(stage: Stage) -> None:
        await stage.until("17:00")
        stage.plug_in()
        await stage.wait(minutes=30)
        plan = plan_of(stage.app, vehicle_called(stage.app, stage.car.id))
        energy_kwh = sum(slot["energy_kwh"] for slot in plan["slots"])
        assert plan["grams"] == pytest.approx(100.0 * energy_kwh, abs=1)
        assert plan["cost"] == pytest.approx(0.32 * energy_kwh)
        assert {slot["price_per_kwh"] for slot in plan["prices"]} == {0.30, 0.32}
        await stage.until("06:50")
        record = await the_session(stage)
        assert main_part(record) == ("20", "22")
        assert record.cost == pytest.approx(by_hand(record.flows, DAILY), abs=0.002)
        assert record.grams == pytest.approx(by_hand(record.flows, GRAMS), abs=2)
        assert record.baseline_cost == pytest.approx(0.30 * record.energy_kwh, abs=0.002)
        assert record.baseline_grams == pytest.approx(500.0 * record.energy_kwh, abs=2)
        (total,) = await stage.app.store.session_totals()
        assert (total.grams, total.with_grams) == (record.grams, 1)
        assert total.grams_saved > 8000

    perform(story, daily=DAILY, grams=GRAMS, per_tonne=80.0)


def test_carbon_that_is_worth_nothing_is_told_and_chooses_nothing():
    async def story(stage: Stage) -> None:
        await stage.night()
        record = await the_session(stage)
        assert main_part(record) == ("17", "19")
        assert record.cost == pytest.approx(by_hand(record.flows, DAILY), abs=0.002)
        assert record.grams == pytest.approx(by_hand(record.flows, GRAMS), abs=2)
        assert record.grams == pytest.approx(500.0 * record.energy_kwh, abs=2)

    perform(story, daily=DAILY, grams=GRAMS, per_tonne=0.0)
