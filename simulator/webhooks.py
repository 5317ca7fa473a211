"""Webhook subscriptions and deliveries: signed batches, growing retries, deactivation, heartbeat."""

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from simulator.clock import Clock
from simulator.faults import DELIVERY_KINDS
from simulator.instants import zulu

if TYPE_CHECKING:
    from simulator.world import World

BATCH = 100
TIMEOUT_S = 5.0
RETRIES_S = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
GIVE_UP_AFTER_S = 24 * 3600.0
HEARTBEAT_EVERY_S = 900.0

type_of_answer = tuple[int, str, list[str]]
Post = Callable[[str, bytes, Mapping[str, str]], Awaitable[type_of_answer]]


def signature(secret: str, body: bytes) -> str:
    """Return the value of `x-enode-signature` for a body."""
    return "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()


@dataclass(kw_only=True, eq=False)
class Subscription:
    """One webhook of the client."""

    id: str
    url: str
    secret: str
    created_at: datetime
    last_success: datetime
    events: list[str] = field(default_factory=lambda: ["*"])
    api_version: str | None = None
    authentication: dict[str, str] | None = None
    active: bool = True
    pending: deque[dict[str, Any]] = field(default_factory=deque)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    failing_since: datetime | None = None
    attempts: int = 0

    def wants(self, event: str) -> bool:
        """Return whether an event of this kind is sent here."""
        return event == "system:heartbeat" or "*" in self.events or event in self.events

    def as_json(self) -> dict[str, Any]:
        """Return it as the API shows it; the secret never leaves."""
        shown = self.authentication and {"headerName": self.authentication["headerName"]}
        return {
            "id": self.id,
            "url": self.url,
            "events": self.events,
            "lastSuccess": zulu(self.last_success),
            "isActive": self.active,
            "createdAt": zulu(self.created_at),
            "apiVersion": self.api_version,
            "authentication": shown,
        }


class Webhooks:
    """All subscriptions, and one courier for each."""

    def __init__(
        self,
        world: "World",
        clock: Clock,
        post: Post,
        *,
        give_up_after_s: float = GIVE_UP_AFTER_S,
        heartbeat_every_s: float = HEARTBEAT_EVERY_S,
    ) -> None:
        self._world = world
        self._clock = clock
        self._post = post
        self._give_up_after_s = give_up_after_s
        self._heartbeat_every_s = heartbeat_every_s
        self.subscriptions: dict[str, Subscription] = {}
        self.in_flight = 0
        self.delivered = 0
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._late: set[asyncio.Task[None]] = set()
        self._running = False

    async def start(self) -> None:
        """Listen to the world from now on."""
        self._running = True
        self._world.listeners.append(self._take)
        self._world.agenda.after(self._heartbeat_every_s, self._heartbeat)

    async def stop(self) -> None:
        """Listen no more, and end every courier."""
        self._running = False
        self._world.listeners.remove(self._take)
        tasks = [*self._tasks.values(), *self._late]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    def subscribe(self, **members: Any) -> Subscription:
        """Add a subscription and its courier."""
        now = self._world.agenda.now
        hook = Subscription(id=self._world.new_id(), created_at=now, last_success=now, **members)
        self.subscriptions[hook.id] = hook
        self._tasks[hook.id] = asyncio.create_task(self._courier(hook), name=f"webhook {hook.id}")
        return hook

    def unsubscribe(self, hook: Subscription) -> None:
        """Remove a subscription."""
        del self.subscriptions[hook.id]
        task = self._tasks.pop(hook.id)
        task.cancel()
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def reactivate(self, hook: Subscription) -> None:
        """Deliver again from now on; what was lost stays lost."""
        hook.active = True
        hook.failing_since = None
        hook.attempts = 0
        hook.arrived.set()

    async def test(self, hook: Subscription) -> dict[str, Any]:
        """Send a test event at once and return what the test call answers; success reactivates."""
        event = {"event": "enode:webhook:test", "createdAt": zulu(self._world.agenda.now), "version": "2024-10-01"}
        try:
            code, body, headers = await self._send(hook, [event], self._world.new_id())
        except (OSError, TimeoutError) as error:
            return {"status": "FAILURE", "description": f"No answer: {type(error).__name__}", "response": None}
        response = {"code": code, "body": body, "headers": headers}
        if not _good(code):
            return {"status": "FAILURE", "description": f"Answered with {code}", "response": response}
        self.reactivate(hook)
        self._succeeded(hook)
        return {"status": "SUCCESS", "description": "Delivered", "response": response}

    def _take(self, event: dict[str, Any]) -> None:
        for hook in self.subscriptions.values():
            if hook.active and hook.wants(event["event"]):
                hook.pending.append(event)
                hook.arrived.set()

    def _heartbeat(self) -> None:
        if not self._running:
            return
        created = {"createdAt": zulu(self._world.agenda.now), "version": "2024-10-01"}
        for hook in self.subscriptions.values():
            if hook.active:
                hook.pending.append({"event": "system:heartbeat", **created, "pendingEvents": len(hook.pending)})
                hook.arrived.set()
        self._world.agenda.after(self._heartbeat_every_s, self._heartbeat)

    async def _courier(self, hook: Subscription) -> None:
        """Deliver what is pending, batch after batch, for as long as the subscription lasts."""
        while True:
            await hook.arrived.wait()
            hook.arrived.clear()
            while hook.pending and hook.active:
                batch = [hook.pending.popleft() for _ in range(min(BATCH, len(hook.pending)))]
                await self._deliver(hook, batch)

    async def _deliver(self, hook: Subscription, batch: list[dict[str, Any]]) -> None:
        """Try one batch until it is taken, or until it is given up and the subscription with it."""
        delivery_id = self._world.new_id()
        faults = self._world.faults.strike(DELIVERY_KINDS, method="POST", path=hook.url)
        kinds = {each.kind for each in faults}
        if "delivery_drop" in kinds:
            return
        if "delivery_shuffle" in kinds:
            batch.reverse()
        if "delivery_unknown" in kinds:
            batch = [{**batch[0], "event": "user:something:new", "something": {"id": "x"}}, *batch]
        for fault in faults:
            if fault.kind == "delivery_late":
                self._send_later(hook, batch, delivery_id, fault.delay_s)
                return
        while hook.active:
            if await self._accepted(hook, batch, delivery_id, tamper="delivery_tamper" in kinds):
                self._succeeded(hook)
                if "delivery_duplicate" in kinds:
                    await self._accepted(hook, batch, delivery_id)
                return
            kinds.discard("delivery_tamper")
            if not self._goes_on(hook):
                return
            wait_s = RETRIES_S[min(hook.attempts, len(RETRIES_S)) - 1]
            await self._clock.sleep(wait_s)

    def _send_later(self, hook: Subscription, batch: list[dict[str, Any]], delivery_id: str, delay_s: float) -> None:
        async def late() -> None:
            await self._clock.sleep(delay_s)
            await self._accepted(hook, batch, delivery_id)

        task = asyncio.create_task(late(), name=f"late delivery {delivery_id}")
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _accepted(
        self, hook: Subscription, batch: list[dict[str, Any]], delivery_id: str, *, tamper: bool = False
    ) -> bool:
        with contextlib.suppress(OSError, TimeoutError):
            code, _, _ = await self._send(hook, batch, delivery_id, tamper=tamper)
            return _good(code)
        return False

    async def _send(
        self, hook: Subscription, batch: list[dict[str, Any]], delivery_id: str, *, tamper: bool = False
    ) -> type_of_answer:
        body = json.dumps(batch, separators=(",", ":"), ensure_ascii=False).encode()
        headers = {
            "content-type": "application/json",
            "x-enode-delivery": delivery_id,
            "x-enode-signature": signature(hook.secret, body),
        }
        if hook.authentication is not None:
            headers[hook.authentication["headerName"].lower()] = hook.authentication["headerValue"]
        if tamper:
            body = body.replace(b'"version"', b'"Version"', 1)
        self.in_flight += 1
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._post(hook.url, body, headers)
        finally:
            self.in_flight -= 1

    def _succeeded(self, hook: Subscription) -> None:
        self._world.catch_up()
        self.delivered += 1
        hook.last_success = self._world.agenda.now
        hook.failing_since = None
        hook.attempts = 0

    def _goes_on(self, hook: Subscription) -> bool:
        """Count a failure; after a day of them, lose what is pending and deactivate."""
        self._world.catch_up()
        now = self._world.agenda.now
        hook.attempts += 1
        hook.failing_since = hook.failing_since or now
        if (now - hook.failing_since).total_seconds() < self._give_up_after_s:
            return True
        hook.active = False
        hook.pending.clear()
        return False


def _good(code: int) -> bool:
    return 200 <= code < 300  # noqa: PLR2004 - the documented range
