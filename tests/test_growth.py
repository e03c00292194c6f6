import numpy as np
import pytest

from features import growth
from tests.small_books import ago, line, small_book
from tests.small_books import measured as measure

pytestmark = pytest.mark.ci  # make test has tests/test_triggers.py: one book for them all


def seen(kind, days, value=None):
    return {"account_id": "a", "observed_on": ago(days).date(), "kind": kind, "value": value}


def measured(rows, account="a"):
    return measure(small_book([line("a"), line("b")], growth=rows), growth, account=account)


ROWS = [
    seen("headcount", 5, 12),
    seen("headcount", 50, -3),
    seen("funding", 91, 1e6),
    seen("funding", 92, 1e6),
    seen("hiring", 3),
    seen("layoffs", 2, 9),
]


def test_signs_of_91_days():
    a = measured(ROWS)
    assert (a.growth_headcount_91d, a.growth_funding_91d, a.growth_hiring_91d) == (9, 1, 1)
    assert (a.growth_layoffs_91d, a.growth_region_91d, a.growth_intent_91d) == (1, 0, 0)


def test_silence_is_no_sign_and_no_headcount():
    b = measured(ROWS, "b")
    assert b.growth_funding_91d == 0
    assert np.isnan(b.growth_headcount_91d)
