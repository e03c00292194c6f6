"""The triggers that speak of retention, gravest first."""

from __future__ import annotations

import pandas as pd

from features.thresholds import TriggerSettings
from features.trigger import Axis, Condition, Level, Trigger, between

__all__ = ["RETENTION"]

MICROS_TO_YEAR = 12 / 1e6
AXIS: Axis = "retention"


def _users_drop(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    low = 1 - s.users_drop
    own, against = f["usage_wau_ratio"] <= low, f["usage_wau_vs_segment"] <= low
    return own & against & (f["usage_wau_before"] >= s.users_at_least)


def _gone_quiet(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    usual = f["usage_weeks_before_quiet"] >= s.usually_active_weeks
    return (f["usage_days_since_last"] >= s.quiet_days) & usual


def _long_quiet(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    return f["usage_days_since_last"] >= s.quiet_always_days


def _key_features(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    low = f["adoption_core_adopted"] <= s.core_adopted_low
    return low & (f["tenure_days"] > s.core_adopted_after)


def _late_start(f: pd.DataFrame) -> pd.Series:
    return f["adoption_days_to_activation"].isna() & (f["adoption_activated_30d"] == 0)


def _cliff(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    return _late_start(f) & between(f["tenure_days"], s.cliff_from, s.cliff_until + 1)


def _not_activated(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    young = between(f["tenure_days"], s.activation_by, s.activation_until + 1)
    return _late_start(f) & young & ~_cliff(f, s)


def _renewal_near(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    return between(f["commercial_days_to_renewal"], 0, s.renewal_ahead + 1)


def _never_spoken(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    """Say where touchpoints are known, and none of them is a two-way contact."""
    known = f["relationship_meetings_91d"].notna()
    return _renewal_near(f, s) & known & f["relationship_days_since_contact"].isna()


def _not_spoken(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    silent = f["relationship_days_since_contact"] >= s.silent_contact
    return _renewal_near(f, s) & silent


def _since_onboarding(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    spoken_at = f["tenure_days"] - f["relationship_days_since_contact"]
    old = f["tenure_days"] >= 2 * s.onboarding_days
    return _renewal_near(f, s) & old & (spoken_at <= s.onboarding_days)


def _burst(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    many = f["support_tickets_7d"] >= s.burst_tickets
    return many & (f["support_burst_7d"] >= s.burst_ratio)


def _high_touch(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    return f["mrr_micros"] * MICROS_TO_YEAR >= s.high_touch_acv


def _not_met(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    return _high_touch(f, s) & (f["relationship_days_since_meeting"] >= s.no_meeting)


def _never_met(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    """Say where touchpoints are known, and none of them is a meeting."""
    never = f["relationship_meetings_91d"].notna() & f["relationship_days_since_meeting"].isna()
    return _high_touch(f, s) & never & (f["tenure_days"] >= s.no_meeting)


def _rule(name: str, level: Level, when: Condition, evidence: str) -> Trigger:
    return Trigger(name, AXIS, level, when, evidence)


RETENTION: tuple[Trigger, ...] = (
    _rule("notice_given", "hard",
          lambda f, s: (f["commercial_notice"] > 0) | (f["relationship_notice_91d"] > 0),
          "notice was given"),
    _rule("champion_left", "hard",
          lambda f, s: f["relationship_champion_left_91d"] > 0,
          "champions or sponsors who left or changed in 91 days: "
          "{relationship_champion_left_91d:.0f}"),
    _rule("active_users_drop", "red", _users_drop,
          "weekly users at {usage_wau_ratio:.0%} of their 4-week level "
          "({usage_wau_before:.0f} a week), {usage_wau_vs_segment:.0%} of what others like it keep"),
    _rule("gone_quiet", "red", _gone_quiet,
          "no activity for {usage_days_since_last:.0f} days; active in "
          "{usage_weeks_before_quiet:.0f} of the 4 weeks before"),
    _rule("gone_quiet", "red", _long_quiet,
          "no activity for {usage_days_since_last:.0f} days"),
    _rule("key_features_not_adopted", "red", _key_features,
          "{adoption_core_adopted:.0%} of the core features adopted after "
          "{tenure_days:.0f} days"),
    _rule("not_activated", "attention", _not_activated,
          "not activated after {tenure_days:.0f} days"),
    _rule("month_3_cliff", "red", _cliff,
          "{tenure_days:.0f} days a customer and not activated"),
    _rule("renewal_due", "attention", _renewal_near,
          "renewal in {commercial_days_to_renewal:.0f} days"),
    _rule("renewal_without_contact", "red", _never_spoken,
          "renewal in {commercial_days_to_renewal:.0f} days, and never a two-way contact"),
    _rule("renewal_without_contact", "red", _not_spoken,
          "renewal in {commercial_days_to_renewal:.0f} days, and no two-way contact for "
          "{relationship_days_since_contact:.0f} days"),
    _rule("renewal_without_contact", "red", _since_onboarding,
          "renewal in {commercial_days_to_renewal:.0f} days, and no two-way contact since "
          "onboarding, {relationship_days_since_contact:.0f} days ago"),
    _rule("bill_shock", "red",
          lambda f, s: f["billing_projected_ratio"] >= s.bill_shock,
          "the bill is heading for {billing_projected_ratio:.1f} times its mean"),
    _rule("ticket_burst", "attention", _burst,
          "{support_tickets_7d:.0f} tickets in 7 days, {support_burst_7d:.1f} times its rate"),
    _rule("urgent_ticket", "red",
          lambda f, s: f["support_urgent_open_days"] > s.urgent_open,
          "an urgent ticket is open for {support_urgent_open_days:.0f} days"),
    _rule("low_csat", "attention",
          lambda f, s: f["support_csat_worst_91d"] <= s.csat_low,
          "a ticket was rated {support_csat_worst_91d:.0f} of 5"),
    _rule("detractor", "red",
          lambda f, s: f["relationship_nps"] <= s.detractor,
          "last NPS answer {relationship_nps:.0f}, {relationship_days_since_nps:.0f} days ago"),
    _rule("detractor", "red",
          lambda f, s: f["relationship_nps_change"] <= -s.nps_drop,
          "NPS answer changed by {relationship_nps_change:+.0f}, to {relationship_nps:.0f}"),
    _rule("no_meeting", "attention", _not_met,
          "no meeting for {relationship_days_since_meeting:.0f} days, on a high-touch account"),
    _rule("no_meeting", "attention", _never_met,
          "never met in {tenure_days:.0f} days, on a high-touch account"),
    _rule("payment_failed", "red",
          lambda f, s: f["commercial_payments_failed_91d"] > 0,
          "failed payments in 91 days: {commercial_payments_failed_91d:.0f}"),
    _rule("payment_overdue", "attention",
          lambda f, s: f["payments_overdue_days"] > s.overdue_days,
          "{payments_overdue:.0f} invoices past due, the oldest for "
          "{payments_overdue_days:.0f} days"),
    _rule("contraction", "red",
          lambda f, s: f["commercial_contraction_91d"] > 0,
          "MRR fell by {commercial_contraction_91d:.1%} in 91 days"),
    _rule("contraction", "red",
          lambda f, s: f["commercial_seats_removed_91d"] > 0,
          "{commercial_seats_removed_91d:.0f} seats removed in 91 days"),
    _rule("contraction", "red",
          lambda f, s: f["commercial_downgrades_91d"] > 0,
          "products on a lower tier than 91 days before: {commercial_downgrades_91d:.0f}"),
    _rule("billable_usage_falls", "red",
          lambda f, s: f["usage_billable_ratio_28d"] <= s.billable_low,
          "billable usage at {usage_billable_ratio_28d:.0%} of the 28 days before"),
    _rule("seats_idle", "red",
          lambda f, s: f["commercial_seat_use"] < s.seats_idle,
          "{commercial_seat_use:.0%} of the paid seats in use"),
)  # fmt: skip
