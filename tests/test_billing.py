import numpy as np
import pytest

from features import billing
from tests.small_books import ago, line, small_book
from tests.small_books import measured as measure

pytestmark = pytest.mark.ci  # make test has tests/test_triggers.py: one book for them all


def seen(metric, days, used, limit=100):
    day = ago(days).date()
    return {"account_id": "a", "metric": metric, "observed_on": day, "used": used, "limit": limit}


def event(kind, days):
    return {"account_id": "a", "occurred_at": ago(days), "kind": kind}


def billable(days, quantity):
    rows = {"account_id": "a", "feature": "api", "quantity": quantity}
    return [rows | {"occurred_at": ago(day)} for day in days]


def measured(lines=None, **tables):
    return measure(small_book(lines or [line("a")], **tables), billing)


JUNE = line("a", 30, "2025-06-01", ends_on="2025-07-01", kind="usage", interval_months=1)


def test_the_bill_that_is_coming_against_its_mean():
    # a quarter of the bill is by usage, and usage doubles: 1 + (2 - 1) / 4
    lines = [line("a", 90), JUNE]
    usage = billable(range(29, 113), 10) + billable(range(1, 29), 20)
    assert measured(lines, usage=usage).billing_projected_ratio == pytest.approx(1.25)


def test_without_usage_priced_lines_or_a_past_no_bill_is_projected():
    usage = billable(range(29, 113), 10) + billable(range(1, 29), 20)
    assert np.isnan(measured(usage=usage).billing_projected_ratio)
    assert np.isnan(
        measured([line("a"), JUNE], usage=billable(range(1, 106), 10)).billing_projected_ratio
    )


def test_an_overage_is_unannounced_unless_a_notice_came_before():
    over = [seen("api_calls", 10, 101)]
    quiet = measured(limits=over, events=[event("pricing_view", 3)])
    assert quiet.billing_overage_unannounced == 1
    for notice in ("limit_hit", "limit_notice"):
        told = measured(limits=over, events=[event(notice, 20)])
        assert told.billing_overage_unannounced == 0
    late = measured(limits=over, events=[event("limit_hit", 5)])
    assert late.billing_overage_unannounced == 1
    assert np.isnan(measured(limits=over).billing_overage_unannounced)


def test_a_commitment_burns():
    # 10 a week: 40 of 100 are left, which is 28 days
    limits = [seen("commit_usd", 1 + 7 * week, 60 - 10 * week) for week in range(5)]
    a = measured(limits=limits)
    assert a.billing_commit_days == pytest.approx(28)
    assert a.billing_commit_unused == pytest.approx(0.4)
    assert np.isnan(measured(limits=[seen("api_calls", 1, 60)]).billing_commit_days)
