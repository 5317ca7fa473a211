"""The places of homes at the provider: what is doubtful about one, making it, and moving it."""

from collections.abc import Sequence
from dataclasses import replace

from scheduler.core.errors import NotThere, Refused
from scheduler.core.garage import Account, Doubt, LocationCard, Placed, Position, Spot
from scheduler.core.model import Home
from scheduler.enode.client import EnodeClient
from scheduler.onboard.account import Accounts
from scheduler.onboard.homes import Homes
from scheduler.onboard.placing import doubts, place_home

SAME_DEG = 5e-7
"""Coordinates are shown to the sixth decimal, a tenth of a metre: less than half of that is no move [degrees]."""


class Places:
    """Locations of the provider's, for homes.

    Args:
        client: Enode's API.
        accounts: snapshots of what is linked.
        homes: all homes.
    """

    def __init__(self, client: EnodeClient, *, accounts: Accounts, homes: Homes) -> None:
        self._client = client
        self._accounts = accounts
        self._homes = homes

    async def doubts(
        self, user_id: str, spot: Spot, *, charger_ids: Sequence[str] = (), home_id: str = ""
    ) -> tuple[Doubt, ...]:
        """Return what an owner should look at before a home is put there, or before home `home_id` is moved there."""
        return self._doubts(await self._accounts.of(user_id, fresh=True), spot, charger_ids, home_id)

    def _doubts(self, account: Account, spot: Spot, charger_ids: Sequence[str], home_id: str = "") -> tuple[Doubt, ...]:
        others = {one.location_id: one.id for one in self._homes.all() if one.location_id and one.id != home_id}
        own = next((one.location_id for one in self._homes.all() if home_id and one.id == home_id), None)
        places = [replace(one, position=spot.position) if one.id == own else one for one in account.locations]
        told = doubts(spot.position, timezone=spot.timezone, places=places, homes_at=others)
        if any(one.barred for one in told):
            return told
        bare = [one.name for one in account.chargers if one.location_id is None and one.id not in charger_ids]
        return (
            *told,
            *(Doubt(text=f"{one} has no place yet: no car plugged in there is known to be at home.") for one in bare),
        )

    async def make(self, user_id: str, spot: Spot, *, charger_ids: Sequence[str]) -> Placed:
        """Make a place, or take one within 200 m, and put the chargers there. Refused where no home can be."""
        account = await self._accounts.of(user_id, fresh=True)
        told = self._doubts(account, spot, charger_ids)
        _refuse(told)
        unknown = set(charger_ids) - {one.id for one in account.chargers}
        if unknown:
            raise NotThere(f"no charger of {user_id} has the id {', '.join(sorted(unknown))}")
        placed = await self._place(account, spot, charger_ids)
        return replace(placed, warnings=tuple(one.text for one in told))

    async def _place(self, account: Account, spot: Spot, charger_ids: Sequence[str]) -> Placed:
        placed = await place_home(
            self._client,
            user_id=account.user_id,
            position=spot.position,
            name=spot.name,
            timezone=spot.timezone,
            places=account.locations,
            charger_ids=charger_ids,
        )
        self._accounts.forget(account.user_id)
        return placed

    async def is_move(self, home: Home, spot: Spot) -> bool:
        """Tell whether a home would be elsewhere then. Refused where no home can be, ProviderError."""
        account = await self._accounts.of(home.user_id, fresh=True)
        _refuse(self._doubts(account, spot, home.charger_ids, home.id))
        kept = _kept(account, home)
        return kept is None or not _same(kept.position, spot.position)

    async def put(self, home: Home, spot: Spot) -> str:
        """Have the provider's place of a home be as given, with its chargers in it, and return its id.

        A home without a place gets one as `make` does. Raises ProviderError.
        """
        account = await self._accounts.of(home.user_id)
        kept = _kept(account, home)
        if kept is None:
            return (await self._place(account, spot, home.charger_ids)).location_id
        if not _same(kept.position, spot.position) or (kept.name, kept.timezone) != (spot.name, spot.timezone):
            await self._client.update_location(
                kept.id,
                name=spot.name,
                latitude=spot.position.latitude,
                longitude=spot.position.longitude,
                timezone=spot.timezone,
            )
        for one in account.chargers:
            if one.id in home.charger_ids and one.location_id != kept.id:
                await self._client.place_charger(one.id, kept.id)
        self._accounts.forget(home.user_id)
        return kept.id


def _kept(account: Account, home: Home) -> LocationCard | None:
    return next((one for one in account.locations if one.id == home.location_id), None)


def _same(one: Position | None, other: Position) -> bool:
    return one is not None and (
        abs(one.latitude - other.latitude) < SAME_DEG and abs(one.longitude - other.longitude) < SAME_DEG
    )


def _refuse(told: Sequence[Doubt]) -> None:
    for one in told:
        if one.barred:
            raise Refused(one.text, remedy="Give the latitude first, then the longitude, in degrees.")
