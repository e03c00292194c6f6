"""What of an account's MRR is billed by usage, now and in earlier months."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.asof import add_months
from features.consumption import consumption
from features.rules import Rules
from features.snapshot import snapshot
from features.view import view_of
from tests.small_books import AS_OF, line, small_book

pytestmark = pytest.mark.ci


def bills(account, amounts, until=AS_OF, **more):
    """One usage line per service month, the last of them just before ``until``."""
    months = [add_months(until, at - len(amounts)) for at in range(len(amounts))]
    return [
        line(account, mrr, str(month), ends_on=str(add_months(month, 1)), kind="usage", **more)
        for month, mrr in zip(months, amounts, strict=True)
    ]


def told(lines, as_of=AS_OF, rules=None):
    """The consumption columns of every account, in units of currency."""
    return consumption(view_of(small_book(lines), as_of, rules or Rules())) / 1e6


def test_the_mean_of_three_service_months_now_and_earlier():
    found = told([line("a", 50), *bills("a", [10 * k for k in range(1, 16)])]).loc["a"]
    assert found.tolist() == [140.0, 110.0, 80.0, 20.0]


def test_what_is_not_billed_by_usage_is_missing_not_zero():
    found = told([line("b", 50), *bills("a", [30, 30, 30, 30])])
    assert found.loc["b"].isna().all()
    assert found.loc["a"].tolist()[:2] == [30.0, 30.0]
    assert found.loc["a"].isna().tolist() == [False, False, True, True]
    assert told([line("b", 50)]).isna().all(axis=None)


def test_it_follows_the_revenue_rules():
    lines = [line("a", 50), *bills("a", [10, 20, 30, 40, 50, 60])]
    assert told(lines, rules=Rules(usage="billed_month")).loc["a"].tolist()[:2] == [60.0, 30.0]
    assert told(lines, rules=Rules(usage="excluded")).isna().all(axis=None)
    assert told(lines, rules=Rules(basis="committed")).isna().all(axis=None)


@pytest.mark.fault("F01")
def test_a_bill_that_became_known_later_changes_nothing():
    before = told(lines := [line("a", 50), *bills("a", [30] * 6)])
    late = bills("a", [900], until=add_months(AS_OF, -1), recorded_at=pd.Timestamp("2025-07-02"))
    ahead = bills("a", [900], until=add_months(AS_OF, 1))
    assert told([*lines, *ahead, *late]).equals(before)


def test_its_part_of_what_the_account_pays():
    frame = snapshot(small_book([line("a", 50), *bills("a", [30, 40, 50])]), AS_OF)
    assert frame["mrr_micros"].tolist() == [90_000_000]
    assert frame["usage_mrr_micros"].tolist() == [40_000_000.0]


def test_within_a_month_the_last_month_that_ended_stands():
    lines = [line("a", 50), *bills("a", list(range(10, 90, 10)))]
    found = told(lines, date(2025, 6, 16)).loc["a"].tolist()[:3]
    assert np.allclose(found, [60.0, 30.0, 10.0], equal_nan=True)
