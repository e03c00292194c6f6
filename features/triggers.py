"""Triggers: rules that fire on an account with their evidence, whatever a model thinks of it.

A trigger is shown beside the model's reasons and is never hidden by a low score. It does not fire
on what is missing, except where it says so (an account that was never met).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd
from pydantic import Field

from features.configuration import Section
from features.allowances import FAR

__all__ = ["TRIGGERS", "Trigger", "TriggerSettings", "fire"]

Level = Literal["hard", "red", "attention", "act"]
Axis = Literal["retention", "expansion"]
MICROS_TO_YEAR = 12 / 1e6
BEYOND = float("inf")


class TriggerSettings(Section):
    """The thresholds, with SIGNALS' defaults (shares are fractions, times are days)."""

    users_drop: float = Field(default=0.40, gt=0, lt=1)
    users_at_least: float = Field(default=5, ge=0)
    quiet_days: int = Field(default=14, ge=1)
    usually_active_weeks: int = Field(default=3, ge=1, le=4)
    core_adopted_low: float = 0.30
    core_adopted_after: int = 90
    cliff_from: int = 60
    cliff_until: int = 90
    activation_by: int = 30
    renewal_ahead: int = 90
    silent_contact: int = 90
    burst_ratio: float = 3.0
    burst_tickets: int = 3
    urgent_open: int = 7
    csat_low: float = 2.0
    detractor: float = 6.0
    nps_drop: float = 3.0
    no_meeting: int = 100
    high_touch_acv: float = 50_000
    billable_low: float = 0.75
    seats_idle: float = 0.40
    review_ahead: int = 14
    year_growth: float = 1.40
    limit_attention: float = 0.70
    limit_act: float = 0.80
    gate_hits_attention: int = 1
    gate_hits_act: int = 5
    seats_left_attention: int = 5
    seats_left_act: int = 2
    seats_added: int = 8
    shares: int = 3
    pricing_views: int = 2
    core_adopted_high: float = 0.60
    breadth_high: float = 0.80
    product_growth: float = 1.20
    anniversary: int = 90
    anniversary_window: int = 7
    long_since_expansion: int = 730


@dataclass(frozen=True)
class Trigger:
    """One rule.

    Attributes
    ----------
    name : str
        How it is called in lists and filters.
    axis : str
        Whether it speaks of retention or of expansion.
    level : str
        ``hard`` (moves a band at once), ``red``, ``attention``; for expansion ``attention``, ``act``.
    when : callable
        Snapshot and settings to one boolean per account.
    evidence : str
        A sentence over the columns of the snapshot.
    """

    name: str
    axis: Axis
    level: Level
    when: Callable[[pd.DataFrame, TriggerSettings], pd.Series]
    evidence: str


def _between(values: pd.Series, low: float, high: float = BEYOND) -> pd.Series:
    """Say where values lie in [low, high): never where they are missing."""
    return (values >= low) & (values < high)


def _users_drop(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    low = 1 - s.users_drop
    own, against = f["usage_wau_ratio"] <= low, f["usage_wau_vs_segment"] <= low
    return own & against & (f["usage_wau_before"] >= s.users_at_least)


def _gone_quiet(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    usual = f["usage_weeks_before_quiet"] >= s.usually_active_weeks
    return (f["usage_days_since_last"] >= s.quiet_days) & usual


def _renewal_near(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    return f["commercial_days_to_renewal"] <= s.renewal_ahead


def _out_of_touch(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    silent = ~(f["relationship_days_since_contact"] < s.silent_contact)
    return silent & f["relationship_meetings_91d"].notna()


def _not_met(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    high_touch = f["mrr_micros"] * MICROS_TO_YEAR >= s.high_touch_acv
    unmet = ~(f["relationship_days_since_meeting"] < s.no_meeting)
    old = f["tenure_days"] >= s.no_meeting
    return high_touch & unmet & old & f["relationship_meetings_91d"].notna()


def _detractor(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    fell = f["relationship_nps_change"] <= -s.nps_drop
    return (f["relationship_nps"] <= s.detractor) | fell


def _late_start(f: pd.DataFrame, s: TriggerSettings, first: int, last: int) -> pd.Series:
    late = f["adoption_days_to_activation"].isna() & (f["adoption_activated_30d"] == 0)
    return late & _between(f["tenure_days"], first, last)


def _long_since(f: pd.DataFrame, s: TriggerSettings) -> pd.Series:
    never = f["commercial_days_since_expansion"].fillna(f["tenure_days"])
    return never > s.long_since_expansion


TRIGGERS: tuple[Trigger, ...] = (
    Trigger("notice_given", "retention", "hard",
            lambda f, s: (f["commercial_notice"] > 0) | (f["relationship_notice_91d"] > 0),
            "notice was given"),
    Trigger("champion_left", "retention", "hard",
            lambda f, s: f["relationship_champion_left_91d"] > 0,
            "{relationship_champion_left_91d:.0f} champion or sponsor left in 91 days"),
    Trigger("active_users_drop", "retention", "red", _users_drop,
            "weekly users at {usage_wau_ratio:.0%} of their 4-week level "
            "({usage_wau_before:.0f} a week)"),
    Trigger("gone_quiet", "retention", "red", _gone_quiet,
            "no activity for {usage_days_since_last:.0f} days, while usually active"),
    Trigger("key_features_not_adopted", "retention", "red",
            lambda f, s: (f["adoption_core_adopted"] <= s.core_adopted_low)
            & (f["tenure_days"] > s.core_adopted_after),
            "{adoption_core_adopted:.0%} of the core features adopted after "
            "{tenure_days:.0f} days"),
    Trigger("not_activated", "retention", "attention",
            lambda f, s: _late_start(f, s, s.activation_by, s.cliff_from),
            "not activated after {tenure_days:.0f} days"),
    Trigger("month_3_cliff", "retention", "red",
            lambda f, s: _late_start(f, s, s.cliff_from, s.cliff_until + 1),
            "{tenure_days:.0f} days old and not activated"),
    Trigger("renewal_due", "retention", "attention", _renewal_near,
            "renewal in {commercial_days_to_renewal:.0f} days"),
    Trigger("renewal_without_contact", "retention", "red",
            lambda f, s: _renewal_near(f, s) & _out_of_touch(f, s),
            "renewal in {commercial_days_to_renewal:.0f} days without two-way contact of late"),
    Trigger("ticket_burst", "retention", "attention",
            lambda f, s: (f["support_tickets_7d"] >= s.burst_tickets)
            & (f["support_burst_7d"] >= s.burst_ratio),
            "{support_tickets_7d:.0f} tickets in 7 days, {support_burst_7d:.1f} times its rate"),
    Trigger("urgent_ticket", "retention", "red",
            lambda f, s: f["support_urgent_open_days"] > s.urgent_open,
            "an urgent ticket is open for {support_urgent_open_days:.0f} days"),
    Trigger("low_csat", "retention", "attention",
            lambda f, s: f["support_csat_worst_91d"] <= s.csat_low,
            "a ticket was rated {support_csat_worst_91d:.0f} of 5"),
    Trigger("detractor", "retention", "red", _detractor,
            "last NPS answer {relationship_nps:.0f}"),
    Trigger("no_meeting", "retention", "attention", _not_met,
            "no meeting in 100 days or more on an account above the high-touch ACV"),
    Trigger("payment_failed", "retention", "red",
            lambda f, s: f["commercial_payments_failed_91d"] > 0,
            "{commercial_payments_failed_91d:.0f} failed payments in 91 days"),
    Trigger("contraction", "retention", "red",
            lambda f, s: f["commercial_contraction_91d"] > 0,
            "MRR fell by {commercial_contraction_91d:.1%} in 91 days"),
    Trigger("billable_usage_falls", "retention", "red",
            lambda f, s: f["usage_billable_ratio_28d"] <= s.billable_low,
            "billable usage at {usage_billable_ratio_28d:.0%} of the 28 days before"),
    Trigger("seats_idle", "retention", "red",
            lambda f, s: f["commercial_seat_use"] < s.seats_idle,
            "{commercial_seat_use:.0%} of the paid seats in use"),
    Trigger("review_due", "expansion", "attention",
            lambda f, s: _between(f["commercial_days_to_review"], 0, s.review_ahead + 1),
            "agreed re-expansion review in {commercial_days_to_review:.0f} days"),
    Trigger("success_story", "expansion", "attention",
            lambda f, s: f["usage_year_on_year"] >= s.year_growth,
            "usage at {usage_year_on_year:.0%} of a year ago: a story to tell"),
    Trigger("limit_near", "expansion", "attention",
            lambda f, s: _between(f["expansion_limit_share"], s.limit_attention, s.limit_act),
            "{expansion_limit_share:.0%} of a limit used; {days_to_limit} at this pace"),
    Trigger("limit_near", "expansion", "act",
            lambda f, s: f["expansion_limit_share"] >= s.limit_act,
            "{expansion_limit_share:.0%} of a limit used; {days_to_limit} at this pace"),
    Trigger("gate_hits", "expansion", "attention",
            lambda f, s: _between(
                f["expansion_gate_hits_30d"], s.gate_hits_attention, s.gate_hits_act),
            "{expansion_gate_hits_30d:.0f} hits on locked features in 30 days"),
    Trigger("gate_hits", "expansion", "act",
            lambda f, s: f["expansion_gate_hits_30d"] >= s.gate_hits_act,
            "{expansion_gate_hits_30d:.0f} hits on locked features in 30 days: a warm lead"),
    Trigger("seats_near_limit", "expansion", "attention",
            lambda f, s: (f["expansion_seats_left"] > s.seats_left_act)
            & (f["expansion_seats_left"] <= s.seats_left_attention),
            "{expansion_seats_left:.0f} seats left"),
    Trigger("seats_near_limit", "expansion", "act",
            lambda f, s: f["expansion_seats_left"] <= s.seats_left_act,
            "{expansion_seats_left:.0f} seats left"),
    Trigger("seat_velocity", "expansion", "act",
            lambda f, s: f["expansion_seat_velocity_30d"] >= s.seats_added,
            "{expansion_seat_velocity_30d:.0f} seats added in 30 days"),
    Trigger("external_sharing", "expansion", "attention",
            lambda f, s: f["expansion_shares_30d"] >= s.shares,
            "{expansion_shares_30d:.0f} shares outside the account in 30 days"),
    Trigger("plan_interest", "expansion", "act",
            lambda f, s: f["expansion_pricing_views_30d"] > s.pricing_views,
            "{expansion_pricing_views_30d:.0f} views of the pricing page in 30 days"),
    Trigger("exploring_advanced", "expansion", "attention",
            lambda f, s: (f["adoption_core_adopted"] > s.core_adopted_high)
            & (f["adoption_advanced_28d"] > 0),
            "{adoption_core_adopted:.0%} of the core adopted, and exploring "
            "{adoption_advanced_28d:.0f} advanced features"),
    Trigger("breadth", "expansion", "attention",
            lambda f, s: f["adoption_share_28d"] > s.breadth_high,
            "{adoption_share_28d:.0%} of all features in use"),
    Trigger("product_growth", "expansion", "attention",
            lambda f, s: f["usage_ratio_28d"] >= s.product_growth,
            "usage of 28 days at {usage_ratio_28d:.0%} of the 28 days before"),
    Trigger("governance_interest", "expansion", "act",
            lambda f, s: f["expansion_governance_30d"] > 0,
            "{expansion_governance_30d:.0f} signs of interest in governance features"),
    Trigger("business_growth", "expansion", "attention",
            lambda f, s: f["expansion_business_growth_91d"] > 0,
            "{expansion_business_growth_91d:.0f} signs of business growth in 91 days"),
    Trigger("anniversary", "expansion", "attention",
            lambda f, s: _between(
                f["tenure_days"], s.anniversary, s.anniversary + s.anniversary_window),
            "{tenure_days:.0f} days a customer"),
    Trigger("long_since_expansion", "expansion", "attention", _long_since,
            "no expansion for more than two years"),
)  # fmt: skip


def fire(frame: pd.DataFrame, settings: TriggerSettings | None = None) -> pd.DataFrame:
    """Fire all triggers on a snapshot.

    Parameters
    ----------
    frame : DataFrame
        A snapshot.
    settings : TriggerSettings, optional
        The thresholds.

    Returns
    -------
    DataFrame
        account_id, trigger, level, evidence, axis; one row per trigger that fires, sorted by
        account_id, retention before expansion, in the order of ``TRIGGERS``.
    """
    asked = settings or TriggerSettings()
    rows = [
        (row["account_id"], trigger.axis, place, trigger.name, trigger.level, _tell(trigger, row))
        for place, trigger in enumerate(TRIGGERS)
        for row in frame[trigger.when(frame, asked).fillna(False)].to_dict("records")
    ]
    columns = ["account_id", "axis", "place", "trigger", "level", "evidence"]
    fired = pd.DataFrame(rows, columns=columns).sort_values(["account_id", "place"])
    return fired[["account_id", "trigger", "level", "evidence", "axis"]].reset_index(drop=True)


def _tell(trigger: Trigger, row: dict[str, float]) -> str:
    days = row["expansion_days_to_limit"]
    left = f"{days:.0f} days left" if days < FAR else "not in sight"
    return trigger.evidence.format(**row, days_to_limit=left)
