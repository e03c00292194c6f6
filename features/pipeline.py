"""Pipeline: what may come of the deals that are open, and what came of those that were closed.

It stands beside the forecast and is never added to it.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from features.amounts import money
from features.book import engine
from features.windows import Window

__all__ = ["CONVERTS_WITHIN", "conversion_of", "pipeline", "without_deals"]

CONVERTS_WITHIN = 90
"""Days from qualification within which a deal must be won to count as converted (S000)."""

_WEIGHT_OF_MEAN = 10
"""Closed deals to which the book's own win rate is equal when a stage's rate is shrunk to it."""


def without_deals(key: str) -> dict[str, Any]:
    """Tell that a figure has no data.

    Examples
    --------
    >>> without_deals("rate")
    {'rate': None, 'reason': 'the book has no table opportunities'}
    """
    return {key: None, "reason": "the book has no table opportunities"}


def conversion_of(deals: pa.Table, day: date) -> dict[str, Any]:
    """Measure how many qualified expansion deals are won within 90 days.

    Parameters
    ----------
    deals : pyarrow.Table
        As `features.deals.deals` gives them.
    day : date
        The as-of date: deals that were qualified less than 90 days before it are left out, won
        or not.

    Returns
    -------
    dict
        ``qualified``, ``won_in_time`` and ``rate``; the same in MRR (``qualified_mrr``,
        ``won_in_time_mrr``, ``rate_of_mrr``) over the deals with an amount.
    """
    latest = day - timedelta(days=CONVERTS_WITHIN)
    row = _desk(deals).execute(_CONVERSION.format(latest=latest, days=CONVERTS_WITHIN)).fetchall()
    qualified, won, without, micros, won_micros = row[0]
    told = {
        "days": CONVERTS_WITHIN,
        "definition": _CONVERTED,
        "qualified": qualified,
        "won_in_time": won,
        "rate": won / qualified if qualified else None,
        "qualified_mrr": money(micros),
        "won_in_time_mrr": money(won_micros),
        "rate_of_mrr": won_micros / micros if micros else None,
        "without_amount": without,
    }
    if not qualified:
        told["reason"] = f"no deal was qualified by {latest}"
    return told


_CONVERTED = (
    "Deals of accounts that already paid, qualified at least 90 days before the as-of date; the "
    "share of them that was won within 90 days of it. A deal still open counts as not won."
)

_CONVERSION = """
    SELECT count(*), count(*) FILTER (in_time), count(*) FILTER (micros IS NULL),
        coalesce(sum(micros), 0), coalesce(sum(micros) FILTER (in_time), 0)
    FROM (SELECT *, coalesce(won AND closed_on - qualified_on <= {days}, false) AS in_time
        FROM deals WHERE expands AND qualified_on <= DATE '{latest}')"""


def pipeline(deals: pa.Table, window: Window) -> dict[str, Any]:
    """Tell the open expansion deals by stage, and what closed deals brought in a window.

    Parameters
    ----------
    deals : pyarrow.Table
        As `features.deals.deals` gives them.
    window : Window
        Deals won after its opening and until its closing are told by owner and by source.

    Returns
    -------
    dict
        ``stages`` (the largest first) and ``total``, each with ``deals``, ``mrr``,
        ``weighted_mrr`` and how many were weighted by what; ``win_rate`` of the book;
        ``new_logos``: open deals of accounts that did not pay yet, in neither; ``won``.
    """
    desk = _desk(deals)
    won, closed = desk.execute(_OUTCOMES).fetchall()[0]
    desk.execute(_OPEN.format(overall=f"CAST({won / closed} AS DOUBLE)" if closed else "NULL"))
    stages = desk.execute(_STAGES.format(key="stage", group="GROUP BY stage")).fetchall()
    total = desk.execute(_STAGES.format(key="NULL", group="")).fetchall()[0]
    logos = desk.execute(_NEW_LOGOS).fetchall()[0]
    return {
        "definition": _DEFINITION,
        "stages": [{"stage": row[0]} | _stood(row) for row in stages],
        "total": _stood(total),
        "win_rate": {"closed": closed, "won": won, "rate": won / closed if closed else None},
        "new_logos": {"deals": logos[0], "mrr": money(logos[1])},
        "won": {"from": str(window.opening), "to": str(window.closing)}
        | {f"by_{key}": _brought(desk, key, window) for key in ("owner", "source")},
    }


_DEFINITION = (
    "Open deals of accounts that already paid when they were opened, beside the forecast and "
    "never added to it. Weight: the deal's own probability; else the win rate of closed deals of "
    f"its stage, shrunk to that of the book as if by {_WEIGHT_OF_MEAN} more deals, where that "
    "stage has won and lost ones; else the win rate of the book. won: closed in the window."
)


def _stood(row: tuple[Any, ...]) -> dict[str, Any]:
    _, deals, micros, weighted, without, unweighted, probability, stage, book = row
    told: dict[str, Any] = {
        "deals": deals,
        "mrr": money(micros),
        "weighted_mrr": None if unweighted else money(weighted),
        "weighted_by": {"probability": probability, "stage": stage, "book": book},
        "without_amount": without,
    }
    if unweighted:
        told["reason"] = "no deal has been closed yet from which a win rate could be learned"
    return told


def _brought(desk: duckdb.DuckDBPyConnection, key: str, window: Window) -> list[dict[str, Any]]:
    query = _WON.format(key=key, opening=window.opening, closing=window.closing)
    rows = desk.execute(query).fetchall()
    return [{key: name, "deals": count, "mrr": money(micros)} for name, count, micros in rows]


_OUTCOMES = """
    SELECT count(*) FILTER (won), count(*) FROM deals WHERE expands AND won IS NOT NULL"""

# A stage of which only lost deals (or only won ones) are left says where they are filed away.
_OPEN = f"""
    CREATE TEMP TABLE open_deals AS
    WITH closed AS (
        SELECT stage, count(*) FILTER (won) AS won, count(*) AS closed FROM deals
        WHERE expands AND won IS NOT NULL AND stage IS NOT NULL GROUP BY stage
        HAVING bool_or(won) AND NOT bool_and(won))
    SELECT deals.stage, micros, probability, closed.stage AS rated, {{overall}} AS overall,
        coalesce(probability, (closed.won + {_WEIGHT_OF_MEAN} * {{overall}})
            / (closed.closed + {_WEIGHT_OF_MEAN}), {{overall}}) AS weight
    FROM deals LEFT JOIN closed ON closed.stage = deals.stage
    WHERE expands AND deals.won IS NULL"""

_STAGES = """
    SELECT {key}, count(*), coalesce(sum(micros), 0) AS amount,
        coalesce(sum(CAST(round(micros * weight) AS BIGINT)), 0), count(*) FILTER (micros IS NULL),
        count(*) FILTER (weight IS NULL), count(*) FILTER (probability IS NOT NULL),
        count(*) FILTER (probability IS NULL AND rated IS NOT NULL),
        count(*) FILTER (probability IS NULL AND rated IS NULL AND overall IS NOT NULL)
    FROM open_deals {group} ORDER BY amount DESC, 1 NULLS LAST"""

_NEW_LOGOS = """
    SELECT count(*), coalesce(sum(micros), 0) FROM deals WHERE NOT expands AND won IS NULL"""

_WON = """
    SELECT {key}, count(*), coalesce(sum(micros), 0) AS amount FROM deals
    WHERE expands AND won AND closed_on > DATE '{opening}' AND closed_on <= DATE '{closing}'
    GROUP BY {key} ORDER BY amount DESC, {key} NULLS LAST"""


def _desk(deals: pa.Table) -> duckdb.DuckDBPyConnection:
    connection = engine()
    connection.register("deals", deals)
    return connection
