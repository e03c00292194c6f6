"""An account in detail: what its page draws beside its scores, as it was known on a date."""

from __future__ import annotations

from datetime import date
from typing import Any

from features.account_activity import tickets_by_month, usage_by_week
from features.account_contracts import (
    lines_in_force,
    next_renewals,
    past_moves,
    past_renewals,
)
from features.account_people import contacts_of, milestones_of
from features.book import Book
from features.rules import Rules
from features.view import view_of

__all__ = ["account_details"]


def account_details(book: Book, rules: Rules, as_of: date) -> dict[str, dict[str, Any]]:
    """Give the detail of every account that pays at an as-of date.

    Parameters
    ----------
    book : Book
    rules : Rules
        The choices of ``[revenue]``, by account.
    as_of : date
        Nothing that became known on it or later is told.

    Returns
    -------
    dict
        By account: ``first_paid_on``, ``usage`` (`features.account_activity.usage_by_week`),
        ``tickets`` (`tickets_by_month`), ``lines``, ``renewals`` (``past``, ``next``),
        ``movements`` (`features.account_contracts`), ``contacts``, ``milestones``
        (`features.account_people`); the last two are null where the book does not tell them.
    """
    view = view_of(book, as_of, rules)
    try:
        accounts = [str(name) for name in view.standing.index]
        usage, tickets = usage_by_week(view, accounts), tickets_by_month(view, accounts)
        lines, past, moves = lines_in_force(view), past_renewals(view), past_moves(view)
        coming = next_renewals(lines)
        people, reached = contacts_of(view), milestones_of(view)
        first = view.standing["first_paid_on"]
        has_people, has_touches = book.has("contacts"), "touchpoints" in view.feeds
        return {
            name: {
                "first_paid_on": str(paid)[:10],
                "usage": usage[name],
                "tickets": tickets[name],
                "lines": lines.get(name, []),
                "renewals": {"past": past.get(name, []), "next": coming.get(name, [])},
                "movements": moves.get(name, []),
                "contacts": people.get(name, []) if has_people else None,
                "milestones": reached.get(name, []) if has_touches else None,
            }
            for name, paid in zip(accounts, first, strict=True)
        }
    finally:
        view.forget()
