"""Prices say what they are prices of, so that two products never mix; their state alone says how sure they are."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(sa.text("UPDATE price SET state = 'forecast' WHERE NOT published"))
    op.drop_column("price", "published")
    op.add_column("price", sa.Column("product", sa.String(), nullable=False, server_default=""))
