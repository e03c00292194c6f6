import numpy as np
import pandas as pd
import pytest

from features import payments
from tests.small_books import line, small_book
from tests.small_books import measured as measure

pytestmark = pytest.mark.ci  # make test has tests/test_triggers.py: one book for them all


def invoice(number, due, paid=None, account="a", amount=5.0, **more):
    return {
        "invoice_id": f"i{number}",
        "account_id": account,
        "due_on": due,
        "paid_on": paid,
        "amount_micros": round(amount * 1e6),
        **more,
    }


def measured(rows, account="a"):
    frame = pd.DataFrame(rows)
    return measure(small_book([line("a"), line("b")], payments=frame), payments, account=account)


ROWS = [
    invoice(1, "2025-06-21"),  # ten days past due
    invoice(2, "2025-06-25", "2025-07-02"),  # paid, but that is not known yet
    invoice(3, "2025-05-25", "2025-05-25"),
    invoice(4, "2025-04-25", "2025-04-28"),  # three days late
    invoice(5, "2025-07-05"),  # not due yet
    invoice(6, "2025-06-01", kind="credit"),
    invoice(7, "2025-06-02", amount=-5.0),
    invoice(8, "2024-01-05", "2024-02-05"),  # late, but long ago
]


def test_what_is_past_due():
    a = measured(ROWS)
    assert (a.payments_overdue, a.payments_overdue_days) == (2, 10)
    assert a.payments_late_365d == pytest.approx(3 / 4)


def test_an_account_without_invoices_is_not_known():
    b = measured(ROWS, "b")
    assert np.isnan(b.payments_overdue)
    assert np.isnan(b.payments_late_365d)


def test_a_payment_counts_from_the_day_after_it():
    assert measured([invoice(1, "2025-06-21", "2025-06-30")]).payments_overdue == 0
    assert measured([invoice(1, "2025-06-21", "2025-07-01")]).payments_overdue == 1


def test_an_invoice_recorded_later_is_not_known():
    late = invoice(1, "2025-06-21", recorded_at="2025-07-01T00:00:00+00:00")
    assert np.isnan(measured([late, invoice(2, "2025-06-01", "2025-06-01", "b")]).payments_overdue)
