"""Reading the facts of a run off its book: once, when it is scored."""

from __future__ import annotations

from datetime import date

from features.account_detail import account_details
from features.book import Book
from features.statement import statement
from serving.facts import Facts
from serving.facts_expansion import expansion_figures
from serving.settings import Settings

__all__ = ["MONTHS", "WEEKS", "facts_of"]

MONTHS = 24
"""Months of the series: windows of a month, and trailing twelve months at each month's end."""
WEEKS = 13
"""Weeks of expansion MRR."""


def facts_of(book: Book, settings: Settings, as_of: date) -> Facts:
    """Read the facts of a book as it was known at an as-of date.

    Parameters
    ----------
    book : Book
    settings : Settings
        ``[revenue]``, ``[benchmarks]`` and ``[forecast] nrr_target`` count.
    as_of : date
        Of the run.
    """
    rules, peers = settings.rules, settings.benchmarks
    asked = {"months": MONTHS, "weeks": WEEKS}
    told = statement(book, rules, "ttm", ["segment"], as_of, peers, **asked)
    since = sorted({row["to"] for row in told["series"]}, reverse=True)[: MONTHS - 1]
    told |= {"series": [row for row in told["series"] if row["to"] in set(since)]}
    figures = expansion_figures(told, settings.choices.forecast.nrr_target)
    return Facts(told, figures, account_details(book, rules.by_account(), as_of))
