"""Acting: what leaves for the provider, and its answers, which come back as stored work like all other news."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog

from scheduler.core.command import ActionReport, Command, Failure, Outcome
from scheduler.core.errors import NotFound, ProviderError, ProviderUnauthorized, StoreError
from scheduler.core.model import shard_of
from scheduler.core.observation import Reading, Stamp
from scheduler.ports import Inbound, Store, VehicleProvider
from storage.mapping import encode_reading, encode_report

log = structlog.get_logger()

STORE_TRIES = 3

PROVIDER_PATIENCE = timedelta(minutes=5)
"""How long the provider may fail before a person is told."""

REFUSAL_PATIENCE = timedelta(minutes=2)
"""How long it may refuse our credentials: a token that it takes back in passing is renewed by then (S24)."""

LOOK_GAP_NS = 30_000_000_000
"""A vehicle is not read again sooner than this: one that answers nothing new would be read without end."""

Step = Callable[[str], None]


def no_step(_name: str) -> None:
    """Ignore a labelled step of a command. A test puts a crash here (B01)."""


class Health:
    """Whether the provider answers, and takes our credentials, in this run: by the clock that cannot step."""

    def __init__(self) -> None:
        self.answered: Stamp | None = None
        self.failing_since: Stamp | None = None
        self.refused_since: Stamp | None = None
        self.lost_before = False
        """Whether an earlier run told that the credentials are lost: so they are until this one has an answer."""
        self.why = ""
        self.back: Stamp | None = None
        """When the provider last answered after an outage that a person was told of."""

    def down(self, now: Stamp) -> bool:
        """Tell whether the provider has failed for so long that a person is told."""
        return self.failing_since is not None and now.since(self.failing_since) >= PROVIDER_PATIENCE

    def refused(self, now: Stamp) -> bool:
        """Tell whether the provider has refused our credentials for so long that they count as lost (S24)."""
        if self.answered is None and self.lost_before:
            return True
        return self.refused_since is not None and now.since(self.refused_since) >= REFUSAL_PATIENCE

    def good(self, now: Stamp) -> None:
        """Note an answer; after an outage it is the provider's return."""
        if self.down(now):
            self.back = now
        self.answered, self.failing_since, self.refused_since, self.why = now, None, None, ""

    def bad(self, now: Stamp, error: ProviderError) -> None:
        """Note a failure. Credentials once refused stay lost until an answer is good, whatever else fails meanwhile."""
        self.failing_since = self.failing_since or now
        if isinstance(error, ProviderUnauthorized):
            self.refused_since = self.refused_since or now
        elif self.refused_since is not None:
            return
        self.why = str(error)


class Acts:
    """Sends, cancels, looks and refreshes, each in a task of its own, so that one slow vehicle delays no other."""

    def __init__(
        self,
        *,
        provider: VehicleProvider,
        store: Store,
        stamp: Callable[[], Stamp],
        poke: Callable[[Iterable[int]], None],
        step: Step = no_step,
    ) -> None:
        self._provider = provider
        self._store = store
        self._stamp = stamp
        self._poke = poke
        self._step = step
        self._tasks: set[asyncio.Task[None]] = set()
        self._looked_ns: dict[str, int] = {}
        self.on_unstored: Callable[[list[Inbound]], None] = lambda _: None
        self.health = Health()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that `close` ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("act.failed", exc_info=error)

    async def close(self) -> None:
        """End what is under way; intents stay in the store and are read back by the next run."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def send(self, command: Command, user_id: str) -> None:
        """Send a command whose intent is durable."""
        self.spawn(self._send(command, user_id))

    async def _send(self, command: Command, user_id: str) -> None:
        self._step("after-intent")
        try:
            report = await self._provider.command(command.vehicle_id, command.action)
            self._note(report)
        except ProviderError as error:
            self.health.bad(self._stamp(), error)
            report = ActionReport(
                outcome=Outcome.AMBIGUOUS if error.ambiguous else Outcome.NOT_SENT,
                received_at=self._stamp().at,
                failure=Failure(type=type(error).__name__, detail=str(error)),
            )
        self._step("after-reply")
        log.info("command.answered", vehicle_id=command.vehicle_id, command=command.action, outcome=report.outcome)
        await self._keep_report(replace(report, command_id=command.id), command.vehicle_id, user_id)

    def _note(self, report: ActionReport) -> None:
        if report.outcome not in (Outcome.NOT_SENT, Outcome.AMBIGUOUS):
            self.health.good(self._stamp())

    def cancel(self, action_id: str, vehicle_id: str, user_id: str) -> None:
        """Ask for cancellation of an action (S26)."""
        self.spawn(self._asked(self._provider.cancel(action_id), vehicle_id, user_id))

    def watch(self, action_id: str, vehicle_id: str, user_id: str) -> None:
        """Look at an action."""
        self.spawn(self._asked(self._provider.action(action_id), vehicle_id, user_id))

    async def _asked(self, ask: Coroutine[Any, Any, ActionReport], vehicle_id: str, user_id: str) -> None:
        try:
            report = await ask
        except NotFound:
            log.warning("action.unknown", vehicle_id=vehicle_id)  # the command's own time-out ends it
            return
        except ProviderError as error:
            self.health.bad(self._stamp(), error)
            log.warning("action.unseen", vehicle_id=vehicle_id, why=str(error))
            return
        self.health.good(self._stamp())
        await self._keep_report(report, vehicle_id, user_id)

    async def _keep_report(self, report: ActionReport, vehicle_id: str, user_id: str) -> None:
        await self.keep("action", user_id=user_id, vehicle_id=vehicle_id, payload=encode_report(report))

    def look(self, vehicle_id: str, user_id: str) -> None:
        """Read one vehicle now, unless it was read a moment ago."""
        now_ns, last_ns = self._stamp().mono_ns, self._looked_ns.get(vehicle_id)
        if last_ns is not None and now_ns - last_ns < LOOK_GAP_NS:
            return
        self._looked_ns[vehicle_id] = now_ns
        self.spawn(self._look(vehicle_id, user_id))

    async def _look(self, vehicle_id: str, user_id: str) -> None:
        try:
            reading = await self._provider.vehicle(vehicle_id)
        except NotFound:
            await self.keep("gone", user_id=user_id, vehicle_id=vehicle_id, payload=b"")
            return
        except ProviderError as error:
            self.health.bad(self._stamp(), error)
            log.warning("vehicle.unseen", vehicle_id=vehicle_id, why=str(error))
            return
        self.health.good(self._stamp())
        await self.keep_readings([reading], user_id)

    async def keep_readings(self, readings: Iterable[Reading], user_id: str) -> None:
        """Store readings as work and wake their shard."""
        rows = [
            Inbound(
                kind="reading",
                user_id=user_id,
                vehicle_id=reading.vehicle_id,
                payload=encode_reading(reading),
                received=reading.received,
            )
            for reading in readings
        ]
        await self._put(rows)

    def refresh(self, vehicle_id: str) -> None:
        """Ask for an earlier refresh of a vehicle."""
        self.spawn(self._refresh(vehicle_id))

    async def _refresh(self, vehicle_id: str) -> None:
        try:
            await self._provider.refresh(vehicle_id)
        except ProviderError as error:
            log.info("refresh.refused", vehicle_id=vehicle_id, why=str(error))

    async def keep(self, kind: str, *, user_id: str, vehicle_id: str, payload: bytes) -> None:
        """Store one piece of work and wake its shard."""
        row = Inbound(kind=kind, user_id=user_id, vehicle_id=vehicle_id, payload=payload, received=self._stamp())
        await self._put([row])

    async def _put(self, rows: list[Inbound]) -> None:
        if not rows:
            return
        for _ in range(STORE_TRIES):
            try:
                await self._store.put(rows)
                break
            except StoreError as error:
                log.warning("store.trouble", what="put", why=str(error))
        else:
            self.on_unstored(rows)  # it is acted upon from memory (L11)
        self._poke({shard_of(row.user_id) for row in rows})
