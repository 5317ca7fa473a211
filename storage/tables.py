"""The tables. A row is plain: integers, numbers, text and bytes; `storage.rows` makes checked values of them.

Every instant is an integer: nanoseconds since 1970 UTC (`scheduler.core.timeline.nanoseconds`). JSON is text where a
person may want to read it with a database tool, and compressed bytes where only `kwhen explain` and replay read it.
No foreign keys: rows are pruned by age, table by table.
"""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Text, UniqueConstraint
from sqlalchemy.sql import text
from sqlmodel import Field, SQLModel

NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names of constraints, so that a later migration can address them on both engines."""

ROW_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER PRIMARY KEY numbers itself on SQLite

NO_VEHICLE = ""
"""Stands for "about no vehicle in particular" where a column takes part in a unique key."""


class Row(SQLModel):
    """What all tables share."""

    metadata = MetaData(naming_convention=NAMING)


class MetaRow(Row, table=True):
    """The one row about the database itself. `epoch` counts the runs; `write` counts the transactions of this run."""

    __tablename__ = "meta"

    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    epoch: int = Field(sa_type=BigInteger)
    write: int = Field(sa_type=BigInteger)
    node: str = Field(sa_type=String)
    pid: int
    started_at: int = Field(sa_type=BigInteger)


class InboxRow(Row, table=True):
    """Work that no drain has done yet. The id grows: the run's number, then a counter (see `store.first_inbox_id`)."""

    __tablename__ = "inbox"

    id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    shard: int
    kind: str = Field(sa_type=String)
    user_id: str = Field(sa_type=String)
    vehicle_id: str | None = Field(default=None, sa_type=String)
    payload: bytes = Field(sa_type=LargeBinary)
    received_at: int = Field(sa_type=BigInteger)
    received_mono_ns: int = Field(sa_type=BigInteger)
    received_run: int = Field(sa_type=BigInteger)
    key: str | None = Field(default=None, sa_type=String)


class SeenEventRow(Row, table=True):
    """The key of everything ever put, so that it is applied at most once (S17)."""

    __tablename__ = "seen_event"

    key: str = Field(primary_key=True, sa_type=String)
    at: int = Field(sa_type=BigInteger, index=True)


class VehicleRow(Row, table=True):
    """A vehicle's state. `version` grows by one with each write."""

    __tablename__ = "vehicle"

    id: str = Field(primary_key=True, sa_type=String)
    home_id: str = Field(sa_type=String)
    user_id: str = Field(sa_type=String)
    shard: int
    version: int = Field(sa_type=BigInteger)
    next_due_at: int | None = Field(default=None, sa_type=BigInteger, index=True)
    state: str = Field(sa_type=Text)


class PriceRow(Row, table=True):
    """One slot of one source. Slots of a source are disjoint."""

    __tablename__ = "price"

    source: str = Field(primary_key=True, sa_type=String)
    start: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    end: int = Field(sa_type=BigInteger, index=True)
    per_kwh: float = Field(sa_type=Float)
    product: str = Field(default="", sa_type=String)
    currency: str = Field(sa_type=String)
    zone: str = Field(sa_type=String)
    state: str = Field(sa_type=String)
    fetched_at: int = Field(sa_type=BigInteger)


class DecisionRow(Row, table=True):
    """A decision with its inputs, both as compressed JSON."""

    __tablename__ = "decision"
    __table_args__ = (Index(None, "vehicle_id", "at"), {"sqlite_autoincrement": True})

    row: int | None = Field(default=None, sa_column=Column(ROW_NUMBER, primary_key=True))
    vehicle_id: str = Field(sa_type=String)
    home_id: str = Field(sa_type=String)
    at: int = Field(sa_type=BigInteger, index=True)
    key: str = Field(sa_type=String)
    situation: bytes = Field(sa_type=LargeBinary)
    decision: bytes = Field(sa_type=LargeBinary)
    summary: str = Field(sa_type=Text)
    command_id: str | None = Field(default=None, sa_type=String)


class BlobRow(Row, table=True):
    """What decisions share, by hash, as compressed JSON. `used_at` follows the newest use, a day behind at most."""

    __tablename__ = "blob"

    digest: str = Field(primary_key=True, sa_type=String)
    used_at: int = Field(sa_type=BigInteger, index=True)
    body: bytes = Field(sa_type=LargeBinary)


class CommandRow(Row, table=True):
    """A command as it stands now. `body` is the whole of it as JSON."""

    __tablename__ = "command"
    __table_args__ = (Index(None, "vehicle_id", "sent_at"),)

    id: str = Field(primary_key=True, sa_type=String)
    vehicle_id: str = Field(sa_type=String)
    action: str = Field(sa_type=String)
    state: str = Field(sa_type=String)
    sent_at: int = Field(sa_type=BigInteger, index=True)
    body: str = Field(sa_type=Text)


class OverrideRow(Row, table=True):
    """What a person wanted, and when it ended. Wishes of a vehicle are told apart by the instant they were set."""

    __tablename__ = "override"

    vehicle_id: str = Field(primary_key=True, sa_type=String)
    set_at: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    cleared_at: int | None = Field(default=None, sa_type=BigInteger, index=True)
    cleared_by: str = Field(sa_type=String)
    body: str = Field(sa_type=Text)


class SessionRow(Row, table=True):
    """A plug session. `body` is the whole of it as JSON; the other columns find it and are summed, from an index."""

    __tablename__ = "session"
    __table_args__ = (
        Index(None, "vehicle_id", "plugged_at"),
        Index(
            "ix_session_sums",
            "vehicle_id",
            "currency",
            "energy_kwh",
            "cost",
            "baseline_cost",
            "grams",
            "baseline_grams",
        ),
    )

    id: str = Field(primary_key=True, sa_type=String)
    vehicle_id: str = Field(sa_type=String)
    plugged_at: int = Field(sa_type=BigInteger, index=True)
    unplugged_at: int | None = Field(default=None, sa_type=BigInteger, index=True)
    currency: str = Field(sa_type=String)
    energy_kwh: float = Field(sa_type=Float)
    cost: float | None = Field(default=None, sa_type=Float)
    baseline_cost: float | None = Field(default=None, sa_type=Float)
    grams: float | None = Field(default=None, sa_type=Float)
    baseline_grams: float | None = Field(default=None, sa_type=Float)
    body: str = Field(sa_type=Text)


class AlertRow(Row, table=True):
    """An alert from its raising to its clearing. At most one is open for a code and a vehicle."""

    __tablename__ = "alert"
    __table_args__ = (
        Index(
            "uq_alert_open",
            "code",
            "vehicle_id",
            unique=True,
            sqlite_where=text("cleared_at IS NULL"),
            postgresql_where=text("cleared_at IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    row: int | None = Field(default=None, sa_column=Column(ROW_NUMBER, primary_key=True))
    code: str = Field(sa_type=String)
    vehicle_id: str = Field(sa_type=String)
    text: str = Field(sa_type=Text)
    severity: str = Field(sa_type=String)
    raised_at: int = Field(sa_type=BigInteger, index=True)
    cleared_at: int | None = Field(default=None, sa_type=BigInteger, index=True)


class KeptRow(Row, table=True):
    """A small value under a name: a home made at run time, a link's state, a login. Gone once it has expired."""

    __tablename__ = "kept"

    space: str = Field(primary_key=True, sa_type=String)
    key: str = Field(primary_key=True, sa_type=String)
    value: bytes = Field(sa_type=LargeBinary)
    expires_at: int | None = Field(default=None, sa_type=BigInteger, index=True)


class JournalRow(Row, table=True):
    """One event of the journal. `body` is the whole event as JSON; the other columns find it."""

    __tablename__ = "journal"
    __table_args__ = (UniqueConstraint("run", "seq"), Index(None, "v", "row"), {"sqlite_autoincrement": True})

    row: int | None = Field(default=None, sa_column=Column(ROW_NUMBER, primary_key=True))
    run: int = Field(sa_type=BigInteger)
    seq: int = Field(sa_type=BigInteger)
    t: int = Field(sa_type=BigInteger, index=True)
    k: str = Field(sa_type=String)
    v: str | None = Field(default=None, sa_type=String)
    body: str = Field(sa_type=Text)
