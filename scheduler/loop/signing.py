"""What deliveries may be signed with: our secret, and for a day after an exchange the one before it (W11).

The day begins when the provider has taken the new secret: until then it signs with the old one, and it repeats for some
24 hours what was not answered. When it began is kept, so that a restart does not begin it anew.
"""

import hashlib
from datetime import datetime, timedelta

import msgspec
import structlog

from scheduler.core.errors import StoreError
from scheduler.ports import Clock, Store

log = structlog.get_logger()

OVERLAP = timedelta(hours=24)
"""For how long the provider repeats a delivery that was signed with the old secret."""

SPACE, KEY = "webhook", "exchange"


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    pair: str
    at: datetime


class Signing:
    """The secrets of the listener.

    Args:
        store: keeps when the provider took the new secret; of the secrets only a digest of both together (S19).
        clock: ends the overlap.
    """

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._secret = self._previous = ""
        self._taken_at: datetime | None = None

    async def load(self, secret: str, previous: str) -> None:
        """Use these secrets from now on; `previous` is empty where there was no exchange."""
        kept = await self._kept() if previous else None
        self._secret, self._previous = secret, previous
        self._taken_at = kept.at if kept is not None and kept.pair == self._pair() else None

    def in_force(self) -> list[bytes]:
        """Return what a delivery may be signed with now."""
        accepted = [self._secret, self._previous] if self._overlapping() else [self._secret]
        return [one.encode() for one in accepted]

    async def taken(self) -> None:
        """Hear that the provider has taken the new secret: the old one ends in a day."""
        if not self._previous or self._taken_at is not None:
            return
        self._taken_at = self._clock.now()
        log.info("webhook.secret_exchanged", previous_until=(self._taken_at + OVERLAP).isoformat())
        try:
            await self._store.keep(SPACE, KEY, msgspec.json.encode(_Kept(pair=self._pair(), at=self._taken_at)))
        except StoreError as error:
            log.warning("store.trouble", what="webhook.secret_exchanged", why=str(error))

    def _overlapping(self) -> bool:
        if not self._previous:
            return False
        return self._taken_at is None or self._clock.now() - self._taken_at < OVERLAP

    def _pair(self) -> str:
        return hashlib.sha256(f"{self._previous}\0{self._secret}".encode()).hexdigest()

    async def _kept(self) -> _Kept | None:
        value = await self._store.kept(SPACE, KEY)
        try:
            return None if value is None else msgspec.json.decode(value, type=_Kept)
        except msgspec.MsgspecError:
            return None
