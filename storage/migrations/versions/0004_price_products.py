"""Prices say what they are prices of, so that two products never mix; their state alone says how sure they are.

Sessions have their grams of CO2, which are summed from the index as their costs are.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(sa.text("UPDATE price SET state = 'forecast' WHERE NOT published"))
    op.drop_column("price", "published")
    op.add_column("price", sa.Column("product", sa.String(), nullable=False, server_default=""))
    op.add_column("session", sa.Column("grams", sa.Float(), nullable=True))
    op.add_column("session", sa.Column("baseline_grams", sa.Float(), nullable=True))
    op.drop_index("ix_session_sums", "session")
    summed = ["vehicle_id", "currency", "energy_kwh", "cost", "baseline_cost", "grams", "baseline_grams"]
    op.create_index("ix_session_sums", "session", summed, unique=False)
