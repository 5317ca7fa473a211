"""An event loop on virtual time: a run of months takes as long as its work, and nothing waits for a clock.

`kwhen demo --fast` runs simulator and daemon under it. One virtual clock drives `loop.time()`, and through time-machine
`time.time()` and `datetime.now()` of every library. It stands still while anything happens and jumps to the earliest
timer when nothing can happen before it: no callback is ready, no socket is readable, no byte is between two sockets
of this process, no executor job runs and nobody holds `in_flight()`.

`time.monotonic()` stays real. Libraries that read it directly see a run of days as a run of seconds: aiohttp's
connection pool never finds an idle connection too old, so connections live until the server closes them.
"""

import asyncio
import math
import selectors
import socket
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple

import time_machine

from scheduler.loopback import Wire

T = TypeVar("T")
Args = TypeVarTuple("Args")

MICROSECONDS = 1_000_000

# Timers live on whole microseconds, as datetimes do. A timer this much above one (in µs) is there through the rounding
# of float sums, not on purpose: after 3 years a float of seconds is good to 0.015 µs.
ROUNDING_US = 0.1

# asyncio runs the timers due before time() + resolution. Its own 1e-9 s vanishes in that sum after 2**24 s (194 days):
# a virtual clock standing exactly on a timer would then never run it. Half a microsecond lasts for 68 years.
CLOCK_RESOLUTION_S = 0.5e-6

OWN_SOCKETS = 1  # through it threads and signals wake the loop
UNLOOKED_AT_MOST = 100
POLLS_BEFORE_JUMP = 2
WIRE_PATIENCE_S = 0.02  # loopback delivers within microseconds; longer means that nobody reads
LOOK_S = 1.0
BUSY_PATIENCE_S = 60.0  # a thread that works longer than this in reality hangs
DEADLOCK_AFTER_S = 5.0


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that makes time pass where another would wait."""

    loop: "VirtualTimeLoop"
    _unlooked = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and self._is_deserted():
            if timeout > 0:
                self.loop.move_on(timeout)
            return []
        if timeout is not None and timeout <= 0:
            return super().select(0)
        for _ in range(POLLS_BEFORE_JUMP):
            if events := super().select(0):
                return events
        left_s = self.loop.patience_s(idle=timeout is None)
        while left_s > 0:  # in short looks: a process that was suspended meanwhile has lost one, not all its patience
            if events := super().select(min(left_s, LOOK_S)):
                return events
            left_s -= LOOK_S
        self.loop.move_on(timeout)
        return []

    def _is_deserted(self) -> bool:
        """Tell whether nothing but a signal could come in; for that the loop looks now and then."""
        self._unlooked += 1
        if len(self.get_map()) > OWN_SOCKETS or self.loop.busy or self._unlooked >= UNLOOKED_AT_MOST:
            self._unlooked = 0
            return False
        return True


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose `time()` is virtual seconds since its start and jumps from timer to timer.

    Callbacks from threads (`call_soon_threadsafe`) and signals wake it whenever it really waits. It really waits for
    executor jobs and `in_flight()` (without limit in virtual time), for bytes between two sockets of this process, and
    when no timer is set. TLS and Unix sockets are polled but not counted.

    Args:
        traveller: a running, not ticking time-machine whose wall clock moves with each jump; None leaves it alone.
        deadlock_after_s: real seconds without timer, traffic or work after which it raises RuntimeError naming the
            pending tasks.

    Attributes:
        busy: executor jobs and `in_flight()` blocks under way.
        jumps: how often time was moved.
        forced_jumps: how often it was moved, or given up waiting for, with bytes still unread after 20 ms.
    """

    _clock_resolution: float

    def __init__(
        self, traveller: time_machine.Traveller | None = None, *, deadlock_after_s: float = DEADLOCK_AFTER_S
    ) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self.busy = 0
        self.jumps = 0
        self.forced_jumps = 0
        self._traveller = traveller
        self._deadlock_after_s = deadlock_after_s
        self._wire = Wire()
        self._executor: Executor | None = None
        self._now_us = 0
        self._now_s = 0.0
        super().__init__(selector)
        self._clock_resolution = CLOCK_RESOLUTION_S

    def time(self) -> float:
        """Return the virtual seconds since this loop was made."""
        return self._now_s

    def call_at(
        self, when: float, callback: Callable[[*Args], object], *args: *Args, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Schedule as asyncio does, on the next whole microsecond, and in the future if `when` is.

        So a program that sleeps until `loop.time() >= when` gets there.
        """
        when_us = math.ceil(when * MICROSECONDS - ROUNDING_US)
        if when_us <= self._now_us and when > self._now_s:
            when_us = self._now_us + 1
        return super().call_at(when_us / MICROSECONDS, callback, *args, context=context)

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Hold the clock while work is under way that the loop cannot see, as in a thread. On the loop's thread."""
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run a job as asyncio does and hold the clock until it has ended, also when its waiter was cancelled."""
        if executor is None:
            executor = self._default_pool()
        job = executor.submit(func, *args)
        self.busy += 1
        waiter = asyncio.wrap_future(job, loop=self)
        job.add_done_callback(self._job_ended)  # after wrap_future's own, so that the result comes first
        return waiter

    def set_default_executor(self, executor: Executor) -> None:
        """Choose the executor that None stands for."""
        super().set_default_executor(executor)  # type: ignore[arg-type]
        self._executor = executor

    async def shutdown_default_executor(self, *args: Any) -> None:
        """Join the default executor's threads; the time limit of newer Pythons must not jump ahead of them."""
        with self.in_flight():
            await super().shutdown_default_executor(*args)

    def patience_s(self, *, idle: bool) -> float:
        """Return how long to wait really for sockets and threads before time moves on [s of real time]."""
        if self.busy:
            return BUSY_PATIENCE_S
        if self._wire.unread_bytes:
            return WIRE_PATIENCE_S
        return self._deadlock_after_s if idle else 0.0

    def move_on(self, timeout_s: float | None) -> None:
        """Jump to the timer that asyncio would wait for, None being no timer.

        Raises:
            RuntimeError: nothing is left that could end the waiting.
        """
        if self.busy:
            raise RuntimeError(
                f"{self.busy} jobs in flight have not ended for {BUSY_PATIENCE_S:g} s; {self._pending()}"
            )
        if self._wire.unread_bytes:
            self._wire.write_off()
            self.forced_jumps += 1
        elif timeout_s is None:
            raise RuntimeError(
                f"no timer is set and nothing has come in for {self._deadlock_after_s:g} s; {self._pending()}"
            )
        if timeout_s is not None:
            self._jump(max(1, round(timeout_s * MICROSECONDS)))

    def _jump(self, span_us: int) -> None:
        self.jumps += 1
        self._now_us += span_us
        self._now_s = self._now_us / MICROSECONDS
        if self._traveller is not None:
            self._traveller.shift(timedelta(microseconds=span_us))

    def _default_pool(self) -> Executor:
        if self._executor is None:
            self.set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))
        assert self._executor is not None
        return self._executor

    def _job_ended(self, _job: Future[Any]) -> None:
        with suppress(RuntimeError):  # the loop was closed before the job ended
            self.call_soon_threadsafe(self._release)

    def _release(self) -> None:
        self.busy -= 1

    def _pending(self) -> str:
        names = sorted(f"{task.get_name()} ({task.get_coro()!r})" for task in asyncio.all_tasks(self))
        return f"pending tasks: {', '.join(names) or 'none'}"

    def _make_socket_transport(self, sock: socket.socket, *args: Any, **kwargs: Any) -> asyncio.Transport:
        counted = self._wire.counted(sock)
        transport: asyncio.Transport = super()._make_socket_transport(counted, *args, **kwargs)  # type: ignore[misc]
        return transport


def run_virtual(
    main: Callable[[], Awaitable[T]], *, start_at: datetime, deadlock_after_s: float = DEADLOCK_AFTER_S
) -> T:
    """Run `main` as `asyncio.run` does, on virtual time from `start_at`, and return its result.

    The wall clock of this process, and its local time zone (UTC meanwhile), are put back afterwards. SIGINT cancels
    `main` and raises KeyboardInterrupt.

    Raises:
        ValueError: `start_at` has no time zone.
        RuntimeError: called from a running loop, or the program waits for what cannot come (see VirtualTimeLoop).
    """
    if start_at.utcoffset() is None:
        raise ValueError(f"start_at must be an aware instant, not {start_at!r}")

    async def root() -> T:
        return await main()

    with (
        time_machine.travel(start_at.astimezone(UTC), tick=False) as traveller,
        asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(traveller, deadlock_after_s=deadlock_after_s)) as runner,
    ):
        return runner.run(root())
