"""Small values under names: homes made at run time, states of links, logins."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "kept",
        sa.Column("space", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("space", "key", name=op.f("pk_kept")),
    )
    op.create_index(op.f("ix_kept_expires_at"), "kept", ["expires_at"], unique=False)
