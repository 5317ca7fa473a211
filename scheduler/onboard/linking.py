"""Link sessions: opened with a state of our own in the redirect, ended by it, or found without it.

A state is valid once and for a day, as the provider's session is; the store knows it by its hash alone. A person who
links and never comes back is found all the same: open sessions are looked at until what they linked has appeared.
"""

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec
import structlog

from scheduler.core.errors import CommandRejected, LinkOver, NotThere, ProviderError, Refused
from scheduler.core.garage import LINK_KINDS, Account, Card, ChargerCard, LinkEnd, LinkStart
from scheduler.enode.client import EnodeClient
from scheduler.enode.linking import LinkRequest, link_again, link_charger, link_vehicle
from scheduler.onboard.account import Accounts
from scheduler.ports import Clock, Store

log = structlog.get_logger()

STATES, OPEN = "link", "link-open"
LIVES = timedelta(hours=24)

FIRST_LOOKS, LOOKS = timedelta(minutes=15), timedelta(minutes=10)
"""An open session is looked at every time for a quarter of an hour, and then every ten minutes."""

NOWHERE = "https://example.com/"
"""Where the browser goes when no page of ours is there to return to: it exists and keeps nothing."""

_REMEDY = "Begin the link again."


class _Link(msgspec.Struct, frozen=True, kw_only=True):
    """An open session. `asset` is what is linked again; else `before` is what was there already.

    A link that was `sound` when it was begun again is done once the asset asks for something less than it `asked` for.
    """

    user_id: str
    kind: str
    begun_at: datetime
    before: tuple[str, ...] = ()
    asset: str = ""
    sound: bool = False
    asked: tuple[str, ...] = ()


class Links:
    """Begins and ends link sessions. `publish` is called with `link` when something was found."""

    def __init__(
        self, client: EnodeClient, *, store: Store, clock: Clock, accounts: Accounts, publish: Callable[[str], None]
    ) -> None:
        self._client = client
        self._store = store
        self._clock = clock
        self._accounts = accounts
        self._publish = publish
        self._looked: dict[str, datetime] = {}
        self._any_open = True  # until the store has said otherwise

    async def begin(self, user_id: str, kind: str, *, back_url: str, language: str) -> LinkStart:
        """Open a session for a vehicle or a charger.

        Raises:
            NotThere: no such kind.
            Refused: a charger before a vehicle, an unusable address, or the client's connections are used up.
            ProviderError: it could not be opened.
        """
        if kind not in LINK_KINDS:
            raise NotThere(f"{kind} cannot be linked", remedy="Link a vehicle, then its charger.")
        account = await self._accounts.of(user_id, fresh=True)
        if kind == "charger" and not account.vehicles:
            raise Refused("no vehicle is linked yet", remedy="Link the vehicle first, then its charger.")
        link = _Link(user_id=user_id, kind=kind, begun_at=self._clock.now(), before=_ids(account, kind))
        state, request = _request(back_url, language)
        try:
            opened = await (link_vehicle if kind == "vehicle" else link_charger)(self._client, user_id, request)
        except CommandRejected as error:
            raise Refused(
                f"the provider opens no link: {error.reason}", remedy="See the provider's dashboard."
            ) from error
        return await self._started(state, link, opened.url)

    async def again(self, asset_id: str, account: Account, *, back_url: str, language: str) -> LinkStart:
        """Open a session for an account that was lost. Refused when nothing is wrong with it; ProviderError."""
        kind = "vehicle" if account.vehicle(asset_id) is not None else "charger"
        link = _Link(
            user_id=account.user_id,
            kind=kind,
            begun_at=self._clock.now(),
            asset=asset_id,
            sound=_sound(account, asset_id, kind),
            asked=_asked(account, asset_id),
        )
        state, request = _request(back_url, language)
        try:
            opened = await link_again(self._client, asset_id, request)
        except CommandRejected as error:
            raise Refused("nothing is wrong with this link", remedy="There is nothing to do.") from error
        return await self._started(state, link, opened.url)

    async def _started(self, state: str, link: _Link, url: str) -> LinkStart:
        expires_at, stored = link.begun_at + LIVES, msgspec.json.encode(link)
        for space in (STATES, OPEN):
            await self._store.keep(space, _hash(state), stored, expires_at=expires_at)
        self._any_open = True
        log.info("link.begun", user_id=link.user_id, kind=link.kind)
        return LinkStart(kind=link.kind, user_id=link.user_id, expires_at=expires_at, url=url, state=state)

    async def progress(self, state: str) -> LinkEnd:
        """Look whether what was linked is there; the state stays valid. Raises LinkOver."""
        return await self._end(_read(await self._store.kept(STATES, _hash(state))))

    async def finish(self, state: str, *, error: str = "") -> LinkEnd:
        """Spend the state and say what was found. Raises LinkOver when it is unknown, used or expired."""
        link = _read(await self._store.spend(STATES, _hash(state)))
        if error:
            await self._store.spend(OPEN, _hash(state))
            log.info("link.given_up", user_id=link.user_id, kind=link.kind)
            return LinkEnd(kind=link.kind, user_id=link.user_id, error=error)
        end = await self._end(link, returned=True)
        if end.found:
            await self._found(_hash(state), end)
        return end

    async def _end(self, link: _Link, *, returned: bool = False) -> LinkEnd:
        """Look what came of a session. `returned`: the person was sent back to us when all was done."""
        account = await self._accounts.of(link.user_id, fresh=True)
        found = _relinked(account, link, returned=returned) if link.asset else _new(account, link)
        return LinkEnd(kind=link.kind, user_id=link.user_id, found=found)

    async def _found(self, key: str, end: LinkEnd) -> None:
        if await self._store.spend(OPEN, key) is not None:
            log.info("link.found", user_id=end.user_id, kind=end.kind, assets=list(end.found))
            self._publish("link")

    async def watch(self, user_id: str | None = None) -> None:
        """Look whether open sessions brought something: those that are due, or all of a user of whom news came."""
        if not self._any_open:
            return
        now = self._clock.now()
        stored = await self._store.all_kept(OPEN)
        self._any_open = bool(stored)
        self._looked = {key: at for key, at in self._looked.items() if key in stored}
        for key, value in stored.items():
            link = _read(value)
            if user_id is None and not self._due(key, link, now):
                continue
            if user_id in {None, link.user_id}:
                self._looked[key] = now
                await self._look(key, link)

    async def _look(self, key: str, link: _Link) -> None:
        try:
            end = await self._end(link)
        except ProviderError as error:
            log.info("link.unseen", user_id=link.user_id, why=str(error))
            return
        if end.found:
            await self._found(key, end)

    def _due(self, key: str, link: _Link, now: datetime) -> bool:
        return now - link.begun_at < FIRST_LOOKS or now - self._looked.get(key, link.begun_at) >= LOOKS


def _request(back_url: str, language: str) -> tuple[str, LinkRequest]:
    """Return a new state, and the request whose redirect carries it. Raises Refused."""
    state = secrets.token_urlsafe(24)
    try:
        return state, LinkRequest(redirect_uri=_with_state(back_url, state) if back_url else NOWHERE, language=language)
    except ValueError as error:
        raise Refused(str(error), remedy="Give a shorter address to return to.") from error


def _with_state(url: str, state: str) -> str:
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name != "state"]
    return urlunsplit(parts._replace(query=urlencode([*query, ("state", state)])))


def _hash(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()


def _read(stored: bytes | None) -> _Link:
    if stored is None:
        raise LinkOver("this link was used, has expired, or never was", remedy=_REMEDY)
    try:
        return msgspec.json.decode(stored, type=_Link)
    except msgspec.MsgspecError as error:
        raise LinkOver("this link cannot be read any more", remedy=_REMEDY) from error


def _ids(account: Account, kind: str) -> tuple[str, ...]:
    return tuple(one.id for one in account.vehicles) if kind == "vehicle" else tuple(one.id for one in account.chargers)


def _new(account: Account, link: _Link) -> tuple[str, ...]:
    return tuple(one for one in _ids(account, link.kind) if one not in link.before)


def _relinked(account: Account, link: _Link, *, returned: bool) -> tuple[str, ...]:
    """Return the asset once its vendor account is valid again; one that always was, once something came of it."""
    if not _sound(account, link.asset, link.kind):
        return ()
    came = not link.sound or returned or bool(set(link.asked) - set(_asked(account, link.asset)))
    return (link.asset,) if came else ()


def _sound(account: Account, asset: str, kind: str) -> bool:
    """Tell whether the vendor account of an asset is linked all right."""
    one = _asset(account, asset)
    valid = [v.valid for v in account.vendors if one is not None and (v.vendor, v.kind) == (one.vendor, kind)]
    return bool(valid) and all(each is not False for each in valid)


def _asked(account: Account, asset: str) -> tuple[str, ...]:
    one = _asset(account, asset)
    return tuple(f"{each.id} {each.capability}" for each in one.asked) if one is not None else ()


def _asset(account: Account, asset: str) -> Card | ChargerCard | None:
    return account.vehicle(asset) or next((one for one in account.chargers if one.id == asset), None)
