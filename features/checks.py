"""Checks: what a row must satisfy beyond its own columns.

Each check adds to ``bad`` (row, column, code) or, for rows of accounts that nobody knows and that
carry no money, to ``apart``.
"""

from __future__ import annotations

import duckdb

from features.contracts import TableContract
from features.faults import DataRejected, Fault

__all__ = ["GOOD", "check_accounts", "check_intervals", "check_overlaps", "refuse_base"]

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


_NOWHERE = """
    INSERT INTO bad
    WITH RECURSIVE mergers AS (
        SELECT __i, account_id, merged_into FROM typed
        WHERE merged_into IS NOT NULL AND __i NOT IN (SELECT __i FROM bad)
    ), reached (account_id, survivor) AS (
        SELECT account_id, merged_into FROM mergers
        UNION
        SELECT reached.account_id, mergers.merged_into
        FROM reached JOIN mergers ON mergers.account_id = reached.survivor
    )
    SELECT __i, 'merged_into', 'merger.survivor' FROM mergers
    WHERE merged_into NOT IN (SELECT account_id FROM known_accounts)
        OR account_id IN (SELECT account_id FROM reached WHERE survivor = account_id)"""

# A price before its discount has a bound too, in pico-units.
_UNDISCOUNTED = (
    "discount",
    "number.out_of_range",
    "discount < 1 AND CAST(coalesce(mrr, amount) AS DOUBLE) / (1 - discount) > 1e24",
)


def check_intervals(
    connection: duckdb.DuckDBPyConnection, contract: TableContract, net_of_discount: bool = False
) -> None:
    """Set aside rows whose columns contradict one another: a line that ends before it starts."""
    more = (_UNDISCOUNTED,) if net_of_discount and contract.name == "subscriptions" else ()
    for column, code, condition in (*_INTERVALS.get(contract.name, ()), *more):
        connection.execute(
            f"INSERT INTO bad SELECT __i, '{column}', '{code}' FROM typed "
            f"WHERE ({condition}) AND __i NOT IN (SELECT __i FROM bad)"
        )


def check_accounts(connection: duckdb.DuckDBPyConnection, contract: TableContract) -> None:
    """Set aside rows whose account is not in ``known_accounts``: money is bad, the rest apart.

    So is a merger that leads nowhere: into an account that nobody knows, or round in a circle.
    """
    connection.execute("CREATE OR REPLACE TEMP TABLE apart (__i BIGINT)")
    if contract.stranger == "none":
        return
    if contract.name == "account_history":
        connection.execute(_NOWHERE)
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


def refuse_base(
    connection: duckdb.DuckDBPyConnection, contract: TableContract, currency: str
) -> list[Fault]:
    """Refuse rates that are not to the book's currency: its own rate would be 1."""
    if contract.name != "fx_rates":
        return []
    query = f"SELECT rate FROM {GOOD} AND currency = ? AND abs(rate - 1) > 1e-9 LIMIT 1"
    found = connection.execute(query, [currency]).fetchone()
    if found is None:
        return []
    message = f"fx_rates: one {currency} is {found[0]:g}, but {currency} is the book's currency"
    cure = f"give each currency's worth in {currency}, or set [book] currency"
    return [DataRejected("fx.base", message, cure)]
