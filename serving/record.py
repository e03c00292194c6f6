"""The record of a book: what its ledger says that a forecast stands on, or is held beside."""

from __future__ import annotations

from datetime import date

from features.as_now import rules_as_now
from features.asof import add_months, first_of_month, month_end, opening_day
from features.book import Book
from features.grown import grown
from features.ledger import mrr_on
from features.retention import metrics
from features.rules import Rules
from models.endings import Ending, cohort_day, ending_days
from models.outcomes import HORIZONS
from models.record import Record

__all__ = ["endings_of", "last_year", "record_of"]

LEVER_MONTHS = 24
"""How far back expansions count towards the split by lever."""


def record_of(book: Book, rules: Rules, as_of: date) -> Record:
    """Read the record of a book as it was known at an as-of date.

    Parameters
    ----------
    book : Book
    rules : Rules
        The choices of ``[revenue]``, by account.
    as_of : date
    """
    since = add_months(first_of_month(as_of), -LEVER_MONTHS - 1)
    return Record(
        last_year=last_year(book, rules, as_of),
        endings=endings_of(book, rules, as_of),
        expansions=grown(book, rules, since, as_of=as_of),
    )


def last_year(book: Book, rules: Rules, as_of: date) -> dict[str, float | None]:
    """Give NRR of the same months a year before, by horizon; None where the past is too short."""
    closing = opening_day(first_of_month(as_of))
    opening = month_end(add_months(closing, -12))
    found: dict[str, float | None] = {}
    for horizon in HORIZONS:
        end = add_months(opening, horizon)
        window = f"{opening:%Y-%m}:{end:%Y-%m}"
        told = metrics(book, rules, window, [], as_of)["windows"]
        found[str(horizon)] = told[0]["nrr"] if told else None
    return found


def endings_of(book: Book, rules: Rules, as_of: date) -> tuple[Ending, ...]:
    """Read what each ending's cohort paid, in the money of the as-of date."""
    now = rules_as_now(book, rules, as_of)
    days = ending_days(as_of, book.facts.fiscal_year_starts)
    paid = {
        day: mrr_on(book, day, now, as_of=as_of).set_index("account_id")["mrr_micros"].to_dict()
        for day in {cohort_day(day) for day in days.values()}
    }
    return tuple(Ending(name, day, paid[cohort_day(day)]) for name, day in days.items())
