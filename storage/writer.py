"""The one writing thread: it owns the one writing connection and commits in groups.

What queued up while the last transaction was committed becomes the next one: no timer, no waiting. A caller returns
after the commit. A failing operation takes no neighbour with it.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from scheduler.core.errors import StoreBusy, StoreDamaged, StoreError
from storage.database import Connection, Cursor, Database, Trouble, rows_of
from storage.statements import Statements

R = TypeVar("R")

GROUP_MAX = 512
"""Operations in one transaction. More would only make the first of them wait longer."""

QUEUE_MAX = 20_000
"""Operations that may wait. Beyond that the answer is StoreBusy, and a webhook's sender tries again later."""

CONNECTIONS = 2
"""On how many connections a group is tried before its operations fail."""


@dataclass(slots=True)
class _Operation(Generic[R]):
    """Something to write. `done` runs on the loop's thread once it is durable, also if nobody waits any more."""

    work: Callable[[Cursor], R]
    done: Callable[[R], object] | None
    future: "asyncio.Future[R]"
    hold: AbstractContextManager[object]
    fenced: bool = True
    result: Any = None
    error: BaseException | None = field(default=None)

    def settle(self) -> None:
        """Tell the waiter; on the loop's thread."""
        if self.error is None and self.done is not None:
            self.done(self.result)
        if not self.future.done():
            if self.error is not None:
                self.future.set_exception(self.error)
            else:
                self.future.set_result(self.result)
        self.hold.__exit__(None, None, None)


_KINDS: Mapping[Trouble, type[StoreError]] = {Trouble.BUSY: StoreBusy, Trouble.DAMAGED: StoreDamaged}


class _Unfinished(Exception):  # noqa: N818 - not an error to anyone outside: the transaction ended before COMMIT was sent
    """A transaction that was given up. `committing`: COMMIT had been sent, so it may be durable all the same."""

    def __init__(self, cause: BaseException, *, committing: bool) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.committing = committing


class Writer:
    """Writes operations in the order they come, in groups.

    Args:
        database: connects.
        statements: compiled for it.

    Attributes:
        epoch: of this run; what is written is refused when a later one has been counted.
        groups: transactions so far.
        unsure: a COMMIT failed or was never answered, so something may be stored that its caller was told is not.
        damage: what was found damaged; nothing is written after it.
        folding: the log is to be emptied behind the next group.
    """

    def __init__(self, database: Database, statements: Statements) -> None:
        self._database = database
        self._statements = statements
        self._queue: SimpleQueue[_Operation[Any] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: Connection | None = None
        self._cursor: Cursor | None = None
        self._number = 0  # of the transaction, within this run
        self.epoch = 0
        self.groups = 0
        self.unsure = False
        self.damage = ""
        self.folding = False

    def start(self) -> None:
        """Start the thread; results go to the running loop."""
        self._loop = asyncio.get_running_loop()
        self.damage = ""
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Write what has queued, let go of the connection and end the thread."""
        thread, loop = self._thread, self._loop
        if thread is None or loop is None:
            return
        self._thread = None
        self._queue.put(None)
        await loop.run_in_executor(None, thread.join)

    def submit(
        self, work: Callable[[Cursor], R], *, done: Callable[[R], object] | None = None, fenced: bool = True
    ) -> "asyncio.Future[R]":
        """Queue something to write and return what resolves after the commit.

        Args:
            work: executes statements; may run twice when its transaction fails, so it must change nothing else.
            done: called on the loop's thread after the commit with what `work` returned.
            fenced: refuse it when a later run has been counted (S14).

        Raises:
            StoreBusy: too much is waiting.
            StoreDamaged: the database was found damaged.
            StoreError: not open, or stopped.
        """
        if self._thread is None or self._loop is None:
            raise StoreError("the store is not open for writing")
        if self.damage:
            raise StoreDamaged(f"{self._database.name} is damaged: {self.damage}")
        if self._queue.qsize() >= QUEUE_MAX:
            raise StoreBusy(f"{QUEUE_MAX} operations wait for {self._database.name}")
        hold: AbstractContextManager[object] = getattr(self._loop, "in_flight", nullcontext)()  # see virtual_time
        hold.__enter__()
        future: asyncio.Future[R] = self._loop.create_future()
        self._queue.put(_Operation(work=work, done=done, future=future, hold=hold, fenced=fenced))
        return future

    def _run(self) -> None:
        stopping = False
        while not stopping:
            group, stopping = self._next_group()
            if group:
                self._write(group)
                self._settle(group)
            if self.folding:
                self._fold()
        self._disconnect(last=True)

    def _fold(self) -> None:
        """Empty the log, which only the writer may do. What cannot be done now is asked for again."""
        self.folding = False
        if self._connection is not None and not self.damage:
            with suppress(Exception):
                self._database.fold(self._connection)

    def _next_group(self) -> tuple[list[_Operation[Any]], bool]:
        """Wait for work; return what is there, and whether it is the last."""
        group: list[_Operation[Any]] = []
        operation = self._queue.get()
        while operation is not None:
            group.append(operation)
            if len(group) >= GROUP_MAX:
                return group, False
            try:
                operation = self._queue.get_nowait()
            except Empty:
                return group, False
        return group, True

    def _settle(self, group: Sequence[_Operation[Any]]) -> None:
        def settle_all() -> None:
            for operation in group:
                operation.settle()

        assert self._loop is not None
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            self._loop.call_soon_threadsafe(settle_all)

    def _write(self, group: Sequence[_Operation[Any]]) -> None:
        """Write the group: all in one transaction, at first without savepoints, which nearly always suffices."""
        careful = False
        connections = 1
        unanswered: int | None = None
        while True:
            try:
                self._transact(group, careful=careful, unanswered=unanswered)
            except _Unfinished as unfinished:
                trouble = self._database.trouble(unfinished.cause)
                if unfinished.committing:
                    unanswered = self._number
                if trouble is Trouble.LOST:
                    self._disconnect()
                    if connections < CONNECTIONS:
                        connections += 1
                        continue
                elif trouble is Trouble.FAULT and not careful and len(group) > 1 and unanswered is None:
                    careful = True
                    continue
                self.unsure = self.unsure or unanswered is not None
                self._fail(group, unfinished.cause, trouble)
            return

    def _transact(self, group: Sequence[_Operation[Any]], *, careful: bool, unanswered: int | None) -> None:
        """Write the group, unless the earlier transaction whose COMMIT was not answered has written it."""
        committing = False
        try:
            cursor = self._connected()
            if unanswered is not None and self._was_committed(cursor, unanswered):
                return
            self.groups += 1
            self._number += 1
            cursor.execute(self._database.begin)
            if any(operation.fenced for operation in group):
                self._pass_the_fence(cursor)
            for operation in group:
                if careful:
                    self._apart(cursor, operation)
                else:
                    operation.result = operation.work(cursor)
            committing = True
            cursor.execute("COMMIT")
        except Exception as error:
            self._roll_back()
            raise _Unfinished(error, committing=committing) from error

    def _was_committed(self, cursor: Cursor, number: int) -> bool:
        meta = rows_of(cursor, self._statements.meta)
        return bool(meta and meta[0]["epoch"] == self.epoch and meta[0]["write"] >= number)

    def _apart(self, cursor: Cursor, operation: _Operation[Any]) -> None:
        """Apply one operation so that its failure leaves the transaction as it was before."""
        cursor.execute("SAVEPOINT one")
        try:
            operation.result = operation.work(cursor)
        except Exception as error:
            if self._database.trouble(error) is not Trouble.FAULT:
                raise
            try:
                cursor.execute("ROLLBACK TO SAVEPOINT one")
            except Exception:  # noqa: BLE001 - the engine has given up the whole transaction
                raise error from None
            operation.error = self._as_store_error(error, Trouble.FAULT)
        cursor.execute("RELEASE SAVEPOINT one")

    def _pass_the_fence(self, cursor: Cursor) -> None:
        """Count this transaction, if this run is still the newest one (S14)."""
        cursor.execute(self._statements.fence, {"epoch": self.epoch, "number": self._number})
        if cursor.rowcount != 1:
            raise StoreError(f"a later run than {self.epoch} writes to {self._database.name}: this one must end")

    def _connected(self) -> Cursor:
        if self._cursor is None:
            self._connection = self._database.writer()
            self._cursor = self._connection.cursor()
        assert self._cursor is not None
        return self._cursor

    def _roll_back(self) -> None:
        if self._cursor is not None:
            with suppress(Exception):  # SQLite has rolled back by itself when the disk was full
                self._cursor.execute("ROLLBACK")

    def _disconnect(self, *, last: bool = False) -> None:
        connection, self._connection, self._cursor = self._connection, None, None
        if connection is not None:
            with suppress(Exception):  # nothing more can be done for it
                if last:
                    self._database.finish(connection)
                connection.close()

    def _fail(self, group: Sequence[_Operation[Any]], cause: BaseException, trouble: Trouble) -> None:
        for operation in group:
            operation.error = self._as_store_error(cause, trouble)

    def _as_store_error(self, cause: BaseException, trouble: Trouble) -> StoreError:
        if isinstance(cause, StoreError):
            return cause
        if trouble is Trouble.DAMAGED:
            self.damage = self.damage or str(cause)
        error = _KINDS.get(trouble, StoreError)(f"{self._database.name} could not be written: {cause}")
        error.__cause__ = cause
        return error
