import numpy as np
import pytest

from features import adoption, commercial, relationship, timing
from tests.small_books import ago, line, small_book
from tests.small_books import measured as measure

pytestmark = pytest.mark.ci  # make test has tests/test_triggers.py: one book for them all

MILESTONE = [{"feature": "start", "tier": "core", "activation": True}]


def touch(kind, days):
    return {"account_id": "a", "occurred_at": ago(days), "kind": kind}


def measured(lines, **tables):
    return measure(small_book(lines, **tables), adoption, relationship, commercial, timing)


def test_an_old_account_under_a_term():
    touches = [touch("qbr", 91), touch("milestone", 200), touch("call", 40)]
    a = measured([line("a", starts="2024-09-01", term_months=12)], touchpoints=touches)
    assert (a.timing_anniversary, a.timing_reviewed, a.timing_calm) == (0, 1, 1)
    assert (a.timing_days_since_milestone, a.timing_silence_before_renewal) == (200, 40)
    assert np.isnan(a.timing_cliff)


@pytest.mark.parametrize(("starts", "calm"), [("2024-08-30", 0), ("2024-08-31", 1)])
def test_sixty_days_before_a_renewal_it_is_negotiated(starts, calm):
    assert measured([line("a", starts=starts, term_months=12)]).timing_calm == calm


@pytest.mark.parametrize(
    ("starts", "used", "cliff", "anniversary"),
    [
        ("2025-05-31", "other", 1, 0),  # 31 days old
        ("2025-06-01", "other", np.nan, 0),  # 30 days old: too early to say
        ("2025-04-02", "other", 1, 1),  # 90 days
        ("2025-04-01", "other", 0, 1),  # 91 days
        ("2025-04-02", "start", 0, 1),
        ("2025-03-05", "other", 0, 0),  # 118 days
    ],
)
def test_the_first_ninety_days(starts, used, cliff, anniversary):
    usage = [{"account_id": "b", "occurred_at": ago(day), "feature": "other"} for day in (1, 200)]
    usage += [{"account_id": "a", "occurred_at": ago(day), "feature": used} for day in (1, 20)]
    lines = [line("a", starts=starts), line("b")]
    a = measured(lines, usage=usage, feature_catalog=MILESTONE)
    assert a.timing_anniversary == anniversary
    assert a.timing_cliff == pytest.approx(cliff, nan_ok=True)
