"""Who calls the drain, and how often while deliveries pour in."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scheduler.engine import MOST_REST_S, REST, SPARE, Alarm, Flood, LocalEngine
from scheduler.virtual_time import run_virtual
from tests.web_support import StepClock

START_AT = datetime(2026, 1, 1, tzinfo=UTC)
TOOK_S = 0.01


class Shard:
    """Has more work for so many drains, each of which takes a while; notes when each began."""

    def __init__(self, *, drains: int, took_s: float) -> None:
        self.left = drains
        self.took_s = took_s
        self.began_at: list[float] = []

    async def drain(self, _shard: int) -> bool:
        self.began_at.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.took_s)
        self.left -= 1
        return self.left > 0

    @property
    def apart_s(self) -> list[float]:
        """How long it was from the end of each drain to the next."""
        ended = [began + self.took_s for began in self.began_at]
        return [round(later - end, 6) for later, end in zip(self.began_at[1:], ended, strict=False)]


def drained(shard: Shard, *, pressed: Callable[[], bool]) -> list[float]:
    """Drain until nothing is left, in virtual time; return how far the drains were apart."""

    async def main() -> list[float]:
        engine = LocalEngine(shard.drain, clock=StepClock(), pressed=pressed)
        running = asyncio.create_task(engine.run())
        engine.poke({0})
        await engine.idle()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return shard.apart_s

    return virtually(main)


def virtually(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return run_virtual(main, start_at=START_AT)


def test_without_a_flood_nothing_waits():
    assert drained(Shard(drains=5, took_s=TOOK_S), pressed=lambda: False) == [0.0] * 4


def test_while_deliveries_pour_in_each_drain_leaves_them_several_times_as_long():
    assert drained(Shard(drains=4, took_s=TOOK_S), pressed=lambda: True) == [pytest.approx(REST * TOOK_S)] * 3


def test_the_wait_has_a_bound():
    assert drained(Shard(drains=3, took_s=60.0), pressed=lambda: True) == [pytest.approx(MOST_REST_S)] * 2


def test_what_comes_while_it_waits_is_one_drain():
    async def main() -> int:
        shard = Shard(drains=1, took_s=TOOK_S)
        engine = LocalEngine(shard.drain, clock=StepClock(), pressed=lambda: True)
        running = asyncio.create_task(engine.run())
        for _ in range(1 + round(REST * TOOK_S / 0.001)):
            engine.poke({0})
            await asyncio.sleep(0.001)
        await engine.idle()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return len(shard.began_at)

    assert virtually(main) == 2


def test_a_flood_is_what_grows_by_more_than_hundreds_a_second_and_it_ends():
    now, count = 0.0, 0
    flood = Flood(lambda: count, time=lambda: now)
    told = []
    for growth in (0, 5, 50, 50, 5, 0):
        now += 0.1
        count += growth
        told.append(flood())
    assert told == [False, False, True, True, False, False]


def test_a_flood_is_not_looked_for_more_often_than_it_can_be_told():
    now, count = 0.0, 0
    flood = Flood(lambda: count, time=lambda: now)
    now, count = 0.001, 48  # what was waiting at once is no flood
    assert not flood()
    now = 1.0
    assert not flood()


def test_an_alarm_set_anew_again_and_again_keeps_one_time_a_vehicle():
    clock = StepClock()
    alarm, noon = Alarm(clock, lambda _: None), clock.now()
    for second in range(1000):
        for vehicle_id in ("a", "b"):
            alarm.set(vehicle_id, noon + timedelta(hours=1, seconds=second))
        assert alarm.waiting <= 2 * 2 + SPARE
    assert alarm.pop_due(noon + timedelta(hours=1, seconds=998)) == []
    assert sorted(alarm.pop_due(noon + timedelta(hours=1, seconds=999))) == ["a", "b"]
    assert alarm.waiting == 0


def test_an_alarm_taken_back_does_not_ring():
    clock = StepClock()
    alarm = Alarm(clock, lambda _: None)
    alarm.set("a", clock.now())
    alarm.set("a", None)
    assert alarm.pop_due(clock.now()) == []
