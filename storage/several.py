"""Many rows by few statements.

Python's lock is let go and taken again around every statement that SQLite executes, and whoever takes it may wait for
as long as another thread computes: what a transaction costs is mostly the number of its statements.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Table, any_, bindparam, func, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Dialect

if TYPE_CHECKING:
    from storage.database import Cursor

AT_ONCE = (64, 32, 16, 8, 4, 2, 1)
"""Rows that one INSERT takes: few texts to prepare, and few statements for any number of rows."""


@dataclass(frozen=True, slots=True)
class Insertion:
    """An INSERT of any number of rows.

    Attributes:
        one: inserts one row; parameters are named.
        columns: in the order of the positional parameters.
        several: inserts so many rows, parameters by position, greatest number first; empty where the driver itself
            sends many rows at once.
    """

    one: str
    columns: tuple[str, ...]
    several: Mapping[int, str]

    def run(self, cursor: "Cursor", rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows, in their order."""
        if not self.several and rows:
            cursor.executemany(self.one, rows)
            return
        start = 0
        while start < len(rows):
            size = next(number for number in self.several if number <= len(rows) - start)
            part = rows[start : start + size]
            cursor.execute(self.several[size], [row[column] for row in part for column in self.columns])
            start += size


def insertion(one: str, table: Table, columns: Sequence[str], dialect: Dialect) -> Insertion:
    """Return how rows are inserted.

    Args:
        one: inserts one row, with named parameters.
        table: into which.
        columns: that are given.
        dialect: of the engine.
    """
    if dialect.name != "sqlite":
        return Insertion(one, tuple(columns), {})
    compiled = table.insert().inline().compile(dialect=sqlite.dialect(paramstyle="qmark"), column_keys=list(columns))
    text, order = str(compiled), compiled.positiontup or []
    row = text[text.rindex("(") :]
    return Insertion(one, tuple(order), {number: text + f", {row}" * (number - 1) for number in AT_ONCE})


def among(column: ColumnElement[Any], dialect: Dialect) -> ColumnElement[bool]:
    """Choose the rows whose column is one of the parameter `listed`, which `listed()` makes."""
    if dialect.name != "sqlite":
        return column == any_(bindparam("listed"))
    return column.in_(select(func.json_each(bindparam("listed")).table_valued("value").c.value))


def listed(values: Sequence[str] | Sequence[int], dialect: Dialect) -> dict[str, Any]:
    """Return the parameter for `among`."""
    return {"listed": json.dumps(values) if dialect.name == "sqlite" else list(values)}
