"""Acquisition cohorts: the accounts that first paid in one quarter, and what is left of them since.

Worked through: an account whose first paid month-end is 2024-02-29 belongs to 2024-Q1. Its month 0
is that month-end, its month 12 is 2025-02-28; an account of the same quarter that started in March
has its month 12 a month later. The youngest account decides how far its cohort can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from features.amounts import money
from features.asof import month_of, quarter_name
from features.book import engine
from features.rules import Rules
from features.steps import Steps, with_steps

__all__ = ["LONGEST", "AcquisitionCohort", "acquisition_cohorts", "cohort_tables"]

LONGEST = 60
"""Months for which a cohort is followed."""


@dataclass(frozen=True)
class AcquisitionCohort:
    """The accounts of one quarter, in exact micro-units of the book's currency.

    Attributes
    ----------
    quarter : str
        Fiscal quarter of the accounts' first paid month-end, e.g. ``"2024-Q1"``.
    opens, closes : date
        First and last day of the quarter.
    accounts, opening : int
        How many they are, and what they paid at their first paid month-ends.
    closing, kept, paying : tuple of int
        By months since, from 0 on: what they pay; the same, no account counted above its
        opening; how many pay. As long as all of them have been seen.
    whole : bool
        Whether the quarter is over: no account can join any more.
    """

    quarter: str
    opens: date
    closes: date
    accounts: int
    opening: int
    closing: tuple[int, ...]
    kept: tuple[int, ...]
    paying: tuple[int, ...]
    whole: bool


def acquisition_cohorts(
    ledger: pa.Table, rules: Rules, fiscal_year_starts: int = 1
) -> list[AcquisitionCohort]:
    """Follow every acquisition cohort of a ledger, month by month.

    Parameters
    ----------
    ledger : pyarrow.Table
        As `features.ledger.month_table` gives it, by account.
    rules : Rules
        ``reactivation`` says whether an account that left and came back counts again.
    fiscal_year_starts : int
        Month in which the fiscal year starts.

    Returns
    -------
    list of AcquisitionCohort
        The oldest first. An account that never paid at a month-end is in none.
    """
    connection = engine()
    connection.register("months", ledger)
    steps = _cohort_steps(rules, fiscal_year_starts)
    rows = connection.execute(with_steps(steps, _FOLLOWED)).fetchall()
    return [_cohort(row, fiscal_year_starts) for row in rows]


def cohort_tables(ledger: pa.Table, rules: Rules, fiscal_year_starts: int = 1) -> dict[str, Any]:
    """Tell the cohort tables in the shape that an output carries.

    Returns
    -------
    dict
        ``by``, ``definition``, ``months_since`` and ``cohorts`` (the oldest first); ``nrr``,
        ``grr`` and ``logos`` have one entry per month since, null where not every account of
        the cohort has been seen so long.

    Examples
    --------
    >>> paid = {"account_id": ["a", "a"], "m": [24300, 24301], "until_m": [24301, 24303]}
    >>> ledger = pa.table(paid | {"closing_micros": [100, 80]})
    >>> cohort = cohort_tables(ledger, Rules())["cohorts"][0]
    >>> cohort["cohort"], cohort["nrr"]
    ('2025-Q1', [1.0, 0.8, 0.8])
    """
    cohorts = acquisition_cohorts(ledger, rules, fiscal_year_starts)
    longest = max((len(cohort.closing) for cohort in cohorts), default=0)
    return {
        "by": "acquisition_quarter",
        "definition": _DEFINITION,
        "months_since": list(range(longest)),
        "cohorts": [
            _told(cohort, longest) | {"begins_with_book": n == 0}
            for n, cohort in enumerate(cohorts)
        ],
    }


_DEFINITION = (
    "Accounts by the fiscal quarter of their first paid month-end. Month k of an account is the "
    "month-end k months after its own first one. nrr: MRR at k over MRR at the first; grr: the "
    "same with no account above its first; logos: share of accounts that pay at k. Losses are net "
    "per account. A cell is shown once the youngest account of the cohort has k closed months, "
    "else it is null; a cohort whose quarter is not over says complete = false. The oldest one "
    "begins with the book: customers who paid before its first month are in it too."
)


def _cohort_steps(rules: Rules, starts: int) -> Steps:
    """Write the steps to ``changes``: what each cohort gains and loses at each month since.

    A row of the ledger holds over a stretch of months; it is added where the stretch begins and
    taken away where it ends, so that no month need be written out.
    """
    gone = {
        "excluded": "closing_micros = 0 AND m > first",
        "new": "new_micros > 0 AND m > first",
    }.get(rules.reactivation, "false")
    return {
        "firsts": """
    SELECT account_id, min(m) AS first, arg_min(closing_micros, m) AS opening
    FROM months WHERE closing_micros > 0 GROUP BY account_id""",
        "quartered": f"""
    SELECT *, (first - {starts - 1}) // 3 AS quarter FROM firsts""",
        "followed": f"""
    SELECT quarter, first, opening, m - first AS since, until_m - first AS until, closing_micros
    FROM months JOIN quartered USING (account_id)
    LEFT JOIN (SELECT account_id, min(m) AS gone FROM months JOIN firsts USING (account_id)
        WHERE {gone} GROUP BY account_id) AS leavers USING (account_id)
    WHERE closing_micros > 0 AND coalesce(m < gone, true)""",
        "changes": """
    SELECT quarter, k, sum(closing) AS closing, sum(kept) AS kept, sum(paying) AS paying FROM (
        SELECT quarter, since AS k, closing_micros AS closing,
            least(closing_micros, opening) AS kept, 1 AS paying FROM followed
        UNION ALL
        SELECT quarter, until, -closing_micros, -least(closing_micros, opening), -1 FROM followed)
    GROUP BY quarter, k""",
        "sizes": """
    SELECT quarter, count(*) AS accounts, sum(opening) AS opening, max(first) AS youngest,
        (SELECT max(until_m) - 1 FROM months) AS last
    FROM quartered GROUP BY quarter""",
    }


_FOLLOWED = f"""
    SELECT quarter, accounts, opening, last, list(closing ORDER BY k), list(kept ORDER BY k),
        list(paying ORDER BY k)
    FROM (
        SELECT quarter, accounts, opening, last, k, youngest,
            sum(coalesce(closing, 0)) OVER since AS closing,
            sum(coalesce(kept, 0)) OVER since AS kept,
            sum(coalesce(paying, 0)) OVER since AS paying
        FROM (SELECT *, unnest(range(least({LONGEST}, last - youngest) + 1)) AS k FROM sizes)
        LEFT JOIN changes USING (quarter, k)
        WINDOW since AS (PARTITION BY quarter ORDER BY k))
    GROUP BY quarter, accounts, opening, last ORDER BY quarter"""


def _cohort(row: tuple[Any, ...], starts: int) -> AcquisitionCohort:
    quarter, accounts, opening, last, closing, kept, paying = row
    first = 3 * quarter + starts - 1
    opens, after = month_of(first), month_of(first + 3)
    return AcquisitionCohort(
        quarter=quarter_name(opens, starts),
        opens=opens,
        closes=after - timedelta(days=1),
        accounts=accounts,
        opening=int(opening),
        closing=tuple(map(int, closing)),
        kept=tuple(map(int, kept)),
        paying=tuple(map(int, paying)),
        whole=last >= first + 2,
    )


def _told(cohort: AcquisitionCohort, longest: int) -> dict[str, Any]:
    unseen = [None] * (longest - len(cohort.closing))
    return {
        "cohort": cohort.quarter,
        "from": str(cohort.opens),
        "to": str(cohort.closes),
        "complete": cohort.whole,
        "accounts": cohort.accounts,
        "opening_mrr": money(cohort.opening),
        "nrr": [micros / cohort.opening for micros in cohort.closing] + unseen,
        "grr": [micros / cohort.opening for micros in cohort.kept] + unseen,
        "logos": [paying / cohort.accounts for paying in cohort.paying] + unseen,
    }
