"""One life: the whole daemon and the simulator in one process on one virtual clock, and what the checker says of it."""

import asyncio
import contextlib
import logging
import random
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from scheduler.app import App
from scheduler.cli.demo_report import Judge
from scheduler.cli.demo_staging import free_port, passing_place
from scheduler.clock import SystemClock
from scheduler.config import Settings, load
from scheduler.core.errors import ConfigError, StoreBusy
from scheduler.core.model import Hand, Override, Will
from scheduler.virtual_time import run_virtual
from scheduler.web_client import WebLimits
from simulator.clock import LoopClock
from simulator.instants import nanoseconds
from simulator.market import Zone
from simulator.vehicle import Vehicle
from simulator.world import World
from tests.campaign import bills
from tests.campaign.configuring import Written
from tests.campaign.joints import SECRET, Full, Joint, Memory
from tests.campaign.leaving import Leaving
from tests.campaign.markets import zone_of
from tests.campaign.outcome import Outcome
from tests.campaign.script import DAY_S, Script, Trouble
from tests.campaign.town import settle
from tests.campaign.troubles import KINDS
from tests.unruly import SteppingClock, refuse_writing

JUDGED_EVERY_S = 6 * 3600
ALL = 1_000_000
SECOND_NS = 1_000_000_000


class Life:
    """A script while it is lived through."""

    def __init__(self, script: Script, joint: Joint, directory: Path) -> None:
        self.script = script
        self.clock = SteppingClock(script.start_at.astimezone(UTC))
        self.world = World(seed=script.seed, start_at=script.start_at)
        self.zone: Zone = self.world.market.add(zone_of(script))
        self.app: App | None = None
        self._judge = Judge(dated=self._dated)
        self._joint = joint
        self._directory = directory
        self._households = settle(self.world, script)
        self._cars = [car for one in self._households for car in one.cars]
        self._hindered: Counter[str] = Counter()
        self._leaving = Leaving()
        self.world.on_truth = self._hear
        self._deadly_step = ""
        self._died = asyncio.Event()
        self._ids = random.Random(f"commands:{script.seed}")
        self._busy = asyncio.Lock()
        self._counted: Counter[str] = Counter()
        self._written: Written

    # its course

    async def live(self) -> Outcome:
        """Live through the script."""
        await self._joint.open(self.world, LoopClock(self.script.start_at))
        self._written = Written(
            directory=self._directory,
            url=self._joint.url,
            client_id=self.world.client_id,
            zone=self.zone.name,
            hook_port=free_port() if self.script.webhooks else None,
        )
        try:
            await self._start()
            async with asyncio.TaskGroup() as troubles:
                struck = [troubles.create_task(self._strike(it), name=it.code) for it in self.script.troubles]
                for until_s in range(JUDGED_EVERY_S, self.script.days * DAY_S + 1, JUDGED_EVERY_S):
                    await self._until(until_s)
                    await self._advance()
                for one in struck:
                    one.cancel()
            return await self._outcome()
        finally:
            if self.app is not None:
                await self._stop()
            await self._joint.close()

    async def _until(self, seconds: float) -> None:
        at = self.script.start_at + timedelta(seconds=seconds)
        await asyncio.sleep(max(0.0, (at - self.now()).total_seconds()))

    async def _advance(self) -> None:
        async with self._busy:
            if self.app is not None:
                await self._judge.advance(self.app.store)

    async def _strike(self, it: Trouble) -> None:
        await self._until(it.at_s)
        kind = KINDS[it.code]
        self._tell(it, "begin", hinders=kind.hinders)
        await kind.course(self, it)
        self._tell(it, "end", hinders=kind.hinders)

    def _tell(self, it: Trouble, op: str, *, hinders: bool) -> None:
        """Tell the checker of a trouble, and, where it hinders commands, that their path closed or opened."""
        struck = self.struck(it)
        for whose in (None,) if it.car < 0 else (car.id for car in struck):
            line = {"k": "FAULT", "t": nanoseconds(self.now()), "v": whose, "op": op, "what": f"{it.code} {it.at_s}"}
            self._judge.hear(line)
        if hinders:
            for car in struck:
                self._hindered[car.id] += 1 if op == "begin" else -1
                car.tell("path")

    def _dated(self, line: Mapping[str, Any]) -> int:
        """Return when a line was truly written: the monotonic clock of every run began with the life."""
        told, true = int(line["t"]), nanoseconds(self.script.start_at) + int(line["m"])
        return told if abs(true - told) < SECOND_NS else true  # else the daemon's wall clock had stepped

    def _hear(self, truth: dict[str, Any]) -> None:
        """Hand a truth to the checker; while something hinders commands, their path counts as closed."""
        self._leaving.hear(truth, self.now())
        if self._hindered[truth["v"]]:
            truth = {**truth, "path": False}
        self._judge.hear(truth)

    async def _outcome(self) -> Outcome:
        assert self.app is not None
        await self._judge.advance(self.app.store)
        commands = await self.app.store.commands(limit=ALL)
        counters = self.app.loop.counters
        misplaced = Counter(self._leaving.crossed(action) for action in self.world.actions.away)
        return Outcome(
            seed=self.script.seed,
            fidelity=self._joint.name,
            vehicle_days=self.script.vehicle_days,
            violations=tuple(self._judge.violations()),
            commands=len(commands),
            away=misplaced[False],
            crossed=misplaced[True],
            turns_failed=self._counted["turns_failed"] + counters.turns_failed,
            decisions=self._counted["decisions"] + counters.decisions,
            restarts=self._counted["restarts"],
            troubles=len(self.script.troubles),
            combinations=tuple(sorted(self.script.combinations())),
            figures=self._bills(),
        )

    def _bills(self) -> dict[str, float]:
        controlled = [one for one in self._households if one.home.mode == "control"]
        known = {
            vehicle.id: {"minimum_pct": one.home.minimum_pct, "pausable": not car.no_pause}
            for one in controlled
            for vehicle, car in zip(one.cars, one.home.cars, strict=True)
        }
        sessions = [
            bills.session_of(told, self.world.vehicles[told["vehicle"]], **known[told["vehicle"]])  # type: ignore[arg-type]
            for told in self.world.sessions()
            if told["vehicle"] in known
        ]
        market = bills.Market(self.zone, self.script.start_at, self.script.days)
        return bills.sums(sessions, market, quiet=not self.script.troubles)

    # the daemon

    def _settings(self) -> Settings:
        path = self._directory / "kwhen.toml"
        path.write_text(self._written.toml(self._households), encoding="utf-8")
        return load(path, {"KWHEN_ENODE__CLIENT_SECRET": self.world.client_secret, "KWHEN_WEBHOOK__SECRET": SECRET})

    async def _start(self) -> None:
        app = self.app = App(
            self._settings(),
            clock=self.clock,
            reread=self._settings,
            step=self._step,
            alarm_cap_s=60.0,
            web_limits=WebLimits(idle_s=float(DAY_S)),
            new_id=lambda: str(UUID(int=self._ids.getrandbits(128), version=4)),
            rng=random.Random(f"jitter:{self.script.seed}"),
            store=self._joint.store(self._directory, self.clock),
            web_client=self._joint.web_client,  # type: ignore[arg-type]
        )
        await app.start()
        if self.script.webhooks:
            self._joint.listen(app)

    async def _stop(self) -> None:
        app, self.app = self.app, None
        assert app is not None
        self._joint.listen(None)
        self._counted["turns_failed"] += app.loop.counters.turns_failed
        self._counted["decisions"] += app.loop.counters.decisions
        await app.stop()

    def _step(self, name: str) -> None:
        if name == self._deadly_step and self.app is not None:
            self._deadly_step = ""
            self._died.set()
            self.lose_store()
            raise asyncio.CancelledError

    # what troubles do

    def now(self) -> datetime:
        """Return the world's time."""
        return SystemClock().now()

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    def struck(self, it: Trouble) -> list[Vehicle]:
        """Return the cars that a trouble strikes: all, one, or those of one's account."""
        if it.car < 0:
            return self._cars
        one = self._cars[it.car]
        if not KINDS[it.code].one_account:
            return [one]
        return [car for car in self._cars if (car.user_id, car.vendor) == (one.user_id, one.vendor)]

    def lose_store(self) -> Callable[[], None]:
        """Let nothing be written from now on; return what mends it."""
        if self.app is None:
            return lambda: None
        return refuse_writing(self.app.store)

    async def step_reached(self, step: str, *, within_s: float) -> None:
        """Have the daemon die at its next such step; return when it did, or when the time is over."""
        self._deadly_step = step
        self._died.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._died.wait()
        self._deadly_step = ""

    async def down(self, for_s: float, *, crash: bool) -> None:
        """End the daemon, in order or not, and start it again after a while."""
        async with self._busy:
            mend = self.lose_store()
            if not crash:
                mend()
            await self._stop()
            mend()
            await asyncio.sleep(for_s)
            self._counted["restarts"] += 1
            await self._start()

    async def reload(self, *, spoilt: bool = False, target_by: float | None = None) -> None:
        """Have the daemon read its configuration again; a spoilt one must be refused."""
        async with self._busy:
            assert self.app is not None
            before = self._written
            changed = replace(before, target_by=before.target_by if target_by is None else target_by)
            self._written = replace(changed, spoilt=spoilt)
            taken = False
            try:
                await self.app.reload()
                taken = True
            except (ConfigError, StoreBusy):
                if not spoilt and "commit" not in vars(self.app.store):
                    raise
            finally:
                self._written = changed
            if taken and spoilt:
                raise AssertionError("an unknown key was taken")

    async def spoil_policies(self, *, for_s: float) -> None:
        """Have the policy of prices of every home fail for a while, then reload, as a person would."""

        class Broken:
            def terms(self, _situation: object) -> Any:
                raise ZeroDivisionError("a policy that is broken")

        async with self._busy:
            assert self.app is not None
            for policies in self.app.loop.world.policies.values():
                for speaker in getattr(policies, "speakers", ()):
                    if speaker.label == "spot":
                        speaker.policy = Broken()
        await asyncio.sleep(for_s)
        await self.reload()

    async def wish(self, it: Trouble, will: Will) -> None:
        """Say what a person wants of the struck cars, until the trouble ends."""
        async with self._busy:
            assert self.app is not None
            for car in self.struck(it):
                now = self.clock.now()
                wish = Override(will=will, by=Hand.CLI, set_at=now, until=now + timedelta(seconds=it.for_s))
                with contextlib.suppress(StoreBusy):
                    await self.app.wish(car.id, wish)
        await asyncio.sleep(it.for_s)


def live(script: Script, fidelity: str = "memory") -> Outcome:
    """Live through a script; `fidelity` is `full` or `memory`."""
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    with _silent(), tempfile.TemporaryDirectory(prefix="kwhen-life-", dir=passing_place()) as directory:
        outcome = _lived(script, Full() if fidelity == "full" else Memory(), Path(directory))
    wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    return replace(outcome, wall_s=round(wall_s, 2), cpu_s=round(cpu_s, 2))


def _lived(script: Script, joint: Joint, directory: Path) -> Outcome:
    def begin() -> Awaitable[Outcome]:
        return Life(script, joint, directory).live()

    return run_virtual(begin, start_at=script.start_at)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Let nobody write log lines: a life has a hundred thousand of them."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
