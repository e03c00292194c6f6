"""What each account has signed: lines in force, renewals past and next, movements of its MRR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from features.amounts import money
from features.ledger import movements
from features.terms import alive, table_of
from features.view import View

__all__ = [
    "LAST_MOVEMENTS",
    "PAST_RENEWALS",
    "lines_in_force",
    "next_renewals",
    "past_moves",
    "past_renewals",
]

LAST_MOVEMENTS = 24
"""Movements that are kept of an account."""
PAST_RENEWALS = 8
"""Decisions on a contract that are kept of an account."""

Rows = list[dict[str, Any]]


def lines_in_force(view: View) -> dict[str, Rows]:
    """Give the lines in force on the day before the as-of date, the largest first.

    Returns
    -------
    dict
        By account, each line's ``product``, ``plan``, ``seats``, ``kind``, ``mrr`` and
        ``list_mrr`` in units of ``currency`` (the line's own), ``discount``, ``starts_on``,
        ``term_months``, ``next_decision_on``, ``auto_renew``, ``canceled_on``; null: not told.
    """
    now = alive(view.lines, view.today - 1)
    order = now.sort_values(["account_id", "mrr_micros", "product", "plan"],
                            ascending=[True, False, True, True], kind="stable")  # fmt: skip
    return _gathered(order, _line)


def _line(row: Any) -> dict[str, Any]:
    return {
        "product": row.product or None,
        "plan": row.plan or None,
        "kind": row.kind,
        "seats": _number(row.seats),
        "mrr": money(int(row.mrr_micros)),
        "list_mrr": money(int(row.list_micros)),
        "currency": row.currency,
        "discount": _number(row.discount),
        "starts_on": _day(row.starts_on),
        "term_months": _number(row.term),
        "next_decision_on": _day(row.due_on),
        "auto_renew": None if pd.isna(row.auto_renew) else bool(row.auto_renew),
        "canceled_on": _day(row.known_cancel),
    }


def next_renewals(lines: Mapping[str, Rows]) -> dict[str, Rows]:
    """Give the decisions that are due on terms of more than a month, the soonest first.

    Examples
    --------
    >>> line = {"product": "core", "mrr": 10.0, "currency": "USD", "term_months": 12,
    ...         "next_decision_on": "2026-03-01", "auto_renew": None, "canceled_on": None}
    >>> next_renewals({"a": [line]})["a"][0]["on"]
    '2026-03-01'
    """
    kept = ("product", "mrr", "currency", "auto_renew", "canceled_on")
    return {
        account: sorted(
            (
                {"on": line["next_decision_on"]} | {name: line[name] for name in kept}
                for line in rows
                if (line["term_months"] or 0) > 1 and line["next_decision_on"]
            ),
            key=lambda one: (one["on"], one["product"] or ""),
        )
        for account, rows in lines.items()
    }


def past_renewals(view: View) -> dict[str, Rows]:
    """Give what became of the decisions on contracts that lie behind, the latest first.

    A term that ended counts as ``renewed`` (or ``expanded``, ``contracted``) where a line of the
    same product starts within ``late_renewal_days`` of its end, as ``replaced`` where only another
    product does, else as ``ended``. A term that ran on by itself was ``renewed``.

    Returns
    -------
    dict
        By account ``on``, ``product``, ``outcome``, ``mrr_before``, ``mrr_after`` (units of
        ``currency``).
    """
    late, day, terms = view.rules.late_renewal_days, view.as_of, table_of(view.as_of)
    asked = _PAST.format(terms=terms, day=day, late=late, kept=PAST_RENEWALS)
    found = view.book.connection.execute(asked).to_arrow_table().to_pandas(date_as_object=True)
    return _gathered(found, _renewal)


def _renewal(row: Any) -> dict[str, Any]:
    return {
        "on": _day(row.decided_on),
        "product": row.product or None,
        "outcome": row.outcome,
        "mrr_before": money(int(row.before)),
        "mrr_after": None if pd.isna(row.after) else money(int(row.after)),
        "currency": row.currency,
    }


_PAST = """
    WITH terms AS (FROM {terms} WHERE kind <> 'usage'),
    ends AS (SELECT account_id, product, currency, known_end AS decided_on,
            CAST(sum(mrr_micros) AS BIGINT) AS before
        FROM terms WHERE term > 1 AND known_end < DATE '{day}' GROUP BY ALL),
    starts AS (SELECT account_id, product, starts_on, CAST(sum(mrr_micros) AS BIGINT) AS after
        FROM terms WHERE starts_on < DATE '{day}' GROUP BY ALL),
    others AS (SELECT account_id, starts_on FROM starts GROUP BY ALL),
    decided AS (SELECT ends.*,
            CASE WHEN same.starts_on - decided_on <= {late} THEN same.after END AS after,
            coalesce(other.starts_on - decided_on <= {late}, false) AS replaced
        FROM ends
        ASOF LEFT JOIN starts AS same ON same.account_id = ends.account_id
            AND same.product = ends.product AND same.starts_on >= ends.decided_on
        ASOF LEFT JOIN others AS other ON other.account_id = ends.account_id
            AND other.starts_on >= ends.decided_on),
    ran_on AS (SELECT account_id, product, currency, CAST(sum(mrr_micros) AS BIGINT) AS micros,
            CAST(starts_on + to_months(CAST(term * turn AS INTEGER)) AS DATE) AS decided_on
        FROM (SELECT *, unnest(range(1, 1 + datesub('month', starts_on,
                least(coalesce(known_end, DATE '{day}'), DATE '{day}') - 1) // term)) AS turn
            FROM terms WHERE term > 1 AND starts_on < DATE '{day}')
        GROUP BY ALL),
    told AS (SELECT account_id, product, currency, decided_on, before, after,
            CASE WHEN after IS NULL THEN if(replaced, 'replaced', 'ended')
                WHEN after > before THEN 'expanded' WHEN after < before THEN 'contracted'
                ELSE 'renewed' END AS outcome FROM decided
        UNION ALL SELECT account_id, product, currency, decided_on, micros, micros, 'renewed'
        FROM ran_on)
    SELECT * FROM told
    QUALIFY row_number() OVER (PARTITION BY account_id
        ORDER BY decided_on DESC, product, currency, outcome) <= {kept}
    ORDER BY account_id, decided_on DESC, product, currency, outcome"""


def past_moves(view: View) -> dict[str, Rows]:
    """Give the last movements of each account's MRR in the ledger, the latest first.

    Returns
    -------
    dict
        By account ``month`` (its last day), ``class``, ``lever``, ``product`` and ``amount``
        (signed, units of the book's currency).
    """
    moved = movements(view.book, view.rules, as_of=view.as_of)
    keys = ["account_id", "month_end", "class", "lever", "product"]
    ways = [True, False, True, True, True]
    moved = moved.sort_values(keys, ascending=ways, kind="stable")
    last = moved.groupby("account_id", sort=False).head(LAST_MOVEMENTS)
    return _gathered(last.rename(columns={"class": "kind"}), _moved)


def _moved(row: Any) -> dict[str, Any]:
    return {
        "month": _day(row.month_end),
        "class": row.kind,
        "lever": None if pd.isna(row.lever) else row.lever,
        "product": row.product or None,
        "amount": money(int(row.amount_micros)),
    }


def _gathered(rows: pd.DataFrame, made: Any) -> dict[str, Rows]:
    found: dict[str, Rows] = {}
    for row in rows.itertuples(index=False):
        found.setdefault(str(row.account_id), []).append(made(row))
    return found


def _number(value: Any) -> float | int | None:
    if value is None or pd.isna(value):
        return None
    return int(value) if float(value).is_integer() else float(value)


def _day(value: Any) -> str | None:
    return None if value is None or pd.isna(value) else str(value)[:10]
