"""Old runs packed: what is asked of them in narrow rows, the rest of many accounts in one body."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from serving.migrations.reach import promise

__all__ = ["downgrade", "upgrade"]

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")  # one order on every store


def upgrade() -> None:
    """Create the tables; nothing is packed yet, so that it takes no time."""
    op.create_table(
        "packed",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run_id", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"]),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("run_id", name="uq_packed_run_id"),
    )
    op.create_table(
        "briefs",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("name", TEXT),
        sa.Column("segment", TEXT),
        sa.Column("csm", TEXT),
        sa.Column("mrr", sa.Double()),
        sa.Column("next_renewal_on", sa.Date()),
        sa.Column("p_retain", sa.Double()),
        sa.Column("p_renew", sa.Double()),
        sa.Column("p_expand", sa.Double()),
        sa.Column("p_churn", sa.Double()),
        sa.Column("expected_mrr", sa.Double()),
        sa.Column("expected_expansion_mrr", sa.Double()),
        sa.Column("expected_loss_mrr", sa.Double()),
        sa.Column("cell", TEXT),
        sa.Column("raw_cell", TEXT),
        sa.Column("previous_cell", TEXT),
        sa.Column("moved_because", sa.JSON()),
        sa.Column("maturity_score", sa.Double()),
        sa.Column("data_coverage", sa.Double()),
        sa.Column("status", TEXT),
        sa.ForeignKeyConstraint(["number"], ["packed.number"]),
        sa.PrimaryKeyConstraint("number", "account_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_briefs_account_id_number", "briefs", ["account_id", "number"])
    op.create_table(
        "packs",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("first", TEXT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["number"], ["packed.number"]),
        sa.PrimaryKeyConstraint("number", "kind", "first"),
    )
    promise(revision, oldest=down_revision)  # until the first run is packed


def downgrade() -> None:
    """Write out what is packed, row by row, and take the tables away."""
    from serving.compaction import unpack_all  # heavy: pyarrow, which an upgrade does without

    unpack_all(op.get_bind())
    op.drop_table("packs")
    op.drop_index("ix_briefs_account_id_number", table_name="briefs")
    op.drop_table("briefs")
    op.drop_table("packed")
    promise(down_revision, oldest=down_revision)
