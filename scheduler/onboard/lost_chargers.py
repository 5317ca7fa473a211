"""Chargers whose vendor account was lost: which they are, which cars that holds up, and what is told of them (S24)."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime

import structlog

from scheduler.core.errors import StoreError
from scheduler.core.garage import Account, Card
from scheduler.core.model import Home
from scheduler.ports import AlertChange, Store

log = structlog.get_logger()

CODE = "CHARGER_LOST"
MOST = 1000


def lost_chargers(account: Account, homes: Iterable[Home] = ()) -> frozenset[str]:
    """Return the ids of the chargers whose account must be linked again.

    A charger of a home that the provider leaves out while an account of a charger is invalid is one of that account.
    Where neither names one, the vendor stands for it.
    """
    vendors = {one.vendor for one in account.vendors if one.kind == "charger" and one.valid is False}
    if not vendors:
        return frozenset()
    shown = {one.id: one.vendor for one in account.chargers}
    left_out = {one for home in homes if home.user_id == account.user_id for one in home.charger_ids} - shown.keys()
    unnamed = vendors - set(shown.values()) if not left_out else set()
    return frozenset({one for one, vendor in shown.items() if vendor in vendors} | left_out | unnamed)


def held_up(account: Account, homes: Iterable[Home], relying: Collection[str]) -> frozenset[str]:
    """Return the vehicles that are commanded through a charger of a lost account, and through no other.

    Args:
        account: what is linked.
        homes: whose chargers serve a vehicle; all of the account's where its home lists none.
        relying: vehicles that cannot be controlled by themselves.
    """
    homes = tuple(homes)
    lost = lost_chargers(account, homes)
    found = (one for one in account.vehicles if one.id in relying or incapable(one))
    return frozenset(one.id for one in found if (serving := _serving(one, account, homes)) and serving <= lost)


def incapable(card: Card) -> bool:
    """Tell whether a vehicle cannot be commanded now."""
    return card.capabilities.start is False or card.capabilities.stop is False


def _serving(card: Card, account: Account, homes: Iterable[Home]) -> frozenset[str]:
    """Return the chargers through which a vehicle may be commanded: the one it is plugged into, where that is known."""
    if card.plugged is True and card.charger_id is not None:
        return frozenset({card.charger_id})
    home = next((one for one in homes if any(v.id == card.id for v in one.vehicles)), None)
    listed = home.charger_ids if home is not None else ()
    return frozenset(listed or (one.id for one in account.chargers))


class LostChargers:
    """Keeps one alert for each lost charger of a home's user, and ends it once the account is valid again.

    Args:
        store: knows the alerts that an earlier run left open.
        now: the daemon's clock.
        homes: all homes.
        called: returns a charger's name.
        barred: vehicles to which nothing is sent.
        tell: writes alerts; raises StoreError.
    """

    def __init__(
        self,
        *,
        store: Store,
        now: Callable[[], datetime],
        homes: Callable[[], Sequence[Home]],
        called: Callable[[str], str],
        barred: Callable[[], Collection[str]],
        tell: Callable[[list[AlertChange]], Awaitable[None]],
    ) -> None:
        self._store = store
        self._now = now
        self._homes = homes
        self._called = called
        self._barred = barred
        self._tell = tell
        self._lost: dict[str, frozenset[str]] = {}  # by user, of whose account this run knows
        self._open: set[str] | None = None  # None until the store has said

    async def look(self, account: Account) -> None:
        """Tell what an account says of its chargers."""
        homes = self._homes()
        self._lost[account.user_id] = lost_chargers(account, homes)
        waiting = [one.name for one in account.vehicles if one.id in self._barred()]
        await self._settle({one.user_id for one in homes}, waiting=waiting, known=account.asset_ids)

    async def forget_gone(self) -> None:
        """End the alerts of users who have no home any more."""
        await self._settle({one.user_id for one in self._homes()})

    async def _settle(
        self, users: Collection[str], *, waiting: Sequence[str] = (), known: Collection[str] = ()
    ) -> None:
        self._lost = {user: lost for user, lost in self._lost.items() if user in users}
        lost = frozenset[str]().union(*self._lost.values())
        sure = self._lost.keys() >= set(users)  # else a charger may belong to an account that was not read yet
        try:
            if self._open is None:
                found = await self._store.alerts(open_only=True, limit=MOST)
                self._open = {one.vehicle_id for one in found if one.code == CODE and one.vehicle_id is not None}
            over = {one for one in self._open - lost if sure or one in known}
            changes = [*self._raised(lost - self._open, waiting), *self._ended(over)]
            if changes:
                await self._tell(changes)
                self._open = (self._open | lost) - over
        except StoreError as error:  # tried again when an account is read next
            log.warning("charger.untold", why=str(error))

    def _raised(self, chargers: Iterable[str], waiting: Sequence[str]) -> Iterator[AlertChange]:
        for one in sorted(chargers):
            log.warning("charger.lost", charger_id=one)
            rest = f"Until then nothing is sent to {', '.join(waiting)}." if waiting else "No car has to wait for it."
            yield AlertChange(
                code=CODE,
                vehicle_id=one,
                text=f"Link the account of the charger {self._called(one)} again. {rest}",
                severity="critical" if waiting else "warning",
                raised_at=self._now(),
            )

    def _ended(self, chargers: Iterable[str]) -> Iterator[AlertChange]:
        for one in sorted(chargers):
            log.info("charger.regained", charger_id=one)
            now = self._now()
            yield AlertChange(code=CODE, vehicle_id=one, text="", severity="info", raised_at=now, cleared_at=now)
