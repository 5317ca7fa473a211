"""The running daemon as its faces see it: `scheduler.http.daemon.Daemon`."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from scheduler import __version__
from scheduler.config import Settings
from scheduler.core.model import Decision, Hand, Home, Override, Situation, VehicleState, Will, shard_of
from scheduler.core.pricing import HomePrices, SourceStatus
from scheduler.core.timeline import Interval
from scheduler.loop.acts import Acts
from scheduler.loop.calendar_book import CalendarBook
from scheduler.loop.drain import Loop
from scheduler.loop.feed import Feed
from scheduler.loop.inbound import WebhookPath
from scheduler.loop.price_book import PriceBook
from scheduler.loop.pulse import Pulse
from scheduler.onboard.setting_up import SettingUp
from scheduler.plugins.paid import paid, situation_of
from scheduler.ports import Clock, Engine, Inbound, Store
from scheduler.redaction import Redactor
from storage.mapping import encode_override


class Faces:
    """Answers from memory what is asked of the daemon; what is wished is stored, and wakes the vehicle."""

    settings: Settings
    redactor: Redactor
    store: Store
    clock: Clock
    engine: Engine
    loop: Loop
    acts: Acts
    prices: PriceBook
    calendars: CalendarBook
    pulse: Pulse
    inbound: WebhookPath
    feed: Feed
    onboarding: SettingUp
    run: int
    ready: bool

    def events(self) -> AsyncIterator[dict[str, Any]]:
        """Yield what happens from now on: `what` (vehicle, alert, link, homes, prices) and `vehicle`, an id or None."""
        return self.feed.listen()

    def homes(self) -> tuple[Home, ...]:
        """Return the homes in force."""
        return self.loop.world.homes

    def state(self, vehicle_id: str) -> VehicleState | None:
        """Return what is kept of a vehicle."""
        kept = self.loop.states.get(vehicle_id)
        return kept.state if kept is not None else None

    def last(self, vehicle_id: str) -> tuple[Situation, Decision] | None:
        """Return the newest situation with its decision."""
        return self.loop.last.get(vehicle_id)

    async def take_in(self, work: list[Inbound]) -> int:
        """Store work durably and wake its shards; return how much of it was new. Raises StoreError."""
        new = await self.store.put(work)
        if new:
            self.engine.poke({shard_of(row.user_id) for row in work})
        return new

    async def wish(self, vehicle_id: str, override: Override) -> None:
        """Store what a person wants, then wake the vehicle. Raises KeyError for one that is not configured."""
        owner = self.loop.world.owner(vehicle_id)
        if owner is None:
            raise KeyError(vehicle_id)
        row = Inbound(
            kind="wish",
            user_id=owner[0].user_id,
            vehicle_id=vehicle_id,
            payload=encode_override(override),
            received=self.loop.stamp(),
        )
        await self.take_in([row])

    async def release(self, vehicle_ids: Sequence[str]) -> list[str]:
        """Start those of the vehicles that we hold, until they are unplugged."""
        held = [i for i in vehicle_ids if (s := self.state(i)) is not None and s.session and s.session.held_since]
        for vehicle_id in held:
            await self.wish(vehicle_id, Override(will=Will.CHARGE, by=Hand.CLI, set_at=self.clock.now()))
        return held

    def policies(self) -> list[dict[str, str]]:
        """Return each policy of each home with its status."""
        return [
            {"home": home.id, "name": speaker.label, "status": speaker.why or str(speaker.status)}
            for home in self.loop.world.homes
            for speaker in getattr(self.loop.world.policies[home.id], "speakers", ())
        ]

    def price_sources(self) -> tuple[SourceStatus, ...]:
        """Return how each price source is."""
        return self.prices.sources()

    async def home_prices(self, home: Home, span: Interval) -> HomePrices:
        """Return what a kWh costs a home within a span of whole local days."""
        world = self.loop.world
        now = situation_of(home, at=span.start, prices=self.loop.prices, limits=world.limits_of(home))
        return await paid(getattr(world.policies[home.id], "speakers", ()), now, span)

    def settings_shown(self) -> list[dict[str, str]]:
        """Return each setting in force with its origin; secrets are hidden, and once more by what is known of them."""
        return [
            {"key": one.key, "value": self.redactor(one.value), "origin": one.origin} for one in self.settings.shown
        ]

    def health(self) -> dict[str, Any]:
        """Return how each part is."""
        health, beat = self.acts.health, self.pulse.last
        return {
            "ready": self.ready,
            "live": True,
            "version": __version__,
            "run": self.run,
            "store": "ok" if self.loop.durable else "trouble",
            "provider": "ok" if health.failing_since is None else health.why,
            "webhook": self.inbound.told()["state"],
            "webhook_trouble": self.inbound.trouble(),
            "prices": self.prices.trouble or "ok",
            "calendars": self.calendars.trouble or "ok",
            "sweep_at": beat.at if beat is not None else None,
            "vehicles": len(self.loop.states),
            "mode": ", ".join(sorted({str(home.mode) for home in self.loop.world.homes})),
            "counters": self._counted(),
        }

    def _counted(self) -> dict[str, int]:
        """Return what went by since the start, by name."""
        loop, webhook = self.loop.counters, self.inbound.counters
        return {
            "ticks": self.pulse.beats,
            "decisions": loop.decisions,
            "commands": loop.commands,
            "turns_failed": loop.turns_failed,
            "events": loop.events,
            "events_unknown": loop.unknown_event,
            "news_of_unknown_vehicles": loop.unknown_vehicle,
            "news_unreadable": loop.unreadable,
            "webhook_deliveries": webhook.deliveries,
            "webhook_events": webhook.events,
            "webhook_stored": webhook.stored,
            "webhook_unreadable": webhook.unreadable,
            "webhook_refused": sum(webhook.refused.values()),
            "webhook_ignored": sum(webhook.ignored.values()),
        }

    async def webhook(self, op: str) -> dict[str, Any]:
        """Look at, make or test the subscription (`status`, `ensure`, `test`). Raises ProviderError."""
        if op == "test":
            return await self.inbound.test()
        if op == "ensure":
            await self.inbound.check()
        return self.inbound.told()
