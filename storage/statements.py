"""Every statement of the store, built once with SQLAlchemy Core and compiled for one engine.

The hot path executes the compiled text on the driver's own cursor: an ORM session would cost a hundred times as much.
Parameters are named, so the same mapping of values serves both engines.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    Delete,
    Integer,
    Select,
    String,
    Table,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Compiled, Dialect
from sqlalchemy.sql.dml import Insert, Update
from sqlalchemy.sql.elements import ColumnElement

from storage import tables
from storage.several import Insertion, among, insertion, listed


def _table(row: type[tables.Row]) -> Table:
    return cast("Table", cast("Any", row).__table__)


META, INBOX, SEEN_EVENT, VEHICLE, PRICE, DECISION, BLOB, COMMAND, OVERRIDE, SESSION, ALERT, JOURNAL, KEPT = (
    _table(row)
    for row in (
        tables.MetaRow,
        tables.InboxRow,
        tables.SeenEventRow,
        tables.VehicleRow,
        tables.PriceRow,
        tables.DecisionRow,
        tables.BlobRow,
        tables.CommandRow,
        tables.OverrideRow,
        tables.SessionRow,
        tables.AlertRow,
        tables.JournalRow,
        tables.KeptRow,
    )
)

ZERO, ONE = literal_column("0", Integer), literal_column("1", Integer)

PRUNE_AT_ONCE = 2000
"""Rows deleted in one transaction: pruning must not keep an intent waiting."""


@dataclass(frozen=True, slots=True)
class Query:
    """A compiled SELECT, the names of its columns, and the parameters that are always the same."""

    sql: str
    columns: tuple[str, ...]
    fixed: dict[str, Any]


class Statements:
    """The statements, compiled for one engine.

    Args:
        dialect: of the engine; its parameters must be named.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        insert = cast("Callable[[Table], Any]", postgresql.insert if dialect.name == "postgresql" else sqlite.insert)

        def upsert(table: Table, *, keep: tuple[str, ...] = (), **conflict: Any) -> str:
            """Insert, or overwrite all columns but the key's and `keep`."""
            new = insert(table).inline()
            where = conflict or {"index_elements": list(table.primary_key.columns)}
            fixed = {c.name for c in table.primary_key.columns} | set(keep)
            changed = {c.name: new.excluded[c.name] for c in _given(table) if c.name not in fixed}
            return self._text(new.on_conflict_do_update(**where, set_=changed), table)

        def insert_new(table: Table) -> str:
            return self._text(insert(table).inline().on_conflict_do_nothing(), table)

        def insert_all(table: Table) -> Insertion:
            one = self._text(insert(table).inline(), table)
            return insertion(one, table, [c.name for c in _given(table)], dialect)

        # meta
        self.first_run = insert_new(META)
        self.begin_run = self._text(
            update(META).values(
                epoch=META.c.epoch + ONE,
                write=ZERO,
                node=bindparam("node"),
                pid=bindparam("pid"),
                started_at=bindparam("at"),
            )
        )
        self.fence = self._text(
            update(META).where(META.c.epoch == bindparam("epoch")).values(write=bindparam("number"))
        )
        self.meta = self._query(select(META))

        # work
        self.seen_keys = self._query(select(SEEN_EVENT.c.key).where(among(SEEN_EVENT.c.key, dialect)))
        self.insert_seen = insert_all(SEEN_EVENT)
        self.insert_inbox = insert_all(INBOX)
        self.delete_inbox = self._text(delete(INBOX).where(among(INBOX.c.id, dialect)))
        self.inbox = self._query(select(INBOX).order_by(INBOX.c.id))

        # what a batch holds
        self.insert_vehicle = insert_new(VEHICLE)
        self.update_vehicle = self._text(_update_vehicle())
        self.insert_journal = insert_all(JOURNAL)
        self.insert_decision = self._text(insert(DECISION).inline(), DECISION)
        self.insert_blob = insert_new(BLOB)
        self.touch_blob = self._text(
            update(BLOB)
            .where(BLOB.c.digest == bindparam("id"), BLOB.c.used_at < bindparam("older"))
            .values(used_at=bindparam("at"))
        )
        self.upsert_command = upsert(COMMAND)
        self.upsert_override = upsert(OVERRIDE)
        self.upsert_session = upsert(SESSION)
        self.raise_alert = upsert(
            ALERT,
            keep=("code", "vehicle_id", "raised_at"),
            index_elements=["code", "vehicle_id"],
            index_where=ALERT.c.cleared_at.is_(None),
        )
        self.clear_alert = self._text(
            update(ALERT)
            .where(
                ALERT.c.code == bindparam("of_code"),
                ALERT.c.vehicle_id == bindparam("of_vehicle"),
                ALERT.c.cleared_at.is_(None),
            )
            .values(cleared_at=bindparam("at"))
        )

        # prices
        self.insert_price = self._text(insert(PRICE).inline(), PRICE)
        self.delete_prices = self._text(delete(PRICE).where(*_overlapping()))
        self.delete_other_prices = self._text(
            delete(PRICE).where(
                PRICE.c.source == bindparam("of_source"),
                (PRICE.c.product != bindparam("but_product"))
                | (PRICE.c.zone != bindparam("but_zone"))
                | (PRICE.c.currency != bindparam("but_currency")),
            )
        )
        self.date_prices_back = self._text(
            update(PRICE)
            .where(PRICE.c.source == bindparam("of_source"), PRICE.c.fetched_at > bindparam("of_fetch"))
            .values(fetched_at=bindparam("of_fetch"))
        )
        self.overlapping_prices = self._query(select(PRICE).where(*_overlapping()))
        self.prices = self._query(
            select(PRICE).where(PRICE.c.end > bindparam("since")).order_by(PRICE.c.source, PRICE.c.start)
        )

        # pages
        self.vehicles = self._query(select(VEHICLE).order_by(VEHICLE.c.id))
        self.blob = self._query(select(BLOB.c.body).where(BLOB.c.digest == bindparam("digest")))
        self.decision_at = self._query(
            select(DECISION)
            .where(DECISION.c.vehicle_id == bindparam("vehicle_id"), DECISION.c.at <= bindparam("at"))
            .order_by(DECISION.c.at.desc(), DECISION.c.row.desc())
            .limit(1)
        )
        # small values
        alive = KEPT.c.expires_at.is_(None) | (KEPT.c.expires_at > bindparam("now"))
        one = (KEPT.c.space == bindparam("of_space"), KEPT.c.key == bindparam("of_key"))
        self.keep = upsert(KEPT)
        self.kept = self._query(select(KEPT.c.value).where(*one, alive))
        self.all_kept = self._query(
            select(KEPT.c.key, KEPT.c.value).where(KEPT.c.space == bindparam("of_space"), alive).order_by(KEPT.c.key)
        )
        self.forget = self._text(delete(KEPT).where(*one))

        self.prune = {name: self._pruning(statement) for name, statement in _prunings().items()}

    def decisions(self, *, one_vehicle: bool) -> Query:
        """Select decisions after a row, oldest first."""
        query = select(DECISION).where(DECISION.c.row > bindparam("after")).order_by(DECISION.c.row)
        if one_vehicle:
            query = query.where(DECISION.c.vehicle_id == bindparam("vehicle_id"))
        return self._query(query.limit(bindparam("up_to")))

    def commands(self, *, one_vehicle: bool, since: bool) -> Query:
        """Select commands, newest first."""
        query = select(COMMAND).order_by(COMMAND.c.sent_at.desc(), COMMAND.c.id.desc())
        if one_vehicle:
            query = query.where(COMMAND.c.vehicle_id == bindparam("vehicle_id"))
        if since:
            query = query.where(COMMAND.c.sent_at >= bindparam("since"))
        return self._query(query.limit(bindparam("up_to")))

    def sessions(self, *, one_vehicle: bool, since: bool, behind: bool) -> Query:
        """Select sessions, newest first."""
        at, name = SESSION.c.plugged_at, SESSION.c.id
        query = select(name, SESSION.c.body).order_by(at.desc(), name.desc())
        if one_vehicle:
            query = query.where(SESSION.c.vehicle_id == bindparam("vehicle_id"))
        if since:
            query = query.where(SESSION.c.unplugged_at.is_(None) | (SESSION.c.unplugged_at > bindparam("since")))
        if behind:
            last = tuple_(bindparam("last_at", type_=BigInteger), bindparam("last_id", type_=String))
            query = query.where(tuple_(at, name) < last)
        return self._query(query.limit(bindparam("up_to")))

    def session_sums(self, *, one_vehicle: bool) -> Query:
        """Select the sums of sessions, one row a vehicle and currency: in the order of the index nothing is sorted."""
        of = (SESSION.c.vehicle_id, SESSION.c.currency)
        query = select(
            SESSION.c.currency,
            func.count().label("sessions"),
            func.sum(SESSION.c.energy_kwh).label("energy_kwh"),
            func.sum(SESSION.c.cost).label("cost"),
            func.sum(SESSION.c.baseline_cost - SESSION.c.cost).label("saved"),
            func.count(SESSION.c.cost).label("priced"),
            func.sum(SESSION.c.grams).label("grams"),
            func.sum(SESSION.c.baseline_grams - SESSION.c.grams).label("grams_saved"),
            func.count(SESSION.c.grams).label("with_grams"),
        ).group_by(*of)
        if one_vehicle:
            query = query.where(SESSION.c.vehicle_id == bindparam("vehicle_id"))
        return self._query(query)

    def listed(self, values: Sequence[str] | Sequence[int]) -> dict[str, Any]:
        """Return the parameter of `seen_keys` and `delete_inbox`."""
        return listed(values, self._dialect)

    def overrides(self, *, one_vehicle: bool) -> Query:
        """Select overrides, newest first."""
        query = select(OVERRIDE).order_by(OVERRIDE.c.set_at.desc(), OVERRIDE.c.vehicle_id)
        if one_vehicle:
            query = query.where(OVERRIDE.c.vehicle_id == bindparam("vehicle_id"))
        return self._query(query.limit(bindparam("up_to")))

    def alerts(self, *, open_only: bool) -> Query:
        """Select alerts, newest first."""
        query = select(ALERT).order_by(ALERT.c.raised_at.desc(), ALERT.c.row.desc())
        if open_only:
            query = query.where(ALERT.c.cleared_at.is_(None))
        return self._query(query.limit(bindparam("up_to")))

    def journal(self, *, one_run: bool, one_vehicle: bool) -> Query:
        """Select events after a row, in order."""
        query = select(JOURNAL).where(JOURNAL.c.row > bindparam("after")).order_by(JOURNAL.c.row)
        if one_run:
            query = query.where(JOURNAL.c.run == bindparam("run"))
        if one_vehicle:
            query = query.where(JOURNAL.c.v == bindparam("vehicle_id"))
        return self._query(query.limit(bindparam("up_to")))

    def _text(self, statement: Insert | Update | Delete, table: Table | None = None) -> str:
        given = [c.name for c in _given(table)] if table is not None else None
        return str(statement.compile(dialect=self._dialect, column_keys=given))

    def _pruning(self, statement: Delete) -> Query:
        compiled = statement.compile(dialect=self._dialect)
        return Query(str(compiled), (), _fixed(compiled))

    def _query(self, statement: Select[Any]) -> Query:
        columns = tuple(c.name for c in statement.selected_columns if isinstance(c, ColumnElement))
        compiled = statement.compile(dialect=self._dialect)
        return Query(str(compiled), columns, _fixed(compiled))


def _fixed(compiled: Compiled) -> dict[str, Any]:
    """Return the parameters that the statement brings along, as an OFFSET of 0 that SQLite's LIMIT wants."""
    return {name: value for name, value in compiled.params.items() if value is not None}


def _given(table: Table) -> list[Any]:
    """Return the columns that an INSERT names: all but the number that the database gives."""
    return [c for c in table.columns if c.name != "row"]


def _update_vehicle() -> Update:
    """Update the row if its version is still the one that was read."""
    changed: dict[str, Any] = {c.name: bindparam(c.name) for c in VEHICLE.columns if c.name not in {"id", "version"}}
    same = (VEHICLE.c.id == bindparam("of_vehicle"), VEHICLE.c.version == bindparam("seen"))
    return update(VEHICLE).where(*same).values(**changed, version=VEHICLE.c.version + ONE)


def _overlapping() -> tuple[ColumnElement[bool], ...]:
    """Choose a source's slots that overlap a span."""
    return (
        PRICE.c.source == bindparam("of_source"),
        PRICE.c.start < bindparam("before"),
        PRICE.c.end > bindparam("after"),
    )


def _prunings() -> dict[str, Delete]:
    """Return for each table how rows older than an instant are deleted, some at a time. Nothing open is ever old."""
    before: ColumnElement[int] = bindparam("before")
    old: dict[Table, tuple[ColumnElement[bool], ...]] = {
        SEEN_EVENT: (SEEN_EVENT.c.at < before,),
        PRICE: (PRICE.c.end < before,),
        DECISION: (DECISION.c.at < before,),
        BLOB: (BLOB.c.used_at < before,),
        COMMAND: (COMMAND.c.sent_at < before,),
        OVERRIDE: (OVERRIDE.c.cleared_at < before,),
        SESSION: (SESSION.c.unplugged_at < before,),
        ALERT: (ALERT.c.cleared_at < before,),
        JOURNAL: (JOURNAL.c.t < before,),
        KEPT: (KEPT.c.expires_at < before,),
    }
    statements: dict[str, Delete] = {}
    for table, conditions in old.items():
        some = select(*table.primary_key.columns).where(*conditions).limit(bindparam("up_to"))
        statements[table.name] = delete(table).where(_key(table).in_(some))
    return statements


def _key(table: Table) -> Any:
    columns = list(table.primary_key.columns)
    return columns[0] if len(columns) == 1 else tuple_(*columns)
