"""The variance of closing MRR by brute sums over the factor: an oracle of ``models.scale``."""

from __future__ import annotations

import numpy as np

from models.factor import factor_nodes, lean
from models.flows import Cohort, sums_given_factor

__all__ = ["closing_variance"]


def closing_variance(cohort: Cohort, tau: float) -> float:
    """Give the total variance of closing MRR: within the factor's values, and between them."""
    z, weight = factor_nodes(tau)
    leaning = lean(cohort.p_churn, cohort.p_contract, cohort.p_expand, tau)
    everyone = np.ones((1, len(cohort.mrr)))
    sums = sums_given_factor(cohort, leaning, z, everyone, ("closing",))
    mean, variance, _ = sums["closing"][0]
    middle = float(weight @ mean)
    return float(weight @ variance + weight @ (mean - middle) ** 2)
