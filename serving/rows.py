"""What a run writes into the store's tables, inside the transaction that publishes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from serving import details, outbox, queries, tables
from serving.columns import as_rows, plain
from serving.database import POSTGRES
from serving.facts import KINDS, Facts
from serving.publication import Publication

__all__ = ["add_facts", "insert", "written"]

AT_ONCE = 2000
"""Rows of one statement: between two of them a process that is asked to end can do so."""


def insert(
    connection: sa.Connection,
    publication: Publication,
    run: str,
    revision: int,
    now: datetime,
    checkpoint: Callable[[str], None],
    held: tuple[str, ...] = (),
) -> None:
    """Write a run: its line of the ledger, its scores, its list, its documents, its messages."""
    scores = publication.score_columns | {"run_id": [run] * len(publication.scores)}
    entry = {
        "run_id": run,
        "as_of": publication.as_of,
        "revision": revision,
        "snapshot_id": publication.snapshot_id,
        "model_version": publication.model_version,
        "model_digest": publication.model_digest,
        "settings_digest": publication.settings_digest,
        "digest": publication.digest,
        "accounts": len(publication.scores),
        "published_at": now.isoformat(),
        "status": "held" if held else "published",
        "held_because": list(held) or None,
    }
    written(connection, tables.runs, [entry])
    written(connection, tables.scores, as_rows(scores))
    checkpoint("scores_inserted")
    written(connection, tables.firing, queries.firing_rows(run, scores))
    memory = [
        {"run_id": run, "account_id": account, "body": body}
        for account, body in sorted(publication.memory.items())
    ]
    written(connection, tables.memories, memory)
    listed = enumerate(as_rows(publication.outreach_columns), start=1)
    written(
        connection, tables.outreach, [{"run_id": run, "position": n} | row for n, row in listed]
    )
    documents = [
        {"run_id": run, "kind": kind, "key": key, "body": body}
        for kind, key, body in publication.documents
    ]
    written(connection, tables.documents, documents)
    written(connection, tables.details, _details(run, publication.facts))
    details.forget(connection)
    checkpoint("details_inserted")
    outbox.queue(connection, run, publication.alerts, now, held=bool(held))


def add_facts(connection: sa.Connection, run: str, facts: Facts) -> bool:
    """Write the facts of a run that was published without; whether it had none."""
    d = tables.documents.c
    known = sa.select(sa.func.count()).where(d.run_id == run, d.kind.in_(KINDS))
    if connection.scalar(known):
        return False
    rows = [{"run_id": run, "kind": k, "key": at, "body": body} for k, at, body in facts.documents]
    written(connection, tables.documents, rows)
    written(connection, tables.details, _details(run, facts))
    details.forget(connection)
    return True


def _details(run: str, facts: Facts) -> list[dict[str, Any]]:
    told = sorted(facts.details.items())
    return [{"run_id": run, "account_id": account, "body": plain(one)} for account, one in told]


def written(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """Write rows into a table, some thousand by one statement; none holds bytes."""
    write = _in_blocks if connection.dialect.name == POSTGRES else _one_by_one
    for first in range(0, len(rows), AT_ONCE):
        write(connection, table, rows[first : first + AT_ONCE])


def _one_by_one(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    connection.execute(sa.insert(table), rows)


def _in_blocks(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """Write many rows by one statement, as one JSON text that the server takes apart.

    The driver's own way sends one statement a row in a pipeline, after which PostgreSQL 18 does
    not time how long the session idles in its transaction; and it is slower.
    """
    quoted = connection.dialect.identifier_preparer.quote
    names, into = ", ".join(map(quoted, rows[0])), quoted(table.name)
    taken = f"SELECT {names} FROM json_populate_recordset(NULL::{into}, %s::json)"
    connection.exec_driver_sql(
        f"INSERT INTO {into} ({names}) {taken}", (orjson.dumps(rows).decode(),)
    )
