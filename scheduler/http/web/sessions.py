"""Sessions of browsers: an unguessable id in a cookie, what belongs to it in the store under the id's hash."""

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from aiohttp import web

from scheduler.ports import Clock, Store

SPACE = "web-session"
COOKIE = "kwhen_session"

LASTS = timedelta(days=30)
"""A session ends so long after the login, used or not."""


@dataclass(frozen=True, kw_only=True)
class WebSession:
    """A browser that is logged in. `csrf` is what its forms must send; `key` names the session in the store."""

    key: str
    csrf: str
    began_at: datetime


class Sessions:
    """Begins, finds and ends sessions. Raises StoreError where the store cannot."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def begin(self) -> tuple[str, WebSession]:
        """Return a new id for the cookie, with its session."""
        session_id, now = secrets.token_urlsafe(32), self._clock.now()
        session = WebSession(key=_key(session_id), csrf=secrets.token_urlsafe(32), began_at=now)
        value = json.dumps({"csrf": session.csrf, "began_at": now.isoformat()}).encode()
        await self._store.keep(SPACE, session.key, value, expires_at=now + LASTS)
        return session_id, session

    async def of(self, session_id: str) -> WebSession | None:
        """Return the session of a cookie; None for one that never was, has ended or is too old."""
        key = _key(session_id)
        kept = await self._store.kept(SPACE, key)
        if kept is None:
            return None
        value = json.loads(kept)
        began_at = datetime.fromisoformat(value["began_at"])
        if self._clock.now() - began_at >= LASTS:
            return None
        return WebSession(key=key, csrf=value["csrf"], began_at=began_at)

    async def lives(self, session: WebSession) -> bool:
        """Tell whether a session has not ended."""
        kept = await self._store.kept(SPACE, session.key)
        return kept is not None and self._clock.now() - session.began_at < LASTS

    async def end(self, session: WebSession) -> None:
        """End one session."""
        await self._store.spend(SPACE, session.key)

    async def end_all(self) -> int:
        """End every session and return how many there were."""
        keys = list(await self._store.all_kept(SPACE))
        for key in keys:
            await self._store.spend(SPACE, key)
        return len(keys)


def _key(session_id: str) -> str:
    """Return under what a session is kept: who reads the store cannot take part in it."""
    return sha256(session_id.encode(errors="surrogatepass")).hexdigest()


def hand_over(response: web.StreamResponse, session_id: str, *, secure: bool) -> None:
    """Set the cookie: out of reach of scripts, never sent along with a request that another site began."""
    response.set_cookie(
        COOKIE,
        session_id,
        httponly=True,
        samesite="Strict",
        secure=secure,
        path="/",
        max_age=int(LASTS.total_seconds()),
    )


def take_back(response: web.StreamResponse) -> None:
    """Have the browser forget the cookie."""
    response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
