"""What each write does inside its transaction. Every function may be run again after a rollback."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Any

from scheduler.core.errors import StoreError, StoreStale
from scheduler.core.timeline import nanoseconds
from scheduler.ports import Batch, InboxRow
from storage import mapping, rows
from storage.database import Cursor, Holder, rows_of
from storage.price_slots import newest_prices
from storage.rows import Row
from storage.statements import Statements
from storage.tables import NO_VEHICLE

TOUCH_NS = timedelta(days=1) // timedelta(microseconds=1) * 1000
"""How far `used_at` of something shared may lag behind its last use: touching it each time would double the writing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedBatch:
    """A batch as rows, made on the caller's side, so that what cannot be stored fails before anything is written."""

    vehicles: tuple[tuple[int, Row], ...]  # with the version that was read
    done: tuple[int, ...]
    events: tuple[Row, ...]
    commands: tuple[Row, ...]
    decisions: tuple[Row, ...]
    blobs: tuple[Row, ...]
    uses: tuple[Row, ...]
    sessions: tuple[Row, ...]
    alerts: tuple[tuple[bool, Row], ...]  # True: raise
    overrides: tuple[Row, ...]


def prepare(batch: Batch, *, used_at: int) -> PreparedBatch:
    """Return the batch as rows.

    Args:
        batch: what to write.
        used_at: the present instant [ns].

    Raises:
        StoreError: something in it cannot be stored.
    """
    refs = set(chain.from_iterable(mapping.situation_refs(record.situation) for record in batch.decisions))
    return PreparedBatch(
        vehicles=tuple((read.version, rows.vehicle_row(read.state)) for read in batch.states),
        done=tuple(batch.done),
        events=tuple(rows.journal_row(event) for event in batch.events),
        commands=tuple(rows.command_row(command) for command in batch.commands),
        decisions=tuple(rows.decision_row(record) for record in batch.decisions),
        blobs=tuple(
            {"digest": digest, "used_at": used_at, "body": rows.packed(body)} for digest, body in batch.blobs.items()
        ),
        uses=tuple({"id": digest, "at": used_at, "older": used_at - TOUCH_NS} for digest in sorted(refs)),
        sessions=tuple(rows.session_row(record) for record in batch.sessions),
        alerts=tuple(
            (True, rows.alert_row(change))
            if change.cleared_at is None
            else (
                False,
                {
                    "of_code": change.code,
                    "of_vehicle": change.vehicle_id or NO_VEHICLE,
                    "at": nanoseconds(change.cleared_at),
                },
            )
            for change in batch.alerts
        ),
        overrides=tuple(rows.override_row(record) for record in batch.overrides),
    )


def write(cursor: Cursor, statements: Statements, batch: PreparedBatch) -> None:
    """Write a batch.

    Raises:
        StoreStale: a vehicle's version is not the one that was read.
    """
    for seen, row in batch.vehicles:
        _write_vehicle(cursor, statements, seen, row)
    if batch.done:
        cursor.execute(statements.delete_inbox, statements.listed(batch.done))
    statements.insert_journal.run(cursor, batch.events)
    for sql, group in (
        (statements.upsert_command, batch.commands),
        (statements.insert_decision, batch.decisions),
        (statements.insert_blob, batch.blobs),
        (statements.touch_blob, batch.uses),
        (statements.upsert_session, batch.sessions),
        (statements.upsert_override, batch.overrides),
    ):
        if group:
            cursor.executemany(sql, group)
    for raised, row in batch.alerts:
        cursor.execute(statements.raise_alert if raised else statements.clear_alert, row)


def _write_vehicle(cursor: Cursor, statements: Statements, seen: int, row: Row) -> None:
    if seen:
        changed: Mapping[str, Any] = {**row, "of_vehicle": row["id"], "seen": seen}
        cursor.execute(statements.update_vehicle, changed)
    else:
        cursor.execute(statements.insert_vehicle, row)
    if cursor.rowcount != 1:
        raise StoreStale(f"the state of vehicle {row['id']} is no longer version {seen}")


def put(cursor: Cursor, statements: Statements, work: Sequence[InboxRow]) -> list[InboxRow]:
    """Store work and return what of it was new: of equal keys the first, if it was never seen."""
    first = {row.work.key: row.id for row in reversed(work) if row.work.key is not None}
    seen = {row["key"] for row in rows_of(cursor, statements.seen_keys, statements.listed([*first]))} if first else ()
    new = [row for row in work if row.work.key is None or (row.work.key not in seen and first[row.work.key] == row.id)]
    keyed = [row.work for row in new if row.work.key is not None]
    statements.insert_seen.run(cursor, [{"key": one.key, "at": nanoseconds(one.received.at)} for one in keyed])
    statements.insert_inbox.run(cursor, [rows.inbox_row(row.id, row.work) for row in new])
    return new


def put_prices(cursor: Cursor, statements: Statements, fetched: Sequence[Row]) -> None:
    """Store a series: where slots overlap, it holds. What a clock that was ahead dated later is as old as it now."""
    if not fetched:
        return
    source = fetched[0]["source"]
    cursor.execute(
        statements.delete_other_prices,
        {"of_source": source} | {f"but_{name}": fetched[0][name] for name in ("product", "zone", "currency")},
    )
    cursor.execute(statements.date_prices_back, {"of_source": source, "of_fetch": fetched[0]["fetched_at"]})
    span = {"of_source": source, "after": fetched[0]["start"], "before": max(row["end"] for row in fetched)}
    stored = rows_of(cursor, statements.overlapping_prices, span)
    cursor.execute(statements.delete_prices, span)
    cursor.executemany(statements.insert_price, newest_prices(stored=stored, fetched=fetched))


def spend(cursor: Cursor, statements: Statements, one: Mapping[str, Any]) -> bytes | None:
    """Return a small value and delete it; the fence around every write makes that one step."""
    found = rows_of(cursor, statements.kept, one)
    cursor.execute(statements.forget, one)
    return bytes(found[0]["value"]) if found else None


def begin_run(cursor: Cursor, statements: Statements, holder: Holder) -> int:
    """Count a new run and return its number."""
    started_at = nanoseconds(holder.started_at)
    first = {"id": 1, "epoch": 0, "write": 0, "node": "", "pid": 0, "started_at": started_at}
    cursor.execute(statements.first_run, first)
    cursor.execute(statements.begin_run, {"node": holder.node, "pid": holder.pid, "at": started_at})
    (meta,) = rows_of(cursor, statements.meta)
    if not meta["epoch"] > 0:
        raise StoreError("the run could not be counted")
    return int(meta["epoch"])
