"""Who calls `drain` on one node: a set of dirty shards, a lock for each, and one alarm clock for all vehicles."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from scheduler.ports import Clock

log = structlog.get_logger()

Drain = Callable[[int], Awaitable[bool]]

REST = 4.0
"""While deliveries pour in, so many times as long as a drain took is left to them: a drain then finds more at once."""

MOST_REST_S = 1.0

POURING_PER_S = 200.0
"""More deliveries than this are a flood: no fleet of one daemon has so much to tell for long."""

LOOK_S = 0.05


class LocalEngine:
    """The `Engine` port on one node. Several nodes get a second implementation of the same three methods.

    Args:
        drain: runs the cycle for a shard, and tells whether more work waits there.
        clock: tells how fast its seconds pass.
        pressed: tells whether deliveries pour in, so that drains must leave them time.
    """

    def __init__(self, drain: Drain, *, clock: Clock, pressed: Callable[[], bool] = lambda: False) -> None:
        self._drain = drain
        self._clock = clock
        self._pressed = pressed
        self._rest_until = 0.0
        self._dirty: set[int] = set()
        self._draining: set[int] = set()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._jobs = AsyncIOScheduler(
            timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        self._rounds: dict[float, dict[str, Callable[[], Any]]] = {}
        self._at_work: set[str] = set()
        self.failed: BaseException | None = None

    def poke(self, shards: Iterable[int]) -> None:
        """Say that shards have work. Level-triggered: ten pokes are one drain, a poke while draining is one more."""
        self._dirty.update(shards)
        if self._dirty:
            self._wake.set()
            self._idle.clear()

    async def run(self) -> None:
        """Drain poked shards until cancelled; the shards side by side, each by one drain at a time."""
        self._jobs.start()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._give_way()
                for shard in sorted(self._dirty - self._draining):
                    self._dirty.discard(shard)
                    self._draining.add(shard)
                    task = asyncio.create_task(self._one(shard), name=f"drain-{shard}")
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
        finally:
            self._jobs.pause()
            await asyncio.sleep(0)  # a round that was just handed over ends; cut off, it would be told as an error
            self._jobs.shutdown(wait=False)
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _give_way(self) -> None:
        rest_s = self._rest_until - asyncio.get_running_loop().time()
        if rest_s > 0 and self._pressed():
            await asyncio.sleep(rest_s)

    async def _one(self, shard: int) -> None:
        began = asyncio.get_running_loop().time()
        try:
            if await self._drain(shard):
                self._dirty.add(shard)
        except Exception:
            log.exception("shard.failed", shard=shard)
        finally:
            self._draining.discard(shard)
            self._drained(began)
            if self._dirty:
                self._wake.set()
            elif not self._draining:
                self._idle.set()

    def _drained(self, began: float) -> None:
        now = asyncio.get_running_loop().time()
        self._rest_until = min(max(self._rest_until, now) + REST * (now - began), now + MOST_REST_S)

    async def idle(self) -> None:
        """Wait until no shard is dirty or being drained."""
        await self._idle.wait()

    def soon(self, job: Callable[[], Any]) -> None:
        """Run a job once, as soon as the loop is free."""
        self._jobs.add_job(job)

    def periodic(self, name: str, every_s: float, job: Callable[[], Any]) -> None:
        """Run a job every so many seconds. One that is still running is not started again; one that fails is told."""
        for others in self._rounds.values():
            others.pop(name, None)
        jobs = self._rounds.get(every_s)
        if jobs is None:  # one round for all of an interval: fewer wakings, and all of it at one moment
            jobs = self._rounds[every_s] = {}
            seconds = every_s / self._clock.speed
            self._jobs.add_job(self._go_round, "interval", seconds=seconds, args=[jobs], id=f"every {every_s:g} s")
        jobs[name] = job

    async def _go_round(self, jobs: Mapping[str, Callable[[], Any]]) -> None:
        for name, job in tuple(jobs.items()):
            if name not in self._at_work:
                self._at_work.add(name)
                task = asyncio.create_task(self._guarded(name, job), name=name)
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _guarded(self, name: str, job: Callable[[], Any]) -> None:
        try:
            await job()
        except Exception:
            log.exception("job.failed", job=name)
        finally:
            self._at_work.discard(name)


class Flood:
    """Tells whether a count grows fast.

    Args:
        count: what is counted.
        time: seconds of a clock that never steps.
    """

    def __init__(self, count: Callable[[], int], *, time: Callable[[], float]) -> None:
        self._count = count
        self._time = time
        self._looked_at = time()
        self._counted = 0
        self._pouring = False

    def __call__(self) -> bool:
        """Tell whether it grew by more than 200 a second since it was last looked at, at most 20 times a second."""
        now = self._time()
        since_s = now - self._looked_at
        if since_s >= LOOK_S:
            count = self._count()
            self._pouring = count - self._counted > POURING_PER_S * since_s
            self._looked_at, self._counted = now, count
        return self._pouring


SPARE = 16
"""So many outdated entries of the alarm are not worth clearing."""


class Alarm:
    """One heap of due times for all vehicles. It never sleeps longer than `cap_s`, since a wall clock can step."""

    def __init__(self, clock: Clock, ring: Callable[[list[str]], None], *, cap_s: float = 1.0) -> None:
        self._clock = clock
        self._ring = ring
        self._cap_s = cap_s
        self._due: dict[str, datetime] = {}
        self._heap: list[tuple[datetime, str]] = []
        self._moved = asyncio.Event()

    def set(self, vehicle_id: str, due: datetime | None) -> None:
        """Set when the vehicle is due next; None for never."""
        if due is None:
            self._due.pop(vehicle_id, None)
            return
        if self._due.get(vehicle_id) == due:
            return
        self._due[vehicle_id] = due
        heapq.heappush(self._heap, (due, vehicle_id))
        if len(self._heap) > 2 * len(self._due) + SPARE:
            self._heap = [(at, one) for one, at in self._due.items()]  # what was set anew stays in it until it is due
            heapq.heapify(self._heap)
        if self._heap[0][0] == due:
            self._moved.set()

    @property
    def waiting(self) -> int:
        """How many times are kept, outdated ones included."""
        return len(self._heap)

    def pop_due(self, now: datetime) -> list[str]:
        """Take the vehicles that are due at the instant."""
        fired = []
        while self._heap and self._heap[0][0] <= now:
            due, vehicle_id = heapq.heappop(self._heap)
            if self._due.get(vehicle_id) == due:
                del self._due[vehicle_id]
                fired.append(vehicle_id)
        return fired

    async def run(self) -> None:
        """Ring for due vehicles until cancelled."""
        while True:
            fired = self.pop_due(self._clock.now())
            if fired:
                self._ring(fired)
            self._moved.clear()
            await self._nap()

    async def _nap(self) -> None:
        wait_s = self._cap_s
        if self._heap:
            wait_s = min(wait_s, max((self._heap[0][0] - self._clock.now()) / timedelta(seconds=1), 0.0))
        nap = asyncio.ensure_future(self._clock.sleep(wait_s))
        moved = asyncio.ensure_future(self._moved.wait())
        try:
            await asyncio.wait((nap, moved), return_when=asyncio.FIRST_COMPLETED)
        finally:
            nap.cancel()
            moved.cancel()
            await asyncio.gather(nap, moved, return_exceptions=True)
