"""Prices that are late, wrong, strange or gone (D01 to D12), told by a price service over HTTP: departures hold.

Without another word the service is Nord Pool's, as the simulator plays it.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from scheduler.core.command import Action
from scheduler.core.feeds import PriceSeries
from scheduler.core.terms import PriceState
from scheduler.core.timeline import Interval, subtract
from scheduler.loop.price_timing import CORRECTIONS
from simulator.market import Slot, Zone, bounds, delivery_day
from tests.e2e.stage import DAY, HOUR, START_AT, Stage, perform, verified

Story = Callable[[Stage], Any]
QUARTER = HOUR / 4
SPRING, AUTUMN = datetime(2026, 3, 28, 16, 0, tzinfo=UTC), datetime(2026, 10, 24, 16, 0, tzinfo=UTC)
TOMORROW = delivery_day(START_AT) + DAY


def play(story: Story, *, prices: str = "nord-pool", **setup: Any) -> None:
    perform(story, prices=prices, **setup)


def known(stage: Stage) -> PriceSeries:
    (series,) = stage.app.loop.prices
    return series


def ready(stage: Stage) -> bool:
    return stage.car.true_soc_pct() >= 78


async def cheap_night(stage: Stage) -> None:
    """Live through the usual night and see the car charged in its cheap hours, by three commands that worked."""
    await stage.night()
    commands = await stage.commands()
    assert [c.action for c in commands] == [Action.STOP, Action.START, Action.STOP]
    assert verified(commands)
    assert stage.next("00:59") - DAY <= commands[1].sent_at <= stage.next("02:00") - DAY
    assert ready(stage)


@pytest.mark.parametrize("service", ["nord-pool", "octopus", "tibber"])
def test_each_service_makes_the_usual_night(service):
    play(cheap_night, prices=service)


@pytest.mark.parametrize("service", ["nord-pool", "octopus", "tibber"])
def test_d01_tomorrows_prices_never_come(service):
    async def story(stage: Stage) -> None:
        await stage.night()
        (start,) = await stage.commands(Action.START)
        assert start.sent_at <= stage.next("03:40") - DAY
        assert not [c for c in await stage.commands(Action.STOP) if c.why == "plan" and c.sent_at > midnight]
        assert ready(stage)
        asked = stage.price_calls(since=START_AT)
        assert 10 <= len(asked) <= 90, "it is asked again, and not all the time"

    midnight = bounds(TOMORROW)[0]
    with_zone(story, lambda zone: zone.late.update({TOMORROW: None}), prices=service)


def test_d01_tomorrows_prices_come_late():
    async def story(stage: Stage) -> None:
        await cheap_night(stage)
        (alert,) = await stage.alerts("PRICES_MISSING")
        assert alert.raised_at < START_AT + 5 * HOUR
        assert alert.cleared_at is not None
        assert START_AT + 6 * HOUR < alert.cleared_at < START_AT + 7 * HOUR

    with_zone(story, lambda zone: zone.late.update({TOMORROW: START_AT + 6 * HOUR}))


@pytest.mark.parametrize(("start_at", "quarters"), [(SPRING, 92), (START_AT, 96), (AUTUMN, 100)])
def test_d02_days_of_every_length(start_at, quarters):
    async def story(stage: Stage) -> None:
        await cheap_night(stage)
        start, end = bounds(delivery_day(start_at) + DAY)
        slots = [slot for slot in known(stage).slots if start <= slot.start < end]
        assert len(slots) == quarters
        assert {slot.end - slot.start for slot in slots} == {QUARTER}
        assert (slots[0].start, slots[-1].end) == (start, end)

    play(story, start_at=start_at, step_min=15)


def test_d03_hours_today_and_quarters_tomorrow():
    async def story(stage: Stage) -> None:
        await stage.night()
        assert {slot.end - slot.start for slot in known(stage).slots} == {HOUR, QUARTER}
        stage.car.drive_to(stage.car.home.moved(north_m=15_000), used_kwh=5)
        await stage.wait(minutes=20)
        (record,) = await stage.app.store.sessions()
        cost = 0.0
        for flow in record.flows:  # to the second, by the prices that the market made
            at = flow.start
            while at < flow.end:
                slot = next(s for s in stage.zone.prices(delivery_day(at)) if s.start <= at < s.end)
                until = min(flow.end, slot.end)
                cost += flow.kw * (until - at) / HOUR * slot.per_kwh
                at = until
        assert record.cost == pytest.approx(cost, abs=2e-4)
        assert ready(stage) or stage.car.true_soc_pct() >= 70

    def quarters_tomorrow(zone: Zone) -> None:
        hours = zone.prices

        def prices(day: date) -> list[Slot]:
            if day < TOMORROW:
                return list(hours(day))
            return [
                replace(slot, start=slot.start + n * QUARTER, end=slot.start + (n + 1) * QUARTER, per_kwh=price)
                for slot in hours(day)
                for n, price in enumerate(slot.per_kwh + x for x in (0.03, -0.01, 0.0, 0.01))
            ]

        zone.prices = prices

    with_zone(story, quarters_tomorrow)


def test_d04_omitted_points_mean_the_same_as_before():
    async def story(stage: Stage) -> None:
        await cheap_night(stage)
        slots = [slot for slot in known(stage).slots if slot.end > START_AT]
        assert subtract([Interval(start=START_AT, end=bounds(TOMORROW)[1])], [_span(slot) for slot in slots]) == ()
        assert {slot.end - slot.start for slot in slots} == {QUARTER}
        assert all(slot.per_kwh == stage.setup.daily[slot.start.hour] for slot in slots)

    play(story, prices="entso-e", step_min=15)


def test_d05_a_missing_hour_is_neither_free_nor_in_the_way():
    gap = bounds(TOMORROW)[0] + 3 * HOUR  # 02:00 UTC

    async def story(stage: Stage) -> None:
        await stage.night()
        assert all(slot.start != gap for slot in known(stage).slots)
        assert subtract([Interval(start=gap, end=gap + HOUR)], [_span(slot) for slot in known(stage).slots])
        stops = await stage.commands(Action.STOP)
        assert not any(gap <= c.sent_at < gap + HOUR and c.why == "plan" for c in stops)
        assert ready(stage)

    with_zone(story, lambda zone: setattr(zone, "spoil", lambda slots: [s for s in slots if s.start != gap]))


@pytest.mark.parametrize("cheap", [[-0.05, -0.10, -0.10, 0.0], [-0.5] * 4, [0.0] * 4])
def test_d06_negative_and_zero_prices_charge_no_further_than_the_target(cheap):
    async def story(stage: Stage) -> None:
        await stage.night()
        assert 78 <= stage.car.true_soc_pct() <= 83

    play(story, daily=[*cheap, 0.0, *[0.2] * 19])


@pytest.mark.parametrize("value", [math.nan, math.inf, "12,5", {"price": 1}])
def test_d07_what_is_no_number_refuses_the_answer_and_the_older_one_holds(value):
    async def story(stage: Stage) -> None:
        before = known(stage)
        stage.zone.spoil = lambda slots: [*slots[:-1], replace(slots[-1], per_kwh=value)]
        await cheap_night(stage)
        assert known(stage).slots == before.slots
        assert "market" in stage.app.prices.trouble

    play(story)


def test_d07_a_null_is_an_hour_without_a_price():
    async def story(stage: Stage) -> None:
        await stage.night()
        assert len([slot for slot in known(stage).slots if delivery_day(slot.start) == TOMORROW]) == 23
        assert ready(stage)

    def spoil(slots: list[Slot]) -> list[Slot]:
        return [replace(slot, per_kwh=None) if slot.start.hour == 2 else slot for slot in slots]

    with_zone(story, lambda zone: setattr(zone, "spoil", spoil))


@pytest.mark.parametrize("start_at", [SPRING, AUTUMN])
@pytest.mark.parametrize("hours", [-1, 1])
def test_d08_a_source_that_is_an_hour_off_on_the_day_of_the_change(start_at, hours):
    changed = delivery_day(start_at) + DAY

    async def story(stage: Stage) -> None:
        await stage.night()
        assert ready(stage)

    def shifted(slots: list[Slot]) -> list[Slot]:
        by = hours * HOUR if delivery_day(slots[0].start) == changed else timedelta(0)
        return [replace(slot, start=slot.start + by, end=slot.end + by) for slot in slots]

    with_zone(story, lambda zone: setattr(zone, "spoil", shifted), start_at=start_at)


@pytest.mark.parametrize("preliminary", [False, True])
def test_d09_prices_corrected_after_the_plan_began(preliminary):
    """Seen at the next look (soon while they are preliminary, else within six hours): one new plan, and no flip."""
    corrected_at = bounds(TOMORROW)[0] + timedelta(hours=2, minutes=20)  # 01:20 UTC, in the midst of the cheap hours

    async def story(stage: Stage) -> None:
        if preliminary:
            stage.zone.preliminary[TOMORROW] = corrected_at + 30 * timedelta(minutes=1)
        for hour in (2, 3):
            start = bounds(TOMORROW)[0] + (hour + 1) * HOUR
            stage.zone.correct(start, 0.9, from_at=corrected_at)
        await stage.night()
        assert ready(stage)
        sent = [c.sent_at for c in await stage.commands()]
        assert all(later - earlier >= timedelta(minutes=10) for earlier, later in pairwise(sent))
        told = {slot.start.hour: slot for slot in known(stage).slots if delivery_day(slot.start) == TOMORROW}
        assert told[2].per_kwh == 0.9
        assert {slot.state for slot in told.values()} == {PriceState.FINAL}
        seen = [line for line in await stage.journal("PLAN") if line["t"] / 1e9 > corrected_at.timestamp()]
        within = timedelta(minutes=20) if preliminary else CORRECTIONS
        assert seen[0]["t"] / 1e9 < (corrected_at + within).timestamp()

    play(story, soc_pct=30.0)


def test_d10_a_price_source_that_is_gone_for_three_days():
    async def story(stage: Stage) -> None:
        stage.world.faults.add("status", path="/prices/*", status=503, for_s=3 * 86_400)
        for _ in range(3):
            await stage.until("17:00")
            stage.plug_in()
            await stage.until("06:50")
            assert ready(stage)
            stage.car.drive_to(stage.car.home.moved(north_m=15_000), used_kwh=20)
            await stage.until("16:00")
            stage.car.drive_to(stage.car.home)
        assert [
            c for c in await stage.commands(Action.STOP) if c.why == "plan" and c.sent_at > bounds(TOMORROW)[1]
        ] == []
        (alert,) = await stage.alerts("PRICES_MISSING")
        assert alert.cleared_at is None
        await stage.wait(hours=3)
        (alert,) = await stage.alerts("PRICES_MISSING")
        assert alert.cleared_at is not None
        assert stage.app.prices.trouble == {}

    play(story)


def test_a_reload_does_not_wait_for_a_source_that_hangs():
    async def story(stage: Stage) -> None:
        stage.app.prices.fetch = asyncio.Event().wait  # type: ignore[assignment, method-assign]
        before = stage.now()
        await stage.app.reload()
        assert stage.now() - before < timedelta(minutes=1)

    play(story)


@pytest.mark.parametrize("disorder", [lambda slots: slots[::-1], lambda slots: [*slots, *slots[5:9]]])
def test_d11_slots_in_any_order_and_twice_are_put_in_order(disorder):
    async def story(stage: Stage) -> None:
        await cheap_night(stage)
        starts = [slot.start for slot in known(stage).slots]
        assert starts == sorted(set(starts))

    with_zone(story, lambda zone: setattr(zone, "spoil", disorder))


def test_d11_slots_that_overlap_and_differ_are_refused_whole():
    async def story(stage: Stage) -> None:
        before = known(stage)
        stage.zone.spoil = lambda slots: [*slots, replace(slots[3], start=slots[3].start + QUARTER, per_kwh=0.01)]
        await cheap_night(stage)
        assert known(stage).slots == before.slots
        assert "overlap" in stage.app.prices.trouble["market"]

    play(story)


def test_d12_equal_prices_make_one_plan():
    async def story(stage: Stage) -> None:
        await stage.night()
        assert len(await stage.commands(Action.START)) <= 1
        assert ready(stage)

    play(story, daily=[0.25] * 24)


def with_zone(story: Story, change: Callable[[Zone], Any], **setup: Any) -> None:
    """Play a story whose market is changed before the daemon first asks."""
    play(story, market=change, **setup)


def _span(slot: Any) -> Interval:
    return Interval(start=slot.start, end=slot.end)
