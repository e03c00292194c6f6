import math

import numpy as np
import pandas as pd
import pytest

from features import commercial
from features.book import Book, BookFacts
from features.contracts import canonical
from tests.small_books import AS_OF, ago, line, small_book
from tests.small_books import measured as measure

pytestmark = pytest.mark.ci


def measured(lines, account="a", **tables):
    return measure(small_book(lines, **tables), commercial, account=account)


def test_an_annual_contract():
    a = measured(
        [line("a", 250, "2025-01-01", term_months=12, seats=10, discount=0.1, auto_renew=True)]
    )
    assert a.commercial_mrr_log == pytest.approx(math.log(250))
    assert (a.decision, a.term_months) == ("term", 12)
    assert a.next_renewal_on == pd.Timestamp("2026-01-01")
    assert (a.commercial_days_to_renewal, a.commercial_tenure_days) == (184, 181)
    assert (a.commercial_monthly, a.commercial_auto_renew, a.commercial_discount) == (0, 1, 0.1)
    assert a.commercial_seats == 10


def test_a_monthly_contract_has_no_renewal():
    a = measured([line("a", interval_months=1)])
    assert (a.decision, a.commercial_monthly) == ("monthly", 1)
    assert pd.isna(a.next_renewal_on)
    assert np.isnan(a.commercial_days_to_renewal)


def test_an_open_line_renews_at_the_end_of_each_term():
    a = measured([line("a", starts="2023-08-15", term_months=12)])
    assert a.next_renewal_on == pd.Timestamp("2025-08-15")


def test_expansion_and_contraction_of_the_last_year():
    # 100 until 2024-12-31, then 150; b 100 until 2025-05-31, then 80
    lines = [
        line("a", 100, "2024-01-01", ends_on="2025-01-01"),
        line("a", 150, "2025-01-01"),
        line("b", 100, "2024-01-01", ends_on="2025-06-01"),
        line("b", 80, "2025-06-01"),
    ]
    a, b = measured(lines), measured(lines, "b")
    assert (a.commercial_expansion_365d, a.commercial_contraction_365d) == (0.5, 0)
    assert a.commercial_days_since_expansion == 181
    assert (b.commercial_contraction_91d, b.commercial_contraction_365d) == pytest.approx(
        (0.2, 0.2)
    )
    assert np.isnan(b.commercial_days_since_expansion)


def test_a_movement_learned_later_is_not_seen():
    # the end of the old line and the smaller new one were recorded after the as-of date
    lines = [
        line("a", 100, "2024-01-01"),
        line("b", 50, "2025-06-01", recorded_at=ago(-1)),
        line("b", 100, "2024-01-01"),
    ]
    assert measured(lines, "b").commercial_contraction_91d == 0


def test_the_price_of_a_seat_against_last_year():
    lines = [
        line("a", 100, "2024-01-01", seats=10, plan="pro", ends_on="2025-01-01"),
        line("a", 240, "2025-01-01", seats=20, plan="pro"),
    ]
    assert measured(lines).commercial_price_rise_365d == pytest.approx(0.2)


def test_seats_in_use():
    usage = [
        {"account_id": "a", "occurred_at": ago(day), "feature": "f", "user_id": f"u{day % 4}"}
        for day in range(1, 40)
    ]
    assert measured([line("a", seats=10)], usage=usage).commercial_seat_use == 0.4


@pytest.mark.fault("F03")
def test_no_seats_is_no_ratio():
    usage = [{"account_id": "a", "occurred_at": ago(1), "feature": "f", "user_id": "u"}]
    assert np.isnan(measured([line("a", seats=0)], usage=usage).commercial_seat_use)


def test_notice_is_given_when_every_line_is_canceled():
    lines = [
        line(
            "a", starts="2025-01-01", ends_on="2026-01-01", term_months=12, canceled_on="2025-06-01"
        ),
        line(
            "b", starts="2025-01-01", ends_on="2026-01-01", term_months=12, canceled_on="2025-06-01"
        ),
        line("b", 10, starts="2025-02-01"),
    ]
    a, b = measured(lines), measured(lines, "b")
    assert (a.commercial_notice, a.notice_ends_on) == (1, pd.Timestamp("2026-01-01"))
    assert b.commercial_notice == 0
    assert pd.isna(b.notice_ends_on)


def test_a_signed_successor_is_booked_and_withdraws_the_notice():
    lines = [
        line(
            "a", 100, "2024-09-01", ends_on="2025-09-01", term_months=12, canceled_on="2025-06-01"
        ),
        line("a", 130, "2025-09-01", signed_on="2025-06-15", term_months=12),
    ]
    a = measured(lines)
    assert (a.successor_on, a.successor_mrr_micros) == (pd.Timestamp("2025-09-01"), 130_000_000)
    assert pd.isna(a.notice_ends_on)


def test_an_add_on_to_come_is_no_successor():
    lines = [line("a"), line("a", 10, "2025-09-01", signed_on="2025-06-15")]
    assert pd.isna(measured(lines).successor_on)


def test_failed_payments():
    failed = [{"account_id": "a", "occurred_at": ago(d), "kind": "payment_failed"} for d in (5, 99)]
    assert measured([line("a")], events=failed).commercial_payments_failed_91d == 1


def test_a_book_of_months():
    months = pd.date_range("2024-01-01", "2025-06-01", freq="MS")
    rows = pd.DataFrame(
        {
            "account_id": "a",
            "month": [month.date() for month in months],
            "mrr_micros": [100_000_000] * 12 + [120_000_000] * 6,
        }
    )
    tables = {"accounts": pd.DataFrame({"account_id": ["a"]}), "mrr_by_month": rows}
    shaped = {name: canonical(name, frame) for name, frame in tables.items()}
    a = measure(Book.of(shaped, BookFacts(as_of=AS_OF)), commercial)
    assert (a.decision, a.mrr_micros) == ("unknown", 120_000_000)
    assert np.isnan(a.term_months)
    assert np.isnan(a.commercial_monthly)
    assert a.commercial_expansion_365d == pytest.approx(0.2)
    assert (a.commercial_tenure_days, a.commercial_days_since_expansion) == (547, 181)


def test_an_early_end_is_not_known_before_its_day():
    # the export of today shows that a left on 2025-09-10; on 2025-07-01 its term ran to 2026
    a = measured([line("a", starts="2025-01-01", ends_on="2025-09-10", term_months=12)])
    assert a.next_renewal_on == pd.Timestamp("2026-01-01")
    assert pd.isna(a.notice_ends_on)


PLANS = [{"plan": "free", "rank": 1}, {"plan": "pro", "rank": 2}, {"plan": "odd"}]


@pytest.mark.ci
def test_seats_and_tiers_given_back():
    lines = [
        line("a", 100, "2024-01-01", seats=10, plan="pro", product="desk", ends_on="2025-05-01"),
        line("a", 60, "2025-05-01", seats=7, plan="free", product="desk"),
        line("a", 50, "2024-01-01", seats=5, plan="odd", product="mail"),
    ]
    a = measured(lines, plans=PLANS)
    assert (a.commercial_seats_removed_91d, a.commercial_seats_removed_365d) == (3, 3)
    assert (a.commercial_downgrades_91d, a.commercial_downgrades_365d) == (1, 1)
    assert a.commercial_days_since_contraction == 61
    assert (a.commercial_never_expanded, a.commercial_contraction_91d) == (1, pytest.approx(4 / 15))


@pytest.mark.ci
def test_without_ranks_or_a_past_no_tier_was_given_back():
    assert np.isnan(measured([line("a", plan="pro")]).commercial_downgrades_91d)
    young = measured([line("a", starts="2025-06-01", plan="pro", seats=3)], plans=PLANS)
    assert np.isnan(young.commercial_downgrades_91d)
    assert np.isnan(young.commercial_seats_removed_91d)
    assert measured([line("a", plan="pro")], plans=PLANS).commercial_downgrades_91d == 0


@pytest.mark.ci
def test_the_price_since_the_last_renewal():
    lines = [
        line("a", 100, "2023-01-01", seats=10, term_months=12, ends_on="2025-01-01"),
        line("a", 165, "2025-01-01", seats=15, term_months=12),
        line("b", 100, "2025-01-01", term_months=12),
        line("c", 100, "2023-01-01", term_months=12),
    ]
    rises = [measured(lines, account).commercial_price_rise_renewal for account in "abc"]
    assert rises[0] == pytest.approx(0.1)
    assert np.isnan(rises[1])  # its first term
    assert rises[2] == 0  # it ran on
