import numpy as np

from features import adoption
from tests.small_books import ago, line, small_book
from tests.small_books import measured as measure

CATALOG = [
    {"feature": "report", "tier": "core", "activation": True},
    {"feature": "search", "tier": "core"},
    {"feature": "api", "tier": "integration"},
    {"feature": "forecast", "tier": "advanced"},
]


def used(account, feature, days):
    return [{"account_id": account, "occurred_at": ago(d), "feature": feature} for d in days]


def measured(usage, lines=None, **tables):
    book = small_book(lines or [line("a")], usage=usage, **tables)
    return measure(book, adoption)


def test_features_in_use_and_adopted():
    # report on 3 days of 28 (adopted), search on 2 (used), forecast once, api 40 days ago
    usage = used("a", "report", (1, 2, 3)) + used("a", "search", (1, 2))
    usage += used("a", "forecast", (5,)) + used("a", "api", (40,))
    a = measured(usage, feature_catalog=CATALOG)
    assert (a.adoption_features_28d, a.adoption_features_adopted) == (3, 1)
    assert a.adoption_share_28d == 0.75
    assert (a.adoption_core_share_28d, a.adoption_core_adopted) == (1.0, 0.5)
    assert (a.adoption_advanced_28d, a.adoption_integrations_28d) == (1, 0)
    assert a.adoption_breadth_change == 3 - 1


def test_the_same_day_many_times_is_one_day():
    a = measured(used("a", "report", (1, 1, 1)), feature_catalog=CATALOG)
    assert a.adoption_features_adopted == 0


def test_without_a_catalog_tiers_are_missing():
    a = measured(used("a", "report", (1, 2, 3)))
    assert a.adoption_features_28d == 1
    assert np.isnan(a.adoption_core_adopted)
    assert np.isnan(a.adoption_activated_30d)


def test_activation():
    # a starts 60 days ago and reaches the milestone on its 12th day; z makes usage older
    lines = [line("a", starts="2025-05-02"), line("z")]
    usage = used("z", "search", range(1, 200)) + used("a", "report", (48,))
    a = measured(usage, lines, feature_catalog=CATALOG)
    assert (a.adoption_days_to_activation, a.adoption_activated_30d) == (12, 1)


def test_not_activated_by_day_30():
    lines = [line("a", starts="2025-05-02"), line("z")]
    usage = used("z", "search", range(1, 200)) + used("a", "search", (48,))
    a = measured(usage, lines, feature_catalog=CATALOG)
    assert np.isnan(a.adoption_days_to_activation)
    assert a.adoption_activated_30d == 0


def test_too_young_to_say():
    lines = [line("a", starts="2025-06-15"), line("z")]
    usage = used("z", "search", range(1, 200)) + used("a", "search", (2,))
    assert np.isnan(measured(usage, lines, feature_catalog=CATALOG).adoption_activated_30d)


def test_usage_that_begins_later_than_the_account_says_nothing_of_activation():
    usage = used("a", "report", range(1, 30))
    assert np.isnan(measured(usage, feature_catalog=CATALOG).adoption_activated_30d)


def test_an_account_without_usage_says_nothing_of_activation():
    lines = [line("a", starts="2025-05-02"), line("z")]
    usage = used("z", "search", range(1, 200))
    assert np.isnan(measured(usage, lines, feature_catalog=CATALOG).adoption_activated_30d)
