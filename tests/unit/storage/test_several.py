"""Many rows by few statements: all of them, in their order."""

import sqlite3

import pytest
from sqlalchemy.dialects import postgresql, sqlite

from storage.several import AT_ONCE
from storage.statements import Statements


def journal_row(seq: int) -> dict[str, object]:
    return {"body": "{}", "run": 1, "seq": seq, "t": seq * 10, "k": "TICK", "v": None}  # not in the table's order


class Counted:
    """A cursor that counts what it executes."""

    def __init__(self, cursor) -> None:
        self.cursor = cursor
        self.count = 0

    def execute(self, sql, values=()):
        self.count += 1
        return self.cursor.execute(sql, values)


@pytest.fixture
def cursor():
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE TABLE journal (row INTEGER PRIMARY KEY, run INT, seq INT, t INT, k TEXT, v TEXT, body TEXT)"
    )
    connection.execute("CREATE TABLE inbox (id INT)")
    yield Counted(connection.cursor())
    connection.close()


@pytest.mark.parametrize("number", [0, 1, 2, 3, 63, 64, 65, 500])
def test_every_row_is_there_in_order(cursor, number):
    statements = Statements(sqlite.dialect(paramstyle="named"))
    statements.insert_journal.run(cursor, [journal_row(seq) for seq in range(number)])
    assert cursor.count <= number // AT_ONCE[0] + len(AT_ONCE)
    found = cursor.execute("SELECT seq, run, t, k, v, body FROM journal ORDER BY row").fetchall()
    assert found == [(seq, 1, seq * 10, "TICK", None, "{}") for seq in range(number)]


def test_those_that_are_listed_go_and_no_others(cursor):
    statements = Statements(sqlite.dialect(paramstyle="named"))
    cursor.cursor.executemany("INSERT INTO inbox VALUES (?)", [(n,) for n in (1, 2, 3, 1 << 40)])
    cursor.execute(statements.delete_inbox, statements.listed([2, 1 << 40, 99]))
    assert cursor.execute("SELECT id FROM inbox ORDER BY id").fetchall() == [(1,), (3,)]


def test_a_driver_that_sends_many_rows_at_once_is_left_to_do_so():
    statements = Statements(postgresql.dialect(paramstyle="pyformat"))
    sent = []

    class Driver:
        def executemany(self, sql, rows):
            sent.append((sql, rows))

    rows = [journal_row(1), journal_row(2)]
    statements.insert_journal.run(Driver(), rows)
    statements.insert_journal.run(Driver(), [])
    assert sent == [(statements.insert_journal.one, rows)]
    assert statements.listed([1, 2]) == {"listed": [1, 2]}
