"""The scenarios of a simulated book: what each changes in the laws, alone or together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from features.configuration import nearest
from features.faults import UsageFault
from training.worlds.parameters import Laws

__all__ = ["SCENARIOS", "laws_of"]

SCENARIOS: dict[str, dict[str, Any]] = {
    "default": {},
    "no-shock": {"shock": 0.0},
    "strong-shock": {"shock": 0.55},
    "null": {
        "churn_monthly": (-3.5, -4.0, -4.35),
        "churn_due": (-1.4, -2.0, -2.45),
        "contract": (-3.9, -3.8, -4.1),
        "health_pull": 0.0,
        "fading_pull": 0.0,
        "notice_share": 0.0,
        "gap_pull": 0.0,
        "contract_gap_pull": 0.0,
        "upgrade_exploring": 0.008,
        "upgrade_otherwise": 0.008,
    },
    "currencies": {"currencies": ("USD", "EUR", "GBP")},
    "regime-change": {
        "turn_at": 2 / 3,
        "turned": (
            ("churn_monthly", (-3.3, -3.9, -4.3)),
            ("churn_due", (-0.9, -1.7, -2.1)),
            ("health_pull", 0.5),
            ("fading_pull", 1.0),
            ("seat", (-3.7, -3.5, -3.3)),
            ("gap_pull", 3.5),
        ),
    },
    "price-rise": {"price_at": 2 / 3, "price_rise": 0.09, "price_pull": 0.5},
    "feed-outage": {"outage_at": 5 / 6, "outage_weeks": 6},
    "treatment-constant": {"effect": "constant"},
    "treatment-lost-causes": {"effect": "lost-causes"},
    "treatment-sleeping-dogs": {"effect": "sleeping-dogs"},
    "tiny": {"accounts": 40, "months": 18},
    "small": {"accounts": 250, "months": 24},
    "large": {"accounts": 20_000, "months": 36},
}


def laws_of(scenario: str) -> Laws:
    """Give the laws of a scenario, or of several joined by commas (a later one wins).

    Raises
    ------
    UsageFault
        ``scenario.unknown`` if there is none of that name.

    Examples
    --------
    >>> laws_of("no-shock").shock
    0.0
    >>> both = laws_of("strong-shock,tiny")
    >>> both.shock, both.accounts
    (0.55, 40)
    >>> laws_of("nul")
    Traceback (most recent call last):
    ...
    features.faults.UsageFault: scenario "nul": scenario.unknown: did you mean "null"?
    """
    laws = Laws()
    for name in (part.strip() for part in scenario.split(",")):
        if name not in SCENARIOS:
            cure = nearest(name, list(SCENARIOS))
            raise UsageFault("scenario.unknown", f'scenario "{name}"', cure)
        laws = replace(laws, **SCENARIOS[name])
    return laws
