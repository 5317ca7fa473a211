"""Lost and regained vendor accounts, as the provider's list of linked vendors tells them (S24).

A webhook tells of a loss at once, where there is one; this finds what it missed, and what was mended.
"""

from collections.abc import Awaitable, Callable, Iterable

import structlog

from scheduler.core.errors import NotFound, ProviderError
from scheduler.core.garage import Account
from scheduler.core.model import Home, VehicleState
from scheduler.enode.client import EnodeClient
from scheduler.onboard.account import Accounts

log = structlog.get_logger()

Mark = Callable[[str, str, str], Awaitable[None]]
"""Stores `lost` or `regained` as work: kind, user id, vehicle id."""


class Credentials:
    """Compares what the provider says of each account with what is kept of its vehicles."""

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

    async def check(self) -> None:
        """Look at every user of a home; trouble with one is told and leaves the others."""
        for user_id in dict.fromkeys(home.user_id for home in self._homes()):
            try:
                await self._check(user_id)
            except ProviderError as error:
                log.info("credentials.unchecked", user_id=user_id, why=str(error))

    async def _check(self, user_id: str) -> None:
        try:
            user = await self._client.user(user_id)
        except NotFound:
            return
        mine = [v.id for home in self._homes() if home.user_id == user_id for v in home.vehicles]
        marked = {one for one in mine if (s := self._state(one)) is not None and s.credentials_lost_at is not None}
        if not marked and all(one.valid is not False for one in user.vendors):
            return
        account = await self._accounts.of(user_id, fresh=True)
        for vehicle_id in mine:
            lost = is_lost(account, vehicle_id)
            if lost and vehicle_id not in marked:
                log.warning("credentials.lost", user_id=user_id, vehicle_id=vehicle_id)
                await self._mark("lost", user_id, vehicle_id)
            elif lost is False and vehicle_id in marked:
                log.info("credentials.regained", user_id=user_id, vehicle_id=vehicle_id)
                await self._mark("regained", user_id, vehicle_id)


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
