"""The store: tables, the writer, and the Store port on SQLite and PostgreSQL."""

from storage.opening import open_store

__all__ = ["open_store"]
