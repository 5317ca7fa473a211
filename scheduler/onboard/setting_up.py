"""The setting-up as the faces see it: `scheduler.http.daemon.Onboarding`."""

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from scheduler.core.errors import NotThere, ProviderError, Refused
from scheduler.core.garage import (
    Account,
    Card,
    Conflict,
    Doubt,
    HomeText,
    InterventionCard,
    LinkEnd,
    LinkStart,
    Pause,
    Placed,
    Position,
    Prompt,
    Spot,
)
from scheduler.core.model import Home, VehicleState
from scheduler.enode.client import EnodeClient
from scheduler.onboard import conflicts
from scheduler.onboard.account import Accounts
from scheduler.onboard.homes import Homes, abandoned
from scheduler.onboard.interventions import Catalogue, cards_of
from scheduler.onboard.linking import Links
from scheduler.onboard.places import Places
from scheduler.onboard.prompts import prompts_of
from scheduler.ports import Clock, Store

log = structlog.get_logger()

DISMISSED = "prompt"

RELEASE_WAIT_S, RELEASE_LOOK_S = 45.0, 1.0
"""How long a person waits for a held car to be started before the home is taken away from it [s]."""


class SettingUp:
    """Everything an owner sets up, from the first link to the last home.

    Args:
        client: Enode's API.
        store: keeps states, prompts, homes and pauses.
        clock: by which the daemon runs.
        accounts: snapshots of what is linked.
        links: open link sessions.
        homes: all homes.
        state: what is kept of a vehicle.
        release: starts those of the vehicles that we hold.
        rehome: puts the homes in force, as they are now.
    """

    def __init__(
        self,
        client: EnodeClient,
        *,
        store: Store,
        clock: Clock,
        accounts: Accounts,
        links: Links,
        homes: Homes,
        state: Callable[[str], VehicleState | None],
        release: Callable[[Sequence[str]], Awaitable[list[str]]],
        rehome: Callable[[], Awaitable[None]],
    ) -> None:
        self._client = client
        self._store = store
        self._clock = clock
        self._accounts = accounts
        self._links = links
        self._homes = homes
        self._state = state
        self._release = release
        self._rehome = rehome
        self._catalogue = Catalogue(client, clock)
        self._places = Places(client, accounts=accounts, homes=homes)

    # accounts and links

    async def users(self) -> list[str]:
        """Return the users of all homes and of the provider's client, each once, those of homes first."""
        known = [home.user_id for home in self._homes.all()]
        return list(dict.fromkeys([*known, *(one.id for one in await self._client.users())]))

    async def account(self, user_id: str, *, fresh: bool = False) -> Account:
        """Return what a user has linked, a few minutes old at most; read now with `fresh`."""
        return await self._accounts.of(user_id, fresh=fresh)

    async def begin_link(self, user_id: str, kind: str, *, back_url: str, language: str = "browser") -> LinkStart:
        """Open a link session for a `vehicle` or a `charger`."""
        return await self._links.begin(user_id, kind, back_url=back_url, language=language)

    async def finish_link(self, state: str, *, error: str = "") -> LinkEnd:
        """Spend a state and return what was found since. Raises LinkOver when it is unknown, used or expired."""
        return await self._links.finish(state, error=error)

    async def link_progress(self, state: str) -> LinkEnd:
        """Look, without spending the state, whether what was linked is there. Raises LinkOver as above."""
        return await self._links.progress(state)

    async def relink(self, asset_id: str, *, back_url: str, language: str = "browser") -> LinkStart:
        """Open a link session for an account whose credentials were lost. Refused when nothing is wrong with it."""
        account = await self._account_of(asset_id, fresh=True)
        return await self._links.again(asset_id, account, back_url=back_url, language=language)

    async def prompts(self, user_id: str) -> tuple[Prompt, ...]:
        """Return what the owner is asked to do next; dismissed prompts are left out."""
        return prompts_of(await self.account(user_id), await self._store.all_kept(DISMISSED))

    async def dismiss(self, user_id: str, prompt: str) -> None:
        """Leave out a prompt from now on. Refused for a mandatory one."""
        found = next((one for one in prompts_of(await self.account(user_id), ()) if one.id == prompt), None)
        if found is None:
            raise NotThere(f"no prompt is called {prompt}", remedy="It may be done already.")
        if found.mandatory:
            raise Refused(" ".join(found.reasons), remedy="Link the charger.")
        await self._store.keep(DISMISSED, prompt, b"1")

    # places

    async def whereabouts(self, vehicle_id: str) -> Position:
        """Return where a vehicle is now by its own GPS. NotThere when the provider does not tell."""
        card = await self._card(vehicle_id, fresh=True)
        if card.position is None:
            raise NotThere(f"{card.name} does not tell where it is", remedy="Type the home's coordinates.")
        return card.position

    async def place(
        self,
        user_id: str,
        *,
        latitude: float,
        longitude: float,
        name: str,
        timezone: str,
        charger_ids: Sequence[str] = (),
    ) -> Placed:
        """Make the location of a home, or use one within 200 m, and put the chargers there. Refused at (0, 0)."""
        spot = Spot(name=name, timezone=timezone, position=Position(latitude=latitude, longitude=longitude))
        return await self._places.make(user_id, spot, charger_ids=charger_ids)

    async def doubts(
        self, user_id: str, spot: Spot, *, charger_ids: Sequence[str] = (), home_id: str = ""
    ) -> tuple[Doubt, ...]:
        """Return what an owner should look at before a home is put there, or before home `home_id` is moved there."""
        return await self._places.doubts(user_id, spot, charger_ids=charger_ids, home_id=home_id)

    # interventions and conflicts

    async def interventions(self, vehicle_id: str, *, language: str = "en-US") -> tuple[InterventionCard, ...]:
        """Return what a person can do for a vehicle, in the order to show it."""
        account = await self._account_of(vehicle_id)
        card = _of(account, vehicle_id)
        told = await self._catalogue.of((*card.blocking, *card.optional), language)
        return cards_of(card, account, told)

    async def conflicts(self, vehicle_id: str) -> tuple[Conflict, ...]:
        """Return which other hands of the provider's are on a vehicle."""
        account = await self._account_of(vehicle_id)
        return await conflicts.conflicts_of(self._client, user_id=account.user_id, vehicle_id=vehicle_id)

    async def resolve(self, vehicle_id: str, conflict: str) -> None:
        """Switch one off at the provider."""
        await self._account_of(vehicle_id)
        await conflicts.switch_off(self._client, vehicle_id=vehicle_id, conflict=conflict)
        self._accounts.forget()

    async def _card(self, vehicle_id: str, *, fresh: bool = False) -> Card:
        return _of(await self._account_of(vehicle_id, fresh=fresh), vehicle_id)

    async def _account_of(self, asset_id: str, *, fresh: bool = False) -> Account:
        """Return the account that holds a vehicle or charger. Raises NotThere."""
        user_id = self._accounts.owner_of(asset_id)
        users = [user_id] if user_id is not None else await self.users()
        for one in users:
            account = await self.account(one, fresh=fresh)
            if asset_id in account.asset_ids:
                return account
        raise NotThere(
            f"the provider knows no vehicle or charger {asset_id}", remedy="`kwhen home discover` lists them."
        )

    # homes

    async def home_text(self, home_id: str) -> HomeText:
        """Return a home as it was written, with the lines to paste. NotThere for an unknown one."""
        return self._homes.text(home_id)

    async def homes_stored(self) -> tuple[Home, ...]:
        """Return the homes that were made at run time."""
        return tuple(one.home for one in self._homes.stored().values())

    async def create_home(self, table: Mapping[str, Any]) -> Home:
        """Make a home of a table in the shape of one `[[home]]`. HomeInvalid names what is wrong, a taken id too."""
        home = self._homes.checked(table)
        await self._homes.keep(home.id, table)
        await self._rehome()
        with contextlib.suppress(ProviderError):  # whether a charger must be linked first can be asked later too
            await self.account(home.user_id, fresh=True)
        log.info("home.created", home=home.id)
        return home

    async def change_home(
        self, home_id: str, table: Mapping[str, Any], *, release: bool = False, spot: Spot | None = None
    ) -> Home:
        """Put another table in a home's place, and with `spot` the home elsewhere. ReadOnlyHome when it is the file's.

        While a car is held that nobody would start then: start it first with `release`, else Refused.
        """
        self._homes.writable(home_id, table)
        before, _ = self._homes.find(home_id)
        wanted = {**table, "id": home_id}
        if spot is not None:  # a home that has no place yet is checked as if it had one
            wanted["location_id"] = before.location_id or "-"
        home = self._homes.checked(wanted, in_place_of=home_id)
        moved = spot is not None and await self._places.is_move(before, spot)
        await self._let_go(abandoned(before, home, moved=moved), release=release)
        if spot is not None:
            wanted["location_id"] = await self._places.put(replace(before, charger_ids=home.charger_ids), spot)
            if "latitude" in wanted:
                wanted |= {"latitude": spot.position.latitude, "longitude": spot.position.longitude}
            home = self._homes.checked(wanted, in_place_of=home_id)
        await self._homes.keep(home_id, wanted)
        await self._rehome()
        self._accounts.forget(home.user_id)
        log.info("home.changed", home=home_id)
        return home

    async def delete_home(self, home_id: str, *, release: bool) -> None:
        """Delete a home. While a car of it is held: start it first with `release`, else Refused."""
        self._homes.writable(home_id)
        _, vehicles = self._homes.find(home_id)
        await self._let_go([one.id for one in vehicles], release=release)
        await self._homes.drop(home_id)
        await self._rehome()
        log.info("home.deleted", home=home_id)

    async def pauses(self) -> tuple[Pause, ...]:
        """Return what is paused now."""
        return self._homes.pauses()

    async def pause(self, subject: str, *, until: datetime | None) -> None:
        """Only watch a vehicle or a home (by id) until an instant; None or a past one resumes it. NotThere.

        A car that is held is started first: nobody would start it while it is only watched.
        """
        _, vehicles = self._homes.find(subject)
        if until is not None and until > self._clock.now():
            await self._let_go([one.id for one in vehicles], release=True)
        await self._homes.pause(subject, until)
        await self._rehome()

    async def _let_go(self, vehicle_ids: Sequence[str], *, release: bool) -> None:
        """See to it that no car stays held by us. Raises Refused when one does."""
        held = [one for one in vehicle_ids if self._holds(one)]
        if held and not release:
            names = ", ".join(held)
            raise Refused(f"held by kwhen, and nobody would start it then: {names}", remedy="Release it first.")
        if held:
            await self._release(held)
        give_up_at = self._clock.now() + timedelta(seconds=RELEASE_WAIT_S)
        while any(self._holds(one) for one in held):
            if self._clock.now() >= give_up_at:
                raise Refused("the car is being started; that takes a while", remedy="Try again in a few minutes.")
            await self._clock.sleep(RELEASE_LOOK_S)

    def _holds(self, vehicle_id: str) -> bool:
        state = self._state(vehicle_id)
        return state is not None and state.session is not None and state.session.held_since is not None


def _of(account: Account, vehicle_id: str) -> Card:
    card = account.vehicle(vehicle_id)
    if card is None:
        raise NotThere(f"{vehicle_id} is a charger", remedy="Name a vehicle.")
    return card
