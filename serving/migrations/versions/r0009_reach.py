"""How far back a Perennial may be and still work with these tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from serving.migrations.reach import promise

__all__ = ["downgrade", "upgrade"]

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, and promise nothing to anybody older: none of them reads it."""
    op.create_table(
        "reach",
        sa.Column("slot", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("oldest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("slot"),
    )
    op.execute("INSERT INTO reach (slot, revision, oldest) VALUES (1, '', '')")
    promise(revision, oldest=revision)


def downgrade() -> None:
    """Take it away."""
    op.drop_table("reach")
