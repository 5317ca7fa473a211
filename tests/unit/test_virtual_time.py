"""Virtual time passes when nothing else can happen, and only then."""

import asyncio
import os
import selectors
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, Self
from zoneinfo import ZoneInfo

import pytest
from aiohttp import ClientSession, ClientTimeout, web
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

from scheduler.virtual_time import LOOK_S, VirtualTimeLoop, run_virtual

START_AT = datetime(2026, 3, 28, 12, tzinfo=UTC)  # a day before the clocks change in Europe
DAY_S = 86_400.0


def now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - what a library would read


def virtual_loop() -> VirtualTimeLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop


def run(main: Callable[[], Awaitable[Any]], **kwargs: Any) -> Any:
    return run_virtual(main, start_at=START_AT, **kwargs)


class Server:
    """An aiohttp server on a free loopback port, with a session to call it."""

    def __init__(self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]], **session: Any) -> None:
        app = web.Application()
        app.router.add_route("*", "/", handler)
        self._runner = web.AppRunner(app, access_log=None)
        self._session_args = session

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"
        self.session = ClientSession(**self._session_args)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.session.close()
        await self._runner.cleanup()


def test_timers_run_in_order_each_at_its_own_instant():
    async def main() -> list[tuple[str, float, datetime]]:
        seen: list[tuple[str, float, datetime]] = []
        loop = virtual_loop()
        for name, delay_s in [("c", 90_000.25), ("a", 0.1), ("b", 60), ("d", 7 * DAY_S)]:
            loop.call_later(delay_s, lambda name=name: seen.append((name, loop.time(), now())))
        await asyncio.sleep(8 * DAY_S)
        return seen

    assert run(main) == [
        ("a", 0.1, START_AT + timedelta(milliseconds=100)),
        ("b", 60.0, START_AT + timedelta(minutes=1)),
        ("c", 90_000.25, START_AT + timedelta(seconds=90_000, milliseconds=250)),
        ("d", 7 * DAY_S, START_AT + timedelta(days=7)),
    ]


def test_a_month_of_sleeping_tasks_takes_a_moment():
    async def main() -> float:
        await asyncio.gather(*(asyncio.sleep(days * DAY_S) for days in range(31)))
        return virtual_loop().time()

    began = time.monotonic()
    assert run(main) == 30 * DAY_S
    assert time.monotonic() - began < 1.0


def test_it_crosses_three_years_without_losing_a_tick():
    quarters = 3 * 365 * 4  # of a day

    async def main() -> list[datetime]:
        ticks = []
        for _ in range(quarters):
            await asyncio.sleep(DAY_S / 4 + 0.1)
            ticks.append(now())
        return ticks

    ticks = run(main)
    assert ticks == [START_AT + (n + 1) * timedelta(hours=6, milliseconds=100) for n in range(quarters)]


@pytest.mark.parametrize("lead_s", [0.3, 4e-7, 1e-9, 3e-8])
def test_sleeping_until_an_instant_gets_there(lead_s):
    async def main() -> int:
        loop = virtual_loop()
        await asyncio.sleep(2 * 365 * DAY_S + 0.1)
        until, rounds = loop.time() + lead_s, 0
        while loop.time() < until:
            rounds += 1
            await asyncio.sleep(until - loop.time())
        return rounds

    assert run(main) <= 2


def test_a_timeout_of_asyncio_fires_on_virtual_time():
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await asyncio.Event().wait()
        return virtual_loop().time()

    assert run(main) == 3600


async def exchange_with_a_slow_handler() -> list[tuple[str, float]]:
    trace: list[tuple[str, float]] = []
    loop = virtual_loop()

    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(float(request.query["s"]))
        return web.json_response({"at": loop.time()})

    async with Server(slow, timeout=ClientTimeout(total=20)) as server:
        for seconds in (19, 60, 0, 3):
            try:
                async with server.session.post(server.url, params={"s": seconds}, json={"a": 1}) as response:
                    answer = await response.json()
                    trace.append(("answered", answer["at"]))
            except TimeoutError:
                trace.append(("timed out", loop.time()))
    trace.append(("jumps forced", loop.forced_jumps))
    return trace


def test_a_client_times_out_on_a_handler_that_sleeps_longer():
    trace = run(exchange_with_a_slow_handler)
    assert trace == [("answered", 19), ("timed out", 39), ("answered", 39), ("answered", 42), ("jumps forced", 0)]


def test_the_same_program_has_the_same_times_twice():
    assert run(exchange_with_a_slow_handler) == run(exchange_with_a_slow_handler)


def test_no_time_passes_while_messages_travel():
    async def main() -> tuple[float, int]:
        async def echo(request: web.Request) -> web.Response:
            return web.Response(body=await request.read())

        loop = virtual_loop()
        async with Server(echo) as server:
            beat = loop.create_task(asyncio.sleep(1))
            for size in (0, 10, 300_000, 800_000):
                async with server.session.put(server.url, data=BytesIO(b"x" * size)) as response:
                    assert len(await response.read()) == size
            await asyncio.gather(*(server.session.get(server.url) for _ in range(20)))
            at_s = loop.time()
            assert not beat.done()
            await beat
        return at_s, loop.forced_jumps

    assert run(main) == (0.0, 0)


def test_every_byte_is_accounted_for_when_connections_end():
    async def main() -> tuple[int, int]:
        async def greet(request: web.Request) -> web.Response:
            return web.Response(text="hello", headers={"Connection": request.query["connection"]})

        loop = virtual_loop()
        async with Server(greet) as server:
            for connection in ("close", "keep-alive", "close"):
                async with server.session.get(server.url, params={"connection": connection}) as response:
                    assert await response.text() == "hello"
        await asyncio.sleep(1)
        return loop._wire.unread_bytes, loop._wire.connections

    assert run(main) == (0, 0)


def test_bytes_that_nobody_reads_delay_time_once_and_are_counted():
    async def main() -> list[int]:
        deaf_ends: list[asyncio.StreamWriter] = []

        async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.pause_reading()
            deaf_ends.append(writer)

        loop = virtual_loop()
        server = await asyncio.start_server(deaf, "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await asyncio.sleep(1)
        forced = [loop.forced_jumps]
        writer.write(b"anyone?")
        for _ in range(3):
            await asyncio.sleep(1)
            forced.append(loop.forced_jumps)
        for end in (writer, *deaf_ends):
            end.close()
            await end.wait_closed()
        server.close()
        await server.wait_closed()
        return forced

    assert run(main) == [0, 1, 1, 1]


def test_a_week_of_periodic_jobs_runs_exactly_on_time():
    async def main() -> dict[str, list[datetime]]:
        runs: dict[str, list[datetime]] = {"five": [], "quarter": [], "thread": [], "daily": []}
        scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )

        async def note(name: str) -> None:
            runs[name].append(now())

        scheduler.add_job(note, "interval", ["five"], seconds=300)
        scheduler.add_job(note, "interval", ["quarter"], minutes=15)
        scheduler.add_job(lambda: runs["thread"].append(now()), "interval", hours=1)  # runs in the executor
        scheduler.add_job(note, CronTrigger(hour=11, minute=42, timezone=UTC), ["daily"])
        scheduler.start()
        await asyncio.sleep(7 * DAY_S + 1)
        scheduler.shutdown(wait=False)
        return runs

    runs = run(main)
    assert runs["five"] == [START_AT + n * timedelta(minutes=5) for n in range(1, 7 * 24 * 12 + 1)]
    assert runs["quarter"] == [START_AT + n * timedelta(minutes=15) for n in range(1, 7 * 24 * 4 + 1)]
    assert runs["thread"] == [START_AT + n * timedelta(hours=1) for n in range(1, 7 * 24 + 1)]
    assert runs["daily"] == [START_AT + timedelta(days=n, hours=-1, minutes=42) for n in range(1, 8)]


def rounds_with_the_loop(loop: asyncio.AbstractEventLoop, seen: list[tuple[str, float]]) -> None:
    """In a thread: tell the loop something, wait until it has heard, and again. A free clock would jump meanwhile."""
    for _ in range(20):
        heard = threading.Event()
        loop.call_soon_threadsafe(lambda: seen.append(("thread", loop.time())))
        loop.call_soon_threadsafe(heard.set)
        assert heard.wait(10)


EXPECTED_ROUNDS = [("thread", 0.0)] * 20 + [("timer", 1.0)]


def test_a_jump_does_not_overtake_a_job_in_the_executor():
    async def main() -> list[tuple[str, float]]:
        loop, seen = virtual_loop(), []
        loop.call_later(1, lambda: seen.append(("timer", loop.time())))
        await asyncio.to_thread(rounds_with_the_loop, loop, seen)
        await asyncio.sleep(2)
        return seen

    assert run(main) == EXPECTED_ROUNDS


def test_a_cancelled_job_holds_the_clock_until_its_thread_is_done():
    async def main() -> list[tuple[str, float]]:
        loop, seen, begun = virtual_loop(), [], asyncio.Event()

        def job() -> None:
            loop.call_soon_threadsafe(begun.set)
            rounds_with_the_loop(loop, seen)

        waiter = asyncio.ensure_future(loop.run_in_executor(None, job))
        await begun.wait()
        waiter.cancel()
        await asyncio.sleep(1)
        return [*seen, ("timer", loop.time())]

    assert run(main) == EXPECTED_ROUNDS


def test_a_jump_does_not_overtake_a_thread_announced_as_in_flight():
    async def main() -> list[tuple[str, float]]:
        loop, seen = virtual_loop(), []
        loop.call_later(1, lambda: seen.append(("timer", loop.time())))
        done = loop.create_future()

        def work() -> None:
            rounds_with_the_loop(loop, seen)
            loop.call_soon_threadsafe(done.set_result, None)

        thread = threading.Thread(target=work)
        with loop.in_flight():
            thread.start()
            await done
        thread.join()
        await asyncio.sleep(2)
        return seen

    assert run(main) == EXPECTED_ROUNDS


def test_a_thread_wakes_a_loop_without_timers():
    async def main() -> str:
        loop = virtual_loop()
        done = loop.create_future()
        thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(done.set_result, "awake"))
        loop.call_soon(thread.start)
        answer = await done
        thread.join()
        return answer

    assert run(main) == "awake"


def test_waiting_for_what_cannot_come_is_an_error_that_names_the_task():
    async def forgotten() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        await asyncio.create_task(forgotten(), name="the-forgotten-one")

    with pytest.raises(RuntimeError, match=r"no timer is set.*the-forgotten-one"):
        run(main, deadlock_after_s=0.01)


@pytest.fixture
def interruptible():
    """Take interrupts as Python does by itself: a run in the background inherits that they are ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("waits", ["for timers", "for nothing"])
def test_an_interrupt_ends_it(waits):
    ended = []

    async def main() -> None:
        loop = virtual_loop()
        interrupter = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT))
        loop.call_soon(interrupter.start)
        try:
            if waits == "for nothing":
                await asyncio.Event().wait()
            for _ in range(10_000_000):
                await asyncio.sleep(1e-3)
        finally:
            interrupter.join()
            ended.append(True)

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert ended == [True]


def test_everything_is_put_back_afterwards():
    before_zone, leftovers = time.tzname, []

    async def leftover() -> None:
        try:
            await asyncio.sleep(DAY_S)
        finally:
            leftovers.append("cancelled")

    async def main() -> tuple[datetime, str]:
        virtual_loop().create_task(leftover())
        await asyncio.sleep(1)
        return now(), time.tzname[0]

    real = now()
    start_at = datetime(2027, 6, 1, 8, tzinfo=ZoneInfo("Europe/Oslo"))
    assert run_virtual(main, start_at=start_at) == (datetime(2027, 6, 1, 6, 0, 1, tzinfo=UTC), "UTC")
    assert timedelta(0) <= now() - real < timedelta(seconds=30)
    assert time.tzname == before_zone
    assert leftovers == ["cancelled"]


def test_a_failure_of_the_program_comes_out_and_the_clock_is_put_back():
    async def main() -> None:
        await asyncio.sleep(DAY_S)
        raise LookupError("no such vehicle")

    real = now()
    with pytest.raises(LookupError, match="no such vehicle"):
        run(main)
    assert timedelta(0) <= now() - real < timedelta(seconds=30)


def test_a_start_without_time_zone_is_refused():
    async def main() -> None:
        raise AssertionError("never started")

    with pytest.raises(ValueError, match="aware"):
        run_virtual(main, start_at=datetime(2026, 1, 1))  # noqa: DTZ001 - the point


def test_a_process_that_was_suspended_has_patience_left_for_its_threads(monkeypatch):
    """Time that no thread could use has passed: a look ends at once, and nothing is there."""
    looked: list[float] = []
    select = selectors.DefaultSelector.select

    def suspended(self: Any, timeout: float | None = None) -> Any:
        if timeout and not looked:
            looked.append(timeout)
            return []
        return select(self, timeout)

    monkeypatch.setattr(selectors.DefaultSelector, "select", suspended)
    go_on = threading.Event()

    async def main() -> int:
        job = asyncio.get_running_loop().run_in_executor(None, lambda: go_on.wait(10) and 42)
        threading.Timer(0.05, go_on.set).start()
        return await job

    assert run(main) == 42
    assert looked == [LOOK_S]
