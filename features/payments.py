"""Payments: which invoices are past due, and how punctually an account pays.

A payment counts from the day after it was made: an invoice whose ``paid_on`` is not yet known
reads unpaid. Refunds and credits are no invoices.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw

from features.asof import instant
from features.rollup import day_number
from features.signal import Family, Part, Rows, signal
from features.sums import ratio, total
from features.view import View

__all__ = ["FAMILY"]

QUARTER, YEAR = 91, 365
TOLD = ("payments",)
NO_INVOICE = "the book has no payments, or no invoice of the account was due"
PAID = ("payments.paid_on",)


def _invoices(view: View) -> nw.LazyFrame[Any]:
    """Give the invoices known and due before the as-of date, with what was known of them."""
    rows = view.book.table("payments").filter(
        nw.col("known_at") < nw.lit(instant(view.as_of)),
        nw.col("kind").fill_null("invoice") == "invoice",
        nw.col("amount_micros").fill_null(1) > 0,
    )
    paid, due = day_number("paid_on"), day_number("due_on")
    days = rows.with_columns(due=due, paid=nw.when(paid < view.today).then(paid))
    days = days.filter(nw.col("due") < view.today)
    until = nw.when(nw.col("paid").is_null()).then(view.today).otherwise(nw.col("paid"))
    return days.with_columns(
        past=view.today - nw.col("due"), late=until - nw.col("due"), open=nw.col("paid").is_null()
    )


INVOICES = Rows("invoices", TOLD, _invoices)
PAST, OPEN = nw.col("past"), nw.col("open")
OVERDUE = OPEN & (PAST <= QUARTER)

PARTS = (
    Part("payments__due", total(PAST <= YEAR), INVOICES),
    Part("payments__late", total((PAST <= YEAR) & (nw.col("late") > 0)), INVOICES, None, PAID),
)


SIGNALS = (
    signal("payments_overdue", "invoices", QUARTER, 1, -1,
           "invoices due in 91 days that are past due and not known to be paid",
           "{value:.0f} invoices past due", total(OVERDUE), rows=INVOICES, missing=NO_INVOICE,
           given=PAID),
    signal("payments_overdue_days", "days", QUARTER, 1, -1,
           "days that the oldest of them is past due (0: none)",
           "an invoice is {value:.0f} days past due",
           nw.when(OVERDUE).then(PAST).otherwise(0).max().cast(nw.Float64), rows=INVOICES,
           missing=NO_INVOICE, zero="no invoice past due", given=PAID),
    signal("payments_late_365d", "share", YEAR, 1, 0,
           "share of the invoices due in 365 days that were paid after their day, or are still "
           "open",
           "{value:.0%} of the invoices of a year paid late",
           ratio("payments__late", "payments__due"), missing="no invoice due in 365 days",
           zero="every invoice of a year paid on time"),
)  # fmt: skip

FAMILY = Family("payments", SIGNALS, PARTS)
