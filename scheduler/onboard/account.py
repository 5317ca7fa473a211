"""What a user has linked, as one snapshot, kept for a few minutes: pages must not ask the provider each time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

import structlog

from scheduler.core.errors import NotFound, ProviderError, ProviderProtocolError
from scheduler.core.garage import (
    Account,
    Asked,
    Card,
    ChargerCard,
    LocationCard,
    Pairing,
    PairState,
    Position,
    VendorLink,
)
from scheduler.core.model import Home
from scheduler.core.observation import Capabilities, ChargeFacet, Source, Stamp
from scheduler.enode.client import EnodeClient
from scheduler.enode.mapping import card_of, charger_of, reading_of
from scheduler.enode.values import ChargerReport, Location, NeededIntervention, User
from scheduler.onboard.interventions import asked_of
from scheduler.onboard.pairing import paired

log = structlog.get_logger()

KEPT_FOR = timedelta(minutes=3)

MOST_KEPT = 20_000
"""Snapshots: whoever may ask may make up users without end."""

_UNPAIRED = Pairing(state=PairState.NOT_LINKED, text="")


class _Reading:
    """The reads of one user's account while somebody waits for them: one at a time, and what the last came to."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.began_ns = -1
        self.came_to: Account | ProviderError | None = None

    def since(self, asked_ns: int) -> Account | None:
        """Return what a whole read brought that began after an instant; None without one. Raises ProviderError."""
        if self.began_ns <= asked_ns:
            return None
        if isinstance(self.came_to, ProviderError):
            raise self.came_to.with_traceback(None)
        return self.came_to


class Accounts:
    """Snapshots by user. A webhook event of the user makes the next question read anew."""

    def __init__(self, client: EnodeClient, *, stamp: Callable[[], Stamp], homes: Callable[[], Iterable[Home]]) -> None:
        self._client = client
        self._stamp = stamp
        self._homes = homes
        self._kept: dict[str, Account] = {}
        self._read_at: dict[str, datetime] = {}
        self._chargers: dict[str, ChargerCard] = {}
        self._readings: WeakValueDictionary[str, _Reading] = WeakValueDictionary()
        self.on_read: Callable[[Account], Awaitable[None]] | None = None
        """Called with every account that was read."""

    def forget(self, user_id: str | None = None) -> None:
        """Read a user's account anew at the next question; every one with None."""
        if user_id is None:
            self._kept.clear()
        else:
            self._kept.pop(user_id, None)

    def owner_of(self, asset_id: str) -> str | None:
        """Return the user of a vehicle or charger, as far as snapshots are at hand."""
        for account in self._kept.values():
            if asset_id in account.asset_ids:
                return account.user_id
        return None

    def was_read(self, user_id: str) -> bool:
        """Tell whether this run has read a user's account."""
        return user_id in self._read_at

    def age(self, user_id: str) -> timedelta | None:
        """Return how long ago a user's account was read last; None when this run never has."""
        read_at = self._read_at.get(user_id)
        return None if read_at is None else self._stamp().at - read_at

    def charger(self, charger_id: str) -> ChargerCard | None:
        """Return a charger as it was seen last, even where the provider leaves it out by now."""
        return self._chargers.get(charger_id)

    def charger_names(self) -> dict[str, str]:
        """Return the names of all chargers that were seen, by id."""
        return {one.id: one.name for one in self._chargers.values()}

    async def of(self, user_id: str, *, fresh: bool = False) -> Account:
        """Return a user's account, with `fresh` as it is now. Raises ProviderError.

        All who asked before a read began share what comes of it: reads are paced, and any number may ask.
        """
        asked_ns = self._stamp().mono_ns
        reading = self._readings.setdefault(user_id, _Reading())
        async with reading.turn:
            if (shared := reading.since(asked_ns)) is not None:
                return shared
            kept = self._kept.get(user_id)
            if kept is None or fresh or self._stamp().at - kept.at >= KEPT_FOR:
                kept = await self._kept_by(reading, user_id)
        return kept

    async def _kept_by(self, reading: "_Reading", user_id: str) -> Account:
        began_ns = self._stamp().mono_ns
        try:
            account = await self._read(user_id)
        except ProviderError as error:
            reading.began_ns, reading.came_to = began_ns, error
            raise
        reading.began_ns, reading.came_to = began_ns, account
        self._kept[user_id], self._read_at[user_id] = account, account.at
        if len(self._kept) > MOST_KEPT:
            self.forget(next(iter(self._kept)))
        self._chargers |= {one.id: one for one in account.chargers}
        if self.on_read is not None:
            await self.on_read(account)
        return account

    async def _read(self, user_id: str) -> Account:
        try:
            user = await self._client.user(user_id)
        except NotFound:  # nothing was ever linked
            return Account(user_id=user_id, at=self._stamp().at)
        vehicles, chargers, places = await asyncio.gather(
            self._client.vehicles(user_id), self._client.chargers(user_id), self._client.locations(user_id)
        )
        now = self._stamp()
        homes = [home for home in self._homes() if home.user_id == user_id]
        vendors = tuple(VendorLink(vendor=one.vendor, kind=one.vendor_type, valid=one.valid) for one in user.vendors)
        posts = tuple(self._charger(raw, now, homes) for raw in chargers)
        kept_posts = tuple(one for one in posts if one is not None)
        cards = (self._vehicle(raw, user, now, homes, kept_posts) for raw in vehicles)
        return Account(
            user_id=user_id,
            at=now.at,
            vehicles=tuple(one for one in cards if one is not None),
            chargers=kept_posts,
            locations=tuple(_place(one) for one in places),
            vendors=vendors,
        )

    def _vehicle(
        self, raw: bytes, user: User, now: Stamp, homes: list[Home], chargers: tuple[ChargerCard, ...]
    ) -> Card | None:
        try:
            reading = reading_of(raw, source=Source.POLL, received=now, user_id=user.id)
            told = card_of(raw)
        except ProviderProtocolError as error:
            log.warning("vehicle.unreadable", user_id=user.id, why=str(error))
            return None
        home = next((h for h in homes if any(v.id == reading.vehicle_id for v in h.vehicles)), None)
        spec = next((v for v in home.vehicles if v.id == reading.vehicle_id), None) if home is not None else None
        charge = reading.charge or ChargeFacet()
        card = Card(
            id=reading.vehicle_id,
            user_id=user.id,
            vendor=told.vendor,
            name=(spec.name if spec is not None else "") or reading.name or told.vendor.title() or reading.vehicle_id,
            capabilities=reading.capabilities or Capabilities(),
            pairing=_UNPAIRED,
            asked=_asked(told.needs),
            home_id=home.id if home is not None else None,
            plugged=charge.plugged,
            charging=charge.charging,
            soc_pct=reading.battery.soc_pct if reading.battery is not None else None,
            charger_id=charge.charger_id,
            location_id=reading.place.location_id if reading.place is not None else None,
            position=None
            if told.latitude is None or told.longitude is None
            else Position(latitude=told.latitude, longitude=told.longitude, at=told.located_at),
            reachable=reading.reachable,
            seen_at=reading.seen_at,
            controlled_elsewhere=reading.smart_charging is True,
            linked=not _lost(user, told.vendor, "vehicle"),
        )
        return paired(card, chargers, home)

    def _charger(self, raw: bytes, now: Stamp, homes: list[Home]) -> ChargerCard | None:
        try:
            report = charger_of(raw, received_at=now.at)
        except ProviderProtocolError as error:
            log.warning("charger.unreadable", why=str(error))
            return None
        home = next((one for one in homes if report.charger_id in one.charger_ids), None)
        return _charger_card(report, home)


def _charger_card(report: ChargerReport, home: Home | None) -> ChargerCard:
    return ChargerCard(
        id=report.charger_id,
        user_id=report.user_id,
        vendor=report.vendor,
        name=report.name or report.vendor.title() or report.charger_id,
        location_id=report.location_id,
        home_id=home.id if home is not None else None,
        plugged=report.plugged,
        charging=report.charging,
        vehicle_id=report.vehicle_id,
        reachable=report.reachable,
        seen_at=report.seen_at,
        asked=_asked(report.needs),
    )


def _asked(needs: tuple[NeededIntervention, ...]) -> tuple[Asked, ...]:
    return asked_of(Asked(id=one.id, capability=one.capability, optional=one.optional) for one in needs)


def _lost(user: User, vendor: str, kind: str) -> bool:
    links = [one for one in user.vendors if (one.vendor, one.vendor_type) == (vendor, kind)]
    return any(one.valid is False for one in links)


def _place(location: Location) -> LocationCard:
    known = location.latitude is not None and location.longitude is not None
    return LocationCard(
        id=location.id,
        name=location.name,
        timezone=location.timezone,
        position=Position(latitude=location.latitude or 0.0, longitude=location.longitude or 0.0) if known else None,
    )
