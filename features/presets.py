"""Presets: named sets of revenue choices, for the definitions that people will compare with.

A preset says where it differs from the default, why, on which public pages that stands, and what
of that definition the choices of ``[revenue]`` cannot express: "-like" means as near as the choices
go. `features.rules` applies them; this file imports nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["PRESETS", "Preset"]


@dataclass(frozen=True)
class Preset:
    """One named set of choices.

    Attributes
    ----------
    name : str
        As ``[revenue] preset`` and ``--preset`` take it.
    differs : mapping
        Key of ``[revenue]`` → value, only where it is not the default's.
    why : mapping
        The same keys → one sentence that says why.
    source : tuple of str
        The public pages on which it stands: title, then address.
    not_covered : tuple of str
        What of that definition the choices cannot express.

    Examples
    --------
    >>> PRESETS["board-ttm"].differs["rollup"]
    'parent'
    >>> PRESETS["default"].differs
    {}
    """

    name: str
    differs: Mapping[str, Any]
    why: Mapping[str, str]
    source: tuple[str, ...]
    not_covered: tuple[str, ...]


def _preset(
    name: str,
    choices: Mapping[str, tuple[Any, str]],
    source: tuple[str, ...],
    not_covered: tuple[str, ...],
) -> Preset:
    """Take each choice with its reason, so that none stands without one."""
    differs = {key: value for key, (value, _) in choices.items()}
    return Preset(
        name, differs, {key: why for key, (_, why) in choices.items()}, source, not_covered
    )


_DEFAULT = _preset(
    "default",
    {},
    ("Perennial, Revenue: the ledger, the ratios and every choice (revenue.md of this manual)",),
    (),
)

_BOARD_TTM = _preset(
    "board-ttm",
    {
        "basis": (
            "committed",
            "A board compares contracted recurring revenue; filings leave usage and one-time fees "
            "out of it.",
        ),
        "rollup": (
            "parent",
            "An organization with subsidiaries counts as one customer, so that a subsidiary's "
            "contract is expansion and no new logo.",
        ),
    },
    (
        "GitLab handbook, ARR in practice: "
        "https://about.gitlab.com/handbook/sales/sales-term-glossary/arr-in-practice/",
        "GitLab handbook, Sales term glossary: "
        "https://about.gitlab.com/handbook/sales/sales-term-glossary/",
        "Virtua Research, How top tech companies measure net dollar retention rate: "
        "https://virtuaresearch.com/insights/?p=47",
    ),
    (
        "There is no single board definition: filings differ in smoothing, in thresholds of "
        "customer size and in what they do after an acquisition. This one compares two month-ends.",
        "The window is no choice of [revenue]: leave it at ttm (trailing 12 months), its default.",
        "A contract signed and not yet started does not count; some boards show it as contracted "
        "ARR.",
    ),
)

_STRIPE_LIKE = _preset(
    "stripe-like",
    {
        "basis": ("committed", "Stripe leaves metered (usage-based) products out of MRR."),
        "churn_date": (
            "cancellation",
            "A subscription that is set to cancel at the period's end leaves MRR at the time of "
            "that call.",
        ),
        "late_renewal_days": (
            0,
            "A canceled subscription is churn, and the next one a reactivation; no gap is bridged.",
        ),
        "dunning_days": (
            14,
            "Past-due subscriptions count until they are marked unpaid or canceled, which follows "
            "the retries: the recommended policy is 8 tries within 2 weeks.",
        ),
        "pause": (
            "unchanged",
            "While payment collection is paused the subscription stays active, and active ones "
            "count.",
        ),
        "fx": ("spot", "MRR growth has a line of its own for the effect of exchange rates."),
        "losses": (
            "movements",
            "Churned and contraction MRR of a period are what its movements add up to.",
        ),
    },
    (
        "Stripe, Billing metric definitions: "
        "https://docs.stripe.com/billing/subscriptions/analytics/glossary",
        "Stripe, Impact of subscription cancellations on MRR: https://support.stripe.com/questions/"
        "impact-of-subscription-cancellations-on-monthly-recurring-revenue-mrr-in-billing",
        "Stripe, Impact of delinquent payments on MRR: https://support.stripe.com/questions/"
        "impact-of-delinquent-subscription-payments-on-monthly-recurring-revenue-mrr-in-billing",
        "Stripe, Impact of discounts and coupons on MRR: https://support.stripe.com/questions/"
        "impact-of-discounts-and-coupons-on-monthly-recurring-revenue-mrr-in-billing",
        "Stripe, Metric configurations: https://support.stripe.com/questions/metric-configurations",
        "Stripe, Smart Retries: "
        "https://docs.stripe.com/payments/off-session-payments/smart-retries",
        "Stripe, Pause payment collection: "
        "https://docs.stripe.com/billing/subscriptions/pause-payment",
    ),
    (
        "Stripe's own settings: churn may be counted at the end of the billing cycle, and one-time "
        "or recurring coupons may each be subtracted or not. Here every discount is subtracted, "
        "also one of finite duration, which Stripe long left out.",
        "How long retries go on is the account's own policy (1 week to 2 months); here it is 14 "
        "days after the due date.",
        "Pausing the subscription itself (not the collection) stops its MRR at Stripe.",
        "Stripe's subscriber churn rate divides by the subscribers of 30 days ago plus the new "
        "ones of those days; logo churn here divides by the accounts at the opening.",
        "Stripe keeps the effect of exchange rates out of expansion and contraction; so do the flat "
        "movements here, but a cohort's NRR and GRR hold it.",
        "Stripe dates changes by the day; a change and its reversal within one month are no "
        "movement here.",
    ),
)

_CHARTMOGUL_LIKE = _preset(
    "chartmogul-like",
    {
        "usage": (
            "billed_month",
            "A usage plan's invoice is dated back to its service month and is that month's MRR.",
        ),
        "reactivation": (
            "s002",
            "Net MRR churn rate offsets churn and contraction by expansion and reactivation, "
            "whoever came back.",
        ),
        "dunning_days": (
            366,
            "Past-due subscriptions keep contributing to MRR until they are canceled, unless one "
            "sets a number of days; 366 is the longest that can be set here.",
        ),
        "pause": (
            "unchanged",
            "There is no native pause: with Stripe, GoCardless or Chargebee a paused subscription "
            "reads as past due and keeps generating MRR.",
        ),
        "fx": (
            "spot",
            "Changes by exchange rates make no expansion or contraction; they are a row of their "
            "own.",
        ),
        "losses": (
            "movements",
            "Both churn rates divide the sum of the period's movements by the MRR at its start.",
        ),
    },
    (
        "ChartMogul, Chart: Net MRR Churn Rate: https://help.chartmogul.com/hc/en-us/articles/"
        "4414075567250-Chart-Net-MRR-Churn-Rate",
        "ChartMogul, MRR movements: https://help.chartmogul.com/hc/en-us/articles/201244842",
        "ChartMogul, Churn recognition: https://help.chartmogul.com/article/242-churn-recognition",
        "ChartMogul, Handling past-due subscriptions: "
        "https://help.chartmogul.com/article/303-handling-past-due-subscriptions",
        "ChartMogul, Handling paused subscriptions: https://help.chartmogul.com/hc/en-us/articles/"
        "360015688860-Handling-paused-subscriptions-in-ChartMogul",
        "ChartMogul, Subscriptions billed in foreign currencies: https://help.chartmogul.com/hc/"
        "en-us/articles/201520952-How-ChartMogul-handles-subscriptions-billed-in-foreign-currencies",
        "ChartMogul, Implementing usage-based billing: "
        "https://dev.chartmogul.com/docs/implementing-usage-based-billing",
    ),
    (
        "A subscription that nobody canceled stays active without end at ChartMogul; here a line "
        "ends where its data says so, and a late renewal is bridged for 31 days as by default.",
        "ChartMogul converts at the rate of each service period's first day; here at the rate of "
        "the month-end.",
        "Churn may be recognised at the cancellation or when it is scheduled (a setting); here at "
        "the end of paid service.",
        "Pauses count as zero with Recurly.",
        "The Shopify formula (daily rates added up) is not offered, and movements are dated by "
        "month here, by day there.",
        "ChartMogul's rates leave exchange rates out; so do the flat movements here, but a cohort's "
        "NRR and GRR hold their effect.",
    ),
)

_PROFITWELL_LIKE = _preset(
    "profitwell-like",
    {
        "usage": ("billed_month", "Recurring metered billing is rolled into MRR as it is billed."),
        "late_renewal_days": (
            0,
            "A customer who churned and comes back after any time is a reactivation; no gap is "
            "bridged.",
        ),
        "dunning_days": (
            15,
            "Past-due customers count through their dunning window, then they are delinquent "
            "churn; at least 15 days are recommended.",
        ),
        "fx": (
            "window_opening",
            "A plan is converted at the rate of the day on which it was bought, so rates move "
            "nothing while it runs.",
        ),
        "losses": ("movements", "Churn and downgrades of a period are sums of its movements."),
    },
    (
        "ProfitWell, Why is my ProfitWell MRR different from my Stripe MRR?: https://"
        "learn.profitwell.com/l/en/article/gf9qqkyplu-why-is-my-profit-well-mrr-different-from-"
        "my-stripe-mrr",
        "ProfitWell vs. Stripe: https://learn.profitwell.com/article/gf9qqkyplu-profitwell-vs-stripe",
        "ProfitWell vs. Chargebee: "
        "https://www.paddle.com/help/profitwell-metrics/measure/compare/profitwell-vs-chargebee",
        "ProfitWell, Churn: "
        "https://paddle.com/help/profitwell-metrics/measure/subscription-retention/churn",
        "ProfitWell, How do you handle currency conversions?: https://learn.profitwell.com/article/"
        "IaQmCmOzlK-how-do-you-handle-currency-conversions",
        "ProfitWell, FAQs for Paddle users (dunning window; read as a copy)",
    ),
    (
        "ProfitWell leaves out customers who come and go within one calendar month; here both are "
        "counted.",
        "The rate of each plan's first day is not a choice; the window's opening rate comes "
        "nearest, and moves nothing within a window either.",
        "For users of Paddle's own billing, metered billing was not supported.",
        "The dunning window follows the payment processor's retries; here it is 15 days after the "
        "due date.",
        "An annual plan that is refunded and churned early leaves MRR at once.",
    ),
)

PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (_DEFAULT, _BOARD_TTM, _STRIPE_LIKE, _CHARTMOGUL_LIKE, _PROFITWELL_LIKE)
}
"""Name to preset, in the order in which pages show them."""
