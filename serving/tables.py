"""The store's tables, as they are after the newest migration."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from serving.schemas import OUTREACH_TABLE, SCORE_TABLE, Column

__all__ = [
    "attempts",
    "current",
    "documents",
    "firing",
    "leases",
    "memories",
    "metadata",
    "outreach",
    "runs",
    "scores",
]

metadata = sa.MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s"})

_TYPES: dict[str, type[sa.types.TypeEngine[Any]]] = {
    "text": sa.Text,
    "date": sa.Date,
    "integer": sa.Integer,
    "number": sa.Double,
    "list": sa.JSON,
}


def _typed(columns: tuple[Column, ...], key: frozenset[str]) -> list[sa.Column[Any]]:
    return [
        sa.Column(c.name, _TYPES[c.kind](), primary_key=c.name in key, nullable=c.name not in key)
        for c in columns
    ]


runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("as_of", sa.Date, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("snapshot_id", sa.Text, nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("model_digest", sa.Text, nullable=False),
    sa.Column("settings_digest", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("accounts", sa.Integer, nullable=False),
    sa.Column("published_at", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default="published"),
    sa.Column("held_because", sa.JSON(none_as_null=True)),
    sa.Column("approved_at", sa.Text),
    sa.Column("approved_by", sa.Text),
    sa.UniqueConstraint("as_of", "revision", name="uq_runs_as_of_revision"),
)

current = sa.Table(
    "current",
    metadata,
    sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id"), nullable=False),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("token", sa.Integer, nullable=False),
    sa.Column("holder", sa.Text),
    sa.Column("since", sa.Double),
    sa.Column("until", sa.Double),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("started_at", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
)

scores = sa.Table(
    "scores",
    metadata,
    *_typed(SCORE_TABLE, frozenset({"run_id", "account_id"})),
    sa.Index(None, "run_id", "cell"),
    sa.Index(None, "run_id", "csm"),
    sa.Index(None, "run_id", "mrr"),
    sa.Index(None, "account_id", "as_of"),
)

firing = sa.Table(
    "firing",
    metadata,
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("trigger", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Text, primary_key=True),
)

memories = sa.Table(
    "memories",
    metadata,
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)

documents = sa.Table(
    "documents",
    metadata,
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("body", sa.JSON, nullable=False),
)

outreach = sa.Table(
    "outreach",
    metadata,
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    *_typed(OUTREACH_TABLE, frozenset()),
    sa.Index(None, "run_id", "csm"),
)
