"""Oddities: rows that are taken although something about them is strange, said once by count."""

from __future__ import annotations

import duckdb

from features.checks import GOOD
from features.contracts import TableContract

__all__ = ["oddities"]

_ODD = {
    "subscriptions": {
        "ends_on = starts_on": "lines end on the day on which they start: they never count",
        "canceled_on < starts_on": "lines are canceled before they start",
        "paused_to IS NOT NULL AND paused_from IS NULL": "pauses end but never start: not applied",
        "paused_from >= ends_on": "pauses start after their line has ended: not applied",
    },
    "accounts": {"parent_account_id = account_id": "accounts are their own parent: not applied"},
}


def oddities(connection: duckdb.DuckDBPyConnection, contract: TableContract) -> tuple[str, ...]:
    """Say how many of the accepted rows of ``typed`` are strange, and what comes of it."""
    odd = _ODD.get(contract.name, {})
    if not odd:
        return ()
    counts = ", ".join(f"count(*) FILTER ({condition})" for condition in odd)
    accepted = f"{GOOD} AND __i NOT IN (SELECT __i FROM twice)"
    found = connection.execute(f"SELECT {counts} FROM {accepted}").fetchall()[0]
    said = zip(found, odd.values(), strict=True)
    return tuple(f"{contract.name}: {count} {words}" for count, words in said if count)
