"""What is done about a database file that is damaged: it is put aside, never deleted, and a good copy takes its place.

Beside the database lies a small record (`NAME.safekeeping`) of what was suspected and what was done, so that it goes on
where it was broken off and never in a circle: within an hour no copy is restored twice, and after three recoveries the
file is left alone until that hour is over.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from scheduler.core.errors import StoreDamaged, StoreError
from storage.copies import checked, copies, problem_of, renew, settle, stamped, taken_at
from storage.database import Holder
from storage.sqlite import SqliteDatabase, driver

CALM = timedelta(hours=1)
"""Damage that follows sooner is taken for the same one: what was tried is not tried again."""

MOST = 3
"""Recoveries within that time. More would only fill the disk that fails."""

REMEMBERED = 10
"""Recoveries that stay in the record."""

SET = ("-wal", "-shm", "")
"""The files of a database, by what follows its name. The log goes first: it must never meet another database."""


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What was done about a damage: `aside` is where the file is now, `copy` what took its place.

    Without `aside` the file was checked and is still in use; without `copy` it was begun afresh.
    """

    at: datetime
    found: str
    aside: str = ""
    copy: str = ""

    @property
    def copied_at(self) -> datetime | None:
        """When the copy was taken that took the file's place."""
        return taken_at(Path(self.copy)) if self.copy else None


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    suspected: str = ""
    recoveries: tuple[Recovery, ...] = ()


@dataclass(frozen=True, slots=True)
class Safekeeping:
    """The files of one SQLite database. Everything blocks; nothing is done while a daemon has it open but `suspect`."""

    path: Path

    @property
    def _place(self) -> Path:
        return self.path.with_name(f"{self.path.name}.safekeeping")

    @property
    def _restored(self) -> Path:
        return self.path.with_name(f"{self.path.name}.restored.partial")

    def known(self) -> bool:
        """Tell whether a database of ours was here: else a file that is no database is somebody else's."""
        return self._place.exists() or bool(copies(self.path)) or _is_sqlite(self.path)

    def recoveries(self) -> tuple[Recovery, ...]:
        """Return what was done lately, the newest last."""
        return self._record().recoveries

    def remember(self) -> None:
        """Leave a sign that a database of ours is here."""
        if not self._place.exists():
            with contextlib.suppress(OSError):
                self._write(_Record())

    def suspect(self, found: str) -> None:
        """Have every page and index looked at before the next run uses the file."""
        with contextlib.suppress(OSError):
            self._write(msgspec.structs.replace(self._record(), suspected=found))

    def suspected(self) -> str:
        """Return what the last run found; empty where it found nothing. Then `look` may take long."""
        return self._record().suspected

    def look(self, *, at: datetime) -> Recovery | None:
        """Finish what was broken off, and look at what was suspected; return the recovery if that came of it.

        A file that was suspected and is sound all the same stays in use; but what was kept last may be gone from it,
        since a log is only read up to its first damage.

        Raises:
            StoreDamaged: the file is damaged, or suspected again within the hour.
        """
        record = self._record()
        if self._restored.exists() and not self.path.exists():
            self._clear_the_way(stamped(self.path, "damaged", at))
            settle(self._restored, self.path)
        if self._place.exists() and self.path.exists() and self.path.stat().st_size == 0:
            raise StoreDamaged(f"{self.path} is empty, and was not")
        if not record.suspected or not self.path.exists():
            return None
        if any(_near(one.at, at) for one in record.recoveries):
            raise StoreDamaged(f"{self.path} is damaged: {record.suspected}")
        if problem := self._problem():
            raise StoreDamaged(f"{self.path} is damaged: {problem}")
        recovery = Recovery(at=at, found=record.suspected)
        self._note(recovery)
        return recovery

    def recover(self, found: str, *, at: datetime, holder: Holder) -> Recovery:
        """Put the file aside, and in its place the newest copy that is good, or nothing: a run begins it afresh.

        Raises:
            StoreLocked: somebody runs on it.
            StoreError: too many recoveries within an hour, or the disk's own trouble.
        """
        lately = [one for one in self.recoveries() if _near(one.at, at)]
        if len(lately) >= MOST:
            raise StoreError(f"{self.path} was damaged {MOST} times within an hour, and is again: look at the disk")
        database = SqliteDatabase(self.path)
        database.lock(holder)
        try:
            return self._exchange(found, at=at, spent={one.copy for one in lately})
        except (OSError, driver.Error) as error:
            raise StoreError(f"{self.path} is damaged and could not be put aside: {error}") from error
        finally:
            database.unlock()

    def _exchange(self, found: str, *, at: datetime, spent: set[str]) -> Recovery:
        good = (one for one in copies(self.path) if str(one) not in spent and not problem_of(one))
        copy = next(good, None)
        if copy is not None:
            renew(copy, self._restored)
        aside = stamped(self.path, "damaged", at)
        recovery = Recovery(at=at, found=found, aside=str(aside), copy=str(copy or ""))
        self._note(recovery)
        self._clear_the_way(aside)
        if copy is not None:
            settle(self._restored, self.path)
        return recovery

    def _clear_the_way(self, aside: Path) -> None:
        """Rename what is there; SQLite still reads it under its new name, with its log."""
        for end in SET:
            with contextlib.suppress(FileNotFoundError):
                self.path.with_name(f"{self.path.name}{end}").rename(aside.with_name(f"{aside.name}{end}"))

    def _problem(self) -> str:
        try:
            with contextlib.closing(driver.connect(self.path, isolation_level=None)) as connection:
                connection.execute("PRAGMA query_only=1")
                return checked(connection, whole=True)
        except driver.Error as error:
            return str(error)

    def _note(self, recovery: Recovery) -> None:
        self._write(_Record(recoveries=(*self.recoveries(), recovery)[-REMEMBERED:]))

    def _record(self) -> _Record:
        try:
            return msgspec.json.decode(self._place.read_bytes(), type=_Record)
        except (OSError, msgspec.MsgspecError):
            return _Record()  # of nothing, or as damaged as the rest of the disk

    def _write(self, record: _Record) -> None:
        partial = self._place.with_name(f"{self._place.name}.partial")
        partial.write_bytes(msgspec.json.encode(record))
        settle(partial, self._place)


def _near(then: datetime, now: datetime) -> bool:
    """Tell whether two instants are within the calm time, whichever way the clock was set meanwhile."""
    return abs(now - then) < CALM


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\x00"
    except OSError:
        return False


def lately(recoveries: tuple[Recovery, ...], *, since: datetime) -> Iterator[Recovery]:
    """Yield what was done since an instant, the newest first."""
    return (one for one in reversed(recoveries) if one.at >= since)
