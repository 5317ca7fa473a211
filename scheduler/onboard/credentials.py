"""Lost and regained vendor accounts, as the provider's list of linked vendors tells them (S24).

A webhook tells of a loss at once, where there is one; this finds what it missed, and what was mended.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta

import structlog

from scheduler.core.errors import NotFound, ProviderError, StoreError
from scheduler.core.garage import Account
from scheduler.core.model import Home, VehicleState
from scheduler.enode.client import EnodeClient
from scheduler.onboard.account import Accounts

log = structlog.get_logger()

OLDEST = timedelta(hours=1)
"""What an account holds is looked at again after this, even where no event told of a change."""

Mark = Callable[[str, str, str], Awaitable[None]]
"""Stores `lost` or `regained` as work: kind, user id, vehicle id."""


class Credentials:
    """Has the accounts of all homes read in time, and compares what they say with what is kept of the vehicles."""

    def __init__(
        self,
        client: EnodeClient,
        *,
        accounts: Accounts,
        homes: Callable[[], Iterable[Home]],
        state: Callable[[str], VehicleState | None],
        mark: Mark,
    ) -> None:
        self._client = client
        self._accounts = accounts
        self._homes = homes
        self._state = state
        self._mark = mark
        self._broken: set[str] = set()

    async def check(self, users: Iterable[str] | None = None) -> None:
        """Look at these users, or at every user of a home; trouble with one is told and leaves the others."""
        cars: dict[str, list[str]] = {}
        for home in self._homes():
            cars.setdefault(home.user_id, []).extend(vehicle.id for vehicle in home.vehicles)
        wanted = cars if users is None else dict.fromkeys(users)
        await asyncio.gather(*(self._tried(user_id, cars.get(user_id, ())) for user_id in wanted))

    async def catch_up(self) -> None:
        """Look at every user of a home whose account could not be read yet."""
        if unread := [home.user_id for home in self._homes() if not self._accounts.was_read(home.user_id)]:
            await self.check(unread)

    def suspect(self, user_id: str) -> None:
        """Have a user's account read at the next check: an event says that one of its vendors refuses."""
        self._broken = self._broken | {user_id}

    async def _tried(self, user_id: str, mine: Sequence[str]) -> None:
        try:
            await self._check(user_id, mine)
        except (ProviderError, StoreError) as error:
            log.info("credentials.unchecked", user_id=user_id, why=str(error))

    async def _check(self, user_id: str, mine: Sequence[str]) -> None:
        marked = {one for one in mine if (s := self._state(one)) is not None and s.credentials_lost_at is not None}
        age = self._accounts.age(user_id)
        due = bool(marked) or user_id in self._broken or age is None or age >= OLDEST
        if not due and not await self._invalid(user_id):
            return
        account = await self._accounts.of(user_id, fresh=True)
        broken = any(one.valid is False for one in account.vendors)
        self._broken = self._broken | {user_id} if broken else self._broken - {user_id}
        for vehicle_id in mine:
            lost = is_lost(account, vehicle_id)
            if lost and vehicle_id not in marked:
                log.warning("credentials.lost", user_id=user_id, vehicle_id=vehicle_id)
                await self._mark("lost", user_id, vehicle_id)
            elif lost is False and vehicle_id in marked:
                log.info("credentials.regained", user_id=user_id, vehicle_id=vehicle_id)
                await self._mark("regained", user_id, vehicle_id)

    async def _invalid(self, user_id: str) -> bool:
        try:
            user = await self._client.user(user_id)
        except NotFound:
            return False
        return any(one.valid is False for one in user.vendors)


def is_lost(account: Account, vehicle_id: str) -> bool | None:
    """Tell whether a vehicle's account must be linked again; None where that is not said.

    A vehicle that the provider leaves out while an account of its kind is invalid is one of that account.
    """
    links = [one for one in account.vendors if one.kind == "vehicle"]
    card = account.vehicle(vehicle_id)
    if card is None:
        return True if any(one.valid is False for one in links) else None
    if not card.linked:
        return True
    return False if any(one.vendor == card.vendor and one.valid is True for one in links) else None
