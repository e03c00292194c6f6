"""The laws of a simulated world: sizes, prices, hazards, and what a scenario changes.

Tuples of three are by segment, in the order of ``SEGMENTS``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from features.configuration import nearest
from features.faults import UsageFault

__all__ = ["PLANS", "PLAN_PRICES", "PRODUCTS", "SCENARIOS", "SEGMENTS", "TERMS", "Laws", "laws_of"]

SEGMENTS = ("smb", "mid-market", "enterprise")
TERMS = (1, 12, 24, 36)
PLANS = ("starter", "team", "business", "enterprise")
PLAN_PRICES = (1500, 2500, 4000, 6000)
PRODUCTS = ("core", "insights", "automation")

Three = tuple[float, float, float]


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
    shock
        Loading of the common factor on the churn logit.
    """

    segment_share: Three = (0.62, 0.28, 0.10)
    acv_median: Three = (3_600.0, 21_000.0, 110_000.0)
    acv_sigma: Three = (0.60, 0.55, 0.50)
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
    drift: Three = (0.0126, 0.0114, 0.0148)
    shock: float = 0.25
    currencies: tuple[str, ...] = ("USD",)
    most_accounts: int = 10**9
    most_months: int = 10**9


SCENARIOS: dict[str, Laws] = {
    "default": Laws(),
    "no-shock": Laws(shock=0.0),
    "strong-shock": Laws(shock=0.55),
    "null": Laws(
        churn_monthly=(-3.5, -4.0, -4.35),
        churn_due=(-1.4, -2.0, -2.45),
        contract=(-3.9, -3.8, -4.1),
        health_pull=0.0,
        fading_pull=0.0,
        notice_share=0.0,
        gap_pull=0.0,
        contract_gap_pull=0.0,
        upgrade_exploring=0.008,
        upgrade_otherwise=0.008,
    ),
    "currencies": Laws(currencies=("USD", "EUR", "GBP")),
    "tiny": Laws(most_accounts=40, most_months=18),
}


def laws_of(scenario: str) -> Laws:
    """Give the laws of a named scenario.

    Raises
    ------
    UsageFault
        ``scenario.unknown`` if there is none of that name.

    Examples
    --------
    >>> laws_of("no-shock").shock
    0.0
    >>> laws_of("nul")
    Traceback (most recent call last):
    ...
    features.faults.UsageFault: scenario "nul": scenario.unknown: did you mean "null"?
    """
    if scenario not in SCENARIOS:
        cure = nearest(scenario, list(SCENARIOS))
        raise UsageFault("scenario.unknown", f'scenario "{scenario}"', cure)
    return replace(SCENARIOS[scenario])
