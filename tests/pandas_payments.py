"""The oracle's page on payments: which invoices are past due, and how punctually an account pays.

A payment counts from the day after it was made. An invoice is known from the day on which it was
due, or paid if that came first, unless it says when it was recorded.
"""

from __future__ import annotations

from datetime import date

from tests.pandas_known import Known
from tests.pandas_page import MISSING, Page, over
from tests.random_feeds import Row

SIGNALS = Page()


def invoices(known: Known, account: str, days: int) -> list[Row]:
    """Give the invoices due in so many days, with what was known of their payment."""
    found = []
    for row in known.tables.get("payments", []):
        due = date.fromisoformat(row["due_on"])
        late = (known.as_of - due).days
        if row["account_id"] == account and asks(row) and 0 < late <= days:
            paid = date.fromisoformat(row["paid_on"]) if row["paid_on"] else None
            found.append(
                {"late": late, "due": due, "paid": paid if paid and paid < known.as_of else None}
            )
    return found


def asks(row: Row) -> bool:
    """Say whether a document asks for money: refunds, credits and amounts below zero do not."""
    return bool(row["kind"] == "invoice" and row["amount_micros"] > 0)


def overdue(known: Known, account: str) -> list[int] | None:
    """Give the days past due of each open invoice; None: no invoice of the account was due."""
    if not invoices(known, account, 10**6):
        return None
    return [row["late"] for row in invoices(known, account, 91) if row["paid"] is None]


@SIGNALS.signal
def payments_overdue(known: Known, account: str) -> float:
    """Invoices due in 91 days that are past due and not known to be paid."""
    open_ones = overdue(known, account)
    return MISSING if open_ones is None else float(len(open_ones))


@SIGNALS.signal
def payments_overdue_days(known: Known, account: str) -> float:
    """Days that the oldest of them is past due (0: none)."""
    open_ones = overdue(known, account)
    return MISSING if open_ones is None else float(max(open_ones, default=0))


@SIGNALS.signal
def payments_late_365d(known: Known, account: str) -> float:
    """Share of the invoices due in 365 days that were paid after their day, or are still open."""
    rows = invoices(known, account, 365)
    late = [row for row in rows if row["paid"] is None or row["paid"] > row["due"]]
    return over(len(late), len(rows))
