"""What an account's page draws beside its scores, kept for the newest two dates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")  # one order on every store


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "details",
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"]),
        sa.PrimaryKeyConstraint("run_id", "account_id"),
    )


def downgrade() -> None:
    """Take it away."""
    op.drop_table("details")
