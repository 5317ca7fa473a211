"""The store: tables, the writer, and the Store port on SQLite and PostgreSQL."""
