"""Expansion by lever: the amounts are the mean of expansion, split and nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.levers import LEVERS
from models.flows import Cohort, means
from models.levers import by_lever


@pytest.mark.parametrize("seed", range(20))
def test_the_amounts_add_up_to_the_mean_but_for_the_last_digit(seed: int) -> None:
    rng, n = np.random.default_rng(seed), 30
    nothing, nobody = np.zeros(n), np.zeros(n, dtype=bool)
    sizes = np.tile([0.2, 0.05, 0.02], (n, 1))
    mrr = rng.lognormal(5.0, 2.0, n)
    signed_up = np.where(rng.random(n) < 0.2, 0.1 * mrr, 0.0)
    chance = np.where(signed_up > 0, 0.0, rng.uniform(0, 0.3, n))
    cohort = Cohort(
        mrr, nothing, nothing, chance, sizes, sizes, signed_up > 0, signed_up, nothing, nobody
    )
    past = pd.DataFrame(
        {"lever": list(LEVERS), "amount_micros": rng.integers(1, 10**9, len(LEVERS))}
    )
    told = by_lever(cohort, ["smb", None] * (n // 2), past.assign(segment="smb"))
    whole = float(means(cohort)["expansion"].sum())
    assert sum(told.values()) == pytest.approx(whole, rel=3e-16)
    assert min(told.values()) > 0.0
