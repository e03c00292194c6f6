"""Keys: one row per key. Identical rows are merged and counted, the newest version wins."""

from __future__ import annotations

import duckdb

from features.casting import quoted
from features.checks import GOOD
from features.contracts import TableContract

__all__ = ["merge_duplicates"]

STAMPS = ("updated_at", "recorded_at")
OWN_ID = {"usage", "events", "touchpoints", "outreach_log", "opportunities"}


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
    connection.execute(f"CREATE OR REPLACE TEMP TABLE judged AS {_judged(contract, extras)}")
    connection.execute(
        """
        INSERT INTO bad SELECT __i, NULL, 'key.conflict' FROM judged WHERE contents > 1 AND newest
        """
    )
    connection.execute(
        """
        INSERT INTO twice SELECT __i FROM judged
        WHERE place > 1 AND NOT (contents > 1 AND newest)
        """
    )
    connection.execute("DROP TABLE keyed")
    connection.execute("DROP TABLE judged")


def _key(contract: TableContract) -> str:
    parts = [f"coalesce(CAST({quoted(name)} AS VARCHAR), '')" for name in contract.key]
    joined = f"concat_ws(chr(31), {', '.join(parts)})"
    if contract.name == "subscriptions":
        return f"CASE WHEN subscription_id IS NULL THEN CAST(__i AS VARCHAR) ELSE {joined} END"
    if contract.name in OWN_ID:
        return f"coalesce({quoted(contract.key[0])}, chr(30) || __row)"
    return joined


def _judged(contract: TableContract, extras: list[str]) -> str:
    """Rank the rows of each key: newest content first, and of equal contents the first recorded."""
    names = {column.name for column in contract.columns}
    stamps = [name for name in STAMPS if name in names]
    stamp = f"coalesce({', '.join(stamps)}, TIMESTAMPTZ '0001-01-01')"
    kept = [column.name for column in contract.columns if column.name not in STAMPS]
    content = ", ".join(f"coalesce(CAST({quoted(name)} AS VARCHAR), '')" for name in kept + extras)
    first = "recorded_at" if "recorded_at" in names else "NULL"
    return f"""
        WITH stamped AS (
            SELECT __i, key, {stamp} AS stamp, {first} AS first,
                md5(concat_ws(chr(31), {content})) AS content
            FROM keyed JOIN typed USING (__i)
        ), topped AS (
            SELECT *, stamp = max(stamp) OVER (PARTITION BY key) AS newest FROM stamped
        ), counted AS (
            SELECT key, count(DISTINCT content) AS contents, min(content) AS winner
            FROM topped WHERE newest GROUP BY key
        )
        SELECT __i, newest, contents, row_number() OVER (
            PARTITION BY key ORDER BY content = winner DESC, first NULLS LAST, stamp, __i
        ) AS place
        FROM topped JOIN counted USING (key)
    """
