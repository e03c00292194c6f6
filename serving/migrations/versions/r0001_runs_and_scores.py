"""The first schema: runs and what they publish, and which of them is current."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["downgrade", "upgrade"]

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")  # one order on every store


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "attempts",
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("started_at", TEXT, nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("attempt"),
    )
    op.create_table(
        "runs",
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("snapshot_id", TEXT, nullable=False),
        sa.Column("model_version", TEXT, nullable=False),
        sa.Column("model_digest", TEXT, nullable=False),
        sa.Column("settings_digest", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("accounts", sa.Integer(), nullable=False),
        sa.Column("published_at", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("run_id"),
        sa.UniqueConstraint("as_of", "revision", name="uq_runs_as_of_revision"),
    )
    op.create_table(
        "scores",
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("as_of", sa.Date(), nullable=True),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=True),
        sa.Column("segment", TEXT, nullable=True),
        sa.Column("csm", TEXT, nullable=True),
        sa.Column("currency", TEXT, nullable=True),
        sa.Column("mrr", sa.Double(), nullable=True),
        sa.Column("next_renewal_on", sa.Date(), nullable=True),
        sa.Column("horizon_months", sa.Integer(), nullable=True),
        sa.Column("p_retain", sa.Double(), nullable=True),
        sa.Column("p_renew", sa.Double(), nullable=True),
        sa.Column("renew_basis", TEXT, nullable=True),
        sa.Column("p_expand", sa.Double(), nullable=True),
        sa.Column("p_contract", sa.Double(), nullable=True),
        sa.Column("p_flat", sa.Double(), nullable=True),
        sa.Column("p_churn", sa.Double(), nullable=True),
        sa.Column("expected_mrr", sa.Double(), nullable=True),
        sa.Column("mrr_p10", sa.Double(), nullable=True),
        sa.Column("mrr_p50", sa.Double(), nullable=True),
        sa.Column("mrr_p90", sa.Double(), nullable=True),
        sa.Column("expected_expansion_mrr", sa.Double(), nullable=True),
        sa.Column("expected_loss_mrr", sa.Double(), nullable=True),
        sa.Column("retention_health", TEXT, nullable=True),
        sa.Column("expansion_readiness", TEXT, nullable=True),
        sa.Column("cell", TEXT, nullable=True),
        sa.Column("raw_cell", TEXT, nullable=True),
        sa.Column("previous_cell", TEXT, nullable=True),
        sa.Column("moved_because", sa.JSON(), nullable=True),
        sa.Column("action", TEXT, nullable=True),
        sa.Column("guard", TEXT, nullable=True),
        sa.Column("lever", TEXT, nullable=True),
        sa.Column("maturity_stage", TEXT, nullable=True),
        sa.Column("maturity_score", sa.Double(), nullable=True),
        sa.Column("data_coverage", sa.Double(), nullable=True),
        sa.Column("reasons_retention", sa.JSON(), nullable=True),
        sa.Column("reasons_expansion", sa.JSON(), nullable=True),
        sa.Column("triggers", sa.JSON(), nullable=True),
        sa.Column("csm_call", TEXT, nullable=True),
        sa.Column("status", TEXT, nullable=True),
        sa.Column("status_reason", TEXT, nullable=True),
        sa.Column("model_version", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("run_id", "account_id"),
    )
    op.create_index(op.f("ix_scores_run_id_cell"), "scores", ["run_id", "cell"], unique=False)
    op.create_index(op.f("ix_scores_run_id_csm"), "scores", ["run_id", "csm"], unique=False)
    op.create_index(op.f("ix_scores_run_id_mrr"), "scores", ["run_id", "mrr"], unique=False)
    op.create_table(
        "current",
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run_id", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.run_id"],
        ),
        sa.PrimaryKeyConstraint("slot"),
    )
    op.create_table(
        "documents",
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.run_id"],
        ),
        sa.PrimaryKeyConstraint("run_id", "kind", "key"),
    )
    op.create_table(
        "firing",
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("trigger", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.run_id"],
        ),
        sa.PrimaryKeyConstraint("run_id", "trigger", "account_id"),
    )
    op.create_table(
        "memories",
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("account_id", TEXT, nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.run_id"],
        ),
        sa.PrimaryKeyConstraint("run_id", "account_id"),
    )
    op.create_table(
        "outreach",
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("account_id", TEXT, nullable=True),
        sa.Column("name", TEXT, nullable=True),
        sa.Column("csm", TEXT, nullable=True),
        sa.Column("segment", TEXT, nullable=True),
        sa.Column("cell", TEXT, nullable=True),
        sa.Column("kind", TEXT, nullable=True),
        sa.Column("play", TEXT, nullable=True),
        sa.Column("action", TEXT, nullable=True),
        sa.Column("mrr", sa.Double(), nullable=True),
        sa.Column("expected_value", sa.Double(), nullable=True),
        sa.Column("p_event", sa.Double(), nullable=True),
        sa.Column("next_renewal_on", sa.Date(), nullable=True),
        sa.Column("guard", TEXT, nullable=True),
        sa.Column("lever", TEXT, nullable=True),
        sa.Column("reasons", sa.JSON(), nullable=True),
        sa.Column("triggers", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.run_id"],
        ),
        sa.PrimaryKeyConstraint("run_id", "position"),
    )
    op.create_index(op.f("ix_outreach_run_id_csm"), "outreach", ["run_id", "csm"], unique=False)


def downgrade() -> None:
    """Drop them."""
    op.drop_index(op.f("ix_outreach_run_id_csm"), table_name="outreach")
    op.drop_table("outreach")
    op.drop_table("memories")
    op.drop_table("firing")
    op.drop_table("documents")
    op.drop_table("current")
    op.drop_index(op.f("ix_scores_run_id_mrr"), table_name="scores")
    op.drop_index(op.f("ix_scores_run_id_csm"), table_name="scores")
    op.drop_index(op.f("ix_scores_run_id_cell"), table_name="scores")
    op.drop_table("scores")
    op.drop_table("runs")
    op.drop_table("attempts")
