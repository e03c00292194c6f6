import numpy as np
import pytest

from features import support
from tests.small_books import ago, line, small_book
from tests.small_books import measured as measure


def ticket(number, opened, closed=None, account="a", **more):
    return {
        "ticket_id": f"t{number}",
        "account_id": account,
        "opened_at": ago(opened),
        "closed_at": None if closed is None else ago(closed),
        "severity": "normal",
        "category": "question",
        **more,
    }


def measured(tickets, account="a"):
    book = small_book([line("a"), line("b")], tickets=tickets)
    return measure(book, support, account=account)


TICKETS = [
    ticket(1, 3),
    ticket(2, 10, severity="urgent", category="Outage"),
    ticket(3, 20, 18, csat=2, first_response_minutes=30, escalated=True),
    ticket(4, 40, 30, csat=5, first_response_minutes=90, reopened=True),
    ticket(5, 60, 50, first_response_minutes=60),
    ticket(6, 200, 190, csat=1),
]


def test_what_was_opened_and_is_open():
    a = measured(TICKETS)
    assert (a.support_tickets_7d, a.support_tickets_30d, a.support_tickets_91d) == (1, 3, 5)
    assert (a.support_open, a.support_urgent_open_days) == (2, 10)
    assert a.support_fundamental_91d == 1 / 5
    assert a.support_burst_7d == pytest.approx(1 / (5 * 7 / 91))


def test_how_it_came_out():
    a = measured(TICKETS)
    assert (a.support_csat_91d, a.support_csat_worst_91d) == (3.5, 2)
    assert a.support_csat_missing_91d == pytest.approx(1 / 3)
    assert a.support_first_response_91d == 60
    assert a.support_resolution_91d == 10
    assert (a.support_reopened_91d, a.support_escalated_91d) == (1, 1)


def test_an_outcome_is_not_known_before_the_close():
    later = ticket(7, 5, -3, csat=1, escalated=True, reopened=True, first_response_minutes=1)
    a = measured([ticket(1, 2), later])
    assert a.support_open == 2
    assert (a.support_escalated_91d, a.support_reopened_91d) == (0, 0)
    assert np.isnan(a.support_csat_91d)
    assert np.isnan(a.support_first_response_91d)


@pytest.mark.fault("F02")
def test_no_tickets_are_zero_tickets_and_no_means():
    b = measured(TICKETS, "b")
    assert (b.support_tickets_91d, b.support_open) == (0, 0)
    assert np.isnan(b.support_csat_91d)
    assert np.isnan(b.support_fundamental_91d)


def test_tickets_by_severity():
    a = measured([*TICKETS, ticket(7, 91, severity="Low"), ticket(8, 92, severity="high")])
    assert (a.support_low_91d, a.support_normal_91d) == (1, 4)
    assert (a.support_high_91d, a.support_urgent_91d) == (0, 1)
