"""The amounts of accounts: by hand, and never out of order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

from models.amounts import LEVELS, amounts_at
from models.outcomes import LEADS, Outlook


def book(churn, contract, expand, up=0.5, down=0.3, drift=((0, 0, 0), (0, 0, 0))) -> Outlook:
    """Accounts of 100, the same at every lead."""
    chances = [
        np.tile(np.atleast_1d(p).astype(float)[:, None], LEADS) for p in (churn, contract, expand)
    ]
    n = len(chances[0])
    accounts = pd.DataFrame({"account_id": [str(at) for at in range(n)], "mrr_micros": [10**8] * n})
    laws = [np.tile([s, s**2, s**3], (n, LEADS, 1)) for s in (up, down)]
    drifts = [np.tile(np.array(one, dtype=float), (n, LEADS, 1)) for one in drift]
    nobody, nothing = np.zeros((n, LEADS), dtype=bool), np.full((n, LEADS), np.nan)
    return Outlook(accounts, *chances, *laws, nobody, nothing, *drifts)


def told(*args, **more) -> list[float]:
    return amounts_at(book(*args, **more), 3)[list(LEVELS)].iloc[0].round(6).tolist()


def test_quantiles_by_hand() -> None:
    """Gone, less, as it is, more; falls by .3, rises by .5, of 100."""
    assert told(0.2, 0.1, 0.2) == [0, 100, 150]
    assert told(0.05, 0.1, 0.05) == [70, 100, 100]
    assert told(0.6, 0.0, 0.0) == [0, 0, 100]


def test_who_always_rises_by_so_much_has_no_spread() -> None:
    assert told(0.0, 0.0, 0.0, drift=((0.05, 0.05**2, 0.05**3), (0, 0, 0))) == [105, 105, 105]


def test_a_few_that_rise_are_beside_those_that_stand_still() -> None:
    """A fifth of the flat ones rises by 5 %."""
    rare = tuple(0.2 * 0.05**k for k in (1, 2, 3))
    assert told(0.0, 0.0, 0.0, drift=(rare, (0, 0, 0))) == pytest.approx([100, 100, 105])


def test_growth_as_a_whole_has_the_quantiles_of_its_lognormal() -> None:
    rng = np.random.default_rng(0)
    change = np.exp(rng.normal(0.1, 0.2, 400_000)) - 1
    up, down = np.maximum(change, 0), np.maximum(-change, 0)
    drift = tuple(tuple(float((one**k).mean()) for k in (1, 2, 3)) for one in (up, down))
    want = [100 * np.exp(0.1 + 0.2 * ndtri(level)) for level in LEVELS.values()]
    assert told(0.0, 0.0, 0.0, drift=drift) == pytest.approx(want, rel=0.01)


def test_quantiles_are_in_order_and_finite_whatever_the_chances() -> None:
    rng = np.random.default_rng(1)
    parts = rng.dirichlet([0.3, 0.3, 0.3, 0.3], 300)
    drift = ((0.3, 0.2, 0.2), (0.2, 0.1, 0.06))
    found = amounts_at(book(*parts.T[:3], drift=drift), 3)
    assert np.isfinite(found.to_numpy()).all()
    assert (np.diff(found[list(LEVELS)].to_numpy(), axis=1) >= 0).all()
    assert (found["mrr_p10"] >= 0).all()
    walk = 100 + found["expected_expansion_mrr"] - found["expected_loss_mrr"]
    assert found["expected_mrr"].to_numpy() == pytest.approx(walk.to_numpy())
