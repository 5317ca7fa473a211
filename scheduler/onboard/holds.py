"""Cars to which nothing is sent because of what is linked: put in force whenever an account was read."""

from collections.abc import Awaitable, Callable

import structlog

from scheduler.core.errors import StoreError
from scheduler.core.garage import Account
from scheduler.onboard.homes import Homes
from scheduler.onboard.lost_chargers import held_up, incapable
from scheduler.onboard.prompts import prompts_of
from scheduler.ports import Store

log = structlog.get_logger()

RELYING = "relying"


class Holds:
    """Bars cars whose charger must be linked first, and cars that are commanded through a charger that was lost.

    With a charger beside it a car says that it can be commanded, whoever does it. So what it could do alone is kept
    from the time before (space `relying`).

    Args:
        store: keeps which cars rely on a charger.
        homes: keeps which cars are barred.
        rehome: puts the homes in force, as they are now.
    """

    def __init__(self, *, store: Store, homes: Homes, rehome: Callable[[], Awaitable[None]]) -> None:
        self._store = store
        self._homes = homes
        self._rehome = rehome
        self._relying: set[str] | None = None  # None until the store has said
        self._to_be_put_in_force = False

    async def look(self, account: Account) -> None:
        """Bar the cars of an account that must not be commanded now, and lift it from those that may."""
        try:
            relying = await self._learn(account)
            await self._bar(account, relying)
        except StoreError as error:  # tried again when the account is read next
            log.warning("onboarding.unbarred", user_id=account.user_id, why=str(error))

    async def _bar(self, account: Account, relying: set[str]) -> None:
        mine = {one.id for one in account.vehicles}
        linked = {one.id for one in account.vehicles if one.linked}
        wanting = {one.vehicle_id for one in prompts_of(account, ()) if one.mandatory} & linked
        waiting = held_up(account, self._homes.all(), relying)
        barred = frozenset((self._homes.barred - mine) | wanting | waiting)
        if barred != self._homes.barred:
            self._to_be_put_in_force = True
            await self._homes.bar(barred)
            log.info("onboarding.barred", vehicles=sorted(barred))
        if self._to_be_put_in_force:
            await self._rehome()
            self._to_be_put_in_force = False

    async def _learn(self, account: Account) -> set[str]:
        """Keep which cars of an account without a charger cannot be commanded by themselves."""
        if self._relying is None:
            self._relying = set(await self._store.all_kept(RELYING))
        for card in account.vehicles if not account.chargers else ():
            if incapable(card) and card.id not in self._relying:
                await self._store.keep(RELYING, card.id, b"1")
                self._relying.add(card.id)
            elif card.capabilities.start and card.capabilities.stop and card.id in self._relying:
                await self._store.spend(RELYING, card.id)
                self._relying.discard(card.id)
        return self._relying
