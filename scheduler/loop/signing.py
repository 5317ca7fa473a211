"""What deliveries may be signed with: our secret, and for a day after an exchange the one before it (W11).

The day begins when the provider has taken the new secret: until then it signs with the old one, and it repeats for some
24 hours what was not answered. When it began is kept, so that a restart does not begin it anew.
"""

import hashlib
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """Our secret, the one before it (empty where there was no exchange), and when the provider took ours."""

    secret: str = ""
    previous: str = ""
    taken_at: datetime | None = None

    @property
    def pair(self) -> str:
        """A digest of both together."""
        return hashlib.sha256(f"{self.previous}\0{self.secret}".encode()).hexdigest()


class Signing:
    """The secrets of the listener.

    Args:
        store: keeps when the provider took the new secret; of the secrets only a digest of both together (S19).
        clock: ends the overlap.
    """

    def __init__(self, *, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._secrets = Secrets()

    async def read(self, secret: str, previous: str) -> Secrets:
        """Return the secrets with what is kept of their exchange. Raises StoreError."""
        given = Secrets(secret=secret, previous=previous)
        kept = await self._kept() if previous else None
        return replace(given, taken_at=kept.at) if kept is not None and kept.pair == given.pair else given

    def use(self, secrets: Secrets) -> None:
        """Use these secrets from now on."""
        self._secrets = secrets

    def in_force(self) -> list[bytes]:
        """Return what a delivery may be signed with now."""
        secrets = self._secrets
        accepted = [secrets.secret, secrets.previous] if self._overlapping() else [secrets.secret]
        return [one.encode() for one in accepted]

    async def taken(self) -> None:
        """Hear that the provider has taken the new secret: the old one ends in a day."""
        if not self._secrets.previous or self._secrets.taken_at is not None:
            return
        now = self._clock.now()
        self._secrets = replace(self._secrets, taken_at=now)
        log.info("webhook.secret_exchanged", previous_until=(now + OVERLAP).isoformat())
        try:
            await self._store.keep(SPACE, KEY, msgspec.json.encode(_Kept(pair=self._secrets.pair, at=now)))
        except StoreError as error:
            log.warning("store.trouble", what="webhook.secret_exchanged", why=str(error))

    def _overlapping(self) -> bool:
        if not self._secrets.previous:
            return False
        return self._secrets.taken_at is None or self._clock.now() - self._secrets.taken_at < OVERLAP

    async def _kept(self) -> _Kept | None:
        value = await self._store.kept(SPACE, KEY)
        try:
            return None if value is None else msgspec.json.decode(value, type=_Kept)
        except msgspec.MsgspecError:
            return None
