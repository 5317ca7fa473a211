"""Who lives here: the homes in force, and the wiring of the setting-up that makes and changes them while we run."""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from datetime import datetime

import structlog

from scheduler.config import Installed, Settings, policy_sets
from scheduler.core.errors import ProviderError, StoreError
from scheduler.core.garage import Account, Pause
from scheduler.core.observation import Stamp
from scheduler.engine import LocalEngine
from scheduler.enode.client import EnodeClient
from scheduler.faces import Faces
from scheduler.keeper import Keeper
from scheduler.loop.herald import Herald
from scheduler.loop.poller import Poller
from scheduler.loop.world import World
from scheduler.onboard.account import Accounts
from scheduler.onboard.credentials import Credentials
from scheduler.onboard.holds import Holds
from scheduler.onboard.homes import Homes
from scheduler.onboard.linking import Links
from scheduler.onboard.lost_chargers import LostChargers
from scheduler.onboard.setting_up import SettingUp
from scheduler.ports import AlertChange, Inbound

log = structlog.get_logger()

LINKS_EVERY_S = 30.0
CREDENTIALS_EVERY_S = 600.0
CATCH_UP_EVERY_S = 30.0

FIRST_LOOK_S = 10.0
"""How long the first decision waits for the accounts: one that must be held is held then, if the provider answers."""


def world_of(settings: Settings, plugins: Installed) -> World:
    """Return the configured homes with their policies. Raises ConfigError naming what does not fit."""
    policies = policy_sets(settings, plugins)
    return World(homes=settings.homes, policies=policies, limits=settings.limits, conf=settings.digest)


class Tenancy(Faces):
    """The part of the daemon that knows the homes and may change them while it runs."""

    settings: Settings
    engine: LocalEngine
    enode: EnodeClient
    poller: Poller
    herald: Herald
    own_homes: Homes
    keeper: Keeper
    _installed: Installed
    _world: World
    _paused: tuple[Pause, ...] = ()
    _careful = False

    def _stamp(self) -> Stamp:
        return Stamp(at=self.clock.now(), mono_ns=self.clock.monotonic_ns(), run=self.run)

    def _ring(self, vehicle_ids: Sequence[str]) -> None:
        self.engine.poke(self.loop.wake(vehicle_ids))

    def _wake_all(self) -> None:
        self._ring([v.id for _, v in self.loop.world.vehicles()])

    def _build_onboarding(self) -> None:
        self.accounts = Accounts(self.enode, stamp=self._stamp, homes=self.homes)
        self.links = Links(
            self.enode, store=self.store, clock=self.clock, accounts=self.accounts, publish=self.feed.publish
        )
        self.credentials = Credentials(
            self.enode, accounts=self.accounts, homes=self.homes, state=self.state, mark=self._mark
        )
        self.holds = Holds(store=self.store, homes=self.own_homes, rehome=self.rehome)
        self.lost_chargers = LostChargers(
            store=self.store,
            now=self.clock.now,
            homes=self.own_homes.all,
            called=lambda one: self.charger_names().get(one, one),
            barred=lambda: self.own_homes.barred,
            tell=self._tell,
        )
        self.accounts.on_read = self._account_read
        self.onboarding = SettingUp(
            self.enode,
            store=self.store,
            clock=self.clock,
            accounts=self.accounts,
            links=self.links,
            homes=self.own_homes,
            state=self.state,
            release=self.release,
            rehome=self.rehome,
        )

    def _start_onboarding(self) -> None:
        self.engine.periodic("links", LINKS_EVERY_S, self._look_after_links)
        self.engine.periodic("credentials", CREDENTIALS_EVERY_S, self._check_accounts)
        self.engine.periodic("accounts", CATCH_UP_EVERY_S, self.credentials.catch_up)

    async def _survey(self, users: Iterable[str] | None = None) -> None:
        """Read accounts before anything is decided of their cars, for as long as that may take.

        Where the provider does not answer, nothing is held for it: neither can it be told then that a car is at home,
        nor be asked to start it. The reading goes on, and what has to be held is held once it is known.
        """
        read = asyncio.Event()

        async def look() -> None:
            try:
                await self.credentials.check(users)
            finally:
                read.set()

        self.acts.spawn(look())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(read.wait(), FIRST_LOOK_S)

    async def _check_accounts(self) -> None:
        await self.credentials.check()
        await self.lost_chargers.forget_gone()

    async def _account_read(self, account: Account) -> None:
        """Hold what must not be commanded as things are linked now, and tell of chargers that were lost."""
        self.loop.vendors.update((one.id, one.vendor) for one in account.vehicles)
        await self.holds.look(account)
        await self.lost_chargers.look(account)

    async def _tell(self, changes: list[AlertChange]) -> None:
        """Write alerts that are of no vehicle, and have them told. Raises StoreError."""
        await self.pulse.write(alerts=changes)
        self.feed.publish("alert")
        if self.settings.notify:
            self.engine.soon(self.herald.tell)

    def charger_names(self) -> dict[str, str]:
        """Return the names of the chargers that are or were linked, by id."""
        return self.accounts.charger_names()

    async def _mark(self, kind: str, user_id: str, vehicle_id: str) -> None:
        await self.acts.keep(kind, user_id=user_id, vehicle_id=vehicle_id, payload=b"")

    async def take_in(self, work: list[Inbound]) -> int:
        """Store work durably and wake its shards; what an event says of an account is asked anew."""
        new = await super().take_in(work)
        for row in work:
            if row.kind == "event":
                self._heard(row)
        return new

    def _heard(self, event: Inbound) -> None:
        self.accounts.forget(event.user_id)
        if event.vehicle_id is None or self.loop.world.owner(event.vehicle_id) is None:
            self.feed.publish("vehicle", event.vehicle_id)
        if b":discovered" in event.payload or b":deleted" in event.payload:
            self.acts.spawn(self._changed(event.user_id))
        elif b"credentials:invalidated" in event.payload:
            self.credentials.suspect(event.user_id)
            self.acts.spawn(self._check_accounts())

    async def _changed(self, user_id: str) -> None:
        """Find what was linked, and lift what waited for it; hold what waits for what was unlinked."""
        try:
            await self.accounts.of(user_id)
            await self.links.watch(user_id)
        except (ProviderError, StoreError) as error:
            log.info("link.unseen", user_id=user_id, why=str(error))

    async def _look_after_links(self) -> None:
        """Look at open links; run again in full what is no longer paused, or no longer handled with care."""
        await self.links.watch()
        if self.own_homes.pauses() != self._paused or self.keeper.careful != self._careful:
            await self.rehome()

    def _world_with_stored(self, settings: Settings) -> World:
        """Return the homes of a configuration and the stored ones, as they are to be run now."""
        self._careful = self.keeper.careful
        return world_of(self.keeper.within(self.own_homes.within(settings)), self._installed)

    async def rehome(self) -> None:
        """Run the homes as they are now: the file's and the stored ones. Raises StoreError, having changed nothing."""
        await self._adopt(self._world_with_stored(self.settings))
        self.feed.publish("homes")
        self.engine.soon(self.poller.sweep)

    async def _adopt(self, world: World) -> None:
        """Run other homes from the next turn on; the alerts of vehicles that are in none of them end."""
        paused, now = self.own_homes.pauses(), self.clock.now()
        await self.pulse.write(world.as_event(), alerts=self._ended(world, now))
        self._world, self._paused = world, paused
        self.loop.apply(world)
        self.poller.forget()
        self.accounts.forget()
        self._wake_all()

    def _ended(self, world: World, now: datetime) -> list[AlertChange]:
        """Return the end of every alert of a vehicle that is in no home any more."""
        gone = {v.id for _, v in self._world.vehicles()} - {v.id for _, v in world.vehicles()}
        left = [state for one in sorted(gone) if (state := self.state(one)) is not None]
        return [
            AlertChange(code=code, vehicle_id=one.vehicle_id, text="", severity="info", raised_at=now, cleared_at=now)
            for one in left
            for code in one.alerts
        ]
