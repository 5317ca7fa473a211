"""SQLite's own: the version in use."""

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
