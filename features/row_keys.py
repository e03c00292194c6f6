"""Row keys: what names a row, and which of two versions of it is newer."""

from __future__ import annotations

from collections.abc import Mapping

from features.casting import quoted
from features.contracts import TableContract

__all__ = ["OWN_ID", "STAMPS", "key_hash", "key_text", "stamp_of"]

STAMPS = ("updated_at", "recorded_at")
OWN_ID = frozenset({"usage", "events", "touchpoints", "outreach_log", "opportunities"})
LOW = "18446744073709551615::UHUGEINT"


def key_text(
    contract: TableContract, values: Mapping[str, str] | None = None, row: str = "__row"
) -> str:
    """Give the SQL of what names a row: its id or key columns, else the digest of the whole row.

    ``values`` says how columns are read; by default by their names.

    Examples
    --------
    >>> from features.contracts import TABLES
    >>> key_text(TABLES["usage"])
    'coalesce("event_id", chr(30) || __row)'
    """
    named = [(values or {}).get(name, quoted(name)) for name in contract.key]
    if contract.name in OWN_ID:
        return f"coalesce({named[0]}, chr(30) || {row})"
    parts = [f"coalesce(CAST({value} AS VARCHAR), '')" for value in named]
    return f"concat_ws(chr(31), {', '.join(parts)})"


def key_hash(
    contract: TableContract, values: Mapping[str, str] | None = None, row: str = "__row"
) -> str:
    """Give the SQL of 64 bits by which rows of one key are found; the arguments of ``key_text``.

    Rows of one key have one number. Of rows that have a key, several may have one number too (the
    hash is quick, of DuckDB's version, and no more than that): whoever finds two rows by it looks
    at their keys. A row without an id is named by its digest, of which these are the first bits.

    Examples
    --------
    >>> from features.contracts import TABLES
    >>> key_hash(TABLES["limits"]).startswith("hash(concat_ws(")
    True
    """
    if contract.name not in OWN_ID:
        return f"hash({key_text(contract, values, row)})"
    own = (values or {}).get(contract.key[0], quoted(contract.key[0]))
    digest = f"CAST(md5_number(chr(30) || {row}) & {LOW} AS UBIGINT)"
    return f"CASE WHEN {own} IS NOT NULL THEN hash({own}) ELSE {digest} END"


def stamp_of(contract: TableContract) -> str:
    """Give the SQL of when a version of a row was written; null if nothing says so."""
    had = {column.name for column in contract.columns}
    stamps = [name for name in STAMPS if name in had]
    return f"coalesce({', '.join(stamps)})" if stamps else "CAST(NULL AS TIMESTAMPTZ)"
