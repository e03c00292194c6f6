"""The book of `forecast_scale`: what is expected of many accounts, and the laws behind it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from models.outcomes import LEADS, Outlook

__all__ = ["CUT", "HORIZON", "PHI", "VALUES", "Laws", "book"]

Floats = NDArray[np.float64]

CUT, VALUES, HORIZON, PHI = "industry", 20, 12, 3.0


class Laws:
    """How far accounts move: rises are lognormal, falls are beta.

    Examples
    --------
    >>> Laws.moments_up(Laws.RISE).round(4).tolist()
    [0.2, 0.0625, 0.0305]
    """

    RISE = (0.2, 0.15)  # mean and standard deviation, given expand
    FALL = (2.0, 5.0)  # of a beta, given contract
    DRIFT_UP, DRIFT_DOWN = 0.3, 0.05  # chances, given flat
    SMALL_RISE, SMALL_FALL = (0.04, 0.02), (2.0, 198.0)

    @staticmethod
    def log(law: tuple[float, float]) -> tuple[float, float]:
        """Give a lognormal's two parameters."""
        spread = float(np.log(1.0 + (law[1] / law[0]) ** 2))
        return float(np.log(law[0])) - spread / 2.0, float(np.sqrt(spread))

    @classmethod
    def moments_up(cls, law: tuple[float, float]) -> Floats:
        """Give three raw moments of a lognormal."""
        mean, sd = cls.log(law)
        return np.array([np.exp(k * mean + (k * sd) ** 2 / 2.0) for k in (1, 2, 3)])

    @staticmethod
    def moments_down(law: tuple[float, float]) -> Floats:
        """Give three raw moments of a beta."""
        return np.cumprod(np.array([(law[0] + k) / (sum(law) + k) for k in range(3)], dtype=float))


def book(accounts: int, seed: int = 20260701) -> Outlook:
    """Make a book: a heavy-tailed MRR, twenty industries of unlike sizes, notices and successors.

    Examples
    --------
    >>> made = book(50)
    >>> len(made), made.p_churn.shape, bool((np.diff(made.p_churn) >= 0).all())
    (50, (50, 12), True)
    """
    rng = np.random.default_rng(seed)
    mrr = np.rint(3e8 * rng.lognormal(0.0, 1.2, accounts)).astype(np.int64)
    industry = rng.choice(VALUES, accounts, p=np.arange(1, VALUES + 1) / (VALUES * 10.5))
    hazard = expit(rng.normal(-4.8, 1.0, (accounts, 1)) + rng.normal(0.0, 0.3, (accounts, LEADS)))
    churn = 1.0 - np.cumprod(1.0 - hazard, axis=1)
    later = np.linspace(-1.5, 0.8, LEADS)
    rise = (1.0 - churn) * expit(rng.normal(-2.5, 0.8, (accounts, 1)) + later)
    fall = (1.0 - churn - rise) * expit(rng.normal(-4.0, 0.8, (accounts, 1)) + later)
    notice, signed = np.zeros((accounts, LEADS), dtype=bool), np.full((accounts, LEADS), np.nan)
    notice[rng.random(accounts) < 0.01, 4:] = True
    renewed = rng.random(accounts) < 0.02
    signed[renewed, 6:] = 1.05 * mrr[renewed, None]
    table = {
        "account_id": [f"a{at:06d}" for at in range(accounts)],
        "mrr_micros": mrr,
        CUT: [f"industry {at:02d}" for at in industry],
    }
    sizes = (
        Laws.moments_up(Laws.RISE),
        Laws.moments_down(Laws.FALL),
        Laws.DRIFT_UP * Laws.moments_up(Laws.SMALL_RISE),
        Laws.DRIFT_DOWN * Laws.moments_down(Laws.SMALL_FALL),
    )
    up, down, drift_up, drift_down = (np.tile(one, (accounts, LEADS, 1)) for one in sizes)
    return Outlook(
        pd.DataFrame(table), churn, fall, rise, up, down, notice, signed, drift_up, drift_down
    )
