"""The laws of a simulated world: sizes, prices, hazards, and how they turn in mid-book.

Tuples of three are by segment, in the order of ``SEGMENTS``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

__all__ = ["PLANS", "PLAN_PRICES", "PRODUCTS", "SEGMENTS", "TERMS", "Effect", "Laws"]

SEGMENTS = ("smb", "mid-market", "enterprise")
TERMS = (1, 12, 24, 36)
PLANS = ("starter", "team", "business", "enterprise")
PLAN_PRICES = (1500, 2500, 4000, 6000)
PRODUCTS = ("core", "insights", "automation")

Three = tuple[float, float, float]
Effect = Literal["none", "constant", "lost-causes", "sleeping-dogs"]


@dataclass(frozen=True)
class Laws:
    """Everything that can differ between two worlds apart from luck.

    Attributes
    ----------
    segment_share, acv_median, acv_sigma
        Mix of segments and the lognormal annual contract value in each (major units).
    term_share
        Per segment, the share of contracts of 1, 12, 24 and 36 months.
    churn_monthly, churn_due
        Logit of leaving in a month (monthly contracts) or at the end of a term, for an account
        of average health.
    health_pull, fading_pull
        How strongly health and fading move that logit: 0 in the null world.
    gap_pull
        How strongly the gap between demand and seats moves seat changes: 0 in the null world.
    drift, growth_pull
        Monthly growth of demand (log): of an average account, and by its appetite for more.
    shock
        Loading of the common factor on the churn logit.
    turn_at, turned
        Part of the book after which other laws hold, and what they change.
    price_at, price_rise, price_pull
        Part of the book after which the list price rises, by which share, and what that adds to
        the logit of leaving.
    outage_at, outage_weeks
        Part of the book after which the usage feed stops for everybody, and for how long.
    effect
        What outreach does to the chance to leave; with ``none`` there is no outreach.
    accounts, months
        Size of the book where none is asked for.

    Examples
    --------
    >>> laws = Laws(months=12, turn_at=0.5, turned=(("shock", 0.0),))
    >>> laws.in_month(5).shock, laws.in_month(6).shock
    (0.25, 0.0)
    """

    segment_share: Three = (0.62, 0.28, 0.10)
    acv_median: Three = (3_600.0, 21_000.0, 110_000.0)
    acv_sigma: Three = (0.56, 0.48, 0.36)
    term_share: tuple[tuple[float, ...], ...] = (
        (0.60, 0.38, 0.02, 0.00),
        (0.20, 0.62, 0.13, 0.05),
        (0.03, 0.50, 0.22, 0.25),
    )
    opening_share: float = 0.56
    fiscal_share: float = 0.35
    fiscal_year_starts: int = 2
    no_feed_share: float = 0.10
    late_row_share: float = 0.03
    late_renewal_share: float = 0.06
    return_rate: float = 0.012
    churn_monthly: Three = (-4.35, -4.8, -5.05)
    churn_due: Three = (-2.1, -2.8, -3.1)
    cliff: tuple[float, ...] = (0.0, 0.4, 1.0, 0.7)
    health_pull: float = 0.85
    fading_pull: float = 2.0
    notice_share: float = 0.4
    contract: Three = (-4.4, -4.3, -4.6)
    contract_due: float = 1.6
    contract_gap_pull: float = 4.0
    seat: Three = (-3.2, -3.0, -2.85)
    gap_pull: float = 6.0
    upgrade_exploring: float = 0.07
    upgrade_otherwise: float = 0.003
    drift: Three = (0.0072, 0.0094, 0.0136)
    growth_pull: float = 0.009
    shock: float = 0.25
    currencies: tuple[str, ...] = ("USD",)
    turn_at: float = 1.0
    turned: tuple[tuple[str, Any], ...] = ()
    price_at: float = 1.0
    price_rise: float = 0.0
    price_pull: float = 0.0
    outage_at: float = 1.0
    outage_weeks: int = 0
    effect: Effect = "none"
    accounts: int = 1500
    months: int = 36

    def in_month(self, month: int) -> Laws:
        """Give the laws that hold in a month of a book of ``months`` months."""
        turns = bool(self.turned) and month >= round(self.turn_at * self.months)
        return replace(self, **dict(self.turned)) if turns else self

    def repriced(self, month: int, term: Any, due: Any) -> Any:
        """Say whom the list price reaches in a month: at once, or at the first renewal after it."""
        since = month - round(self.price_at * self.months)
        reached = np.where(term == 1, since == 0, due & (since >= 0) & (since < term))
        return reached & (self.price_rise > 0)

    def raised(self, month: int, term: Any, due: Any) -> Any:
        """Say who minds the list price in a month: when it comes, and two months more if monthly."""
        since = month - round(self.price_at * self.months)
        minds = np.where(term == 1, 0 <= since <= 2, due & (since >= 0) & (since < term))
        return minds & (self.price_rise > 0)
