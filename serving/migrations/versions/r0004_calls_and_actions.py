"""CSMs' own calls, outreach that was logged, and what a line of the list tells of its play."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TOLD: tuple[tuple[str, Any], ...] = (
    ("evidence", sa.Text()),
    ("how", sa.Text()),
    ("others", sa.JSON()),
    ("note", sa.Text()),
    ("csm_call", sa.Text()),
    ("propensity", sa.Double()),
)


def upgrade() -> None:
    """Create the tables, and add the columns of the list."""
    op.create_table(
        "calls",
        sa.Column("call_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("retention", sa.Text(), nullable=True),
        sa.Column("expansion", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("csm", sa.Text(), nullable=True),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call_id"),
    )
    op.create_index(op.f("ix_calls_account_id"), "calls", ["account_id"], unique=False)
    op.create_table(
        "actions",
        sa.Column("action_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("play", sa.Text(), nullable=False),
        sa.Column("acted_on", sa.Date(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("csm", sa.Text(), nullable=True),
        sa.Column("logged_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("action_id"),
    )
    op.create_index(op.f("ix_actions_account_id"), "actions", ["account_id"], unique=False)
    for name, kind in TOLD:
        op.add_column("outreach", sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    """Take it away."""
    for name, _ in reversed(TOLD):
        op.drop_column("outreach", name)
    op.drop_index(op.f("ix_actions_account_id"), table_name="actions")
    op.drop_table("actions")
    op.drop_index(op.f("ix_calls_account_id"), table_name="calls")
    op.drop_table("calls")
