"""The thresholds at which triggers fire: section ``[triggers]``."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from features.configuration import Section

__all__ = ["TriggerSettings"]

RISING = (
    ("limit_attention", "limit_act"),
    ("gate_hits_attention", "gate_hits_intent"),
    ("gate_hits_intent", "gate_hits_act"),
    ("seats_left_act", "seats_left_attention"),
    ("activation_by", "cliff_from"),
    ("cliff_from", "cliff_until"),
    ("activation_by", "activation_until"),
)
"""Pairs of which the first must not lie above the second."""


class TriggerSettings(Section):
    """Section ``[triggers]``: shares are fractions, times are days.

    Attributes
    ----------
    users_drop : float
        Fall of weekly users against the median of the 4 weeks before, as a share, against the
        segment's own change too.
    users_at_least : float
        Weekly users before the fall, below which it says nothing.
    quiet_days : int
        Days without activity.
    quiet_always_days : int
        Days without activity that fire however active the account was before.
    usually_active_weeks : int
        Active weeks of the four before the quiet that make an account usually active.
    core_adopted_low : float
        Share of the core features adopted, at or below which they are not.
    core_adopted_after : int
        Days of tenure after which that counts.
    activation_by : int
        Days by which the milestone should be reached.
    activation_until : int
        Days of tenure after which a milestone that was never reached is no news.
    cliff_from : int
        Days of tenure at which the month-3 cliff begins.
    cliff_until : int
        Days of tenure at which it ends.
    renewal_ahead : int
        Days before a renewal.
    silent_contact : int
        Days without two-way contact before a renewal.
    onboarding_days : int
        First days of an account; contact in them alone is none since onboarding (from twice that
        age on).
    bill_shock : float
        Projected bill / its mean.
    review_ahead : int
        Days before and after an agreed re-expansion review.
    burst_ratio : float
        Tickets of 7 days / what the rate of 91 days would bring.
    burst_tickets : int
        Tickets of 7 days, below which there is no burst.
    urgent_open : int
        Days that an urgent ticket may be open.
    csat_low : float
        Satisfaction with a closed ticket (1 to 5), at or below which it is low.
    detractor : float
        NPS answer (0 to 10), at or below which it is a detractor's.
    nps_drop : float
        Fall of the NPS answer against the one before.
    no_meeting : int
        Days without a meeting.
    high_touch_acv : float
        Annual contract value from which an account is to be met, in the book's currency.
    overdue_days : int
        Days that an invoice may be past due.
    billable_low : float
        Billable quantity of 28 days / the 28 days before, at or below which it falls.
    seats_idle : float
        Active users / paid seats, below which seats stand idle.
    year_growth : float
        Users or quantity of 91 days / a year before, from which it is a success to tell.
    limit_attention : float
        Used / limit.
    limit_act : float
        Used / limit, from which to act.
    gate_hits_attention : int
        Hits on locked features in 30 days that show curiosity.
    gate_hits_intent : int
        Hits that show intent.
    gate_hits_act : int
        Hits that make a warm lead.
    seats_left_attention : int
        Seats left.
    seats_left_act : int
        Seats left, at which to act.
    seats_added : int
        Seats or users added in a month.
    shares : int
        Shares outside the account in 30 days.
    pricing_views : int
        Views of the pricing page in 30 days, above which they count.
    core_adopted_high : float
        Share of the core features adopted, above which advanced ones are worth a talk.
    breadth_high : float
        Share of all features in use, above which an account is broad.
    product_growth : float
        Quantity of 28 days / the 28 days before.
    adjacency : float
        Share of similar accounts that own a product which the account lacks.
    anniversary : int
        Days of tenure.
    anniversary_window : int
        Days for which the anniversary is told.
    long_since_expansion : int
        Days without expansion, above which it is long since.

    Examples
    --------
    >>> TriggerSettings(limit_attention=0.6).limit_act
    0.8
    """

    users_drop: float = Field(default=0.40, gt=0, lt=1)
    users_at_least: float = Field(default=5, ge=0)
    quiet_days: int = Field(default=14, ge=1)
    quiet_always_days: int = Field(default=182, ge=1)
    usually_active_weeks: int = Field(default=3, ge=1, le=4)
    core_adopted_low: float = Field(default=0.30, ge=0, le=1)
    core_adopted_after: int = Field(default=90, ge=0)
    activation_by: int = Field(default=30, ge=1)
    activation_until: int = Field(default=180, ge=1)
    cliff_from: int = Field(default=60, ge=1)
    cliff_until: int = Field(default=90, ge=1)
    renewal_ahead: int = Field(default=90, ge=0)
    silent_contact: int = Field(default=90, ge=1)
    onboarding_days: int = Field(default=30, ge=0)
    bill_shock: float = Field(default=2.0, gt=1)
    review_ahead: int = Field(default=14, ge=0)
    burst_ratio: float = Field(default=3.0, gt=1)
    burst_tickets: int = Field(default=3, ge=1)
    urgent_open: int = Field(default=7, ge=0)
    csat_low: float = Field(default=2.0, ge=1, le=5)
    detractor: float = Field(default=6.0, ge=0, le=10)
    nps_drop: float = Field(default=3.0, gt=0, le=10)
    no_meeting: int = Field(default=100, ge=1)
    high_touch_acv: float = Field(default=50_000, ge=0)
    overdue_days: int = Field(default=7, ge=0)
    billable_low: float = Field(default=0.75, gt=0, lt=1)
    seats_idle: float = Field(default=0.40, ge=0, le=1)
    year_growth: float = Field(default=1.40, gt=1)
    limit_attention: float = Field(default=0.70, gt=0)
    limit_act: float = Field(default=0.80, gt=0)
    gate_hits_attention: int = Field(default=1, ge=1)
    gate_hits_intent: int = Field(default=3, ge=1)
    gate_hits_act: int = Field(default=5, ge=1)
    seats_left_attention: int = Field(default=5, ge=0)
    seats_left_act: int = Field(default=2, ge=0)
    seats_added: int = Field(default=8, ge=1)
    shares: int = Field(default=3, ge=1)
    pricing_views: int = Field(default=2, ge=0)
    core_adopted_high: float = Field(default=0.60, ge=0, le=1)
    breadth_high: float = Field(default=0.80, ge=0, le=1)
    product_growth: float = Field(default=1.20, gt=1)
    adjacency: float = Field(default=0.50, gt=0, le=1)
    anniversary: int = Field(default=90, ge=1)
    anniversary_window: int = Field(default=7, ge=1)
    long_since_expansion: int = Field(default=730, ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for low, high in RISING:
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} must not lie above {high}")
        return self
