"""The herald: has each alert told once by each notifier, and tries again where that failed.

What was told is kept in the store (space `told`), so a restart repeats nothing. A message whose fate is unknown is sent
again: twice is better than never.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from scheduler.core.alerts import CODES
from scheduler.core.errors import NotTold, StoreError
from scheduler.http.sentences import localised
from scheduler.http.wording import local
from scheduler.ports import AlertChange, Clock, Message, Notifier, Store

log = structlog.get_logger()

SPACE = "told"
RAISED, OVER = b"raised", b"over"
SEVERITIES = ("info", "warning", "critical")

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=30)

LATE = timedelta(days=3)
"""An alert that has been over for so long is not told any more."""

TROUBLE_PATIENCE = timedelta(minutes=1)
MOST = 500


@dataclass(frozen=True, kw_only=True)
class Post:
    """A notifier with what it is to tell: alerts of a severity or above, and their ends if `ends`."""

    name: str
    notifier: Notifier
    least: str = "warning"
    ends: bool = True

    def wants(self, alert: AlertChange) -> bool:
        """Tell whether an alert is severe enough."""
        return SEVERITIES.index(alert.severity) >= SEVERITIES.index(self.least)


@dataclass(kw_only=True)
class _Pause:
    until: datetime
    length: timedelta


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of a test message through one notifier; `why` and `remedy` are empty where it was taken."""

    name: str
    why: str = ""
    remedy: str = ""

    @property
    def taken(self) -> bool:
        """Tell whether the notifier took the message."""
        return not self.why


class Herald:
    """Tells of alerts. Nothing waits for it: it runs beside the turns, and a notifier that fails holds up no other.

    Args:
        store: knows the alerts, and what was told.
        clock: the daemon's.
        called: returns a vehicle's or charger's name and the time zone of its home; the name is empty for no subject.
        durable: whether the store keeps things; that it does not is told from memory.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        called: Callable[[str | None], tuple[str, str]],
        durable: Callable[[], bool] = lambda: True,
    ) -> None:
        self._store = store
        self._clock = clock
        self._called = called
        self._durable = durable
        self._posts: tuple[Post, ...] = ()
        self._told: dict[str, bytes] = {}
        self._unkept: dict[str, tuple[bytes, datetime | None]] = {}
        self._pauses: dict[str, _Pause] = {}
        self._trouble: AlertChange | None = None
        self._turn = asyncio.Lock()
        self._waiting = False

    def replace(self, posts: Iterable[Post]) -> None:
        """Use these notifiers from now on."""
        self._posts = tuple(posts)
        self._pauses.clear()

    async def tell(self) -> None:
        """Tell what has not been told. One run at a time, and one more that waits to see what came meanwhile."""
        if self._waiting or not self._posts:
            return
        self._waiting = True
        try:
            await self._turn.acquire()
        finally:
            self._waiting = False
        try:
            self._look_at_store()
            await self._learn()
            alerts = await self._alerts()
            await asyncio.gather(*(self._serve(post, alerts) for post in self._posts))
        finally:
            self._turn.release()

    async def try_out(self) -> list[Trial]:
        """Send a test message through every notifier, whatever it is to tell else, and say what came of each."""
        return list(await asyncio.gather(*(self._tried(post) for post in self._posts)))

    async def _tried(self, post: Post) -> Trial:
        now = self._clock.now()
        message = Message(
            key=f"{post.name}|TEST|{now.isoformat()}",
            title="Test",
            text="kwhen reaches you here. Nothing is wrong, and there is nothing to do.",
            severity="info",
            at=now,
        )
        try:
            await post.notifier.send(message)
        except NotTold as error:
            log.warning("notify.failed", notifier=post.name, why=str(error))
            return Trial(name=post.name, why=str(error), remedy=error.remedy)
        except Exception as error:  # a notifier's own fault must not silence the others
            log.exception("notify.fault", notifier=post.name)
            return Trial(name=post.name, why=type(error).__name__, remedy="The daemon's log says more.")
        self._pauses.pop(post.name, None)  # it works again: what waited is told at the next turn
        log.info("notify.tried", notifier=post.name)
        return Trial(name=post.name)

    def _look_at_store(self) -> None:
        now, known = self._clock.now(), self._trouble
        if not self._durable():
            text = "What is decided cannot be kept; no car is stopped meanwhile."
            begun = AlertChange(code="STORE_TROUBLE", vehicle_id=None, text=text, severity="critical", raised_at=now)
            self._trouble = begun if known is None or known.cleared_at is not None else known
        elif known is not None and known.cleared_at is None:
            lasted = now - known.raised_at >= TROUBLE_PATIENCE
            self._trouble = replace(known, cleared_at=now) if lasted else None

    async def _serve(self, post: Post, alerts: list[AlertChange]) -> None:
        pause = self._pauses.get(post.name)
        if pause is not None and self._clock.now() < pause.until:
            return
        try:
            for alert, key in self._untold(post, alerts):
                if alert.cleared_at is None or post.ends or key not in self._told:
                    await post.notifier.send(self._message(alert, key))
                over = alert.cleared_at is not None
                expires_at = self._clock.now() + 2 * LATE if over else None
                await self._note(key, OVER if over else RAISED, expires_at=expires_at)
        except NotTold as error:
            self._put_off(post, str(error))
        except Exception as error:  # a notifier's own fault must not silence the others
            log.exception("notify.fault", notifier=post.name)
            self._put_off(post, type(error).__name__)
        else:
            self._pauses.pop(post.name, None)

    def _put_off(self, post: Post, why: str) -> None:
        last = self._pauses.get(post.name)
        length = FIRST_PAUSE if last is None else min(last.length * 2, LONGEST_PAUSE)
        self._pauses[post.name] = _Pause(until=self._clock.now() + length, length=length)
        log.warning("notify.failed", notifier=post.name, why=why, again_in_s=length.total_seconds())

    def _untold(self, post: Post, alerts: list[AlertChange]) -> Iterator[tuple[AlertChange, str]]:
        """Yield what is still to be told, oldest first, with the key of the alert."""
        begun = datetime.fromisoformat(self._told[_since(post)].decode())
        since = max(begun, self._clock.now() - LATE)
        for alert in sorted(alerts, key=lambda one: one.raised_at):
            if not post.wants(alert):
                continue
            key = f"{post.name}|{alert.code}|{alert.vehicle_id or ''}|{alert.raised_at.isoformat()}"
            told = self._told.get(key)
            if alert.cleared_at is None:
                if told is None:
                    yield alert, key
            elif told == RAISED or (told is None and alert.cleared_at >= since):
                yield alert, key

    async def _alerts(self) -> list[AlertChange]:
        """Return the alerts, open and over; of the store's own trouble what we have seen of it ourselves."""
        own = self._trouble
        lasting = own is not None and (own.cleared_at or self._clock.now()) - own.raised_at >= TROUBLE_PATIENCE
        try:
            found = [*await self._store.alerts(open_only=True, limit=MOST)]
            found += [one for one in await self._store.alerts(open_only=False, limit=MOST) if one.cleared_at]
        except StoreError as error:
            log.warning("notify.alerts_unread", why=str(error))
            found = []
        return [*(one for one in found if one.code != "STORE_TROUBLE"), *([own] if own is not None and lasting else [])]

    async def _learn(self) -> None:
        """Keep what could not be kept before, read what was told, and note when a notifier is new."""
        try:
            for key, (value, expires_at) in list(self._unkept.items()):
                await self._store.keep(SPACE, key, value, expires_at=expires_at)
                del self._unkept[key]
            self._told = await self._store.all_kept(SPACE)
        except StoreError as error:
            log.warning("notify.store", why=str(error))
        self._told |= {key: value for key, (value, _) in self._unkept.items()}
        for post in self._posts:
            if _since(post) not in self._told:
                await self._note(_since(post), self._clock.now().isoformat().encode())

    async def _note(self, key: str, value: bytes, *, expires_at: datetime | None = None) -> None:
        """Remember what was told: in memory, where the store does not take it."""
        self._told[key] = value
        try:
            await self._store.keep(SPACE, key, value, expires_at=expires_at)
        except StoreError as error:
            self._unkept[key] = (value, expires_at)
            log.warning("notify.store", why=str(error))

    def _message(self, alert: AlertChange, key: str) -> Message:
        name, timezone = self._called(alert.vehicle_id)
        what = CODES.get(alert.code, alert.code)
        over = alert.cleared_at
        title = f"{name}: {what}" if name else what[:1].upper() + what[1:]
        since = local(alert.raised_at, timezone, now=self._clock.now())
        span = f"Since {since}" if over is None else f"From {since} to {local(over, timezone, now=self._clock.now())}"
        lines = [localised(alert.text, at=alert.raised_at, timezone=timezone), f"{span} ({alert.code})."]
        return Message(
            key=f"{key}|{'raised' if over is None else 'over'}",
            title=title if over is None else f"Over: {title}",
            text="\n".join(line for line in lines if line),
            severity=alert.severity,
            at=self._clock.now(),
            over=over is not None,
        )


def _since(post: Post) -> str:
    """Return under which name it is kept when a notifier was first used."""
    return f"since|{post.name}"
