"""Access tokens by client credentials."""

import base64
import binascii
import hmac
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.world import World

LIFETIME_S = 3599


class Tokens:
    """The tokens given out and when they end."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._ends: dict[str, datetime] = {}
        self.issued = 0

    def issue(self, authorization: str) -> str | None:
        """Return a new token for a Basic authorization, or None where the credentials are wrong."""
        wanted = f"{self._world.client_id}:{self._world.client_secret}"
        scheme, _, encoded = authorization.partition(" ")
        try:
            given = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return None
        if scheme.lower() != "basic" or not hmac.compare_digest(given, wanted.encode()):
            return None
        self.issued += 1
        token = f"token-{self.issued}-{self._world.new_id()}"
        self._ends[token] = self._world.agenda.now + timedelta(seconds=LIFETIME_S)
        return token

    def accepts(self, authorization: str) -> bool:
        """Return whether an authorization carries a token that is alive."""
        scheme, _, token = authorization.partition(" ")
        ends_at = self._ends.get(token.strip())
        return scheme.lower() == "bearer" and ends_at is not None and self._world.agenda.now < ends_at

    def revoke_all(self) -> None:
        """End every token at once."""
        self._ends.clear()
