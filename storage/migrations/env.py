"""Run by Alembic for each upgrade, on the connection and in the transaction that `storage.migrate` opened."""

from alembic import context

from storage.tables import Row

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Row.metadata, render_as_batch=True
)
context.run_migrations()
