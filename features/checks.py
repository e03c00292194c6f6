"""Checks: what a row must satisfy beyond its own columns.

Each check adds to ``bad`` (row, column, code) or, for rows of accounts that nobody knows and that
carry no money, to ``apart``.
"""

from __future__ import annotations

import duckdb

from features.contracts import TableContract

__all__ = ["GOOD", "check_accounts", "check_intervals", "check_overlaps"]

GOOD = "typed WHERE __i NOT IN (SELECT __i FROM bad UNION ALL SELECT __i FROM apart)"

_INTERVALS = {
    "subscriptions": (
        ("ends_on", "subscription.interval", '"ends_on" < "starts_on"'),
        ("paused_to", "subscription.interval", '"paused_to" < "paused_from"'),
        ("mrr", "value.missing", '"mrr" IS NULL AND "amount" IS NULL'),
        (
            "interval_months",
            "value.missing",
            '"mrr" IS NULL AND "amount" IS NOT NULL AND "interval_months" IS NULL',
        ),
    ),
}


def check_intervals(connection: duckdb.DuckDBPyConnection, contract: TableContract) -> None:
    """Set aside rows whose columns contradict one another: a line that ends before it starts."""
    for column, code, condition in _INTERVALS.get(contract.name, ()):
        connection.execute(
            f"INSERT INTO bad SELECT __i, '{column}', '{code}' FROM typed "
            f"WHERE ({condition}) AND __i NOT IN (SELECT __i FROM bad)"
        )


def check_accounts(connection: duckdb.DuckDBPyConnection, contract: TableContract) -> None:
    """Set aside rows whose account is not in ``known_accounts``: money is bad, the rest apart."""
    connection.execute("CREATE OR REPLACE TEMP TABLE apart (__i BIGINT)")
    if contract.stranger == "none":
        return
    strange = (
        "FROM typed WHERE __i NOT IN (SELECT __i FROM bad) "
        "AND account_id NOT IN (SELECT account_id FROM known_accounts)"
    )
    if contract.stranger == "unmatched":
        connection.execute(f"INSERT INTO apart SELECT __i {strange}")
    else:
        connection.execute(
            f"INSERT INTO bad SELECT __i, 'account_id', 'key.unknown_account' {strange}"
        )


def check_overlaps(connection: duckdb.DuckDBPyConnection, contract: TableContract) -> None:
    """Set aside a line that starts before an earlier line of its own id and product has ended."""
    if contract.name != "subscriptions":
        return
    connection.execute(
        f"""
        INSERT INTO bad
        SELECT __i, 'starts_on', 'subscription.overlap' FROM (
            SELECT __i, starts_on, max(coalesce(ends_on, DATE '9999-12-31')) OVER (
                PARTITION BY subscription_id, product
                ORDER BY starts_on, ends_on, __row, __i
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS taken_until
            FROM {GOOD} AND __i NOT IN (SELECT __i FROM twice) AND subscription_id IS NOT NULL
        ) WHERE starts_on < taken_until
        """
    )
