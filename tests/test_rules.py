"""The keys of [revenue]: their defaults, and a clear refusal of what is not there."""

from __future__ import annotations

import pytest

from features.configuration import read_section
from features.faults import ConfigurationRefused
from features.presets import PRESETS
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

CHOICES = [
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


@pytest.mark.parametrize(("key", "value"), CHOICES)
def test_every_choice_can_be_made_and_is_stamped(key: str, value: object) -> None:
    assert read_section(Rules, {key: value}, "[revenue]").stamp()[key] == value


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_gives_its_choices_and_a_key_that_is_given_wins(name: str) -> None:
    stamp = Rules(preset=name).stamp()
    assert {key: stamp[key] for key in PRESETS[name].differs} == dict(PRESETS[name].differs)
    assert Rules(preset=name, late_renewal_days=7, losses="net").late_renewal_days == 7


def test_a_fixed_rate_needs_its_day() -> None:
    with pytest.raises(ConfigurationRefused, match='fx = "fixed" needs fx_date') as refused:
        read_section(Rules, {"fx": "fixed"}, "[revenue]")
    assert (refused.value.code, refused.value.exit_code) == ("config", 78)


def test_rules_that_leave_no_revenue_are_refused() -> None:
    with pytest.raises(ConfigurationRefused, match="leaves no revenue"):
        read_section(Rules, {"basis": "usage", "usage": "excluded"}, "[revenue]")


def test_an_unknown_value_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigurationRefused, match='did you mean "stripe-like"'):
        read_section(Rules, {"preset": "strpe-like"}, "[revenue]")
    with pytest.raises(ConfigurationRefused, match='"spt"; did you mean "spot"'):
        read_section(Rules, {"fx": "spt"}, "[revenue]")


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
