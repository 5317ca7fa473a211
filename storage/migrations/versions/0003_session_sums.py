"""What sessions are summed by, in columns of their own; read from the body of those that are there."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

MEMBER = {
    "sqlite": "json_extract(body, '$.{}')",
    "postgresql": "CAST(body AS json) ->> '{}'",
}
"""How a member of the body is read."""


def upgrade() -> None:
    op.add_column("session", sa.Column("currency", sa.String(), nullable=False, server_default=""))
    op.add_column("session", sa.Column("energy_kwh", sa.Float(), nullable=False, server_default="0"))
    op.add_column("session", sa.Column("cost", sa.Float(), nullable=True))
    op.add_column("session", sa.Column("baseline_cost", sa.Float(), nullable=True))
    member = MEMBER[op.get_context().dialect.name]
    numbers = (f"{name} = CAST({member.format(name)} AS FLOAT)" for name in ("energy_kwh", "cost", "baseline_cost"))
    op.execute(f"UPDATE session SET currency = {member.format('currency')}, {', '.join(numbers)}")  # noqa: S608 - constants
    op.create_index(
        "ix_session_sums", "session", ["vehicle_id", "currency", "energy_kwh", "cost", "baseline_cost"], unique=False
    )
