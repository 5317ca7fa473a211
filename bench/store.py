"""Operations a second of the store's writer, beside raw SQLite doing the same in the same run: `bench/store.py [N]`.

One operation stores an event of 2.2 KB with its key, durably (WAL, synchronous=FULL). The store does it for 1, 64 and
256 callers, each of whom waits for the commit before the next; raw SQLite does it with as many in a commit. What counts
is the ratio: disks differ.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from scheduler.core.observation import Stamp
from scheduler.ports import Inbound, InboxRow
from storage import rows
from storage.sqlite import SqliteDatabase, sqlite_version
from storage.statements import Statements
from storage.store import SqlStore

OPERATIONS = 4000
ROUNDS = 3
PRODUCERS = (1, 64, 256)


class Wall:
    """The store's clock: it wants only the present."""

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def work(name: str, count: int) -> Iterator[Inbound]:
    received = Stamp(at=datetime(2026, 1, 1, tzinfo=UTC), mono_ns=1, run=1)
    for i in range(count):
        yield Inbound(
            kind="event",
            user_id=f"u{i % 100}",
            vehicle_id=None,
            payload=b"x" * 2200,
            received=received,
            key=f"{name}-{i}",
        )


async def with_the_store(database: SqliteDatabase, *, producers: int, count: int) -> float:
    """Return the operations a second that so many callers get."""
    store = SqlStore(database, clock=Wall())
    await store.open(node="bench")
    events = work(f"store-{producers}-{time.monotonic_ns()}", count)

    async def produce() -> None:
        for event in events:
            await store.put([event])

    started = time.perf_counter()
    await asyncio.gather(*(produce() for _ in range(producers)))
    took_s = time.perf_counter() - started
    await store.close()
    return count / took_s


def raw(database: SqliteDatabase, *, per_commit: int, count: int) -> float:
    """Return the operations a second of the driver alone, same statements and pragmas."""
    statements = Statements(database.dialect)
    connection = database.writer()
    cursor = connection.cursor()
    name = f"raw-{per_commit}-{time.monotonic_ns()}"
    first_id = time.monotonic_ns()
    events = [InboxRow(id=first_id + i, work=event) for i, event in enumerate(work(name, count))]
    seen = [{"key": event.work.key, "at": 1} for event in events]
    stored = [rows.inbox_row(event.id, event.work) for event in events]
    started = time.perf_counter()
    for start in range(0, count, per_commit):
        cursor.execute(database.begin)
        statements.insert_seen.run(cursor, seen[start : start + per_commit])
        statements.insert_inbox.run(cursor, stored[start : start + per_commit])
        cursor.execute("COMMIT")
    took_s = time.perf_counter() - started
    connection.close()
    return count / took_s


def main(count: int) -> None:
    version, warning = sqlite_version()
    print(f"SQLite {version} {warning}, {count} operations, median of {ROUNDS} rounds")
    with tempfile.TemporaryDirectory() as directory:
        database = SqliteDatabase(Path(directory) / "bench.db")
        asyncio.run(with_the_store(database, producers=1, count=1))  # makes the schema
        alone: dict[int, list[float]] = {producers: [] for producers in PRODUCERS}
        stored: dict[int, list[float]] = {producers: [] for producers in PRODUCERS}
        for _ in range(ROUNDS):  # interleaved: what else the machine does should touch all alike
            for producers in PRODUCERS:
                part = count // 4 if producers == 1 else count
                alone[producers].append(raw(database, per_commit=producers, count=part))
                stored[producers].append(asyncio.run(with_the_store(database, producers=producers, count=part)))
    for producers in PRODUCERS:
        rate, beside = median(stored[producers]), median(alone[producers])
        print(
            f"{producers:>4} callers {rate:>9,.0f}/s   raw, {producers:>3} in a commit {beside:>9,.0f}/s"
            f"   ratio {rate / beside:.2f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else OPERATIONS)
