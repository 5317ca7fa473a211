"""SQLite's own: the version in use, the pragmas."""

import contextlib

import pytest

from storage import sqlite


def test_a_sqlite_without_the_bug_has_no_warning(monkeypatch):
    monkeypatch.setattr(sqlite.driver, "sqlite_version_info", (3, 51, 3), raising=False)
    monkeypatch.setattr(sqlite.driver, "sqlite_version", "3.51.3", raising=False)
    assert sqlite.sqlite_version() == ("3.51.3", "")


def test_a_sqlite_with_the_bug_is_warned_of(monkeypatch):
    monkeypatch.setattr(sqlite.driver, "sqlite_version_info", (3, 51, 2), raising=False)
    monkeypatch.setattr(sqlite.driver, "sqlite_version", "3.51.2", raising=False)
    version, warning = sqlite.sqlite_version()
    assert version == "3.51.2"
    assert "pysqlite3" in warning


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 0)])
def test_the_writer_waits_for_the_disk_unless_told_otherwise(tmp_path, durable, synchronous):
    database = sqlite.SqliteDatabase(tmp_path / "kwhen.db", durable=durable)
    with contextlib.closing(database.writer()) as connection:
        assert connection.execute("PRAGMA synchronous").fetchall() == [(synchronous,)]
        assert connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]


def test_the_reader_neither_writes_nor_checkpoints(tmp_path):
    database = sqlite.SqliteDatabase(tmp_path / "kwhen.db")
    with contextlib.closing(database.reader()) as connection:
        assert connection.cursor().execute("PRAGMA wal_autocheckpoint").fetchall() == [(0,)]
        with pytest.raises(sqlite.driver.OperationalError, match="readonly"):
            connection.cursor().execute("CREATE TABLE t (x)")
