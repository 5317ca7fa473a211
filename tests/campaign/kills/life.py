"""One life of a daemon: killed again and again, and each time started on the same store."""

import asyncio
import random
import signal
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scheduler.cli import demo_configuration
from scheduler.cli.demo_configuration import Places
from storage.sqlite import driver
from tests.campaign.kills import evidence, verdict
from tests.campaign.kills.children import Child, Children
from tests.campaign.kills.daemon import Fate, Order
from tests.campaign.kills.draw import Step, drawn
from tests.campaign.kills.people import People, Socket
from tests.campaign.kills.stays import sessions_once
from tests.campaign.kills.town import Town
from tests.integration.processes import free_port

SPEED = 60.0
FIRST_DAY = datetime(2026, 1, 12, 16, 0, tzinfo=UTC)

CONTROL = """
[control]
n_hour = 60
n_day = 500
t_dwell_min = 1
t_stable_s = 0
t_unplug_min = 1
t_verify_min = 10
"""
"""Many commands, and an end to each of them before long: a life lasts some hours of its own time."""

READY_S = 60.0
STOPPED_S = 30.0
SETTLED_S = 90.0


@dataclass(kw_only=True)
class Outcome:
    """What came of a life. `start_s`: how long one of its daemons took from its birth until it was ready."""

    kills: Counter[str] = field(default_factory=Counter)
    commands: int = 0
    sends: int = 0
    actions: int = 0
    events: int = 0
    overrides: int = 0
    sessions: int = 0
    lines: int = 0
    runs: int = 0
    store_bytes: int = 0
    start_s: float = 0.0
    faults: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return vars(self) | {"kills": dict(self.kills)}


class Life:
    """The stage, the daemon on it, and everything that is noted."""

    def __init__(self, directory: Path, *, seed: str, pace: float = 1.0) -> None:
        self.directory, self.seed = directory, seed
        self._rng = random.Random(f"{seed}:kills")
        self._pace = pace
        self.outcome = Outcome()
        self._before: evidence.Evidence | None = None
        self._child: Child | None = None
        self._armed: tuple[str, float] | None = None

    async def live(self, kills: int) -> Outcome:
        """Live, until so many kills have been and all has come to rest."""
        start_at = FIRST_DAY + timedelta(days=self._rng.randrange(300), minutes=self._rng.randrange(24 * 60))
        self.children = Children()
        await self.children.start()
        self.town = Town(seed=self.seed, start_at=start_at, speed=SPEED)
        await self.town.open()
        self.town.on_moment = self._at_moment
        self._configure()
        self.socket = Socket(self.directory / "kwhen.sock")
        self.people = People(self.town, self.socket, seed=self.seed)
        try:
            self.people.begin()
            while self.outcome.kills.total() < kills and not self.outcome.faults:
                await self._step(drawn(self._rng, pace=self._pace))
            await self.people.rest()
            if not self.outcome.faults:
                await self._end()
        finally:
            await self.children.stop()
            await self.socket.close()
            await self.town.close()
        return self.outcome

    def _configure(self) -> None:
        places = Places(directory=self.directory, api_url=self.town.url, webhook_port=free_port())
        self.database = places.database
        self.configuration = demo_configuration.write(places, self.town.world.description())
        with self.configuration.open("a") as file:
            file.write(CONTROL)

    # --- deaths

    async def _step(self, step: Step) -> None:
        child = await self._bear(step.fate)
        self._armed = (step.moment, step.lag_s) if step.moment and step.moment != "wished" else None
        provoked = asyncio.create_task(self._provoke(step)) if step.provoke else None
        if step.grown_up:
            await self._ready(child)
        await child.wait(step.after_s)
        if step.kind == "pause":
            child.signal(signal.SIGSTOP)
            await asyncio.sleep(step.pause_s)
            child.signal(signal.SIGCONT)
            await child.wait(step.after_s)
        if provoked is not None:
            provoked.cancel()
            await asyncio.gather(provoked, return_exceptions=True)
        self._armed = None
        if step.kind in {"term", "term-kill"}:
            await self._terminate(child, step)
        else:
            missed = child.lives and step.kind in {"moment", "label", "write"}  # what it was to die of never came
            await self._kill(child, "random" if missed else step.kind)
        if step.kind == "twice":
            second = await self._bear(None)
            await second.wait(step.after_s)
            await self._kill(second, "twice")

    async def _ready(self, child: Child) -> None:
        """Wait until a daemon is ready, or dead."""
        async with asyncio.timeout(READY_S):
            while child.lives and await self.socket.ask("GET", "/readyz") is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def _provoke(self, step: Step) -> None:
        assert self._child is not None
        child = self._child
        await self.people.provoke(self._rng)
        if step.moment == "wished":
            await asyncio.sleep(step.lag_s)
            child.signal(signal.SIGKILL)

    def _at_moment(self, name: str) -> None:
        if self._armed is None or self._armed[0] != name or self._child is None:
            return
        lag_s, self._armed = self._armed[1], None
        if lag_s:
            asyncio.get_running_loop().call_later(lag_s, self._child.signal, signal.SIGKILL)
        else:
            self._child.signal(signal.SIGKILL)

    async def _bear(self, fate: Fate | None) -> Child:
        town = self.town
        order = Order(
            configuration=str(self.configuration), log=str(self.directory / "log"), start_at=town.start_at,
            origin_s=town.origin_s, speed=SPEED, fate=fate,
        )  # fmt: skip
        self._child = await self.children.bear(order)
        self.outcome.runs += 1
        return self._child

    async def _kill(self, child: Child, kind: str) -> None:
        child.signal(signal.SIGKILL)
        await child.ended.wait()
        self._died(child, kind, expected=-signal.SIGKILL)

    async def _terminate(self, child: Child, step: Step) -> None:
        """X01: it stops in time and in order, however young it is; or is killed while it does."""
        child.signal(signal.SIGTERM)
        if not await child.wait(step.lag_s if step.kind == "term-kill" else STOPPED_S):
            if step.kind == "term":
                self.outcome.faults.append(f"X01: not stopped {STOPPED_S:.0f} s after SIGTERM")
            child.signal(signal.SIGKILL)
            await child.ended.wait()
        if child.status == -signal.SIGKILL:
            self._died(child, step.kind, expected=-signal.SIGKILL)
        else:  # one that has no handler yet dies of the signal, as any process does
            self._died(child, "term", expected=-signal.SIGTERM if child.status == -signal.SIGTERM else 0)

    def _died(self, child: Child, kind: str, *, expected: int) -> None:
        faults = self.outcome.faults
        if kind:
            self.outcome.kills[kind] += 1
        if child.status != expected:
            faults.append(f"a daemon ended with {child.status} where {expected} was due ({kind})")
        if not self.database.exists():
            return  # it died before it had made one
        try:
            now = evidence.look(self.database)
        except driver.OperationalError as error:
            if self._before is not None or "no such table" not in str(error):
                faults.append(f"the store cannot be read: {error}")
            return  # the first daemons may die before there is a schema
        faults.extend(verdict.after_a_death(self._before, now, self.town.ledger))
        self._before = now

    # --- the end

    async def _end(self) -> None:
        """Say a last wish for every car, kill at once; the next daemon brings everything to rest."""
        began = asyncio.get_running_loop().time()
        child = await self._bear(None)
        await self._ready(child)
        self.outcome.start_s = round(asyncio.get_running_loop().time() - began, 3)
        last: dict[str, str] = {}
        for car in self.town.cars:
            last[car.id] = self._rng.choice(("charge", "hold"))
            await self._until_so(lambda car=car: self.people.wish(car, last[car.id]), "a wish is heard")
        await self._kill(child, "last")
        child = await self._bear(None)
        await self._until_so(lambda: self._settled(last), "everything has come to rest")
        self._child = None
        child.signal(signal.SIGTERM)
        if not await child.wait(STOPPED_S):
            self.outcome.faults.append(f"X01: not stopped {STOPPED_S:.0f} s after SIGTERM")
            child.signal(signal.SIGKILL)
            await child.ended.wait()
        self._died(child, "", expected=0)
        self._judge()

    async def _settled(self, last: dict[str, str]) -> bool:
        """Tell whether the last wishes stand, every command has its end, and every event has been delivered."""
        told = await self.socket.ask("GET", "/api/v1/vehicles")
        if told is None or not self.town.quiet:
            return False
        wills = {one["id"]: (one["override"] or {}).get("will") for one in told["vehicles"]}
        commands = await self.socket.ask("GET", "/api/v1/actions")
        return (
            wills == last and commands is not None and all(one["ended_at"] is not None for one in commands["actions"])
        )

    async def _until_so(self, holds: Any, what: str) -> None:
        try:
            async with asyncio.timeout(SETTLED_S):
                while not await holds():  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        except TimeoutError:
            self.outcome.faults.append(f"L10: not in {SETTLED_S:.0f} s: {what}")

    def _judge(self) -> None:
        outcome, ledger = self.outcome, self.town.ledger
        lines = evidence.journal(self.database)
        assert self._before is not None
        outcome.faults.extend(verdict.in_the_end(lines, ledger, self._before))
        kept = evidence.sessions(self.database)
        outcome.faults.extend(sessions_once(kept, self.town.world.closed_sessions, self.town.plugged_since, lines))
        outcome.lines = len(lines)
        outcome.commands = sum(line["k"] == "INTENT" for line in lines)
        outcome.sends = sum(line["k"] == "SEND" for line in lines)
        outcome.actions = len({one.action for one in ledger.sent if one.action})
        outcome.events, outcome.overrides = len(ledger.delivered), len(ledger.wished)
        outcome.sessions = len(kept)
        outcome.store_bytes = self._before.size
