"""Rows of the tables ↔ core values. A row is a mapping of column names to what the driver takes and gives."""

import zlib
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from math import fsum
from typing import Any

import msgspec

from scheduler.core.command import Command
from scheduler.core.errors import StoreError
from scheduler.core.model import VehicleState, shard_of
from scheduler.core.observation import Stamp
from scheduler.core.timeline import from_nanoseconds, nanoseconds
from scheduler.ports import (
    AlertChange,
    DecisionRecord,
    Event,
    Inbound,
    InboxRow,
    OverrideRecord,
    SessionRecord,
    SessionTotal,
    Versioned,
)
from storage import mapping
from storage.tables import NO_VEHICLE

Row = dict[str, Any]

_session_decoder = msgspec.json.Decoder(SessionRecord)
_event_decoder = msgspec.json.Decoder(dict[str, Any])
_encoder = msgspec.json.Encoder()


def instant(at: datetime | None) -> int | None:
    """Return a column's value for an instant that may be unknown."""
    return None if at is None else nanoseconds(at)


def from_instant(column: int | None) -> datetime | None:
    """Return the instant of a column that may be empty."""
    return None if column is None else from_nanoseconds(column)


def plain_text(text: str) -> str:
    """Return the text without what PostgreSQL cannot keep in a text column."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def inbox_row(row_id: int, work: Inbound) -> Row:
    """Return the row of stored work."""
    return {
        "id": row_id,
        "shard": shard_of(work.user_id),
        "kind": work.kind,
        "user_id": plain_text(work.user_id),
        "vehicle_id": work.vehicle_id and plain_text(work.vehicle_id),
        "payload": work.payload,
        "received_at": nanoseconds(work.received.at),
        "received_mono_ns": work.received.mono_ns,
        "received_run": work.received.run,
        "key": work.key,
    }


def inbox_work(row: Row) -> InboxRow:
    """Return the stored work of a row."""
    received = Stamp(at=from_nanoseconds(row["received_at"]), mono_ns=row["received_mono_ns"], run=row["received_run"])
    work = Inbound(
        kind=row["kind"],
        user_id=row["user_id"],
        vehicle_id=row["vehicle_id"],
        payload=bytes(row["payload"]),
        received=received,
        key=row["key"],
    )
    return InboxRow(id=row["id"], work=work)


def vehicle_row(state: VehicleState) -> Row:
    """Return the row of a vehicle's state, as the first version of it."""
    return {
        "id": state.vehicle_id,
        "home_id": state.home_id,
        "user_id": state.user_id,
        "shard": shard_of(state.user_id),
        "version": 1,
        "next_due_at": instant(state.next_due_at),
        "state": mapping.encode_state(state).decode(),
    }


def vehicle_state(row: Row) -> Versioned:
    """Return the state of a row."""
    return Versioned(state=mapping.decode_state(row["state"]), version=row["version"])


def command_row(command: Command) -> Row:
    """Return the row of a command."""
    return {
        "id": command.id,
        "vehicle_id": command.vehicle_id,
        "action": command.action.value,
        "state": command.state.value,
        "sent_at": nanoseconds(command.sent_at),
        "body": mapping.encode_command(command).decode(),
    }


def decision_row(record: DecisionRecord) -> Row:
    """Return the row of a decision."""
    return {
        "vehicle_id": record.vehicle_id,
        "home_id": record.home_id,
        "at": nanoseconds(record.at),
        "key": record.key,
        "situation": packed(record.situation),
        "decision": packed(record.decision),
        "summary": plain_text(record.summary),
        "command_id": record.command_id,
    }


def decision_record(row: Row) -> DecisionRecord:
    """Return the decision of a row."""
    return DecisionRecord(
        vehicle_id=row["vehicle_id"],
        home_id=row["home_id"],
        at=from_nanoseconds(row["at"]),
        key=row["key"],
        situation=unpacked(row["situation"]),
        decision=unpacked(row["decision"]),
        summary=row["summary"],
        command_id=row["command_id"],
    )


def override_row(record: OverrideRecord) -> Row:
    """Return the row of an override set or cleared."""
    return {
        "vehicle_id": record.vehicle_id,
        "set_at": nanoseconds(record.override.set_at),
        "cleared_at": instant(record.cleared_at),
        "cleared_by": record.cleared_by,
        "body": mapping.encode_override(record.override).decode(),
    }


def override_record(row: Row) -> OverrideRecord:
    """Return the override of a row."""
    return OverrideRecord(
        vehicle_id=row["vehicle_id"],
        override=mapping.decode_override(row["body"]),
        cleared_at=from_instant(row["cleared_at"]),
        cleared_by=row["cleared_by"],
    )


def kept_row(space: str, key: str, value: bytes, expires_at: datetime | None) -> Row:
    """Return the row of a small value."""
    return {"space": space, "key": plain_text(key), "value": value, "expires_at": instant(expires_at)}


def session_row(record: SessionRecord) -> Row:
    """Return the row of a session."""
    return {
        "id": record.id,
        "vehicle_id": record.vehicle_id,
        "plugged_at": nanoseconds(record.plugged_at),
        "unplugged_at": instant(record.unplugged_at),
        "currency": record.currency,
        "energy_kwh": record.energy_kwh,
        "cost": record.cost,
        "baseline_cost": record.baseline_cost,
        "grams": record.grams,
        "baseline_grams": record.baseline_grams,
        "body": _encoder.encode(record).decode(),
    }


def session_record(row: Row) -> SessionRecord:
    """Return the session of a row."""
    try:
        return _session_decoder.decode(row["body"])
    except (msgspec.MsgspecError, ValueError) as error:
        raise StoreError(f"the stored session {row['id']} cannot be read: {error}") from error


def session_totals(sums: Iterable[Row]) -> list[SessionTotal]:
    """Return the totals by currency of the sums of single vehicles. A sum of nothing but unknowns is None."""
    of: dict[str, list[Row]] = {}
    for row in sums:
        of.setdefault(row["currency"], []).append(row)
    return [
        SessionTotal(
            currency=currency,
            sessions=sum(row["sessions"] for row in found),
            energy_kwh=fsum(row["energy_kwh"] for row in found),
            cost=fsum(row["cost"] or 0.0 for row in found),
            saved=fsum(row["saved"] or 0.0 for row in found),
            unpriced=sum(row["sessions"] - row["priced"] for row in found),
            grams=fsum(row["grams"] or 0.0 for row in found),
            grams_saved=fsum(row["grams_saved"] or 0.0 for row in found),
            with_grams=sum(row["with_grams"] for row in found),
        )
        for currency, found in sorted(of.items())
    ]


def alert_row(change: AlertChange) -> Row:
    """Return the row of a raised alert."""
    return {
        "code": change.code,
        "vehicle_id": change.vehicle_id or NO_VEHICLE,
        "text": plain_text(change.text),
        "severity": change.severity,
        "raised_at": nanoseconds(change.raised_at),
        "cleared_at": None,
    }


def alert_change(row: Row) -> AlertChange:
    """Return the alert of a row."""
    return AlertChange(
        code=row["code"],
        vehicle_id=None if row["vehicle_id"] == NO_VEHICLE else row["vehicle_id"],
        text=row["text"],
        severity=row["severity"],
        raised_at=from_nanoseconds(row["raised_at"]),
        cleared_at=from_instant(row["cleared_at"]),
    )


def journal_row(event: Event) -> Row:
    """Return the row of an event.

    Raises:
        StoreError: it has no run, number, instant or kind, or holds what JSON cannot.
    """
    try:
        body = _encoder.encode(event).decode()
        return {
            "run": event["run"],
            "seq": event["seq"],
            "t": event["t"],
            "k": event["k"],
            "v": event.get("v"),
            "body": body,
        }
    except (KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
        raise StoreError(f"an event cannot be stored: {error!r}") from error


def journal_event(row: Row) -> Event:
    """Return the event of a row, with the row's own number as `row`."""
    return _event_decoder.decode(row["body"]) | {"row": row["row"]}


@lru_cache(maxsize=128)  # the same prices go with many decisions
def packed(stored: bytes) -> bytes:
    """Return JSON as it is kept where no person reads it: a fifth of the size."""
    return zlib.compress(stored)


def unpacked(column: bytes) -> bytes:
    """Return the JSON that was packed. Raises StoreError."""
    try:
        return zlib.decompress(column)
    except zlib.error as error:
        raise StoreError(f"a stored value is damaged: {error}") from error
