"""The keys of [revenue]: their defaults, and a clear refusal of what is not there."""

from __future__ import annotations

import pytest

from features.configuration import read_section
from features.faults import ConfigurationRefused
from features.rules import Rules

KEYS = {
    "preset",
    "basis",
    "usage",
    "reactivation",
    "reactivation_gap_days",
    "late_renewal_days",
    "late_renewal_min_term",
    "churn_date",
    "dunning_days",
    "pause",
    "trial",
    "discount",
    "price",
    "ramp",
    "fx",
    "fx_date",
    "rollup",
    "merger",
    "losses",
    "segment_as_of",
}

LATER = [
    ("preset", "stripe-like"),
    ("basis", "committed"),
    ("usage", "billed_month"),
    ("reactivation", "s002"),
    ("reactivation_gap_days", 90),
    ("churn_date", "cancellation"),
    ("dunning_days", 14),
    ("pause", "unchanged"),
    ("discount", "ignored"),
    ("fx", "spot"),
    ("fx_date", "2025-01-01"),
    ("rollup", "parent"),
    ("merger", "restated"),
    ("losses", "movements"),
]


def test_every_key_of_the_rulings_is_declared_and_stamped() -> None:
    assert set(Rules.model_fields) == KEYS
    assert set(Rules().stamp()) == KEYS


def test_defaults_are_those_of_the_rulings() -> None:
    rules = Rules()
    assert (rules.late_renewal_days, rules.late_renewal_min_term, rules.dunning_days) == (31, 3, 30)
    assert (rules.rollup, rules.losses) == ("account", "net")


def test_late_renewal_can_be_set() -> None:
    rules = read_section(Rules, {"late_renewal_days": 0, "late_renewal_min_term": 1}, "[revenue]")
    assert rules.stamp()["late_renewal_days"] == 0
    assert rules.stamp()["late_renewal_min_term"] == 1


@pytest.mark.parametrize(("key", "value"), LATER)
def test_what_is_not_available_yet_is_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(ConfigurationRefused, match=f"{key} = .*not available yet") as refused:
        read_section(Rules, {key: value}, "[revenue]")
    assert (refused.value.code, refused.value.exit_code) == ("config", 78)


@pytest.mark.fault("C12")
def test_an_unknown_key_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigurationRefused, match='did you mean "late_renewal_days"'):
        read_section(Rules, {"late_renewal_day": 5}, "[revenue]")


@pytest.mark.parametrize(
    ("key", "value"), [("fx", "magic"), ("late_renewal_days", -1), ("late_renewal_days", "soon")]
)
def test_a_value_that_cannot_be_is_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigurationRefused, match=key):
        read_section(Rules, {key: value}, "[revenue]")
