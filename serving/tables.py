"""The store's tables, as they are after the newest migration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from serving.schemas import BRIEF_TABLE, OUTREACH_TABLE, SCORE_TABLE, Column

__all__ = [
    "actions",
    "attempts",
    "audit",
    "audit_end",
    "briefs",
    "channels",
    "calls",
    "current",
    "details",
    "documents",
    "firing",
    "keys",
    "leases",
    "memories",
    "metadata",
    "outbox",
    "outreach",
    "packed",
    "packs",
    "reach",
    "repeats",
    "runs",
    "scores",
    "sessions",
    "told",
    "tombstones",
]

metadata = sa.MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s"})


class _Text(sa.types.TypeDecorator[str]):
    """Text in the order of its code points; whoever asks for a NUL finds nothing, on every store."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return value.replace("\x00", "\ufffd") if value else value


TEXT = _Text().with_variant(_Text(collation="C"), "postgresql")

_TYPES: dict[str, Callable[[], sa.types.TypeEngine[Any]]] = {
    "text": lambda: TEXT,
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
    sa.Column("run_id", TEXT, primary_key=True),
    sa.Column("as_of", sa.Date, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("snapshot_id", TEXT, nullable=False),
    sa.Column("model_version", TEXT, nullable=False),
    sa.Column("model_digest", TEXT, nullable=False),
    sa.Column("settings_digest", TEXT, nullable=False),
    sa.Column("digest", TEXT, nullable=False),
    sa.Column("accounts", sa.Integer, nullable=False),
    sa.Column("published_at", TEXT, nullable=False),
    sa.Column("status", TEXT, nullable=False, server_default="published"),
    sa.Column("held_because", sa.JSON(none_as_null=True)),
    sa.Column("approved_at", TEXT),
    sa.Column("approved_by", TEXT),
    sa.UniqueConstraint("as_of", "revision", name="uq_runs_as_of_revision"),
)

current = sa.Table(
    "current",
    metadata,
    sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("run_id", TEXT, sa.ForeignKey("runs.run_id"), nullable=False),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("token", sa.Integer, nullable=False),
    sa.Column("holder", TEXT),
    sa.Column("since", sa.Double),
    sa.Column("until", sa.Double),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("run_id", TEXT, nullable=False),
    sa.Column("started_at", TEXT, nullable=False),
    sa.Column("outcome", TEXT, nullable=False),
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
    sa.Column("run_id", TEXT, sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("trigger", TEXT, primary_key=True),
    sa.Column("account_id", TEXT, primary_key=True),
)

memories = sa.Table(
    "memories",
    metadata,
    sa.Column("run_id", TEXT, sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("account_id", TEXT, primary_key=True),
    sa.Column("body", TEXT, nullable=False),
)

documents = sa.Table(
    "documents",
    metadata,
    sa.Column("run_id", TEXT, sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("kind", TEXT, primary_key=True),
    sa.Column("key", TEXT, primary_key=True),
    sa.Column("body", sa.JSON, nullable=False),
)

details = sa.Table(
    "details",
    metadata,
    sa.Column("run_id", TEXT, sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("account_id", TEXT, primary_key=True),
    sa.Column("body", sa.JSON, nullable=False),
)

outreach = sa.Table(
    "outreach",
    metadata,
    sa.Column("run_id", TEXT, sa.ForeignKey("runs.run_id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    *_typed(OUTREACH_TABLE, frozenset()),
    sa.Index(None, "run_id", "csm"),
)

packed = sa.Table(
    "packed",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("run_id", TEXT, sa.ForeignKey("runs.run_id"), nullable=False),
    sa.UniqueConstraint("run_id", name="uq_packed_run_id"),
)

briefs = sa.Table(
    "briefs",
    metadata,
    sa.Column(
        "number",
        sa.Integer,
        sa.ForeignKey("packed.number"),
        primary_key=True,
        autoincrement=False,
    ),
    *_typed(BRIEF_TABLE, frozenset({"account_id"})),
    sa.Index(None, "account_id", "number"),
    sqlite_with_rowid=False,
)

packs = sa.Table(
    "packs",
    metadata,
    sa.Column(
        "number",
        sa.Integer,
        sa.ForeignKey("packed.number"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("kind", TEXT, primary_key=True),
    sa.Column("first", TEXT, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("delivery_id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("sink", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("account_id", sa.Text),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("queued_at", sa.Text, nullable=False),
    sa.Column("due_at", sa.Text, nullable=False),
    sa.Column("first_tried_at", sa.Text),
    sa.Column("settled_at", sa.Text),
    sa.Column("said", sa.Text),
    sa.Index(None, "state", "due_at"),
    sa.Index(None, "account_id"),
)

channels = sa.Table(
    "channels",
    metadata,
    sa.Column("sink", sa.Text, primary_key=True),
    sa.Column("free_at", sa.Text, nullable=False),
)

told = sa.Table(
    "told",
    metadata,
    sa.Column("sink", sa.Text, primary_key=True),
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("told_at", sa.Text, nullable=False),
    sa.Column("facts", sa.JSON, nullable=False),
)

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("call_id", sa.Integer, primary_key=True),
    sa.Column("account_id", sa.Text, nullable=False),
    sa.Column("retention", sa.Text),
    sa.Column("expansion", sa.Text),
    sa.Column("note", sa.Text),
    sa.Column("csm", sa.Text),
    sa.Column("until", sa.Date),
    sa.Column("made_at", sa.Text, nullable=False),
    sa.Index(None, "account_id"),
)

actions = sa.Table(
    "actions",
    metadata,
    sa.Column("action_id", sa.Integer, primary_key=True),
    sa.Column("account_id", sa.Text, nullable=False),
    sa.Column("play", sa.Text, nullable=False),
    sa.Column("acted_on", sa.Date, nullable=False),
    sa.Column("outcome", sa.Text),
    sa.Column("csm", sa.Text),
    sa.Column("logged_at", sa.Text, nullable=False),
    sa.Index(None, "account_id"),
)

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("csm", sa.Text),
    sa.Column("seal", sa.Text, nullable=False),
    sa.Column("pepper", sa.Text, nullable=False),
    sa.Column("made_at", sa.Text, nullable=False),
    sa.Column("expires_at", sa.Text),
    sa.Column("ended_at", sa.Text),
    sa.Column("flagged_at", sa.Text),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("seal", sa.Text, primary_key=True),
    sa.Column("key_id", sa.Text, sa.ForeignKey("keys.key_id"), nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("csm", sa.Text),
    sa.Column("expires_at", sa.Text, nullable=False),
    sa.Column("ended_at", sa.Text),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("entry", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("did", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("link", sa.Text, nullable=False),
)

audit_end = sa.Table(
    "audit_end",
    metadata,
    sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("entries", sa.Integer, nullable=False),
    sa.Column("link", sa.Text, nullable=False),
)

repeats = sa.Table(
    "repeats",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("question", sa.Text, nullable=False),
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("until", sa.Double, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("kind", sa.Text),
    sa.Column("body", sa.LargeBinary),
    sa.Index(None, "until"),
)

tombstones = sa.Table(
    "tombstones",
    metadata,
    sa.Column("seal", sa.Text, primary_key=True),
    sa.Column("pepper", sa.Text, nullable=False),
    sa.Column("begun_at", sa.Text, nullable=False),
    sa.Column("alias", sa.Text),
    sa.Column("done_at", sa.Text),
    sa.Column("certificate", sa.JSON(none_as_null=True)),
)

reach = sa.Table(
    "reach",
    metadata,
    sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("revision", sa.Text, nullable=False),
    sa.Column("oldest", sa.Text, nullable=False),
)
