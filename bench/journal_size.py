"""Bytes that the daemon keeps for each car and day, over simulated days of the demonstration.

Usage: `bench/journal_size.py [DAYS] [--polling-only]`. The limit for journal and decisions is 2 MB; held against it is
the whole database as it lies on the disk, indexes, prices and all. The exit status is 1 above the limit.
"""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from scheduler.cli.demo import FastRun
from scheduler.cli.demo_report import Report
from scheduler.config import Settings
from scheduler.ports import Clock
from storage.sqlite import driver

DAYS = next((int(word) for word in sys.argv[1:] if word.isdecimal()), 7)
POLLING_ONLY = "--polling-only" in sys.argv
LIMIT_BYTES = 2_000_000
LEAST_SHOWN = 50

TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
COLUMNS = "SELECT name FROM pragma_table_info(?)"
KINDS = "SELECT k, count(*), sum(length(body)) FROM journal GROUP BY k ORDER BY 3 DESC"


class Measured(FastRun):
    """The demonstration, with a look at what it left in its database."""

    async def _with_daemon(self, settings: Settings, clock: Clock) -> Report:
        report = await super()._with_daemon(settings, clock)
        self._measure(Path(settings.storage_url.removeprefix("sqlite:///")))
        return report

    def _measure(self, path: Path) -> None:
        self.kept_bytes = path.stat().st_size
        with closing(driver.connect(str(path))) as connection:
            self.told = list(told(connection, per=len(self.world.vehicles) * self.days))


def told(connection: sqlite3.Connection, *, per: int) -> Iterator[str]:
    """Yield a line for each table and for each kind of the journal's lines: bytes and rows per car and day."""
    sizes = {table: size_of(connection, table) for (table,) in connection.execute(TABLES).fetchall()}
    yield "contents by table, without indexes"
    for table, (rows, size) in sorted(sizes.items(), key=lambda one: -one[1][1]):
        if size / per >= LEAST_SHOWN:
            yield f"  {table:<12}{size / per:>10,.0f} bytes {rows / per:>10,.1f} rows"
    yield "journal by kind of line"
    for kind, rows, size in connection.execute(KINDS):
        yield f"  {kind:<12}{size / per:>10,.0f} bytes {rows / per:>10,.1f} rows of {size / rows:,.0f} bytes"


def size_of(connection: sqlite3.Connection, table: str) -> tuple[int, int]:
    """Return how many rows a table has and the bytes of what they hold."""
    columns = [name for (name,) in connection.execute(COLUMNS, (table,))]
    content = " + ".join(f"coalesce(length(CAST({name} AS BLOB)), 0)" for name in (f'"{c}"' for c in columns))
    ((rows, size),) = connection.execute(f"SELECT count(*), coalesce(sum({content}), 0) FROM {table}").fetchall()
    return rows, size


def main() -> int:
    """Run, print, and return the exit status."""
    run = Measured(days=DAYS, seed=1, polling_only=POLLING_ONLY)
    report = run.report()
    cars = len(run.world.vehicles)
    kept_bytes = run.kept_bytes / (cars * DAYS)
    print(f"{cars} cars, {DAYS} days, {report['wall_s']} s; all figures per car and day")
    print(*run.told, sep="\n")
    print(f"database {kept_bytes:,.0f} bytes, limit {LIMIT_BYTES:,}, ratio {kept_bytes / LIMIT_BYTES:.2f}")
    return int(kept_bytes > LIMIT_BYTES)


if __name__ == "__main__":
    sys.exit(main())
