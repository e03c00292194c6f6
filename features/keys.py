"""Keys: one row per key. Identical rows are merged and counted, the newest version wins.

The rule stands once (``fates``), for tables that are examined whole and for feeds that come in
chunks.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from features.casting import quoted
from features.checks import GOOD
from features.contracts import TableContract
from features.row_keys import STAMPS, key_text, stamp_of

__all__ = ["fates", "judged", "merge_duplicates"]


def merge_duplicates(
    connection: duckdb.DuckDBPyConnection, contract: TableContract, extras: list[str]
) -> None:
    """Fill ``twice`` with the rows that another row stands for; add conflicts to ``bad``.

    Rows of one key with the same content are one row. Where contents differ, the newest
    ``updated_at`` (else ``recorded_at``) wins; where nothing says which is newer, all of them are
    ``key.conflict``. A table without ids is keyed by the whole source row; a line of a contract
    without an id is never merged, because two equal lines may both be billed.
    """
    connection.execute("CREATE OR REPLACE TEMP TABLE twice (__i BIGINT)")
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE keyed AS
        SELECT * FROM (SELECT __i, {_key(contract)} AS key FROM {GOOD})
        WHERE key IN (SELECT {_key(contract)} FROM {GOOD} GROUP BY 1 HAVING count(*) > 1)
        """
    )
    rivals = (
        f"(SELECT key, {stamp_of(contract)} AS __stamp, typed.* FROM keyed JOIN typed USING (__i))"
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE judged AS {fates(contract, rivals, extras)}")
    connection.execute(
        "INSERT INTO bad SELECT __i, NULL, 'key.conflict' FROM judged WHERE fate = 'conflict'"
    )
    connection.execute("INSERT INTO twice SELECT __i FROM judged WHERE fate = 'twice'")
    connection.execute("DROP TABLE keyed")
    connection.execute("DROP TABLE judged")


def judged(
    connection: duckdb.DuckDBPyConnection, contract: TableContract, rivals: pa.Table
) -> pa.Table:
    """Judge rows of a feed that may share keys (``__key``, ``__stamp``).

    ``__key`` finds them, and names those without an id; ids are compared as they are.

    Returns
    -------
    pyarrow.Table
        The rows of ``rivals`` that another row stands for, or that contradict one another, with
        ``fate`` = ``twice`` or ``conflict``.
    """
    numbered = rivals.sort_by([("__f", "ascending"), ("__line", "ascending")])
    numbered = numbered.append_column("__i", pa.array(range(rivals.num_rows), pa.int64()))
    connection.register("rivals", numbered)
    source = f"(SELECT *, {key_text(contract, row='CAST(__key AS VARCHAR)')} AS key FROM rivals)"
    lost = connection.sql(
        f"""
        SELECT rivals.*, fate FROM rivals JOIN ({fates(contract, source, [])}) USING (__i)
        WHERE fate <> 'kept' ORDER BY __i
        """
    ).to_arrow_table()
    connection.unregister("rivals")
    return lost.drop_columns("__i")


def _key(contract: TableContract) -> str:
    """A line of a contract without an id is named by nothing: its number is its key."""
    named = key_text(contract)
    if contract.name != "subscriptions":
        return named
    return f"CASE WHEN subscription_id IS NULL THEN CAST(__i AS VARCHAR) ELSE {named} END"


def fates(contract: TableContract, rivals: str, extras: list[str]) -> str:
    """Give the SQL of ``__i`` and ``fate`` (kept, twice, conflict) of rows that share keys.

    ``rivals`` has ``__i``, ``key``, ``__stamp`` and the table's columns. Of each key the newest
    content wins, and of equal contents the row that was recorded first.
    """
    names = {column.name for column in contract.columns}
    first = "recorded_at" if "recorded_at" in names else "NULL"
    kept = [column.name for column in contract.columns if column.name not in STAMPS]
    content = ", ".join(f"coalesce(CAST({quoted(name)} AS VARCHAR), '')" for name in kept + extras)
    return f"""
        WITH stamped AS (
            SELECT __i, key, coalesce(__stamp, TIMESTAMPTZ '0001-01-01') AS stamp,
                {first} AS first, md5(concat_ws(chr(31), {content})) AS content
            FROM {rivals}
        ), topped AS (
            SELECT *, stamp = max(stamp) OVER (PARTITION BY key) AS newest FROM stamped
        ), counted AS (
            SELECT key, count(DISTINCT content) AS contents, min(content) AS winner
            FROM topped WHERE newest GROUP BY key
        ), placed AS (
            SELECT __i, newest, contents, row_number() OVER (
                PARTITION BY key ORDER BY content = winner DESC, first NULLS LAST, stamp, __i
            ) AS place
            FROM topped JOIN counted USING (key)
        )
        SELECT __i, CASE WHEN contents > 1 AND newest THEN 'conflict'
            WHEN place > 1 THEN 'twice' ELSE 'kept' END AS fate
        FROM placed
    """
