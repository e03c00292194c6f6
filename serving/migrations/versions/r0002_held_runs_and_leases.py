"""Runs that a gate holds, leases of who publishes, and the way into an account's history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is new."""
    status = sa.Column("status", sa.Text(), nullable=False, server_default="published")
    op.add_column("runs", status)
    op.add_column("runs", sa.Column("held_because", sa.JSON(), nullable=True))
    op.add_column("runs", sa.Column("approved_at", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("approved_by", sa.Text(), nullable=True))
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("since", sa.Double(), nullable=True),
        sa.Column("until", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index(
        op.f("ix_scores_account_id_as_of"), "scores", ["account_id", "as_of"], unique=False
    )


def downgrade() -> None:
    """Take it away."""
    op.drop_index(op.f("ix_scores_account_id_as_of"), table_name="scores")
    op.drop_table("leases")
    for name in ("approved_by", "approved_at", "held_because", "status"):
        op.drop_column("runs", name)
