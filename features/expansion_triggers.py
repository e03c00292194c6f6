"""The triggers that speak of expansion, with the lever that each points at."""

from __future__ import annotations

import pandas as pd

from features.allowances import FAR
from features.thresholds import TriggerSettings
from features.trigger import Axis, Condition, Level, Lever, Trigger, between

__all__ = ["EXPANSION"]

AXIS: Axis = "expansion"
USED = "{expansion_limit_share:.0%} of {limit_metric} used; "
REACHED = USED + "at the current rate the limit is reached in {limit_days:.0f} days"
NOT_REACHED = USED + "at the current rate the limit is not reached"
HITS = "{expansion_gate_hits_30d:.0f} hits on locked features in 30 days, most on {gate_feature}: "


def _review_reached(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    return between(f["commercial_days_to_review"], -s.review_ahead, 0)


def _success(column: str) -> Condition:
    return lambda f, s: f[column] >= s.year_growth


def _busier(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    """Judge by events where no quantity is known."""
    return f["usage_quantity_year_on_year"].isna() & (f["usage_year_on_year"] >= s.year_growth)


def _growing(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    """Judge by events where no quantity is known."""
    return f["usage_quantity_ratio_28d"].isna() & (f["usage_ratio_28d"] >= s.product_growth)


def _limit(f: pd.DataFrame, low: float, high: float = float("inf")) -> pd.Series:
    return between(f["expansion_limit_share"], low, high)


def _in_sight(f: pd.DataFrame) -> pd.Series:
    return f["limit_days"] < FAR


def _exploring(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    adopted = f["adoption_core_adopted"] > s.core_adopted_high
    return adopted & (f["adoption_advanced_28d"] > 0)


def _anniversary(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    return between(f["tenure_days"], s.anniversary, s.anniversary + s.anniversary_window)


def _never_expanded(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    never = f["commercial_days_since_expansion"].isna()
    return never & (f["tenure_days"] > s.long_since_expansion)


def _rule(
    name: str, level: Level, when: Condition, evidence: str, lever: Lever | None = None
) -> Trigger:
    return Trigger(name, AXIS, level, when, evidence, lever)


EXPANSION: tuple[Trigger, ...] = (
    _rule("review_due", "attention",
          lambda f, s: between(f["commercial_days_to_review"], 0, s.review_ahead + 1),
          "agreed re-expansion review in {commercial_days_to_review:.0f} days"),
    _rule("review_due", "attention", _review_reached,
          "agreed re-expansion review reached ({commercial_days_to_review:+.0f} days)"),
    _rule("success_story", "attention", _success("usage_users_year_on_year"),
          "active users at {usage_users_year_on_year:.0%} of a year ago: a story to tell"),
    _rule("success_story", "attention", _success("usage_quantity_year_on_year"),
          "usage at {usage_quantity_year_on_year:.0%} of a year ago: a story to tell"),
    _rule("success_story", "attention", _busier,
          "usage at {usage_year_on_year:.0%} of a year ago: a story to tell"),
    _rule("limit_near", "act",
          lambda f, s: _limit(f, s.limit_act) & _in_sight(f), REACHED, "usage"),
    _rule("limit_near", "act", lambda f, s: _limit(f, s.limit_act), NOT_REACHED, "usage"),
    _rule("limit_near", "attention",
          lambda f, s: _limit(f, s.limit_attention, s.limit_act) & _in_sight(f), REACHED, "usage"),
    _rule("limit_near", "attention",
          lambda f, s: _limit(f, s.limit_attention, s.limit_act), NOT_REACHED, "usage"),
    _rule("gate_hits", "act",
          lambda f, s: f["expansion_gate_hits_30d"] >= s.gate_hits_act,
          HITS + "a warm lead", "tier"),
    _rule("gate_hits", "attention",
          lambda f, s: between(f["expansion_gate_hits_30d"], s.gate_hits_intent, s.gate_hits_act),
          HITS + "intent", "tier"),
    _rule("gate_hits", "attention",
          lambda f, s: between(
              f["expansion_gate_hits_30d"], s.gate_hits_attention, s.gate_hits_intent),
          HITS + "curiosity", "tier"),
    _rule("seats_near_limit", "act",
          lambda f, s: f["expansion_seats_left"] <= s.seats_left_act,
          "{expansion_seats_left:.0f} seats left", "seat"),
    _rule("seats_near_limit", "attention",
          lambda f, s: (f["expansion_seats_left"] > s.seats_left_act)
          & (f["expansion_seats_left"] <= s.seats_left_attention),
          "{expansion_seats_left:.0f} seats left", "seat"),
    _rule("seat_velocity", "act",
          lambda f, s: f["expansion_seat_velocity_30d"] >= s.seats_added,
          "{expansion_seat_velocity_30d:.0f} seats added in 30 days", "seat"),
    _rule("seat_velocity", "act",
          lambda f, s: f["usage_users_added_28d"] >= s.seats_added,
          "{usage_users_added_28d:.0f} users added in 28 days", "seat"),
    _rule("external_sharing", "attention",
          lambda f, s: f["expansion_shares_30d"] >= s.shares,
          "{expansion_shares_30d:.0f} shares outside the account in 30 days", "seat"),
    _rule("plan_interest", "act",
          lambda f, s: f["expansion_pricing_views_30d"] > s.pricing_views,
          "{expansion_pricing_views_30d:.0f} views of the pricing page in 30 days", "tier"),
    _rule("exploring_advanced", "attention", _exploring,
          "{adoption_core_adopted:.0%} of the core adopted, and advanced features explored: "
          "{adoption_advanced_28d:.0f}", "tier"),
    _rule("breadth", "attention",
          lambda f, s: f["adoption_share_28d"] > s.breadth_high,
          "{adoption_share_28d:.0%} of all features in use", "product"),
    _rule("product_growth", "attention",
          lambda f, s: f["usage_quantity_ratio_28d"] >= s.product_growth,
          "quantity of 28 days at {usage_quantity_ratio_28d:.0%} of the 28 days before", "usage"),
    _rule("product_growth", "attention", _growing,
          "usage of 28 days at {usage_ratio_28d:.0%} of the 28 days before", "usage"),
    _rule("governance_interest", "act",
          lambda f, s: f["expansion_governance_30d"] > 0,
          "signs of interest in governance features in 30 days: {expansion_governance_30d:.0f}",
          "tier"),
    _rule("cross_sell", "attention",
          lambda f, s: f["adjacency_share"] >= s.adjacency,
          "{adjacency_share:.0%} of similar accounts own {adjacent_product}, which it lacks",
          "product"),
    _rule("business_growth", "attention",
          lambda f, s: f["expansion_business_growth_91d"] > 0,
          "signs of business growth in 91 days: {expansion_business_growth_91d:.0f}", "seat"),
    _rule("anniversary", "attention", _anniversary, "{tenure_days:.0f} days a customer"),
    _rule("long_since_expansion", "attention",
          lambda f, s: f["commercial_days_since_expansion"] > s.long_since_expansion,
          "no expansion for {commercial_days_since_expansion:,.0f} days"),
    _rule("long_since_expansion", "attention", _never_expanded,
          "no expansion in {tenure_days:,.0f} days as a customer"),
)  # fmt: skip
