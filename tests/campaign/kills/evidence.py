"""What a store holds, read from a copy while no daemon runs: reading the file itself would mend it for the next one."""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from scheduler.core.timeline import nanoseconds
from storage.mapping import decode_override
from storage.sqlite import driver

KEYS = {
    "journal": "run, seq",
    "decision": "row",
    "command": "id",
    "override": "vehicle_id, set_at",
    "session": "id",
    "seen_event": "key",
    "alert": "row",
    "blob": "digest",
}
"""Tables of which nothing may ever be gone again (nothing is pruned within a life), and what tells their rows apart."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One look at a store. `gaps`: runs whose journal has any, with their first and last number and how many."""

    integrity: str
    keys: dict[str, frozenset[tuple[Any, ...]]]
    gaps: list[tuple[int, int, int, int]]
    wishes_waiting: frozenset[tuple[str, int]]
    events_waiting: frozenset[str]
    work_waiting: int
    sends: dict[str, int]
    size: int

    def wishes(self) -> frozenset[tuple[Any, ...]]:
        """Return the wishes that are kept, done or not, as vehicle and instant."""
        return self.keys["override"] | self.wishes_waiting


@contextmanager
def copied(database: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection to a copy of a store and its log of writes."""
    with tempfile.TemporaryDirectory(prefix="kwhen-kills-") as place:
        for name in (database.name, f"{database.name}-wal"):
            if (database.parent / name).exists():
                shutil.copy(database.parent / name, place)
        with closing(driver.connect(Path(place) / database.name)) as connection:
            yield connection


def look(database: Path) -> Evidence:
    """Look at a store that no daemon has open."""
    with copied(database) as store:
        waiting = store.execute("SELECT kind, vehicle_id, payload, key FROM inbox").fetchall()
        wishes = [(vehicle_id, decode_override(payload)) for kind, vehicle_id, payload, _ in waiting if kind == "wish"]
        return Evidence(
            integrity=store.execute("PRAGMA integrity_check").fetchone()[0],
            keys={
                table: frozenset(store.execute(f'SELECT {key} FROM "{table}"').fetchall())
                for table, key in KEYS.items()
            },
            gaps=store.execute(
                "SELECT run, min(seq), max(seq), count(*) FROM journal GROUP BY run "
                "HAVING count(*) <> max(seq) - min(seq) + 1 OR min(seq) > 1"
            ).fetchall(),
            wishes_waiting=frozenset((vehicle_id, nanoseconds(one.set_at)) for vehicle_id, one in wishes),
            events_waiting=frozenset(key for kind, _, _, key in waiting if kind == "event"),
            work_waiting=len(waiting),
            sends=dict(store.execute("SELECT v, count(*) FROM journal WHERE k = 'SEND' GROUP BY v").fetchall()),
            size=database.stat().st_size,
        )


def journal(database: Path) -> list[dict[str, Any]]:
    """Return the whole journal of a store that no daemon has open."""
    with copied(database) as store:
        rows = store.execute("SELECT row, body FROM journal ORDER BY row").fetchall()
    return [{"row": row, **msgspec.json.decode(body)} for row, body in rows]


def sessions(database: Path) -> list[tuple[str, int, int, float]]:
    """Return the sessions that ended: vehicle, plugged in, unplugged, energy [kWh]."""
    with copied(database) as store:
        found: list[tuple[str, int, int, float]] = store.execute(
            "SELECT vehicle_id, plugged_at, unplugged_at, energy_kwh FROM session ORDER BY plugged_at"
        ).fetchall()
    return found
