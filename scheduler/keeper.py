"""Looks after the store's files: copies them daily, recovers them when they are damaged, and keeps their log small.

A damage that shows while the daemon runs ends the run: the next one finds it again, with nothing open and nobody
waiting, and recovers. For a day after a recovery the daemon is careful: what was asked for since the copy is forgotten,
so no car is stopped.
"""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from scheduler import notify
from scheduler.config import Settings
from scheduler.core.errors import StoreDamaged, StoreError
from scheduler.core.model import HoldMode
from scheduler.ports import Clock, Store
from storage.copies import copies, take_copy, taken_at
from storage.database import Holder
from storage.opening import sqlite_file
from storage.safekeeping import Recovery, Safekeeping, lately

log = structlog.get_logger()

COPY_EVERY = timedelta(days=1)
COPY_IDLE_UNTIL = timedelta(hours=36)
"""A copy waits for a moment without work; when the last one is as old as this, no longer."""

CAREFUL = timedelta(days=1)
"""How long after a recovery no car is stopped, and the alert of it stands: a plug session rarely lasts longer."""

LOOKING_S = 1800.0
"""What looking at every page may take, before systemd loses patience with the start."""

MB = 2**20
LOG_GROWN = 8 * MB
"""Size from which the log is folded in as soon as nothing else is to be done; SQLite's own folding keeps it at half."""

LOG_LARGE = 64 * MB
"""Size from which it is tried whatever is to be done, and a person is told where that does not help."""

RECOVERED, LOG_IS_LARGE = "STORE_RECOVERED", "STORE_LOG_LARGE"


class Keeper:
    """Looks after one store. Where it is no file (memory, PostgreSQL) only opening is left to do.

    Args:
        store: to be opened by `open`, and watched.
        settings: in force now.
        clock: tells the time.
    """

    def __init__(self, store: Store, *, settings: Callable[[], Settings], clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        path = sqlite_file(settings().storage_url)
        self._files = Safekeeping(path) if path is not None else None
        self._recoveries: tuple[Recovery, ...] = ()
        self._damage = ""
        self._log_bytes = 0
        self._over = asyncio.Event()

    async def open(self, *, node: str) -> int:
        """Open the store, after a recovery where it is damaged; return the number of the run.

        Raises:
            StoreDamaged: it is damaged, and nobody knows it as ours.
            StoreError: as of `Store.open`; or it was damaged too often of late.
        """
        if self._files is None:
            return await self._store.open(node=node)
        while True:
            try:
                run = await self._looked_at(self._files, node)
                break
            except StoreDamaged as error:
                if not self._files.known():
                    raise
                await self._recover(self._files, str(error), node)
        await asyncio.to_thread(self._files.remember)
        self._recoveries = await asyncio.to_thread(self._files.recoveries)
        return run

    async def _looked_at(self, files: Safekeeping, node: str) -> int:
        if files.suspected():
            notify.notify(notify.extended(LOOKING_S))
        at = self._clock.now()  # a hurried clock is read on the loop's thread alone
        looked = await asyncio.to_thread(lambda: files.look(at=at))
        if looked is not None:
            log.warning("store.sound_after_all", found=looked.found)
        return await self._store.open(node=node)

    async def _recover(self, files: Safekeeping, found: str, node: str) -> None:
        at = self._clock.now()
        holder = Holder(node=node, pid=os.getpid(), started_at=at)
        done = await asyncio.to_thread(lambda: files.recover(found, at=at, holder=holder))
        log.error("store.recovered", found=found, aside=done.aside, copy=done.copy or "none: begun afresh")

    def suspected(self, error: StoreDamaged) -> StoreError:
        """Remember a damage for the next start; return what this run ends with, where that start can mend it."""
        if self._files is None or not self._files.known():
            return error
        self._files.suspect(str(error))
        return StoreError(f"{error}; the next start looks at it")

    async def look(self) -> None:
        """See whether a damage has shown, and whether the log has grown: in a quiet moment it is folded in."""
        if self._damage or self._store.damage:
            self._over.set()
        elif self._files is not None:
            await self._look_at_log(self._files.path)

    async def _look_at_log(self, path: Path) -> None:
        size = log_bytes(path)
        with contextlib.suppress(StoreError):
            if size > LOG_LARGE or (size > LOG_GROWN and not await self._store.shards_with_work()):
                await self._store.fold()
        self._log_bytes = log_bytes(path)

    async def watch(self) -> None:
        """Wait for a damage to show, and raise StoreDamaged then: this run must end."""
        await self._over.wait()
        found = self._damage or self._store.damage
        log.error("store.damaged", found=found)
        raise StoreDamaged(found)

    async def copy(self) -> None:
        """Copy the database beside itself when that is due, while there is nothing else to do."""
        keep = self._settings().storage_copies
        if self._files is None or not keep:
            return
        at, path = self._clock.now(), self._files.path
        age = _age(max((t for one in copies(path) if (t := taken_at(one))), default=None), at)
        if age < COPY_EVERY or (age < COPY_IDLE_UNTIL and await self._store.shards_with_work()):
            return
        try:
            made = await asyncio.to_thread(lambda: take_copy(path, at=at, keep=keep))
            log.info("store.copied", copy=made.name)
        except StoreDamaged as error:
            self._damage = str(error)
            self._over.set()
        except StoreError as error:
            log.warning("store.not_copied", why=str(error))

    # after a recovery

    def _last(self) -> Recovery | None:
        return next(lately(self._recoveries, since=self._clock.now() - CAREFUL), None)

    @property
    def careful(self) -> bool:
        """Whether no car is to be stopped, since what was asked for may be forgotten."""
        return self._last() is not None

    def within(self, settings: Settings) -> Settings:
        """Return settings as they are in force: while careful, no home has its cars stopped."""
        if not self.careful:
            return settings
        homes = tuple(replace(home, hold_mode=HoldMode.NEVER_STOP) for home in settings.homes)
        digest = hashlib.sha256(f"{settings.digest} careful".encode()).hexdigest()
        return replace(settings, homes=homes, digest=digest)

    def alerts(self) -> Iterator[tuple[str, str]]:
        """Yield the code and the text of what a person should know of the store now."""
        if (last := self._last()) is not None:
            yield RECOVERED, told(last)
        if self._log_bytes > LOG_LARGE:
            text = (
                f"The log beside the database has grown beyond {LOG_LARGE // MB} MB, since a program reads it without "
                "an end: close database tools, and copy by `kwhen db backup` alone."
            )
            yield LOG_IS_LARGE, text


def log_bytes(path: Path) -> int:
    """Return the size of the write-ahead log of a database; 0 where there is none."""
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size
    except OSError:
        return 0


def told(done: Recovery) -> str:
    """Return what a person should know of a recovery."""
    until = f"No car is stopped before {done.at + CAREFUL:%Y-%m-%d %H:%MZ}."
    if not done.aside:
        return (
            f"The database could not be read ({done.found}); every page was looked at since, and is sound. What was "
            f"kept last before {done.at:%Y-%m-%d %H:%MZ} may be missing. {until}"
        )
    aside = f"The database was damaged ({done.found}) and is put aside as {done.aside}."
    if done.copied_at is None:
        return (
            f"{aside} There was no good copy, so it was begun afresh: homes and passwords set in the dashboard, what "
            f"was asked for by hand, what was learned and all history are forgotten. {until}"
        )
    return (
        f"{aside} The copy of {done.copied_at:%Y-%m-%d %H:%MZ} took its place: what came later is forgotten, also what "
        f"was asked for by hand. {until}"
    )


def _age(then: datetime | None, now: datetime) -> timedelta:
    """Return how old something is; what is of the future was dated by a wrong clock, and counts as never done."""
    return now - then if then is not None and then <= now else timedelta.max
