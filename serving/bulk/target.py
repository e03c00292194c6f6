"""The target of a bulk scoring: two tables in a PostgreSQL of the user's, replaced at once."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import sqlalchemy as sa

from serving.database import label
from serving.kept import StoreSettings
from serving.postgres import fault, postgres_engine
from serving.schemas import SCORE_TABLE

__all__ = ["RUNS", "TABLE", "published"]

TABLE, RUNS = "perennial_bulk_scores", "perennial_bulk_runs"
TYPES = {
    "text": "text",
    "date": "date",
    "integer": "bigint",
    "number": "double precision",
    "list": "jsonb",
}
STATEMENT_SECONDS = 3600.0
NAMES = [column.name for column in SCORE_TABLE]


def published(url: str, parts: Sequence[Path], summary: Mapping[str, Any]) -> bool:
    """Put the scores into the tables, in one transaction; False where this run stands there.

    ``perennial_bulk_scores`` holds one run, the columns of CONTRACT section 3, lists as jsonb;
    ``perennial_bulk_runs`` a row for each run that ever stood there. Whoever reads sees the run
    before until the moment of the commit. A run of an older as-of date than the one that stands
    there is noted and takes nothing's place.

    Parameters
    ----------
    url : str
        ``env:NAME``: the environment variable that holds the database's URL.
    parts : sequence of Path
        Parquet files of ``serving.bulk.part.SCHEMA``.
    summary : mapping
        ``run_id``, ``as_of`` and what else is to be kept of the run.

    Raises
    ------
    ConfigurationRefused
        ``config`` if the variable is not set, or names no PostgreSQL.
    Fault
        As of the store, where the database refuses (docs/store.md).
    """
    engine = _opened(url)
    with _named(engine), engine.execution_options(write=True).begin() as connection:
        connection.exec_driver_sql(_made())
        known = connection.execute(
            sa.text(f"SELECT 1 FROM {RUNS} WHERE run_id = :run"), {"run": summary["run_id"]}
        )
        if known.first() is not None:
            return False
        latest = connection.execute(sa.text(f"SELECT max(as_of) FROM {RUNS}")).scalar()
        if latest is None or latest.isoformat() <= summary["as_of"]:
            connection.exec_driver_sql(f"DELETE FROM {TABLE}")
            _copied(connection, parts)
        connection.execute(
            sa.text(f"INSERT INTO {RUNS} VALUES (:run, :as_of, now(), CAST(:body AS jsonb))"),
            {"run": summary["run_id"], "as_of": summary["as_of"]}
            | {"body": orjson.dumps(dict(summary)).decode()},
        )
    engine.dispose()
    return True


def _opened(url: str) -> sa.Engine:
    settings = StoreSettings(url=url, statement_seconds=STATEMENT_SECONDS)
    return postgres_engine(str(settings.address()), settings)


@contextmanager
def _named(engine: sa.Engine) -> Iterator[None]:
    """Turn the driver's errors into faults that say what to do."""
    try:
        yield
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as refused:
        raise fault(refused, label(engine), engine.url) from None


def _made() -> str:
    columns = ", ".join(f"{column.name} {TYPES[column.kind]}" for column in SCORE_TABLE)
    return (
        f"CREATE TABLE IF NOT EXISTS {TABLE} ({columns}, PRIMARY KEY (account_id)); "
        f"CREATE TABLE IF NOT EXISTS {RUNS} (run_id text PRIMARY KEY, as_of date NOT NULL, "
        "published_at timestamptz NOT NULL, summary jsonb NOT NULL)"
    )


def _copied(connection: sa.Connection, parts: Sequence[Path]) -> None:
    """Send the parts one after the other; a missing value is no empty text."""
    cursor: Any = connection.connection.cursor()
    with cursor.copy(f"COPY {TABLE} ({', '.join(NAMES)}) FROM STDIN (FORMAT csv)") as sink:
        for part in parts:
            sink.write(_lines(pq.read_table(part, columns=NAMES)))


def _lines(rows: pa.Table) -> bytes:
    said = io.BytesIO()
    how = pa_csv.WriteOptions(include_header=False, quoting_style="all_valid")
    pa_csv.write_csv(rows, said, how)
    return said.getvalue()
