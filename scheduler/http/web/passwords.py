"""The owner's password: set with a one-time code, kept as an argon2 hash, never seen again."""

import asyncio
import hmac
import secrets
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from scheduler.ports import Store

SPACE, OWNER = "password", "owner"

SHORTEST, LONGEST = 10, 1024
"""Characters of a password: fewer are guessed, more are only work for the hash."""

CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without those that are taken for one another."""

CODE_TRIES = 10
"""A set-up code is worth nothing after so many wrong ones."""


class WeakPassword(ValueError):  # noqa: N818
    """A password that is too short, or longer than any needs to be. The text says what to do."""


class Passwords:
    """The one password of the installation.

    A set-up code lets a person set it: the daemon logs one at its start while there is no password, and whoever may
    use the daemon's socket can have another (a forgotten password is so replaced). A code works once, and dies with
    the process.
    """

    def __init__(self, store: Store, hasher: PasswordHasher | None = None) -> None:
        self._store = store
        self._hasher = hasher or PasswordHasher()
        self._one_at_a_time = asyncio.Lock()  # a hash takes 64 MiB: many at once would be the end of a small machine
        self._code = ""
        self._wrong_codes = 0

    async def known(self) -> bool:
        """Tell whether a password was set."""
        return await self._store.kept(SPACE, OWNER) is not None

    async def fits(self, password: str) -> bool:
        """Tell whether this is the password."""
        kept = await self._store.kept(SPACE, OWNER)
        if kept is None or len(password) > LONGEST:
            return False
        async with self._one_at_a_time:
            fits = await asyncio.to_thread(self._verified, kept.decode(), _normal(password))
        if fits and self._hasher.check_needs_rehash(kept.decode()):
            await self.put(password)
        return fits

    def _verified(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    async def put(self, password: str) -> None:
        """Keep a password in place of the one before.

        Raises:
            WeakPassword: it is too short or too long.
            StoreError: it cannot be kept; the one before still holds.
        """
        check_strength(password)
        async with self._one_at_a_time:
            hashed = await asyncio.to_thread(self._hasher.hash, _normal(password))
        await self._store.keep(SPACE, OWNER, hashed.encode())

    def new_code(self) -> str:
        """Return a new set-up code; the one before is worth nothing any more."""
        letters = "".join(secrets.choice(CODE_LETTERS) for _ in range(12))
        self._code, self._wrong_codes = letters, 0
        return "-".join((letters[:4], letters[4:8], letters[8:]))

    def spend_code(self, text: str) -> bool:
        """Tell whether this is the set-up code, which then is worth nothing any more."""
        given = "".join(letter for letter in text.upper() if letter.isalnum())
        right = bool(self._code) and hmac.compare_digest(given.encode(), self._code.encode())
        self._wrong_codes += not right
        if right or self._wrong_codes >= CODE_TRIES:
            self._code = ""
        return right


def check_strength(password: str) -> None:
    """Refuse a password that is too short or too long. Raises WeakPassword."""
    if len(password) < SHORTEST:
        raise WeakPassword(f"Take {SHORTEST} characters or more; a few words make a good password.")
    if len(password) > LONGEST:
        raise WeakPassword(f"Take {LONGEST} characters at most.")


def _normal(password: str) -> str:
    """Return the one form of what different keyboards send for the same letters."""
    return unicodedata.normalize("NFKC", password)
